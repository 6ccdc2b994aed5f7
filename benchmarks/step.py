"""What does a training step cost with the self-contrastive task, by each way of making its second comparison?

python benchmarks/step.py [--batch 4] [--size 473] [--rounds 3]        # half an hour on two cores: results/step.json
python benchmarks/step.py --device cuda --rounds 20                    # a minute: results/step_cuda.json

A step is forward, backward and SGD of the reference PFENet in the ResNet-50 layout with random weights, 1-shot. `fold`
doubles the batch from the comparison on. `explicit` calls the comparison by its name. `replay` runs the model's forward
a second time with remembered results up to the comparison. Rounds go through the arms in turn; a result is the ratio
to the baseline's step of the same round. SCNet's own part is clustering, pooling, map and loss, forward and backward,
on logits that cost nothing; it has arms for channels last, bfloat16, and both. PFENet's criterion, which judges the
host too, has an arm of its own, and the own part one without it. Memory is the peak beyond what the process held before
its only step. `summary.bars` holds what is asked of a GPU, on any machine.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from common.measure import Row, command, interleave, machine, publish, spread, use_threads, waiting
from common.training_steps import SEED, Episodes, episodes, parser, peaks, sgd
from torch import Tensor, nn

from model.backbones import build_backbone  # isort: skip
from model.pfenet import PFENet  # isort: skip
from selfcontrast import Entry, Exit, Host, SelfContrastiveAuxiliary

WAYS = ("fold", "explicit", "replay")
# Of the features: as the model makes them, and otherwise.
KINDS: dict[str, dict[str, Any]] = {
    "": {"memory_format": torch.contiguous_format},
    ", channels last": {"memory_format": torch.channels_last},
    ", bfloat16": {"dtype": torch.bfloat16, "memory_format": torch.contiguous_format},
    ", bfloat16, channels last": {"dtype": torch.bfloat16, "memory_format": torch.channels_last},
}
HOST = Host(
    features="model.down_query",
    high_level="high_level",
    entries=(Entry("model.init_merge.*", "C:2C", prior="2C:"),),
    exits=(Exit("model.cls"), Exit("model.inner_cls.*")),
    mask="y",
)


class Network(nn.Module):
    """PFENet as its authors' code calls it: the forward takes the mask and, in training, returns the loss."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.model = PFENet(build_backbone("resnet50", weights=None), channels)
        self.high_level = nn.Identity()

    def forward(
        self, query: Tensor, supports: Tensor, support_masks: Tensor, y: Tensor, auxiliary: nn.Module | None = None
    ) -> Tensor:
        extracted = self.model.extract(query, supports, support_masks)
        encoded = self.model.reduce(extracted._replace(high_level=self.high_level(extracted.high_level)))
        logits = self.model.compare(encoded.features, encoded.prototype_map, encoded.prior)
        if not self.training:
            return logits[0]
        loss = self.model.loss(logits, y)
        if auxiliary is None:
            return loss
        options = {"compare": self.model.compare, "criterion": self.model.loss, "prior": encoded.prior}
        return auxiliary(loss, encoded.features, encoded.high_level, y, **options)


def build(device: str, channels: int) -> Network:
    torch.manual_seed(SEED)
    return Network(channels).to(device).train()


def trainer(way: str, given: Episodes, network: Network) -> Callable[[], Tensor]:
    """A training step that returns its loss without waiting for it."""
    optimizer = sgd(network)
    auxiliary = SelfContrastiveAuxiliary()
    if way in ("baseline", "explicit"):
        blended = partial(network, *given, None if way == "baseline" else auxiliary)
    else:
        attachment = auxiliary.attach(network, HOST if way == "fold" else replace(HOST, mechanism="replay"))

        def blended() -> Tensor:
            return attachment.blend(network(*given), network.model.loss)

    def step() -> Tensor:
        torch.manual_seed(SEED)
        loss = blended()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


def fresh_trainer(way: str, batch: int, size: int, device: str, channels: int) -> Callable[[], Tensor]:
    """The step with its own batch."""
    return trainer(way, episodes(batch, size, device), build(device, channels))


def own_parts(given: Episodes, network: Network) -> dict[str, Callable[[], Tensor]]:
    """The task without the comparison, on logits made in advance, of each kind of features; its criterion aside."""
    auxiliary = SelfContrastiveAuxiliary()
    with torch.no_grad():
        encoded = network.model.encode(given.query, given.supports, given.support_masks)
        ready = network.model.compare(encoded.features, encoded.prototype_map, encoded.prior)
    logits = tuple(one.requires_grad_() for one in ready)

    def compare(features: Tensor, prototype_map: Tensor, prior: Tensor) -> tuple[Tensor, ...]:
        return (logits[0] + 0 * prototype_map[:, :2], *logits[1:])

    def task(features: Tensor, high_level: Tensor, criterion: Callable[..., Tensor]) -> Tensor:
        main_loss = logits[0].sum() * 0
        return auxiliary(main_loss, features, high_level, given.y, compare, criterion, prior=encoded.prior)

    def learnt(form: Callable[[], Tensor]) -> Tensor:
        loss = form()
        loss.backward()
        return loss.detach()

    losses = {"criterion": partial(network.model.loss, logits, given.y)}
    for kind, kept in KINDS.items():
        features, high_level = (one.to(**kept) for one in (encoded.features, encoded.high_level))
        losses[f"own part{kind}"] = partial(task, features.requires_grad_(), high_level, network.model.loss)
    usual = losses["own part"].args[:2]
    losses["own part without criterion"] = partial(task, *usual, lambda several, target: several[0].mean())
    return {name: partial(learnt, form) for name, form in losses.items()}


