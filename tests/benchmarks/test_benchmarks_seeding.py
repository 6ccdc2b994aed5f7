import numpy as np
import pytest
import torch
from common.agreement import adjusted_rand_index
from seeding import SEEDS, difference, qualities, winner


def test_agreement_knows_no_names() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    assert adjusted_rand_index(labels, labels) == 1
    assert adjusted_rand_index(labels, np.array([2, 2, 0, 0, 1, 1])) == 1


def test_agreement_by_hand() -> None:
    # Pairs together in both: 1 + 1. In the first 1 + 1, in the second 3 + 1, of 10: (2 - 0.8) / (3 - 0.8).
    found = adjusted_rand_index(np.array([0, 0, 1, 2, 2]), np.array([0, 0, 0, 1, 1]))
    assert found == pytest.approx((2 - 0.8) / (3 - 0.8))


def test_independent_labels_agree_by_nothing_on_average() -> None:
    random = np.random.default_rng(0)
    found = [adjusted_rand_index(random.integers(0, 3, 200), random.integers(0, 3, 200)) for _ in range(200)]
    assert abs(np.mean(found)) < 0.005


def test_one_cluster_agrees_with_itself_alone() -> None:
    one, two = np.zeros(4, int), np.array([0, 0, 1, 1])
    assert adjusted_rand_index(one, one) == 1 and adjusted_rand_index(one, two) == 0


def test_a_difference_is_paired() -> None:
    random = np.random.default_rng(0)
    noise = random.normal(0, 10, 100)
    gap = difference(noise + 1 + random.normal(0, 0.1, 100), noise)
    # Between images the values differ by far more than the arms do.
    low, high = gap["interval"]
    assert low < gap["mean"] < high and high - low < 0.1
    assert gap["mean"] == pytest.approx(1, abs=0.05)


def test_a_difference_that_is_always_the_same_has_no_width() -> None:
    assert difference(np.array([2.0, 3.0]), np.array([1.0, 2.0])) == {"mean": 1.0, "interval": [1.0, 1.0]}


def test_objective_decides_then_agreement_then_cost() -> None:
    random = np.random.default_rng(0)
    level, lower = 1 + random.normal(0, 0.1, 50), 0.8 + random.normal(0, 0.01, 50)

    def pick(objectives: dict[str, np.ndarray], agreements: dict[str, np.ndarray]) -> str:
        of = {name: {"objective": objectives[name], "agreement": agreements[name]} for name in objectives}
        return winner(of, {"cheap": 1.0, "dear": 2.0})

    same = {"cheap": level, "dear": level}
    assert pick({"cheap": level, "dear": lower}, same) == "dear"
    assert pick(same, {"cheap": lower, "dear": level}) == "dear"
    assert pick(same, same) == "cheap"


def test_qualities_of_clear_clusters_are_perfect() -> None:
    features = torch.eye(3, 8)[torch.arange(36).view(1, 6, 6) % 3].permute(0, 3, 1, 2).contiguous()
    found = qualities(features, "farthest-first")
    assert found["objective"] == pytest.approx(0, abs=1e-6) and found["deviation"] == pytest.approx(0, abs=1e-6)
    assert found["agreement"].tolist() == [1.0] and len(SEEDS) == 5
