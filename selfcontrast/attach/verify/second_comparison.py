"""The pass is what it should be: a whole second forward of the host with the map in the prototype's place gives it."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

from torch import Tensor, nn

from selfcontrast.attach.checkpointing import KeepEverything
from selfcontrast.attach.host import Host
from selfcontrast.attach.mechanisms.exchange import Exchange, explicit_exchange
from selfcontrast.attach.mechanisms.query_features import ExitLogits
from selfcontrast.attach.mechanisms.replay import second_forward
from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.forwards import Batch, seeded
from selfcontrast.attach.verify.report import Finding, alike
from selfcontrast.loss import Logits

CLAIM = "the pass equals an explicit second comparison"
NOT_ITS_OUTPUT = (
    "the logits are the similarities themselves; whether the host's own output follows from them is not shown"
)


def second_comparison(attachment: Attached, batch: Batch) -> tuple[Tensor, ...]:
    """The logits of an explicit second comparison, with their graph, in the order of those of the pass."""
    model, host, query = attachment.model, attachment.host, attachment.query
    assert query is not None

    def forward() -> list[ExitLogits]:
        arguments, keywords = batch.fresh()
        # Its hooks are gone in backward, so nothing may be computed again there.
        with KeepEverything():
            if isinstance(host, Host):
                return second_forward(model, host, query, arguments, keywords)
            return explicit_exchange(model, host, query, arguments, keywords)

    return tuple(one.logits for one in seeded(model, forward))


@contextmanager
def listened(model: nn.Module, exchange: Exchange, batch: Batch) -> Generator[Callable[[], ExitLogits]]:
    """Inside, an exchange has listened to a forward, and each call gives the logits of one that it exchanges."""

    def exchanged() -> ExitLogits:
        arguments, keywords = batch.fresh()
        (exit,) = seeded(model, lambda: exchange.finish(list(arguments), keywords))
        return exit

    arguments, keywords = batch.fresh()
    exchange.open(list(arguments), keywords)
    try:
        seeded(model, lambda: model.forward(*arguments, **keywords))
        yield exchanged
    finally:
        exchange.close()


def equals(attachment: Attached, logits: Logits, explicit: tuple[Tensor, ...]) -> Finding:
    """The claim that the pass's logits are those of the second comparison."""
    if not isinstance(attachment.host, Host) and attachment.host.output is None:
        return Finding(CLAIM, None, NOT_ITS_OUTPUT)
    return alike(CLAIM, explicit, (logits,) if isinstance(logits, Tensor) else logits)
