"""What does a training step of the reference PFENet cost, and what does each measure that makes it fast save?

OMP_WAIT_POLICY=passive python benchmarks/reference_step.py [--batch 4] [--size 473] [--rounds 3] [--threads N]

Ten minutes on two cores.

A step is forward, backward and SGD in the ResNet-50 layout with random weights, 1-shot, without the self-contrastive
task. Each arm but the first leaves one measure out, or adds one that was tried and not kept. Rounds go through the arms
in turn. A ratio compares processor seconds with those of the first arm in the same round; other work on the machine
disturbs them less, as long as waiting threads do not spin. Memory is the peak beyond what the process held before the
step, in a process of its own.
"""

import os
import time
from collections.abc import Callable
from contextlib import nullcontext
from unittest import mock

import torch
from common.measure import command, interleave, machine, publish, spread, use_threads
from common.training_steps import SEED, Episodes, episodes, parser, peaks, sgd
from torch import Tensor
from torch.nn import functional as F

from model import backbones  # isort: skip
from model import pfenet  # isort: skip

AS_IT_IS = "as it is"
NOT_FOLDED, CONTIGUOUS, EVERY_PIXEL = "not folded", "backbone not channels-last", "prior from every support pixel"
ONE_CALL, ALL_CHANNELS_LAST = "one backbone call", "head channels-last too"
ARMS = (AS_IT_IS, NOT_FOLDED, CONTIGUOUS, EVERY_PIXEL, ONE_CALL, ALL_CHANNELS_LAST)
FORMATS = {CONTIGUOUS: torch.contiguous_format, ALL_CHANNELS_LAST: torch.channels_last}


class OneCall(pfenet.PFENet):
    """Query and supports go through the backbone in one call, where the model makes two."""

    @torch.no_grad()
    def extract(self, query: Tensor, supports: Tensor, support_masks: Tensor) -> pfenet.Extracted:
        mid, layer3 = self.mid_level(torch.cat([query, supports.flatten(0, 1)]))
        masks = torch.cat([torch.ones_like(support_masks[:, 0]), support_masks.flatten(0, 1)])
        parts = [
            maps.split([len(query), len(masks) - len(query)]) for maps in (mid, self.masked_high_level(layer3, masks))
        ]
        (query_mid, support_mid), (high_level, support_high_level) = parts
        shots = supports.shape[:2]
        return pfenet.Extracted(
            query_mid,
            high_level,
            support_mid.unflatten(0, shots),
            support_high_level.unflatten(0, shots),
            support_masks,
        )


def prior_from_every_pixel(query: Tensor, support: Tensor) -> Tensor:
    """The prior mask from the product of all support and query pixels."""
    cosines = F.normalize(support.flatten(2), dim=1).transpose(1, 2) @ F.normalize(query.flatten(2), dim=1)
    best = cosines.max(1).values
    low, high = best.amin(1, keepdim=True), best.amax(1, keepdim=True)
    return ((best - low) / (high - low + 1e-7)).view(-1, 1, *query.shape[2:])


def trainer(arm: str, given: Episodes, processor: list[float]) -> Callable[[], float]:
    """A training step that returns its loss and appends its processor seconds; all arms have the same weights."""
    torch.manual_seed(SEED)
    with mock.patch.object(backbones, "fold") if arm == NOT_FOLDED else nullcontext():
        backbone = backbones.build_backbone("resnet50", weights=None)
    model = (OneCall if arm == ONE_CALL else pfenet.PFENet)(backbone).train()
    model.to(memory_format=FORMATS.get(arm, torch.preserve_format))
    optimizer = sgd(model)
    exchanged = mock.patch.object(pfenet, "_prior_mask", prior_from_every_pixel)

    def step() -> float:
        torch.manual_seed(SEED)
        started = time.process_time()
        with exchanged if arm == EVERY_PIXEL else nullcontext():
            encoded = model.encode(given.query, given.supports, given.support_masks)
        loss = model.loss(model.compare(encoded.features, encoded.prototype_map, encoded.prior), given.y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        processor.append(time.process_time() - started)
        return loss.item()

    return step


def fresh_trainer(arm: str, batch: int, size: int) -> Callable[[], float]:
    """The step with its own batch."""
    return trainer(arm, episodes(batch, size), [])


def main() -> None:
    options = parser(__doc__.splitlines()[0]).parse_args()
    use_threads(options.threads)
    measured = peaks(fresh_trainer, ARMS, options.batch, options.size)
    given = episodes(options.batch, options.size)
    processor: dict[str, list[float]] = {arm: [] for arm in ARMS}
    timed = interleave({arm: trainer(arm, given, processor[arm]) for arm in ARMS}, options.rounds)
    rounds = {arm: seconds[1:] for arm, seconds in processor.items()}
    rows = [{"arm": arm, "measure": "seconds", **spread(timed[arm].seconds)} for arm in ARMS]
    rows += [{"arm": arm, "measure": "processor seconds", **spread(rounds[arm])} for arm in ARMS]
    for arm in ARMS[1:]:
        ratios = [a / b for a, b in zip(rounds[arm], rounds[AS_IT_IS], strict=True)]
        rows.append({"arm": arm, "measure": f"times {AS_IT_IS}", **spread(ratios)})
    rows += [{"arm": arm, "measure": "gigabytes", **spread([measured[arm] / 1e9])} for arm in ARMS]
    covered = (given.support_masks == 1).float().mean().item()
    report = {
        "question": __doc__.splitlines()[0],
        "command": command(),
        "seed": SEED,
        "settings": {
            "batch": options.batch,
            "size": options.size,
            "backbone": "resnet50, random weights",
            "shot": 1,
            "threads that wait": os.environ.get("OMP_WAIT_POLICY", "spin for a while"),
            "share of the support that is foreground": round(covered, 3),
        },
        "units": {
            "seconds": "a step",
            "processor seconds": "a step, all threads together",
            f"times {AS_IT_IS}": "processor seconds of the same round",
            "gigabytes": "at the peak of a step, beyond what lay there before it",
        },
        "rows": rows,
        "summary": {"losses of the first step": {arm: timed[arm].first for arm in ARMS}},
        "environment": machine(),
    }
    publish("reference_step", report, ["arm", "measure", "median", "min", "max", "rounds"])


if __name__ == "__main__":
    main()
