"""Peers, as far as they are installed, cluster as float64 Lloyd does; the input stays as it was."""

import pytest
import torch
from clustering import CHANNELS_LAST, CONTIGUOUS, clusterings, layouts
from common.measure import ROOT
from common.peers import PEERS, initial_centres, rows, unit_rows
from common.plain_kmeans import exact_labels, objectives
from torch import Tensor


@pytest.fixture
def features() -> Tensor:
    """Two images of three directions with noise, of lengths between 1 and 5."""
    torch.manual_seed(3)
    directions = torch.eye(3, 16)[torch.randint(3, (2, 9, 11))] + 0.1 * torch.rand(2, 9, 11, 16)
    return (directions * (1 + 4 * torch.rand(2, 9, 11, 1))).permute(0, 3, 1, 2).contiguous()


@pytest.mark.parametrize("layout", [CONTIGUOUS, CHANNELS_LAST])
@pytest.mark.parametrize("name", clusterings())
def test_a_clustering_is_lloyds(name: str, layout: str, features: Tensor) -> None:
    laid = layouts(features)[layout]
    centres = initial_centres(laid, 3)
    before, centres_before = laid.clone(), centres.clone()
    labels = clusterings()[name](laid, centres, 10)
    assert torch.equal(labels, exact_labels(features, centres, 10))
    assert labels.unique().numel() == 3
    assert torch.equal(laid, before) and torch.equal(centres, centres_before)


def test_faiss_at_least_is_installed() -> None:
    assert {name for name in clusterings() if name.startswith("faiss")} == {"faiss, unit rows", "faiss, weighted rows"}


def test_every_peer_is_listed_with_its_version() -> None:
    listed = (ROOT / "benchmarks" / "requirements-peers.txt").read_text()
    assert all(f"\n{distribution}==" in listed for _, distribution in PEERS.values())


def test_rows_have_the_channels_adjacent(features: Tensor) -> None:
    expected = features.permute(0, 2, 3, 1).reshape(2, 99, 16)
    for laid in layouts(features).values():
        assert torch.equal(rows(laid), expected) and rows(laid).is_contiguous()
        torch.testing.assert_close(unit_rows(laid), expected / expected.norm(dim=2, keepdim=True))
    channels_last = layouts(features)[CHANNELS_LAST]
    assert rows(channels_last).data_ptr() == channels_last.data_ptr()


def test_initial_centres_are_the_same_pixels_of_any_layout_and_size(features: Tensor) -> None:
    centres = initial_centres(features, 3)
    assert torch.equal(centres, initial_centres(layouts(features)[CHANNELS_LAST], 3))
    torch.testing.assert_close(centres.norm(dim=2), torch.ones(2, 3))
    cosines = centres @ unit_rows(features).transpose(1, 2)
    torch.testing.assert_close(cosines.amax(2), torch.ones(2, 3))


def test_the_objective_is_the_mean_distance_to_the_mean_direction(features: Tensor) -> None:
    labels = torch.randint(3, (2, 99))
    pixels = unit_rows(features).double()
    expected = []
    for image, own in zip(pixels, labels, strict=True):
        means = torch.stack([image[own == k].mean(0) for k in range(3)])
        means /= means.norm(dim=1, keepdim=True)
        expected.append((1 - (image * means[own]).sum(1)).mean())
    torch.testing.assert_close(objectives(features, labels), torch.stack(expected), rtol=1e-6, atol=0)


def test_float64_lloyd_refuses_an_empty_cluster(features: Tensor) -> None:
    centres = initial_centres(features, 3)
    centres[:, 2] = -1
    with pytest.raises(RuntimeError, match="no empty cluster"):
        exact_labels(features, centres, 2)
