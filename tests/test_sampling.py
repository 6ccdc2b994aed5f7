import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from selfcontrast import InputError
from selfcontrast.sampling import pick, uniforms

LARGEST = 1 - 2**-24


@pytest.mark.parametrize(("uniform", "index"), [(0.0, 1), (0.49, 1), (0.51, 3), (LARGEST, 3)])
def test_pick_passes_over_zero_weights(uniform: float, index: int) -> None:
    assert pick(torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.0]]), torch.tensor([uniform])).item() == index


@given(
    st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=40).filter(lambda row: max(row) > 0),
    st.floats(0, LARGEST, width=32),
)
def test_pick_never_takes_a_zero_weight(weights: list[float], uniform: float) -> None:
    index = pick(torch.tensor([weights]), torch.tensor([uniform])).item()
    assert weights[index] > 0


@pytest.mark.parametrize("count", [3600, 100_000])
def test_pick_stays_inside_where_rounding_lifts_the_sum(count: int) -> None:
    weights = torch.full((1, count), 0.1)
    weights[0, -1] = 0
    assert pick(weights, torch.tensor([LARGEST])).item() < count - 1


def test_pick_follows_the_weights() -> None:
    weights = torch.tensor([1.0, 2.0, 5.0])
    uniform = torch.rand(8000, generator=torch.Generator().manual_seed(0))
    counts = torch.bincount(pick(weights.expand(8000, 3), uniform), minlength=3)
    expected = weights * 1000
    chi_square = ((counts - expected) ** 2 / expected).sum()
    # The 0.9999 quantile with two degrees of freedom.
    assert chi_square < 18.4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_pick_in_half_precision_takes_no_zero_weight(dtype: torch.dtype) -> None:
    # The largest uniform rounds up to 1 in half precision.
    weights = torch.tensor([[1.0, 1.0, 0.0]], dtype=dtype)
    assert pick(weights, torch.tensor([LARGEST])).item() == 1


def test_pick_treats_rows_apart() -> None:
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert pick(weights, torch.tensor([0.9, 0.1, 0.9])).tolist() == [0, 1, 1]


def test_pick_from_nothing_stays_in_range() -> None:
    assert pick(torch.zeros(1, 4), torch.tensor([0.3])).item() in range(4)


def test_uniforms_repeat_with_a_generator() -> None:
    like = torch.zeros(1)
    first, again, other = (uniforms((2, 5), like, torch.Generator().manual_seed(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_uniforms_repeat_with_the_global_seed() -> None:
    torch.manual_seed(3)
    first = uniforms((4,), torch.zeros(1), None)
    second = uniforms((4,), torch.zeros(1), None)
    torch.manual_seed(3)
    assert torch.equal(first, uniforms((4,), torch.zeros(1), None))
    assert not torch.equal(first, second)


def test_a_generator_leaves_the_global_stream_alone() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    uniforms((4,), torch.zeros(1), torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())


def test_uniforms_land_on_the_device_of_like() -> None:
    generator = torch.Generator().manual_seed(0)
    assert uniforms((4,), torch.zeros(1, device="meta"), generator).device.type == "meta"


def test_a_generator_is_refused_inside_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    with pytest.raises(InputError, match=r"^generator: expected .*, got .*; leave it out"):
        uniforms((4,), torch.zeros(1), torch.Generator())
