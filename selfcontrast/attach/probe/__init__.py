"""Find where a model that nobody described can be entered: trace it, locate the comparison, write the host down."""

from selfcontrast.attach.probe.probing import probe

__all__ = ["probe"]
