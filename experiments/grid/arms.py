"""What the arms of each study change, as plain data: settings of the recipe, or of the cell, see `grid.cell`.

Arms differ from `RECIPE` in the settings named here and in nothing else. Where two arms, of one study or of two, name
the same settings, they mean the same cell, which is run once.
"""

from typing import Any

from grid.cell import Settings
from grid.study import BASELINE, MAIN, ONE_SHOT, RECIPE, REGIME, SCNET, TWO_CLASSES, WRONG_SUPPORTS


def against(reference: str, arms: dict[str, Any]) -> dict[str, str]:
    return {arm: reference for arm in arms if arm != reference}


def _ablation(arms: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The arms, evaluated 1-shot alone unless they are the main study's."""
    return {arm: changes if _settings(changes) in MAIN else ONE_SHOT | changes for arm, changes in arms.items()}


def _settings(changes: dict[str, Any]) -> dict[str, Any]:
    """What a recipe would not have had anyway."""
    return {name: value for name, value in changes.items() if RECIPE.get(name) != value}


def _scenes(share: float, changes: Settings) -> dict[str, Any]:
    """Drawn scenes; those that these studies saw are an earlier drawing, which running/folders.py names."""
    return {"data": "scenes", "min_pixels": 500, "hidden": share, **changes}


def _both(names: str, baseline: dict[str, Any], scnet: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"PFENet, {names}": baseline, f"SCNet, {names}": scnet}


# With 800 steps of 8 the whole grid does not fit six hours; 800 of 4 cost as much as 400 of 8.
RATES, STEPS = (0.001, 0.003, 0.01), ((200, 8), (400, 8), (800, 4))
SCHEDULES = {
    f"{steps} steps of {batch}, rate {rate:g}": BASELINE | {"steps": steps, "batch": batch, "learning_rate": rate}
    for steps, batch in STEPS
    for rate in RATES
}
CONTROLS = _ablation(
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
COUNTS = _ablation({"n = 0": BASELINE} | {f"n = {n}": {"num_prototypes": n} for n in (1, 2, 3, 4, 5)})
SOURCES = _ablation(
    {
        "PFENet": BASELINE,
        "support": {"num_prototypes": 1, "objective": "support_background"},
        "query": {"num_prototypes": 1},
    }
)
WEIGHTS = _ablation({f"λ = {weight:g}": {"weight": weight} for weight in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)})
PYRAMIDS = _ablation(
    {"none": BASELINE}
    | {f"{side}x{side}": {"partition": "pyramid", "num_prototypes": side**2} for side in (2, 3, 4, 5)}
)
SHARES = {f"{100 * share:g} % hidden": share for share in (0.0, 0.125, 0.25, 0.375, 0.5)}
DOSES = _ablation(
    {
        arm: changes
        for names, share in SHARES.items()
        for arm, changes in _both(names, _scenes(share, BASELINE), _scenes(share, SCNET)).items()
    }
)
LENGTHS, LONGEST = [[factor * RECIPE["steps"] for factor in factors] for factors in ((1, 2, 4), (4, 8))]


def of_lengths(lengths: list[int]) -> dict[str, dict[str, Any]]:
    """Both arms at each length, and SCNet at half of each length but the first, under a second name.

    A step of SCNet passes through the comparison twice: beside a baseline with twice the steps, both pass as often.
    """
    pairs = [_both(f"{steps} steps", BASELINE | {"steps": steps}, {"steps": steps}) for steps in lengths]
    halves = {f"SCNet, {steps} steps of two passes": {"steps": steps} for steps in lengths[:-1]}
    return _ablation({arm: changes for pair in pairs for arm, changes in pair.items()} | halves)


def against_lengths(lengths: list[int]) -> dict[str, str]:
    """Each of SCNet's arms of `of_lengths` → the baseline with as many steps, or with as many passes."""
    as_long = {f"SCNet, {steps} steps": f"PFENet, {steps} steps" for steps in lengths}
    return as_long | {f"SCNet, {steps} steps of two passes": f"PFENet, {2 * steps} steps" for steps in lengths[:-1]}


HALF = 0.5
REGIONS = _ablation(
    {
        "PFENet": _scenes(HALF, BASELINE),
        "n = 1": _scenes(HALF, {"num_prototypes": 1}),
        "n = 3": _scenes(HALF, SCNET),
        "n = 10": _scenes(HALF, {"num_prototypes": 10}),
        "λ = 0.1": _scenes(HALF, {"weight": 0.1}),
        "PFENet, twice the steps": _scenes(HALF, BASELINE | {"steps": 2 * RECIPE["steps"]}),
        "n = 3, twice the steps": _scenes(HALF, {"steps": 2 * RECIPE["steps"]}),
    }
)
# On either kind of image; the last arm is the one before it, against another.
ORACLE = _ablation(
    {
        f"{arm}, {images}": place | changes
        for images, place in (("photographs", {}), ("scenes", _scenes(HALF, SCNET)))
        for arm, changes in {
            "PFENet": BASELINE,
            "n = 1": {"num_prototypes": 1},
            "hidden apart": {"num_prototypes": 2, "objective": "oracle"},
            "hidden apart instead": {"num_prototypes": 2, "objective": "oracle"},
        }.items()
    }
)
AGAINST = {"n = 1": "PFENet", "hidden apart": "PFENet", "hidden apart instead": "n = 1"}
NOVEL = _ablation(_both("keep", BASELINE, SCNET) | _both("drop", BASELINE | {"novel": "drop"}, {"novel": "drop"}))
# Today's drawing of the scenes, half of which hide a novel object.
SCENES = {"data": "places", "min_pixels": 500, "hidden": HALF}
# The training-free rows: the hosts of running/untrained_hosts.py, of no step.
UNTRAINED = {
    f"{host}{on}": BASELINE | {"steps": 0, "host": host} | images
    for on, images in (("", {}), (", scenes", SCENES))
    for host in ("Untrained cosine", "Untrained cosine, two prototypes")
}
# What a candidate for the regime changes, beside four times the steps. With 320 pixels the feature grid has 20 cells a
# side; the comparison's scales grow with it, as the published model's largest scale is its feature grid.
LONG = BASELINE | {"steps": 4 * RECIPE["steps"]}
REGIMES = {
    "800 steps": BASELINE,
    "3200 steps": LONG,
    "6400 steps": BASELINE | {"steps": 8 * RECIPE["steps"]},
    "3200 steps, 320 pixels": LONG | {"size": 320, "scales": [20, 10, 5]},
    "3200 steps, every second query with another base class in sight": LONG | {"draw": TWO_CLASSES},
    "3200 steps, one shared reducer": LONG | {"host": "SharedReducer"},
    "3200 steps, prior from mid-level features": LONG | {"host": "MidLevelPrior"},
    "3200 steps, every tenth support of another class": LONG | {"draw": WRONG_SUPPORTS},
}
# Those of `few-shot`, which train in the regime. 5-shot scores are the yardstick's, which reads the kept weights.
TWICE = {"steps": 2 * REGIME["steps"]}
TASKS = {
    "SCNet": SCNET,
    "SCNet through the slot's encoder": {"objective": "prototype encoder"},
    "pseudo-episode": {"objective": "pseudo-episode"},
    "balanced pairs": {"objective": "balanced pairs"},
    "latent prototype, λ = 0.1": {"objective": "latent prototype", "host": "SharedReducer", "weight": 0.1},
    "alignment": {"objective": "alignment"},
}
AS_MANY_PASSES = "PFENet, as many passes"


def _in_regime(changes: Settings) -> dict[str, Any]:
    return ONE_SHOT | REGIME | changes


BASELINES = {"PFENet": _in_regime(BASELINE), AS_MANY_PASSES: _in_regime(BASELINE | TWICE)}
# An arm is compared with three others, under three names.
FEW_SHOT = BASELINES | {
    f"{arm}{against}": _in_regime(changes)
    for against in ("", ", equal passes", " instead of SCNet")
    for arm, changes in TASKS.items()
    if (arm, against) != ("SCNet", " instead of SCNet")
}
FEW_SHOT_AGAINST = {AS_MANY_PASSES: "PFENet"} | {
    f"{arm}{against}": reference
    for against, reference in (("", "PFENet"), (", equal passes", AS_MANY_PASSES), (" instead of SCNet", "SCNet"))
    for arm in TASKS
    if (arm, against) != ("SCNet", " instead of SCNet")
}
FEW_SHOT_WEIGHTS = BASELINES | {
    f"{arm}, λ = {weight:g}": _in_regime(TASKS[arm] | {"weight": weight})
    for arm in ("SCNet", "SCNet through the slot's encoder", "pseudo-episode")
    for weight in (0.1, 0.2, 0.5)
}
SCENES_NOW = {arm: _in_regime(SCENES | changes) for arm, changes in {"PFENet": BASELINE, "SCNet": SCNET}.items()}
# The same variant with other random draws, from a second implementation.
PIXELS = {
    "a negative for each pixel": {"objective": "a negative for each pixel"},
    "a negative for each pixel, drawn anew": {"objective": "negatives=pixel"},
}
VARIANTS = _ablation(
    {
        "SCNet": SCNET,
        **PIXELS,
        "every negative": {"objective": "every negative"},
        "background clusters": {"objective": "background clusters"},
        "count by separation, 2 to 5": {"objective": "count by separation", "num_prototypes": 5},
        "soft assignment": {"objective": "soft assignment"},
        "pulled prior": {"objective": "pulled prior"},
    }
)
CONFIRMED = _ablation({"SCNet": SCNET, **PIXELS})
KINDS = {
    "PFENet, concatenation at many scales": {},
    "concatenation at one scale": {"host": "OneScale"},
    "cosine": {"host": "Cosine", "objective": "cosine"},
}
HOSTS = _ablation(
    {
        arm: changes
        for kind, host in KINDS.items()
        for arm, changes in {f"{kind}: baseline": host | BASELINE, f"{kind}: SCNet": host | SCNET}.items()
    }
)
