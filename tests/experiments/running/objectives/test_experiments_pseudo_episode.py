"""Each arm's own pass: which prototype stands where, and what is asked of it."""

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from cached_batches import cached_batch, usual_masks, without_dropout
from run_folder.weights import load_weights
from running.objectives.alignment import Alignment
from running.objectives.balanced_pairs import BalancedPairs, another
from running.objectives.latent_prototype import LIKE, LatentPrototype, alike_cells
from running.objectives.prototype_encoder import PrototypeEncoder
from running.objectives.pseudo_episode import PseudoEpisode
from running.trial import run_cell
from tiny_cells import tiny, tiny_folders
from training.episode_loss import EpisodeLoss

from selfcontrast import SelfContrastiveAuxiliary, masked_average_pool


def passes(kind, model, batch, seed=1, **options):
    """The arguments of both comparisons, the target of the second, and what each encoder gave, in order."""
    seen = SimpleNamespace(comparisons=[], query=[], slot=[])
    hooks = [
        module.register_forward_hook(lambda _m, _i, output, place=place: place.append(output.detach()))
        for module, place in ((model.down_query, seen.query), (model.down_supp, seen.slot))
    ]
    compare, model.compare = model.compare, None
    model.compare = lambda *given: (seen.comparisons.append([one.detach() for one in given]), compare(*given))[1]
    torch.manual_seed(seed)
    task = kind(model, SelfContrastiveAuxiliary(**options)).train()
    task(batch)
    seen.target, seen.regions = task.auxiliary.last_step.target, task.auxiliary.last_step.regions
    for hook in hooks:
        hook.remove()
    model.compare = compare
    return seen


def test_scnet_through_the_slots_encoder_differs_from_scnet_in_the_prototypes_alone(model):
    batch = cached_batch(without_dropout(model), usual_masks())
    ours, scnet = (passes(kind, model, batch) for kind in (PrototypeEncoder, EpisodeLoss))
    assert all(torch.equal(a, b) for a, b in zip(ours.comparisons[0], scnet.comparisons[0], strict=True))
    assert torch.equal(ours.regions, scnet.regions) and torch.equal(ours.target, scnet.target)
    features, prototype_map, prior = ours.comparisons[1]
    assert torch.equal(features, scnet.comparisons[1][0]) and torch.equal(prior, scnet.comparisons[1][2])
    prototypes = masked_average_pool(ours.slot[1], ours.regions)
    for image, k, row, column in ours.regions.nonzero().tolist():
        assert torch.allclose(prototype_map[image, :, row, column], prototypes[image, k], atol=1e-6)


def test_the_slots_encoder_has_a_dropout_of_its_own(model):
    seen = passes(PrototypeEncoder, model, cached_batch(model, usual_masks()))
    zeroed = [one.flatten(2).sum(2) == 0 for one in (seen.query[0], seen.slot[0], seen.slot[1])]
    assert not torch.equal(zeroed[0], zeroed[2]) and not torch.equal(zeroed[1], zeroed[2])


def test_a_pseudo_episode_asks_for_one_drawn_region(model):
    batch = cached_batch(without_dropout(model), usual_masks())
    mask, drawn = batch["mask"], []
    for seed in range(30):
        seen = passes(PseudoEpisode, model, batch, seed)
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


def test_a_fifth_of_balanced_pairs_are_of_ones_own_region(model):
    batch = cached_batch(without_dropout(model), usual_masks()[:2])
    means = []
    for seed in range(40):
        target = passes(BalancedPairs, model, batch, seed).target
        means.append([(target[batch["mask"] == kind]).float().mean().item() for kind in (0, 1)])
    background, objects = torch.tensor(means).mean(0).tolist()
    assert background == pytest.approx(0.2, abs=0.04) and objects == pytest.approx(0.2, abs=0.04)


