"""The studies: what each asks, its arms, what they are compared with, and on how many seeds."""

from collections.abc import Iterator, Mapping

from grid import arms
from grid.cell import Cell
from grid.study import BASELINE, SCNET, Dose, Study


def _of_lengths(question: str, lengths: list[int], seeds: tuple[int, ...]) -> Study:
    return Study(
        question,
        arms.of_lengths(lengths),
        arms.against_lengths(lengths),
        seeds,
        dose=Dose("twice the steps", {f"SCNet, {steps} steps": float(i) for i, steps in enumerate(lengths)}),
    )


STUDIES = {
    "schedule": Study(
        "How many steps, at which learning rate? Baseline alone, judged on base classes of held-out images that show "
        "no novel object, with a seed that no other study has.",
        {arm: changes | {"classes": "base", "episodes": {"1": 500}} for arm, changes in arms.SCHEDULES.items()},
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
        arms.CONTROLS,
        arms.against("PFENet", arms.CONTROLS) | {"SCNet, twice the steps": "PFENet, twice the steps"},
    ),
    "longer": _of_lengths(
        "Does a longer schedule change the gain? Is it more than that of as many passes through the comparison?",
        arms.LENGTHS,
        seeds=(0, 1, 2),
    ),
    "longest": _of_lengths(
        "Does the gain, or what as many passes give, last at eight times the schedule?", arms.LONGEST, seeds=(0, 1)
    ),
    "table3": Study(
        "How does the gain depend on the number n of background prototypes?",
        arms.COUNTS,
        arms.against("n = 0", arms.COUNTS),
    ),
    "table4": Study(
        "Is one background prototype better taken from the query than from the support?",
        arms.SOURCES,
        arms.against("PFENet", arms.SOURCES),
    ),
    "table5": Study(
        "How does the gain depend on the weight λ of Eq. 9?", arms.WEIGHTS, arms.against("λ = 0", arms.WEIGHTS)
    ),
    "table6": Study(
        "Do the cells of a grid do as well as clusters?", arms.PYRAMIDS, arms.against("none", arms.PYRAMIDS)
    ),
    "dose": Study(
        "Does the gain grow with the share of training scenes that hide a novel object, and vanish at none?",
        arms.DOSES,
        {f"SCNet, {names}": f"PFENet, {names}" for names in arms.SHARES},
        seeds=(0, 1, 2, 3),
        dose=Dose(
            "10 points of scenes that hide a novel object",
            {f"SCNet, {names}": 10 * share for names, share in arms.SHARES.items()},
        ),
    ),
    "regions": Study(
        "Why does the task lose on drawn scenes, 50 % of which hide a novel object? Because a hidden object shares its "
        "region with background, so that more regions mend it, or because of the schedule or of λ?",
        arms.REGIONS,
        arms.against("PFENet", arms.REGIONS) | {"n = 3, twice the steps": "PFENet, twice the steps"},
        # Of the dose's seeds only 0 ran on a machine of this kind.
        seeds=(0, 4),
    ),
    "oracle": Study(
        "Would the task help if its regions told hidden novel objects from background, as masks that training must not "
        "have tell them?",
        arms.ORACLE,
        {f"{arm}, {on}": f"{other}, {on}" for arm, other in arms.AGAINST.items() for on in ("photographs", "scenes")},
        seeds=(0, 4),
    ),
    "novel": Study(
        "Does the gain vanish where training photographs that hide a novel object are left out?",
        arms.NOVEL,
        {f"SCNet, {names}": f"PFENet, {names}" for names in ("keep", "drop")},
        dose=Dose("keep instead of drop", {"SCNet, drop": 0.0, "SCNet, keep": 1.0}),
    ),
    "variants": Study(
        "Does a way beyond the paper do better than SCNet itself?",
        arms.VARIANTS,
        arms.against("SCNet", arms.VARIANTS),
        chosen_on=(0, 1),
    ),
    "confirmed": Study(
        "Does the variant that was chosen win on seeds that had no part in choosing it?",
        arms.CONFIRMED,
        arms.against("SCNet", arms.CONFIRMED),
        seeds=(2, 3, 4),
    ),
    "hosts": Study(
        "Does the task help other kinds of host?",
        arms.HOSTS,
        {f"{kind}: SCNet": f"{kind}: baseline" for kind in arms.KINDS},
    ),
    "regime": Study(
        "Under which recipe does the baseline use its support? Baseline alone, judged on base classes of held-out "
        "images that show no novel object, with a seed that no evaluated cell has. The rule, written before it ran: "
        "take the recipe with the highest mIoU, at the threshold chosen on the same base classes, among those whose "
        "support reliance on base classes is at least 5; where none reaches 5, the one with the highest reliance. Both "
        "are means over the four folds.",
        {arm: changes | {"classes": "base", "episodes": {"1": 500}} for arm, changes in arms.REGIMES.items()},
        {},
        seeds=(100,),
    ),
    "few-shot": Study(
        "Where the baseline uses its support: does SCNet's task gain on novel classes at a fair threshold, does it "
        "make the model use its support more, and does another task? Beside the baseline at equal steps and at as many "
        "passes through the comparison.",
        arms.FEW_SHOT,
        arms.FEW_SHOT_AGAINST,
        seeds=(0, 1, 2, 3, 4),
    ),
    "few-shot-weights": Study(
        "How do SCNet's task, the same through the slot's encoder and the pseudo-episode depend on the weight λ?",
        arms.FEW_SHOT_WEIGHTS,
        arms.against(arms.AS_MANY_PASSES, arms.FEW_SHOT_WEIGHTS),
    ),
    "scenes-now": Study(
        "Does the task lose on today's drawn scenes, half of which hide a novel object, at a fair threshold too?",
        arms.SCENES_NOW,
        {"SCNet": "PFENet"},
    ),
}


# Beside them one that trains nothing: yardstick.py alone knows it.
UNTRAINED = Study(
    "What is there before any training: cosines of mid-level features with the support's masked average, alone and "
    "less the cosine with its background's.",
    arms.UNTRAINED,
    {},
    seeds=(0,),
)
READABLE = STUDIES | {"untrained": UNTRAINED}


def every_cell(studies: Mapping[str, Study] = STUDIES) -> Iterator[tuple[str, Cell]]:
    """Study and cell, for each cell the first study that needs it, in the order of the studies."""
    seen: set[str] = set()
    for name, study in studies.items():
        for one in study.cells().values():
            if one.digest not in seen:
                seen.add(one.digest)
                yield name, one
