"""Autocast: the pass has the precision of the host's comparison, and what it sums over pixels is in float32."""

import torch
from small_modes import (
    Small,
    assert_alike,
    attach,
    blended,
    build,
    episode,
    every_mechanism,
    gradients,
    judged,
    written_out,
)

# A unit in the last place, of eight bits and of eleven: of all gradients together. Of each alone, four.
BFLOAT16, FLOAT16 = 2**-7, 2**-10


def distance(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """The norm of the difference of all tensors together, as a share of that of the expected ones."""
    one, other = (torch.cat([given[name].flatten() for name in sorted(given)]) for given in (found, expected))
    return float((one - other).norm() / other.norm())


@every_mechanism
def test_bfloat16_autocast_gives_the_gradients_of_the_second_comparison(mechanism: str) -> None:
    found, expected = build(mechanism), build(mechanism)
    attachment = attach(found, mechanism)
    with torch.autocast("cpu", torch.bfloat16):
        loss, by_hand = blended(found, attachment, episode()), written_out(expected, episode())
    loss.backward()
    by_hand.backward()
    assert loss.dtype == torch.float32 and attachment.contrast.logits.dtype == torch.bfloat16
    assert torch.equal(loss, by_hand)
    assert_alike(gradients(found), gradients(expected), 4 * BFLOAT16)
    assert distance(gradients(found), gradients(expected)) <= BFLOAT16
    single = build(mechanism)
    written_out(single, episode()).backward()
    # Neither is it computed in float32 behind the script's back.
    assert distance(gradients(found), gradients(single)) > BFLOAT16 / 100


@every_mechanism
def test_float16_with_a_scaler_takes_the_step_of_the_second_comparison(mechanism: str) -> None:
    found, expected, alone = build(mechanism), build(mechanism), build(mechanism)
    attachment = attach(found, mechanism)
    steps = {
        "found": (found, lambda: blended(found, attachment, episode())),
        "expected": (expected, lambda: written_out(expected, episode())),
        "alone": (alone, lambda: judged(alone(*episode()), episode()[2])),
    }
    scales = {}
    for name, (model, loss) in steps.items():
        scales[name] = scaled_step(model, loss)
    assert scales["found"] == scales["alone"] == 2.0**16 * 2, "a step without infinities lets the scale grow"
    assert_alike(moved(found, mechanism), moved(expected, mechanism), 4 * FLOAT16)
    assert distance(moved(found, mechanism), moved(expected, mechanism)) <= FLOAT16


def scaled_step(model: Small, loss: object) -> float:
    """One step of SGD; the scale afterwards."""
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16, growth_interval=1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.autocast("cpu", torch.float16):
        value = loss()
    scaler.scale(value).backward()
    scaler.step(optimizer)
    scaler.update()
    return scaler.get_scale()


def moved(model: Small, mechanism: str) -> dict[str, torch.Tensor]:
    """How far a step went."""
    before = dict(build(mechanism).named_parameters())
    return {name: (one - before[name]).detach() for name, one in model.named_parameters()}
