"""The studies, as plain data: what each asks, which arms it has, and on how many seeds.

Arms of a study differ from `RECIPE` in the settings named here and in nothing else. Where two arms, of one study or of
two, name the same settings, they mean the same cell, which is run once.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from cells import Cell, Settings

# The one recipe of all studies but `schedule`, which set `steps`, `batch` and `learning_rate` before any other study
# ran. Whoever changes them now has looked at novel classes.
RECIPE: Settings = {
    "split": "sequential",
    "novel": "keep",
    "min_pixels": 840,
    "hidden": 0.0,
    "backbone": "efficientnet_lite0",
    "backbone_weights": "imagenet",
    "channels": 64,
    "scales": [14, 7, 4],
    "live_statistics": False,
    "weight": 0.5,
    "num_prototypes": 3,
    "partition": "kmeans",
    "prior": "neutral",
    "size": 224,
    "draw": "class",
    "batch": 4,
    "micro_batch": None,
    "steps": 800,
    "epochs": None,
    "optimizer": "adamw",
    "learning_rate": 0.001,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "precision": "32-true",
    "select": "last",
    "protocol": "ours",
    "evaluation_seed": 1000,
    "cache_features": True,
}
# Defaults of the library, which a recipe does not name. Where one changes, cells with the task are other cells.
TASK: Settings = {"iterations": 10, "ignore_index": 255, "seeding": "farthest-first", "engine": "torch"}
# The settings of a `Recipe` that a cell leaves out: where files lie, how often they are written, and what is looked at
# while training; shot and count of the evaluation stand in the cell itself.
NO_PART_OF_THE_RESULT = {
    *("benchmark", "data", "features", "out", "resume", "baseline", "workers", "checkpoint_every"),
    *("select_every", "select_episodes", "evaluation_memory", "shot", "episodes"),
}
EPISODES = {"1": 1000, "5": 500}
# Of cells that only ablations need.
ONE_SHOT = {"episodes": {"1": 1000}}
FOLDS = (0, 1, 2, 3)

BASELINE: Settings = {"weight": 0.0}
SCNET: Settings = {}
MAIN = (BASELINE, SCNET)


class Study(NamedTuple):
    """A question and the arms that answer it.

    Attributes:
        arms: what each changes: settings of the recipe, or of the cell: data, host, objective, classes, episodes.
        compared: arm → the arm that its difference is taken from, of the same fold and seed.
    """

    question: str
    arms: dict[str, dict[str, Any]]
    compared: dict[str, str]
    seeds: tuple[int, ...] = (0, 1)

    def cells(self) -> dict[tuple[str, int, int], Cell]:
        """By (arm, fold, seed); all arms and folds of a seed come first, so that a part of a study is of use."""
        return {
            (arm, fold, seed): cell(fold, seed, **changes)
            for seed in self.seeds
            for fold in FOLDS
            for arm, changes in self.arms.items()
        }


def cell(
    fold: int,
    seed: int,
    data: str = "photographs",
    host: str = "PFENet",
    objective: str = "blended",
    classes: str = "novel",
    episodes: dict[str, int] = EPISODES,
    **changes: Any,
) -> Cell:
    """A cell that departs from `RECIPE` in `changes`.

    Raises:
        ValueError: a setting that the recipe does not have.
    """
    unknown = sorted(changes.keys() - RECIPE.keys())
    if unknown:
        raise ValueError(f"changes: expected settings that RECIPE names, got {', '.join(unknown)}; mend the grid")
    recipe = RECIPE | changes | {"fold": fold, "seed": seed}
    return Cell(data, host, objective, recipe, TASK if recipe["weight"] else {}, classes, dict(episodes))


def every_cell() -> Iterator[tuple[str, Cell]]:
    """Study and cell, for each cell the first study that needs it, in the order of `STUDIES`."""
    seen: set[str] = set()
    for name, study in STUDIES.items():
        for one in study.cells().values():
            if one.digest not in seen:
                seen.add(one.digest)
                yield name, one


def _against(reference: str, arms: dict[str, Any]) -> dict[str, str]:
    return {arm: reference for arm in arms if arm != reference}


def _ablation(arms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The arms, evaluated 1-shot alone unless they are the main study's."""
    return {arm: changes if _settings(changes) in MAIN else ONE_SHOT | changes for arm, changes in arms.items()}


def _settings(changes: dict[str, Any]) -> dict[str, Any]:
    """What a recipe would not have had anyway."""
    return {name: value for name, value in changes.items() if RECIPE.get(name) != value}


def _scenes(share: float, changes: Settings) -> dict[str, Any]:
    return {"data": "scenes", "min_pixels": 500, "hidden": share, **changes}


def _both(names: str, baseline: dict[str, Any], scnet: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"PFENet, {names}": baseline, f"SCNet, {names}": scnet}


