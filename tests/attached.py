"""What every test of an attachment asks for: nothing left behind, and the next step right."""

import copy

import numpy as np
import torch
from hosts import Small
from torch import Tensor, nn

from selfcontrast import Attachment


def inner_hooks(model: nn.Module) -> list[str]:
    return [
        name for name, module in model.named_modules() if name and (module._forward_hooks or module._forward_pre_hooks)
    ]


def gradients(model: nn.Module) -> list[Tensor]:
    return [torch.zeros(()) if one.grad is None else one.grad.clone() for one in model.parameters()]


def assert_a_step_is_right(small: Small, attachment: Attachment) -> None:
    """What a fresh model with the same parameters would do in its first step, this one does now."""
    twin = copy.copy(small)
    twin.model = copy.deepcopy(small.model)
    other = twin.attach()
    losses = []
    for one, its in ((small, attachment), (twin, other)):
        one.model.zero_grad()
        torch.manual_seed(1)
        np.random.seed(1)
        loss = its.blend(one.main_loss(one.step(its)))
        loss.backward()
        losses.append(loss)
    assert torch.equal(*losses)
    for one, expected in zip(gradients(small.model), gradients(twin.model), strict=True):
        assert torch.equal(one, expected)
    other.detach()


def assert_nothing_is_heard(attachment: Attachment) -> None:
    """No inner hook, and cosine similarity is torch's own again."""
    assert inner_hooks(attachment.model) == []
    assert torch.overrides._get_current_function_mode() is None


def leaves(tree: object) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(tree) if isinstance(leaf, Tensor)]
