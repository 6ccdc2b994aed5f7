"""Where the maths says so, halves of a batch have the gradients of the whole one: accumulated, and in two processes."""

import os
import pickle
from pathlib import Path

import loop_gradients
import pytest
import torch
import warm_python
from loop_gradients import attached, blended, gradients, half, whole_batch
from loop_modules import LOOPS, lightning_module
from torch import Tensor

from selfcontrast import InputError, SelfContrastiveAuxiliary


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    """Those of one process with the whole batch."""
    model, attachment = attached()
    blended(model, attachment, whole_batch()).backward()
    assert attachment.log()["judged"] == 1
    return gradients(model)


def compare(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys() and any(one.ne(0).any() for one in expected.values())
    for name, one in found.items():
        torch.testing.assert_close(one, expected[name], rtol=1e-4, atol=1e-6, msg=name)


def test_accumulated_micro_batches_have_the_gradients_of_the_big_batch(expected: dict[str, Tensor]) -> None:
    model, attachment = attached()
    for place in range(2):
        (blended(model, attachment, half(whole_batch(), place)) / 2).backward()
    compare(gradients(model), expected)


def test_two_fabric_processes_have_the_gradients_of_one(expected: dict[str, Tensor], tmp_path: Path) -> None:
    done = warm_python.run(loop_gradients.__file__, tmp_path, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stderr
    for rank in range(2):
        compare(torch.load(tmp_path / f"{rank}.pt", weights_only=True), expected)


def test_half_a_batch_alone_has_other_gradients(expected: dict[str, Tensor]) -> None:
    model, attachment = attached()
    blended(model, attachment, half(whole_batch(), 0)).backward()
    with pytest.raises(AssertionError):
        compare(gradients(model), expected)


def test_a_lightning_module_that_is_pickled_attaches_in_setup() -> None:
    """As under ddp_spawn: the docstring of the loop says what happens to one that attached in `__init__`."""
    early = lightning_module.FewShotSegmentation()
    early.attachment = SelfContrastiveAuxiliary().attach(early.model, "pfenet")
    with pytest.raises(InputError, match="blend: expected an attached model, got one that is detached"):
        pickle.loads(pickle.dumps(early)).training_step(whole_batch(), 0)
    late = pickle.loads(pickle.dumps(lightning_module.FewShotSegmentation()))
    late.setup("fit")
    _, main_loss, aux_loss = late.model(*whole_batch())
    assert late.attachment.blend(main_loss + aux_loss).requires_grad


def test_the_loops_say_what_they_are() -> None:
    for path in LOOPS.glob("*.py"):
        lines = path.read_text().splitlines()
        assert len(lines) < 60 and lines[0].startswith('"""'), path
