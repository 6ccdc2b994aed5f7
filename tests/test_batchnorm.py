import pytest
import torch
from torch import Tensor, nn

from selfcontrast import SelfContrastiveAuxiliary
from selfcontrast.batchnorm import KeepRunningStatistics

LAYERS = [(nn.BatchNorm1d, (4, 3, 5)), (nn.BatchNorm2d, (4, 3, 5, 5)), (nn.BatchNorm3d, (4, 3, 2, 5, 5))]


def warmed_up(layer: nn.Module, shape: tuple[int, ...]) -> nn.Module:
    layer(torch.randn(shape, generator=torch.Generator().manual_seed(0)) * 3 + 1)
    return layer


@pytest.mark.parametrize(("kind", "shape"), LAYERS)
def test_running_statistics_stay_and_the_batch_normalises(kind: type[nn.Module], shape: tuple[int, ...]) -> None:
    layer = warmed_up(kind(3), shape)
    mean, variance = layer.running_mean.clone(), layer.running_var.clone()
    batch = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 5 - 7
    with KeepRunningStatistics():
        inside = layer(batch)
    assert torch.equal(layer.running_mean, mean) and torch.equal(layer.running_var, variance)
    dims = [0, *range(2, len(shape))]
    spread, centre = torch.var_mean(batch, dims, correction=0, keepdim=True)
    torch.testing.assert_close(inside, (batch - centre) / (spread + layer.eps).sqrt())
    assert torch.equal(inside, layer(batch))


def test_running_statistics_move_again_outside() -> None:
    layer = nn.BatchNorm2d(1)
    with KeepRunningStatistics():
        layer(torch.ones(2, 1, 3, 3))
    layer(torch.ones(2, 1, 3, 3))
    torch.testing.assert_close(layer.running_mean, torch.tensor([0.1]))


def test_a_frozen_layer_normalises_by_its_running_statistics() -> None:
    layer = warmed_up(nn.BatchNorm2d(3), (4, 3, 5, 5)).eval()
    batch = torch.randn(2, 3, 4, 4)
    with KeepRunningStatistics():
        inside = layer(batch)
    assert torch.equal(inside, layer(batch))


def test_the_functional_form_by_keyword_is_reached_too() -> None:
    mean, variance = torch.zeros(3), torch.ones(3)
    with KeepRunningStatistics():
        nn.functional.batch_norm(
            torch.ones(2, 3, 4), running_mean=mean, running_var=variance, training=True, momentum=0.5
        )
    assert mean.eq(0).all() and variance.eq(1).all()


def test_a_counter_of_the_hosts_own_goes_on_counting() -> None:
    calls, layer = torch.tensor(0), nn.BatchNorm2d(1)
    with KeepRunningStatistics():
        for _ in range(2):
            calls.add_(1)
            layer(torch.ones(2, 1, 3, 3))
    assert calls == 2 and layer.num_batches_tracked == 0


# Without a momentum the layer averages over the batches it counted, so a counted pass weighs on later ones.
@pytest.mark.parametrize("momentum", [0.1, None])
def test_the_host_updates_its_statistics_as_without_the_plug_in(momentum: float | None) -> None:
    plain, plugged = (nn.BatchNorm2d(4, momentum=momentum) for _ in range(2))
    auxiliary = SelfContrastiveAuxiliary()
    mask = torch.zeros(2, 6, 6, dtype=torch.long)
    for step in range(3):
        features = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(step))
        plain(features)
        main_loss = plugged(features).mean()

        def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
            return plugged(features - prototype_map)[:, :2]

        auxiliary(main_loss, features, features, mask, compare)
    torch.testing.assert_close(plugged.state_dict(), plain.state_dict())


def test_statistics_stay_inside_a_graph(no_shape_checks: object, fresh_compiler: None) -> None:
    layer = nn.BatchNorm2d(4)
    auxiliary = no_shape_checks.SelfContrastiveAuxiliary(num_prototypes=1, iterations=0)
    features, mask = torch.randn(2, 4, 6, 6), torch.zeros(2, 6, 6, dtype=torch.long)

    def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
        return layer(features - prototype_map)[:, :2]

    compiled = torch.compile(auxiliary, fullgraph=True, backend="aot_eager")
    compiled(torch.tensor(0.5), features, features, mask, compare)
    torch.testing.assert_close(layer.state_dict(), nn.BatchNorm2d(4).state_dict())
