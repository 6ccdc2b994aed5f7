"""A replay: a second forward that computes the comparison alone."""

import torch
from hosts import build


def calls(name: str, module: str) -> int:
    """How many times a module computes in a training forward with the task."""
    small = build(name)
    attachment, count = small.attach(), 0
    inner = small.model.get_submodule(module)
    forward = inner.forward

    def counted(*args: object) -> object:
        nonlocal count
        count += 1
        return forward(*args)

    inner.forward = counted
    small.step(attachment)
    return count


def test_the_encoder_runs_once_and_the_comparison_twice() -> None:
    assert calls("rpmms", "model_res.layer0") == calls("rpmms", "layer5.0") == 2
    assert calls("rpmms", "layer9") == 6
    assert calls("sgone", "netB.features_5") == 2 and calls("sgone", "exit_layer") == 2


def test_a_module_used_before_and_behind_the_entry_computes_behind_it() -> None:
    small = build("crnet")
    attachment = small.attach()
    # co_head runs behind the entry: not remembered, so it runs in both forwards; the reduction runs for both images.
    assert calls("crnet", "co_head") == 4 and calls("crnet", "reduction.0") == 2
    small.step(attachment)


def test_the_forwards_own_method_comes_back() -> None:
    small = build("rpmms")
    attachment = small.attach()
    small.step(attachment)
    assert not [name for name, module in small.model.named_modules() if "forward" in vars(module)]


def test_running_statistics_move_once() -> None:
    small, twin = build("rpmms"), build("rpmms")
    twin.model.load_state_dict(small.model.state_dict())
    twin.arguments = small.arguments
    attachment = small.attach()
    for one, step in ((small, lambda: small.step(attachment)), (twin, twin)):
        torch.manual_seed(0)
        step()
        assert one.model.layer5[1].num_batches_tracked == 2
    torch.testing.assert_close(small.model.state_dict(), twin.model.state_dict())
