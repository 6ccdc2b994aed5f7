"""`attachment.check`: run a batch without the task and with it, and say of each claim whether it holds."""

from selfcontrast.attach.verify.attached import check_modes
from selfcontrast.attach.verify.checking import check_attachment
from selfcontrast.attach.verify.forwards import random_numbers_kept, seeded, without_dropout
from selfcontrast.attach.verify.report import CheckReport, Finding

__all__ = [
    "CheckReport",
    "Finding",
    "check_attachment",
    "check_modes",
    "random_numbers_kept",
    "seeded",
    "without_dropout",
]
