"""What holds for every further task: finite on any episode, blended as SCNet's, and taught to the host's encoder."""

import pytest
import torch
from cached_batches import cached_batch, degenerate_masks, usual_masks
from running.objectives import OBJECTIVES
from running.objectives.further_task import FurtherTask
from training.episode_loss import EpisodeLoss

from selfcontrast import SelfContrastiveAuxiliary

TASKS = [name for name, one in OBJECTIVES.items() if isinstance(one, type) and issubclass(one, FurtherTask)]


def run(name, model, batch, **options):
    torch.manual_seed(1)
    task = OBJECTIVES[name](model, SelfContrastiveAuxiliary(**options)).train()
    losses = task(batch)
    losses.blended.backward()
    return task, losses


def gradients(model):
    return {name: one.grad for name, one in model.named_parameters() if one.requires_grad}


def test_there_are_five():
    assert len(TASKS) == 5


@pytest.mark.parametrize("name", TASKS)
def test_the_loss_is_the_blend_and_the_main_loss_is_the_examples_own(name, model):
    batch = cached_batch(model, usual_masks())
    _, losses = run(name, model, batch, weight=0.3)
    assert losses.blended.item() == pytest.approx(0.7 * float(losses.main) + 0.3 * float(losses.contrast), rel=1e-5)
    torch.manual_seed(1)
    assert EpisodeLoss(model, SelfContrastiveAuxiliary()).train()(batch).main == losses.main
    assert losses.contrast > 0


@pytest.mark.parametrize("name", TASKS)
def test_the_second_loss_teaches_the_encoder_of_the_hosts_slot(name, model):
    """SCNet's does not; with weight 1 the second loss is all there is. CELP's form shares one encoder instead."""
    if name == "latent prototype":
        model.down_supp = model.down_query
    run(name, model, cached_batch(model, usual_masks()), weight=1.0)
    assert model.down_supp[0].weight.grad.abs().sum() > 0


def test_scnets_second_loss_teaches_that_encoder_nothing(model):
    run("blended", model, cached_batch(model, usual_masks()), weight=1.0)
    assert not model.down_supp[0].weight.grad.any()


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("masks", degenerate_masks())
def test_any_episode_gives_finite_losses_and_gradients(name, masks, model):
    found = degenerate_masks()[masks]
    task, losses = run(name, model, cached_batch(model, found))
    assert losses.blended.isfinite() and losses.contrast.isfinite()
    assert all(one is not None and one.isfinite().all() for one in gradients(model).values())
    target = task.auxiliary.last_step.target
    assert set(target.unique().tolist()) <= {0, 1, 255}
    if masks == "unlabelled only":
        assert losses.contrast == 0 and (target == 255).all()


@pytest.mark.parametrize("name", TASKS)
def test_an_image_without_anything_to_judge_adds_nothing(name, model):
    batch = cached_batch(model, usual_masks())
    batch["mask"][2], batch["support_masks"][2] = 255, 255
    other = {key: value.clone() for key, value in batch.items()}
    for key in ("mid", "high_level", "support_mid"):
        other[key][2] = torch.rand(other[key][2].shape)
    one, two = (run(name, model, each)[1] for each in (batch, other))
    assert one.contrast > 0 and two.contrast.item() == pytest.approx(one.contrast.item(), rel=1e-5)
    batch["mid"][1] = batch["mid"][1].flip(0)
    assert run(name, model, batch)[1].contrast.item() != pytest.approx(one.contrast.item(), rel=1e-5)


@pytest.mark.parametrize("name", TASKS)
def test_a_seed_repeats_a_step(name, model):
    batch = cached_batch(model, usual_masks())
    first, second = (run(name, model, batch)[1] for _ in range(2))
    assert first.blended == second.blended


@pytest.mark.parametrize("name", TASKS)
def test_figures_are_told_as_scnets_are(name, model):
    task, _ = run(name, model, cached_batch(model, usual_masks()))
    figures = task.figures()
    assert 0 < figures["judged"] <= 1 and 0 <= figures["agreement"] <= 1