# With 800 steps of 8 the whole grid does not fit six hours; 800 of 4 cost as much as 400 of 8.
_RATES, _STEPS = (0.001, 0.003, 0.01), ((200, 8), (400, 8), (800, 4))
_SCHEDULES = {
    f"{steps} steps of {batch}, rate {rate:g}": BASELINE | {"steps": steps, "batch": batch, "learning_rate": rate}
    for steps, batch in _STEPS
    for rate in _RATES
}
_CONTROLS = _ablation(
    {
        "PFENet": BASELINE,
        "PFENet, half the learning rate": BASELINE | {"learning_rate": RECIPE["learning_rate"] / 2},
        "PFENet, twice the steps": BASELINE | {"steps": 2 * RECIPE["steps"]},
        "SCNet": SCNET,
        "SCNet, L1 + L2": {"objective": "unhalved"},
        "SCNet, twice the steps": {"steps": 2 * RECIPE["steps"]},
        "SCNet, the prior kept": {"prior": "keep"},
        "SCNet, the prior complemented": {"prior": "complement"},
    }
)
_COUNTS = _ablation({"n = 0": BASELINE} | {f"n = {n}": {"num_prototypes": n} for n in (1, 2, 3, 4, 5)})
_SOURCES = _ablation(
    {
        "PFENet": BASELINE,
        "support": {"num_prototypes": 1, "objective": "support_background"},
        "query": {"num_prototypes": 1},
    }
)
_WEIGHTS = _ablation({f"λ = {weight:g}": {"weight": weight} for weight in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)})
_PYRAMIDS = _ablation(
    {"none": BASELINE}
    | {f"{side}x{side}": {"partition": "pyramid", "num_prototypes": side**2} for side in (2, 3, 4, 5)}
)
_SHARES = {f"{100 * share:g} % hidden": share for share in (0.0, 0.125, 0.25, 0.375, 0.5)}
_DOSES = _ablation(
    {
        arm: changes
        for names, share in _SHARES.items()
        for arm, changes in _both(names, _scenes(share, BASELINE), _scenes(share, SCNET)).items()
    }
)
_NOVEL = _ablation(_both("keep", BASELINE, SCNET) | _both("drop", BASELINE | {"novel": "drop"}, {"novel": "drop"}))
_VARIANTS = _ablation(
    {
        "SCNet": SCNET,
        "a negative for each pixel": {"objective": "a negative for each pixel"},
        "every negative": {"objective": "every negative"},
        "background clusters": {"objective": "background clusters"},
        "count by separation, 2 to 5": {"objective": "count by separation", "num_prototypes": 5},
        "soft assignment": {"objective": "soft assignment"},
        "pulled prior": {"objective": "pulled prior"},
    }
)
_HOSTS = _ablation(
    {
        **_both("concatenation at many scales", BASELINE, SCNET),
        **_both("concatenation at one scale", {"host": "OneScale"} | BASELINE, {"host": "OneScale"}),
        **_both(
            "cosine", {"host": "Cosine", "objective": "cosine"} | BASELINE, {"host": "Cosine", "objective": "cosine"}
        ),
    }
)

STUDIES = {
    "schedule": Study(
        "How many steps, at which learning rate? Baseline alone, judged on base classes of held-out images that show "
        "no novel object, with a seed that no other study has.",
        {arm: changes | {"classes": "base", "episodes": {"1": 500}} for arm, changes in _SCHEDULES.items()},
        {},
        seeds=(100,),
    ),
    "main": Study(
        "Does the self-contrastive task help on novel classes, and how much?",
        {"PFENet": BASELINE, "SCNet": SCNET},
        {"SCNet": "PFENet"},
        seeds=(0, 1, 2, 3, 4),
    ),
    "controls": Study(
        "Is the gain more than that of a smaller weight of L1, or of more passes through the comparison? Does a longer "
        "schedule or another prior change which pixels pay?",
        _CONTROLS,
        _against("PFENet", _CONTROLS) | {"SCNet, twice the steps": "PFENet, twice the steps"},
    ),
    "table3": Study(
        "How does the gain depend on the number n of background prototypes?", _COUNTS, _against("n = 0", _COUNTS)
    ),
    "table4": Study(
        "Is one background prototype better taken from the query than from the support?",
        _SOURCES,
        _against("PFENet", _SOURCES),
    ),
    "table5": Study("How does the gain depend on the weight λ of Eq. 9?", _WEIGHTS, _against("λ = 0", _WEIGHTS)),
    "table6": Study("Do the cells of a grid do as well as clusters?", _PYRAMIDS, _against("none", _PYRAMIDS)),
    "dose": Study(
        "Does the gain grow with the share of training scenes that hide a novel object, and vanish at none?",
        _DOSES,
        {f"SCNet, {names}": f"PFENet, {names}" for names in _SHARES},
    ),
    "novel": Study(
        "Does the gain vanish where training photographs that hide a novel object are left out?",
        _NOVEL,
        {f"SCNet, {names}": f"PFENet, {names}" for names in ("keep", "drop")},
    ),
    "variants": Study(
        "Does a way beyond the paper do better than SCNet itself?", _VARIANTS, _against("SCNet", _VARIANTS)
    ),
    "hosts": Study(
        "Does the task help other kinds of host?",
        _HOSTS,
        {arm: arm.replace("SCNet", "PFENet") for arm in _HOSTS if arm.startswith("SCNet")},
    ),
}
