"""Runs as the page sees them, without a folder."""

from pathlib import Path

from recipe import Recipe
from reporting.page.runs import Run

RELIANCE = {"over_other_class": 2.0, "over_other_class_spread": None, "other_class_miou": 38.0}
RELIANCE |= {"over_empty": 30.0, "over_empty_spread": None, "empty_miou": 10.0}

OVER_OFFSETS = {"offset": [-1.0, 0.0, 1.0], "miou": [44.0, 40.0, 20.0], "fb_iou": [62.0, 60.0, 50.0]}
OVER_OFFSETS |= {"support_reliance": [-1.0, 2.0, 3.0]}
OVER_OFFSETS |= {"base_called_at_recall": {"50": 10.0, "60": 15.0, "70": None}}


def result(miou=40.0, **others):
    found = {"miou": miou, "fb_iou": 60.0, "every_pixel_foreground_miou": 20.0, "support_reliance": RELIANCE}
    found |= {"class_iou": {"cat": miou, "dog": None}, "episodes_digest": "same", "miou_spread": None}
    return found | {"fb_iou_spread": None, "over_offsets": OVER_OFFSETS} | others


def run(label, scores=None, losses=(), candidates=(), environment=None, **options):
    recipe = Recipe(**{"data": "data/voc"} | options)
    return Run(label, Path(f"runs/{label}"), recipe, scores, environment or {}, list(losses), list(candidates))