def test_another_region_is_any_other_that_exists_all_equally_likely():
    torch.manual_seed(0)
    labels = torch.randint(4, (5, 40, 40))
    exists = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]).bool()
    found = another(labels, exists, torch.rand(labels.shape))
    for image in range(5):
        for k in range(4):
            others = [other for other in range(4) if other != k and exists[image, other]]
            drawn = found[image][labels[image] == k]
            counts = torch.bincount(drawn, minlength=4).tolist()
            if not others:
                assert (drawn == k).all()
            else:
                assert {other for other in range(4) if counts[other]} == set(others)
                assert all(counts[other] > 0.75 * len(drawn) / len(others) for other in others)
    # The greatest number that a draw can be.
    last = torch.full(labels.shape, 1 - 2.0**-24)
    assert (another(labels, exists[:1].expand(5, 4), last) != labels).all()


def test_what_is_alike_is_what_the_loop_finds():
    torch.manual_seed(0)
    high_level, masks = torch.randn(3, 4, 6, 6) + 0.5, usual_masks()
    masks[1] = 1
    for draw in torch.rand(10, 3):
        found = alike_cells(high_level, masks, draw)
        assert not found[1].any()
        for image in (0, 2):
            kinds = masks[image].unfold(0, 8, 8).unfold(1, 8, 8)
            background = (kinds[..., 4, 4] != 1) & (kinds != 255).all(-1).all(-1)
            cells = background.nonzero().tolist()
            row, column = cells[int(draw[image] * len(cells))]
            anchor = high_level[image, :, row, column]
            expected = [[r, c] for r, c in cells if F.cosine_similarity(high_level[image, :, r, c], anchor, 0) > LIKE]
            assert found[image].nonzero().tolist() == expected and [row, column] in expected


def test_a_latent_prototype_is_told_from_the_object_alone(model):
    model.down_supp = model.down_query
    batch = cached_batch(model, usual_masks())
    seen = passes(LatentPrototype, model, batch, weight=0.1)
    features, prototype_map, prior = seen.comparisons[1]
    prototypes = masked_average_pool(features, seen.regions)
    assert torch.allclose(prototype_map, prototypes[:, 0, :, None, None].expand_as(features))
    assert torch.equal(seen.target == 0, batch["mask"] == 1)
    assert (seen.target == 1).any() and (batch["mask"][seen.target == 1] == 0).all() and (seen.target == 255).any()
    flat = prior.flatten(1)
    assert (flat.amin(1) == 0).all() and torch.allclose(flat.amax(1), torch.ones(3), atol=1e-4)


def test_alignment_is_the_episode_exchanged(model):
    masks = usual_masks()
    batch = cached_batch(without_dropout(model), masks)
    seen = passes(Alignment, model, batch)
    support, prototype_map, prior = seen.comparisons[1]
    assert torch.equal(support, seen.query[1]) and (prior == 0.5).all()
    with torch.no_grad():
        final = model.compare(*seen.comparisons[0])[0]
        called = (final[:, 1] > final[:, 0])[:, None]
        assert torch.equal(seen.regions, called) and 0 < called.float().mean() < 1
        expected = masked_average_pool(model.down_supp(batch["mid"].movedim(-1, -3)), called)
    assert torch.allclose(prototype_map, expected[:, 0, :, None, None].expand_as(support), atol=1e-6)
    for image in range(3):
        there = called[image].any()
        assert torch.equal(
            seen.target[image], batch["support_masks"][image, 0].long() if there else masks[image] * 0 + 255
        )


def test_alignment_asks_nothing_of_a_prediction_without_foreground(model):
    with torch.no_grad():
        model.cls[3].bias.copy_(torch.tensor([1e6, -1e6]))
    assert (passes(Alignment, model, cached_batch(model, usual_masks())).target == 255).all()


def test_a_cell_of_an_arm_trains_and_its_kept_weights_are_read_again(tmp_path):
    one = tiny(host="SharedReducer", objective="latent prototype", weight=0.1, steps=2, episodes={"1": 2})
    folders = tiny_folders(tmp_path)
    run_cell(one, folders)
    assert folders.result(one)["losses"][0]["contrast_loss"] > 0
    recipe = folders.recipe(one)
    torch.manual_seed(9)
    model = recipe.build_model()
    before = model.down_query[0].weight.clone()
    load_weights(folders.run(one) / "run", model)
    assert model.down_supp is model.down_query and not torch.equal(model.down_query[0].weight, before)
