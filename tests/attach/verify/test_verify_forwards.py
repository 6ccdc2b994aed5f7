"""Forwards of a check: each with arguments of its own, the same draws, and a model that is put back."""

import random
from collections import deque
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from selfcontrast.attach.verify.forwards import Batch, random_numbers_kept, traced, traces_of, without_dropout


def draw() -> tuple[float, float, float]:
    return torch.rand(()).item(), float(np.random.rand()), random.random()


def seed() -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    random.seed(0)


def test_every_source_of_random_numbers_goes_on_where_it_was() -> None:
    # Python's own cannot be looked at around a whole check, for the shape checks of these tests draw from it.
    generator = torch.Generator().manual_seed(0)
    seed()
    expected = draw(), torch.rand((), generator=generator)
    seed()
    generator.manual_seed(0)
    with random_numbers_kept(generator):
        draw()
        torch.rand((), generator=generator)
    assert (draw(), torch.rand((), generator=generator)) == expected


def test_a_forward_may_change_all_that_it_is_given() -> None:
    image, queue, table, ring = torch.ones(1), [1], {"a": [torch.ones(1)]}, deque([1], maxlen=2)
    batch = Batch((image, queue), {"table": table, "ring": ring})

    def change(image: torch.Tensor, queue: list[int], table: dict[str, list[torch.Tensor]], ring: deque[int]) -> None:
        image.zero_()
        queue.append(2)
        table["a"][0].zero_()
        table["b"] = []
        ring.append(2)

    for _ in range(2):
        batch.call(change)
    assert image == 1 and queue == [1] and list(table) == ["a"] and table["a"][0] == 1 and list(ring) == [1]


def test_what_is_given_twice_is_one_in_the_copies_too_and_shares_no_graph() -> None:
    image = torch.ones(1, requires_grad=True)
    (first, second), _ = Batch((image, image), {}).fresh()
    assert first is second and first is not image and first.requires_grad
    first.sum().backward()
    assert image.grad is None


def test_a_seeded_forward_repeats_itself_and_leaves_the_model_as_it_was() -> None:
    model = nn.BatchNorm1d(1)
    model.seen = []

    def forward() -> torch.Tensor:
        model.seen.append(1)
        return model(torch.rand(4, 1))

    (one, traces), (other, _) = traced(model, forward), traced(model, forward)
    assert torch.equal(one, other)
    assert traces["seen"] == [1] and traces["num_batches_tracked"] == 1
    assert model.seen == [] and model.num_batches_tracked == 0


def test_traces_are_buffers_and_plain_attributes_down_to_what_foreign_objects_hold() -> None:
    model = nn.Sequential(nn.BatchNorm1d(1))
    model.queue, model.generator = [torch.ones(1)], torch.Generator()
    model.bank, model.judge, model.table = SimpleNamespace(count=3), len, {"a": np.ones(2)}
    traces = traces_of(model)
    assert {"0.running_mean", "0.eps", "queue", "generator", "bank", "table"} <= traces.keys()
    assert traces["bank"] == {"count": 3} and traces["judge"] is None and traces["table"] == {"'a'": [1.0, 1.0]}
    model.queue[0].zero_()
    assert traces["queue"] == [1]


def test_traces_go_three_levels_down_for_an_object_may_hold_itself() -> None:
    model, ring = nn.ReLU(), []
    ring.append(ring)
    model.ring, model.deep = ring, [[[1]]]
    assert traces_of(model) == {"inplace": False, "ring": [[[None]]], "deep": [[[1]]]}


@pytest.mark.parametrize("inplace", [False, True])
def test_dropout_is_off_and_passes_on_a_copy(inplace: bool) -> None:
    model, image = nn.Sequential(nn.Dropout(0.5, inplace), nn.ReLU(inplace=True)), -torch.ones(8)
    with without_dropout(model):
        assert torch.equal(model(image), torch.zeros(8)) and torch.equal(image, -torch.ones(8))
        assert model[0].training
    assert "forward" not in vars(model[0])
