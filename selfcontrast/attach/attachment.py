"""The task attached to a model that somebody else wrote: in place, without parameters, until `detach`."""

import inspect
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from selfcontrast.attach.attachable import check_arguments
from selfcontrast.attach.hooks import Uncopied
from selfcontrast.attach.host import CosineHost, Host
from selfcontrast.attach.mechanisms.exchange import Exchange
from selfcontrast.attach.mechanisms.fold import Fold
from selfcontrast.attach.mechanisms.query_features import QueryFeatures, check_exits
from selfcontrast.attach.mechanisms.replay import Replay
from selfcontrast.attach.presets import ASK, name_preset, naming_preset
from selfcontrast.attach.verify import CheckReport, check_attachment, check_modes
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.blended_step import BlendedStep, log_of, without_pass
from selfcontrast.contrast import SelfContrast
from selfcontrast.errors import black_and_white, check_mask, check_tensors, require, warn_of_eval_mode
from selfcontrast.loss import Criterion, Logits, cross_entropy, resize_logits

Mechanism = Fold | Replay | Exchange


class Attachment:
    """The self-contrastive task attached to a host model; made by `SelfContrastiveAuxiliary.attach`.

    In training, every forward of the model makes one self-contrastive pass and `blend` adds its loss. In eval mode,
    under `torch.no_grad()` and with weight 0 the model computes as if nothing were attached.

    Attributes:
        auxiliary, model, host: what was attached, to what, and where it enters.
        preset: the name that the host was asked for by, None where it was given.
        query: what the last pass read and made, until it is blended.
        contrast: the last pass, to look at, without its graph once it is blended; None before the first one.
    """

    def __init__(
        self,
        auxiliary: SelfContrastiveAuxiliary,
        model: nn.Module,
        host: Host | CosineHost,
        preset: str | None = None,
    ) -> None:
        self.auxiliary = auxiliary
        self.model = model
        self.host = host
        self.preset = preset
        self.contrast: SelfContrast | None = None
        self._mask: Tensor | None = None
        self._mechanism: Mechanism | None = None
        self._resting: Mechanism | None = None
        self._query: QueryFeatures | None = None
        self.query: QueryFeatures | None = None
        self._weights: list[float] = []
        self._blended = True
        self._step: BlendedStep | None = None
        self._handles = [
            model.register_forward_pre_hook(Uncopied(self._open), with_kwargs=True),
            model.register_forward_hook(Uncopied(self._close), with_kwargs=True, always_call=True),
        ]

    @contextmanager
    def episode(self, mask: Tensor) -> Generator[None]:
        """Give the query's mask to the forwards inside, for hosts whose forward does not take it.

        Args:
            mask: M, (B, H, W) or (B, 1, H, W) of 0 background, 1 foreground and 255 unlabelled.

        Raises:
            InputError: on a mask of another rank or with other values, and inside another episode.
        """
        require(self._mask is None, "episode", "one episode at a time", "an episode inside another", "leave it first")
        mask = _three_axes(mask)
        check_mask(mask, mask.shape[0], self.auxiliary.ignore_index)
        self._mask = mask
        try:
            yield
        finally:
            self._mask = None

    def blend(self, main_loss: Tensor, criterion: Criterion | None = None) -> Tensor:
        """(1 − λ) L1 + λ L2 (Eq. 9) of the last forward; in eval mode and with weight 0 the very `main_loss`.

        Args:
            main_loss: L1, the scalar that the host trains with.
            criterion: (logits, target) → scalar, instead of the host's own loss; logits are a tuple where the host has
                several exits, in their order.

        Raises:
            InputError: where no forward in training mode came since the last `blend`.
        """
        check_tensors(main_loss=main_loss)
        if not self.active:
            if self.model.training and self.auxiliary.training:
                self._step = without_pass(main_loss)
            else:
                warn_of_eval_mode(main_loss)
            return main_loss
        self._check_attached("blend")
        require(
            self.contrast is not None and not self._blended,
            "blend",
            "one training forward of the attached model before it",
            "none since the last blend",
            "call model(...), not model.forward(...), once before each blend and not under torch.no_grad(); attach "
            "before torch.compile",
        )
        assert self.contrast is not None
        loss = self.auxiliary.blend(main_loss, self.contrast, self.host_loss if criterion is None else criterion)
        self._blended, self.contrast, self._step = True, self.contrast.detach(), self.auxiliary.last_step
        self.query = None
        return loss

    def log(self) -> dict[str, float]:
        """What the last blended training step of this model did; keys as those of `SelfContrastiveAuxiliary.log`.

        Only this call makes the host wait, once, for one transfer.

        Raises:
            InputError: before the first such step.
        """
        return log_of(self._step, self.host.align_corners)

    def check(self, *arguments: Any, **keywords: Any) -> CheckReport:
        """Prove on one training batch that the task enters this model in the right place.

        Dropout is off in it, for a doubled batch draws other masks. The model, its running statistics and plain
        attributes, gradients and the random numbers are as before, afterwards. It takes about eight forwards and two
        backward passes.

        Args:
            arguments, keywords: those of the model's training forward; inside `episode(mask)` where the host needs it.

        Returns:
            One line a claim, of which some may be unproven, with the reason. The host's outputs, losses, attributes and
            running statistics are unchanged; the pass equals an explicit second comparison; its gradient is that of
            one, and reaches the comparison and, through the prototypes, the features; these are the query's, what is
            exchanged is the support's, and nothing else of the support reaches the pass's logits.

        Raises:
            InputError: where one of these does not hold, with all lines; where a call that the host names does not
                come; in eval mode; where the model itself gives other results from call to call.
        """
        self._check_attached("check")
        step = self._step
        try:
            with naming_preset(self.preset):
                check_modes(self)
                self._check_batch(arguments, keywords)
                return check_attachment(self, arguments, keywords)
        finally:
            self._forget()
            self.contrast, self.query, self._blended, self._step = None, None, True, step

    def detach(self) -> None:
        """Leave the model without a trace."""
        self._abandon()
        self._forget()
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles are detached, with a bare model, and hold no pass: `attach` them anew."""
        nothing = dict.fromkeys(("contrast", "query", "_mask", "_mechanism", "_resting", "_query", "_step"))
        return self.__dict__ | nothing | {"_handles": [], "_weights": [], "_blended": True}

    @property
    def active(self) -> bool:
        """Whether a forward makes a self-contrastive pass."""
        return self.model.training and self.auxiliary.training and self.auxiliary.weight > 0

    def _check_attached(self, called: str) -> None:
        fix = "call auxiliary.attach(model, ...) again"
        require(bool(self._handles), called, "an attached model", "one that is detached", fix)

    def _check_batch(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> None:
        """Look at the query's mask before the host does, whose own error would not name it."""
        check_arguments(self.model, "check(*batch)", arguments, keywords)
        mask = self._query_mask(arguments, keywords)
        check_mask(mask, len(mask), self.auxiliary.ignore_index)
        if self.auxiliary.ignore_index == 255:
            fix = "pass (mask == 255).long() if the masks are black and white, else take a batch that shows an object"
            require(not black_and_white(mask), "mask", "1 for the foreground", "a batch of 0 and 255", fix)

    def _open(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Before a forward in training: start a self-contrastive pass."""
        self._abandon()
        if not self.active or not torch.is_grad_enabled():
            return None
        require(
            not getattr(module, "_is_replica", False),
            "model",
            "one model a process",
            "a replica of torch.nn.DataParallel, whose hooks are shared by all replicas",
            "use torch.nn.parallel.DistributedDataParallel",
        )
        if not self._blended:
            warnings.warn("the previous training forward was never blended: its L2 is dropped", stacklevel=2)
        self.contrast = None
        self._forget()
        self._query = QueryFeatures(self.auxiliary, self._query_mask(args, kwargs), self.host)
        self._mechanism = self._build(self._query)
        arguments, keywords = list(args), dict(kwargs)
        self._mechanism.open(arguments, keywords)
        return tuple(arguments), keywords

    def _close(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """After a forward: finish the pass. After an exception in it there is no output, and the pass is dropped."""
        mechanism, query = self._mechanism, self._query
        if mechanism is None or query is None:
            return
        try:
            if output is None:
                self._explain(sys.exception())
                return
            with naming_preset(self.preset):
                exits = mechanism.finish(list(args), dict(kwargs))
                check_exits(self.host, exits, len(query.prepared.target))
                logits = tuple(one.logits for one in exits)
                self.contrast = SelfContrast(logits[0] if len(logits) == 1 else logits, *query.prepared)
                self._weights, self.query = [one.weight for one in exits], query
                self._blended = False
                self._mechanism, self._resting = None, mechanism if mechanism.rest() else None
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Drop a pass that is still open: an interrupted forward ends without its hook."""
        if self._mechanism is not None:
            self._mechanism.close()
        self._mechanism = self._query = None

    def _forget(self) -> None:
        """Take no more part in the backward of the last forward."""
        if self._resting is not None:
            self._resting.close()
        self._resting = None

    def _query_mask(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        if self._mask is not None:
            return self._mask
        require(
            self.host.mask is not None,
            "mask",
            "the query's mask before a training forward, which this host's forward does not take",
            "none",
            "write `with attachment.episode(mask):` around model(...)",
        )
        given = inspect.signature(self.model.forward).bind_partial(*args, **kwargs).arguments
        mask = given.get(self.host.mask or "")
        require(
            isinstance(mask, Tensor),
            "mask",
            f"a tensor in the forward's argument {self.host.mask!r}",
            type(mask).__name__,
            "pass it to model(...) in training, or write `with attachment.episode(mask):`",
        )
        assert isinstance(mask, Tensor)
        return _three_axes(mask)

    def _build(self, query: QueryFeatures) -> Mechanism:
        if isinstance(self.host, CosineHost):
            return Exchange(self.model, self.host, query)
        return (Fold if self.host.mechanism == "fold" else Replay)(self.model, self.host, query)

    def host_loss(self, logits: Logits, target: Tensor) -> Tensor:
        """The host's own loss on the pass's logits."""
        name = None if isinstance(self.host, CosineHost) else self.host.criterion
        ignore_index, align_corners = self.auxiliary.ignore_index, self.host.align_corners
        judge = partial(cross_entropy, ignore_index=ignore_index) if name is None else self.model.get_submodule(name)
        several = (logits,) if isinstance(logits, Tensor) else logits
        losses = [
            weight * judge(resize_logits(one, target, align_corners), target)
            for one, weight in zip(several, self._weights, strict=True)
            if weight > 0
        ]
        return torch.stack(losses).sum()

    def _explain(self, error: BaseException | None) -> None:
        """Add a note to an error inside the host's forward: the attachment may be its cause."""
        name_preset(error, self.preset)
        if error is not None:
            origin = "" if self.preset is None else f' as preset "{self.preset}"'
            error.add_note(
                f"selfcontrast was attached{origin}: should this not happen without it, an exit or a doubled argument "
                f"of the host's description does not fit; {ASK}, or see docs/attach.md"
            )


def _three_axes(mask: Tensor) -> Tensor:
    check_tensors(mask=mask)
    return mask[:, 0] if mask.dim() == 4 and mask.shape[1] == 1 else mask
