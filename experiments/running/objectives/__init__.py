"""What a training step minimises, an objective a file; `registry` says which name means which."""

from running.objectives.registry import (
    DELETED,
    OBJECTIVES,
    OF_A_RECIPE,
    Objective,
    check_objective,
    objective_of,
)

__all__ = ["DELETED", "OBJECTIVES", "OF_A_RECIPE", "Objective", "check_objective", "objective_of"]