def saved_by_comparison(given: Episodes, network: Network) -> int:
    """Bytes that one comparison saves for its backward."""
    encoded = network.model.encode(given.query, given.supports, given.support_masks)
    storages: dict[int, int] = {}

    def hold(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        logits = network.model.compare(encoded.features, encoded.prototype_map, encoded.prior)
        network.model.loss(logits, given.y)
    return sum(storages.values())


def inference(given: Episodes, plain: Network, attached: Network) -> dict[str, Callable[[], Tensor]]:
    """Forwards in eval mode, with and without the task attached."""
    SelfContrastiveAuxiliary().attach(attached, HOST)

    def predict(network: Network) -> Tensor:
        with torch.no_grad():
            return network(*given)

    return {"inference": partial(predict, plain.eval()), "inference, attached": partial(predict, attached.eval())}


def never_waits(call: Callable[[], object]) -> bool:
    """Whether the host hands a step to the GPU without ever waiting for its results."""
    call()
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        call()
    except RuntimeError as error:
        if "synchronizing" not in str(error):
            raise
        return False
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return True


def bars(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """What is asked of a GPU, as ratios to the baseline's step, beside what was measured."""
    limits = {"fold": 1.40} | {f"own part{kind}": 0.03 for kind in KINDS}
    measured = {row["arm"]: row["median"] for row in rows if row["measure"] == "times baseline"}
    return [
        {"arm": arm, "at most": limit, "measured": measured[arm], "met": measured[arm] <= limit}
        for arm, limit in limits.items()
    ]


def main() -> None:
    description = parser(__doc__.splitlines()[0])
    description.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    description.add_argument("--channels", type=int, default=256, help="of the host's head")
    description.add_argument("--name", help="of the file in results/, instead of step or step_cuda")
    options = description.parse_args()
    use_threads(options.threads)
    kept = (options.batch, options.size, options.device, options.channels)
    measured = peaks(fresh_trainer, ("baseline", *WAYS), *kept)
    given = episodes(options.batch, options.size, options.device)
    fresh = partial(build, options.device, options.channels)
    predictions = inference(given, fresh(), fresh())
    equal = torch.equal(*(predict() for predict in predictions.values()))
    arms: dict[str, Callable[[], object]] = {way: trainer(way, given, fresh()) for way in ("baseline", *WAYS)}
    parts = own_parts(given, fresh())
    arms |= {**parts, **predictions}
    on_gpu = options.device == "cuda"
    unwaited = {"the host never waits for the GPU": {name: never_waits(arms[name]) for name in arms}} if on_gpu else {}
    timed = interleave({name: waiting(arm, options.device) for name, arm in arms.items()}, options.rounds)
    rows = [{"arm": name, "measure": "seconds", **spread(timed[name].seconds)} for name in arms]
    pairs = [(name, "baseline") for name in (*WAYS, *parts)] + [("inference, attached", "inference")]
    for name, base in pairs:
        ratios = [a / b for a, b in zip(timed[name].seconds, timed[base].seconds, strict=True)]
        rows.append({"arm": name, "measure": f"times {base}", **spread(ratios)})
    rows += [{"arm": way, "measure": "gigabytes", **spread([size / 1e9])} for way, size in measured.items()]
    clustered = options.batch * 2048 * (options.size // 8 + 1) ** 2 * 4
    allowed = measured["baseline"] + saved_by_comparison(given, fresh()) + 0.15 * clustered
    report = {
        "question": __doc__.splitlines()[0],
        "command": command(),
        "seed": SEED,
        "settings": {"batch": options.batch, "size": options.size, "backbone": "resnet50, random weights", "shot": 1},
        "units": {
            "seconds": "a step, or a forward",
            "times baseline": "of the same round",
            "times inference": "of the same round",
            "gigabytes": "at the peak of a step, beyond what lay there before it",
        },
        "rows": rows,
        "summary": {
            "inference is bit-equal": equal,
            "gigabytes allowed: baseline, one comparison's, 0.15 x the clustered features": round(allowed / 1e9, 3),
            "losses of the first step": {way: timed[way].first.item() for way in ("baseline", *WAYS)},
            "bars": bars(rows),
            **unwaited,
        },
        "environment": machine(),
    }
    publish(
        options.name or ("step_cuda" if on_gpu else "step"),
        report,
        ["arm", "measure", "median", "min", "max", "rounds"],
    )


if __name__ == "__main__":
    main()
