"""Two attached models in a process, in two threads, in a forked process and in a new one compute as each does alone."""

import copy
import multiprocessing
import pickle
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import torch
from hosts import Small, build
from torch import Tensor, nn

from selfcontrast import Attachment, InputError

NAMES = ("pfenet", "crnet", "panet")


class Training:
    """A few steps of an attached model, by parts, with random numbers of its own."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.small = build(name).still()
        self.attachment = self.small.attach(generator=torch.Generator().manual_seed(1))
        self.optimizer = torch.optim.SGD(self.small.model.parameters(), 0.1)
        self.losses: list[Tensor] = []

    def forward(self) -> None:
        self.main_loss = self.small.main_loss(self.small.step(self.attachment))

    def blend(self) -> None:
        self.losses.append(self.attachment.blend(self.main_loss))

    def backward(self) -> None:
        self.optimizer.zero_grad()
        self.losses[-1].backward()
        self.optimizer.step()

    def step(self) -> None:
        self.forward()
        self.blend()
        self.backward()

    @property
    def result(self) -> list[Tensor]:
        return [one.detach() for one in (*self.losses, *self.small.model.parameters(), *self.small.model.buffers())]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def alone(name: str, steps: int) -> list[Tensor]:
    training = Training(name)
    for _ in range(steps):
        training.step()
    return training.result


@pytest.fixture
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def in_two_threads(first: Callable[[], None], second: Callable[[], None]) -> None:
    together = Barrier(2)

    def run(work: Callable[[], None]) -> None:
        torch.set_num_threads(1)
        for _ in range(5):
            together.wait(60)
            work()

    with ThreadPoolExecutor(2) as pool:
        for ended in [pool.submit(run, work) for work in (first, second)]:
            ended.result()


@pytest.mark.parametrize("names", [("pfenet", "pfenet"), ("panet", "crnet")])
def test_two_models_whose_steps_interleave(names: tuple[str, str]) -> None:
    first, second = map(Training, names)
    for _ in range(3):
        first.forward()
        second.forward()
        second.blend()
        first.blend()
        first.backward()
        second.backward()
    for training, name in ((first, names[0]), (second, names[1])):
        assert_same(training.result, alone(name, 3))


@pytest.mark.usefixtures("threads_take_turns_often")
@pytest.mark.parametrize("names", [("pfenet", "pfenet"), ("crnet", "panet")])
def test_two_models_that_train_in_two_threads(names: tuple[str, str]) -> None:
    first, second = map(Training, names)
    in_two_threads(first.step, second.step)
    for training, name in ((first, names[0]), (second, names[1])):
        assert_same(training.result, alone(name, 5))


@pytest.mark.usefixtures("threads_take_turns_often")
@pytest.mark.parametrize("name", ["pfenet", "panet"])
def test_one_model_infers_in_a_thread_while_another_trains(name: str) -> None:
    training, other = Training(name), Training(name)
    other.small.model.eval()
    answers: list[Tensor] = []

    @torch.no_grad()
    def infer() -> None:
        answers.append(torch.utils._pytree.tree_leaves(other.small())[0])

    infer()
    in_two_threads(training.step, infer)
    assert all(torch.equal(answers[0], one) for one in answers)
    assert_same(training.result, alone(name, 5))


def send_step(training: Training, to: multiprocessing.connection.Connection) -> None:
    training.step()
    to.send_bytes(pickle.dumps([one.tolist() for one in training.result]))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="Windows cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("name", NAMES)
def test_a_forked_process_has_the_attached_model(name: str) -> None:
    training = Training(name)
    training.step()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=send_step, args=(training, theirs))
    process.start()
    theirs.close()
    assert ours.poll(60)
    found = pickle.loads(ours.recv_bytes())
    process.join(60)
    assert process.exitcode == 0
    training.step()
    assert found == [one.tolist() for one in training.result]


def step_anew(model: nn.Module, attachment: Attachment, to: multiprocessing.connection.Connection) -> None:
    """In a process of its own: say what the attachment that was sent says, attach anew, step."""
    torch.set_num_threads(1)
    small = build("pfenet")
    loss = small.main_loss(model(**sent_keywords(small)))
    try:
        attachment.blend(loss)
    except InputError as error:
        said = str(error)
    small.model, again = model, attachment.auxiliary.attach(model, "pfenet")
    torch.manual_seed(1)
    blended = again.blend(small.main_loss(model(**sent_keywords(small))))
    blended.backward()
    gradients = [one.grad for one in model.parameters() if one.grad is not None]
    to.send((said, [one.tolist() for one in (blended.detach(), *gradients)]))


def sent_keywords(small: Small) -> dict[str, Tensor]:
    """The same batch in every process."""
    draws = torch.Generator().manual_seed(5)
    floats = {name for name, value in small.keywords.items() if value.is_floating_point()}
    return {k: torch.randn(v.shape, generator=draws) if k in floats else v for k, v in small.keywords.items()}


def test_a_spawned_process_gets_the_bare_model_and_attaches_anew(quickly_spawned: None) -> None:
    # Without a generator, of which torch sends a state that is gone when the process starts.
    small = build("pfenet").still()
    attachment = small.attach()
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=step_anew, args=(small.model, attachment, theirs))
    process.start()
    theirs.close()
    assert ours.poll(120)
    said, found = ours.recv()
    process.join(60)
    assert process.exitcode == 0
    assert "expected an attached model, got one that is detached; call auxiliary.attach(model, ...) again" in said
    torch.manual_seed(1)
    loss = attachment.blend(small.main_loss(small.model(**sent_keywords(small))))
    loss.backward()
    expected = [loss.detach(), *(one.grad for one in small.model.parameters() if one.grad is not None)]
    assert found == [one.tolist() for one in expected]


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_a_copied_attachment_is_detached_and_says_so(
    name: str, how: Callable[[Attachment], Attachment], held: bool
) -> None:
    """The pass of another process or model is never blended into a loss."""
    small = build(name).still()
    attachment = small.attach()
    if held:
        main_loss = small.main_loss(small.step(attachment))
    twin = how(attachment)
    assert twin.contrast is None and twin.query is None
    with pytest.raises(InputError, match="blend: expected an attached model, got one that is detached; call"):
        twin.blend(torch.ones(()))
    with pytest.raises(InputError, match="check: expected an attached model, got one that is detached; call"):
        twin.check(*small.arguments, **small.keywords)
    twin.detach()
    if held:
        attachment.blend(main_loss).backward()
        assert any(one.grad is not None and one.grad.any() for one in small.model.parameters())
