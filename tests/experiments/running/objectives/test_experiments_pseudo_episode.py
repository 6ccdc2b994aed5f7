"""What the pseudo-episode's pass asks for; finite on any episode, blended as SCNet's, taught to the slot's encoder."""

from types import SimpleNamespace

import pytest
import torch
from cached_batches import cached_batch, degenerate_masks, usual_masks, without_dropout
from run_folder.weights import load_weights
from running.objectives import OBJECTIVES
from running.objectives.pseudo_episode import PseudoEpisode
from running.trial import run_cell
from tiny_cells import tiny, tiny_folders
from training.episode_loss import EpisodeLoss

from selfcontrast import SelfContrastiveAuxiliary, masked_average_pool


def passes(model, batch, seed=1):
    """The arguments of both comparisons, the target of the second, and what each encoder gave, in order."""
    seen = SimpleNamespace(comparisons=[], query=[], slot=[])
    hooks = [
        module.register_forward_hook(lambda _m, _i, output, place=place: place.append(output.detach()))
        for module, place in ((model.down_query, seen.query), (model.down_supp, seen.slot))
    ]
    compare, model.compare = model.compare, None
    model.compare = lambda *given: (seen.comparisons.append([one.detach() for one in given]), compare(*given))[1]
    torch.manual_seed(seed)
    task = PseudoEpisode(model, SelfContrastiveAuxiliary()).train()
    task(batch)
    seen.target, seen.regions = task.auxiliary.last_step.target, task.auxiliary.last_step.regions
    for hook in hooks:
        hook.remove()
    model.compare = compare
    return seen


def test_the_slots_encoder_has_a_dropout_of_its_own(model):
    seen = passes(model, cached_batch(model, usual_masks()))
    zeroed = [one.flatten(2).sum(2) == 0 for one in (seen.query[0], seen.slot[0], seen.slot[1])]
    assert not torch.equal(zeroed[0], zeroed[2]) and not torch.equal(zeroed[1], zeroed[2])


def test_a_pseudo_episode_asks_for_one_drawn_region(model):
    batch = cached_batch(without_dropout(model), usual_masks())
    mask, drawn = batch["mask"], []
    for seed in range(30):
        seen = passes(model, batch, seed)
        prototypes = masked_average_pool(seen.slot[1], seen.regions)
        _, prototype_map, prior = seen.comparisons[1]
        assert torch.equal(seen.target == 255, mask == 255) and (prior == 0.5).all()
        for image in range(len(mask)):
            # The same prototype everywhere, which is that of one region.
            assert torch.equal(prototype_map[image], prototype_map[image, :, :1, :1].expand_as(prototype_map[image]))
            (k,) = [
                k
                for k, one in enumerate(prototypes[image])
                if seen.regions[image, k].any() and torch.allclose(one, prototype_map[image, :, 0, 0], atol=1e-6)
            ]
            asked = seen.target[image] == 1
            if k == 3:
                assert torch.equal(asked, mask[image] == 1)
            else:
                assert asked.any() and not (asked & (mask[image] == 1)).any()
            drawn.append(k)
    # Four regions, ninety draws: each about as often as the others.
    assert all(10 <= drawn.count(k) <= 40 for k in range(4))


def run(model, batch, objective="pseudo-episode", **options):
    torch.manual_seed(1)
    task = OBJECTIVES[objective](model, SelfContrastiveAuxiliary(**options)).train()
    losses = task(batch)
    losses.blended.backward()
    return task, losses


def gradients(model):
    return {name: one.grad for name, one in model.named_parameters() if one.requires_grad}


def test_the_loss_is_the_blend_and_the_main_loss_is_the_examples_own(model):
    batch = cached_batch(model, usual_masks())
    _, losses = run(model, batch, weight=0.3)
    assert losses.blended.item() == pytest.approx(0.7 * float(losses.main) + 0.3 * float(losses.contrast), rel=1e-5)
    torch.manual_seed(1)
    assert EpisodeLoss(model, SelfContrastiveAuxiliary()).train()(batch).main == losses.main
    assert losses.contrast > 0


def test_the_second_loss_teaches_the_encoder_of_the_hosts_slot(model):
    """SCNet's does not; with weight 1 the second loss is all there is."""
    run(model, cached_batch(model, usual_masks()), weight=1.0)
    assert model.down_supp[0].weight.grad.abs().sum() > 0


def test_scnets_second_loss_teaches_that_encoder_nothing(model):
    run(model, cached_batch(model, usual_masks()), "blended", weight=1.0)
    assert not model.down_supp[0].weight.grad.any()


@pytest.mark.parametrize("masks", degenerate_masks())
def test_any_episode_gives_finite_losses_and_gradients(masks, model):
    found = degenerate_masks()[masks]
    task, losses = run(model, cached_batch(model, found))
    assert losses.blended.isfinite() and losses.contrast.isfinite()
    assert all(one is not None and one.isfinite().all() for one in gradients(model).values())
    target = task.auxiliary.last_step.target
    assert set(target.unique().tolist()) <= {0, 1, 255}
    if masks == "unlabelled only":
        assert losses.contrast == 0 and (target == 255).all()


def test_an_image_without_anything_to_judge_adds_nothing(model):
    batch = cached_batch(model, usual_masks())
    batch["mask"][2], batch["support_masks"][2] = 255, 255
    other = {key: value.clone() for key, value in batch.items()}
    for key in ("mid", "high_level", "support_mid"):
        other[key][2] = torch.rand(other[key][2].shape)
    one, two = (run(model, each)[1] for each in (batch, other))
    assert one.contrast > 0 and two.contrast.item() == pytest.approx(one.contrast.item(), rel=1e-5)
    batch["mid"][1] = batch["mid"][1].flip(0)
    assert run(model, batch)[1].contrast.item() != pytest.approx(one.contrast.item(), rel=1e-5)


def test_a_seed_repeats_a_step(model):
    batch = cached_batch(model, usual_masks())
    first, second = (run(model, batch)[1] for _ in range(2))
    assert first.blended == second.blended


def test_figures_are_told_as_scnets_are(model):
    task, _ = run(model, cached_batch(model, usual_masks()))
    figures = task.figures()
    assert 0 < figures["judged"] <= 1 and 0 <= figures["agreement"] <= 1


def test_a_cell_trains_and_its_kept_weights_are_read_again(tmp_path):
    one = tiny(host="SharedReducer", objective="pseudo-episode", weight=0.1, steps=2, episodes={"1": 2})
    folders = tiny_folders(tmp_path)
    run_cell(one, folders)
    assert folders.result(one)["losses"][0]["contrast_loss"] > 0
    recipe = folders.recipe(one)
    torch.manual_seed(9)
    model = recipe.build_model()
    before = model.down_query[0].weight.clone()
    load_weights(folders.run(one) / "run", model)
    assert model.down_supp is model.down_query and not torch.equal(model.down_query[0].weight, before)
