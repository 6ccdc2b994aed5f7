"""Every block of docs/recipes.md runs: each loop on a stand-in, each change of a published script before and after."""

import os
import re
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import pytest
import recipe_processes
import recipe_stand_ins
import torch
import warm_python
from doc_pages import Block, blocks_of, text_of
from recipe_processes import half_a_batch, of_one_process
from recipe_stand_ins import DIFFS, ELSEWHERE, LOOPS, Board, Names

from selfcontrast import InputError

PAGE = "docs/recipes.md"
OUTSIDE = ("mmengine==0.10.7", "addict", "termcolor", "yapf")


def heading_of(block: Block) -> str:
    above = text_of(PAGE).splitlines()[: block.line]
    return next(line for line in reversed(above) if re.match("#+ ", line)).lstrip("# ")


def blocks(language: str) -> dict[str, list[str]]:
    """The texts of all blocks of a language by their heading."""
    found: dict[str, list[str]] = {}
    for block in blocks_of(PAGE):
        if block.language == language:
            found.setdefault(heading_of(block), []).append(block.text)
    return found


def carry_out(heading: str, names: Names) -> Names:
    """Run the Python blocks of a heading, one after the other, with the names that a stand-in gives."""
    names |= {"torch": torch}
    for code in blocks("python")[heading]:
        exec(compile(code, f"{PAGE} {heading}", "exec"), names)
    return names


def changed(diff: str, side: str) -> str:
    """The script before ("-") or after ("+") a diff."""
    return "\n".join(line[1:] for line in diff.splitlines() if line[:1] in (" ", side, ""))


def test_no_block_is_left_out():
    assert blocks("python").keys() == LOOPS.keys() | ELSEWHERE
    assert blocks("diff").keys() == DIFFS.keys()
    assert {block.language for block in blocks_of(PAGE)} == {"python", "diff", "bash"}


@pytest.mark.parametrize("heading", DIFFS)
def test_a_change_of_a_published_script(heading, monkeypatch):
    # As on a machine with one GPU or none, where DataParallel calls the model itself.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (diff,) = blocks("diff")[heading]
    added = [line for line in diff.splitlines() if line.startswith("+")]
    assert len(added) == 3
    losses = {}
    for side in "-+":
        names = DIFFS[heading]() | {"torch": torch}
        keys = list(names["model"].state_dict())
        torch.manual_seed(1)
        with warnings.catch_warnings(action="ignore"):
            exec(changed(diff, side), names)
        losses[side] = names["loss"].item()
        model = names["small"].model
        assert list(model.state_dict()) == keys
        assert any(one.grad is not None and one.grad.ne(0).any() for one in model.parameters())
    attachment = names["args"].attachment
    assert attachment.log()["blended_loss"] == pytest.approx(losses["+"])
    assert attachment.log()["main_loss"] == pytest.approx(losses["-"], rel=1e-4)
    assert losses["+"] != losses["-"]
    # Evaluation is the published one's.
    bare = DIFFS[heading]()["small"]
    bare.model.load_state_dict(model.state_dict())
    bare.model.eval()
    names["small"].model.eval()
    torch.testing.assert_close(names["small"](), bare())


def test_several_gpus_under_data_parallel_are_refused():
    names = DIFFS["PFENet"]()
    names["small"].attach()
    copy = names["model"]._replicate_for_data_parallel()
    with pytest.raises(InputError, match="DistributedDataParallel"):
        copy(**names["small"].keywords)


def test_another_weight_of_the_scales_enters_the_pass():
    names = carry_out("PFENet", LOOPS["PFENet"]())
    _, main_loss, aux_loss = names["model"](*recipe_stand_ins.batch())
    names["attachment"].blend(main_loss + 0.4 * aux_loss)
    assert names["attachment"]._weights == pytest.approx([1.0, 0.2, 0.2])


@pytest.mark.parametrize("heading", ["Recipes: the loop that you have", "The forward does not take the mask"])
def test_the_three_lines(heading):
    names = carry_out(heading, LOOPS[heading]())
    names["loss"].backward()
    assert names["attachment"].log()["blended_loss"] == pytest.approx(names["loss"].item())


def test_a_warm_up_ends_at_half():
    heading = "A warm-up of the weight"
    names = carry_out(heading, LOOPS[heading]())
    log = names["attachment"].log()
    assert names["attachment"].auxiliary.weight == 0.5
    assert log["blended_loss"] == pytest.approx((log["main_loss"] + log["contrast_loss"]) / 2)


@pytest.mark.parametrize(
    "heading", ["GradScaler and accumulated gradients", "Accelerate", "An average of the weights (EMA)"]
)
def test_a_loop_steps(heading):
    names = LOOPS[heading]()
    before = {name: one.clone() for name, one in names["model"].state_dict().items()}
    names = carry_out(heading, names)
    after = names["trained" if heading == "Accelerate" else "model"].state_dict()
    assert after.keys() == before.keys() and any(not torch.equal(one, before[name]) for name, one in after.items())
    assert "contrast_loss" in names["attachment"].log()
    if "scaler" in names:
        assert names["scaler"].is_enabled() and names["scaler"].get_scale() == 65536
    if "average" in names:
        assert names["logits"].shape[1] == 2


def test_fabric():
    names = carry_out("Fabric", LOOPS["Fabric"]())
    assert names["model"].cls.weight.grad.ne(0).any()
    late = names["fabric"].setup(recipe_stand_ins.TinyPFENet())
    with pytest.raises(InputError):
        recipe_stand_ins.SelfContrastiveAuxiliary().attach(late, "pfenet")
    attachment = recipe_stand_ins.SelfContrastiveAuxiliary().attach(late.module, "pfenet")
    assert attachment.blend(late(*recipe_stand_ins.batch())[1]).requires_grad


@pytest.mark.filterwarnings("ignore")
def test_lightning(tmp_path):
    names = carry_out("Lightning", LOOPS["Lightning"]())
    module = names["FewShotSegmentation"](names["model"])
    logged = {}
    module.log_dict = logged.update
    trainer = names["lightning"].Trainer(
        max_steps=2,
        accelerator="cpu",
        log_every_n_steps=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, torch.utils.data.DataLoader(recipe_stand_ins.Episodes(8), batch_size=4))
    assert logged == module.attachment.log()


def test_checkpointing_changes_no_gradient():
    heading, found = "Activation checkpointing", []
    for code in (blocks("python")[heading][0], re.sub("(?m)^model.layer3.*$", "", blocks("python")[heading][0])):
        names = LOOPS[heading]()
        torch.manual_seed(1)
        exec(code, names)
        found.append(recipe_processes.gradients(names["model"]))
    assert "layer3.0.weight" in found[0]
    torch.testing.assert_close(*found)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_compiled(no_shape_checks, fresh_compiler, monkeypatch):
    """With a backend that compiles nothing: what is captured is the same, and no C++ compiler is needed."""
    compiler = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compiler(model, backend="eager"))
    quick = partial(no_shape_checks.SelfContrastiveAuxiliary, iterations=1)
    names = LOOPS["torch.compile"]() | {"SelfContrastiveAuxiliary": quick}
    names = carry_out("torch.compile", names)
    attachment, compiled = names["attachment"], names["compiled"]
    assert "contrast_loss" in attachment.log()
    episode = recipe_stand_ins.batch()

    def blended(weight):
        attachment.auxiliary.weight = weight
        compiled.train()
        return attachment.blend(compiled(*episode)[1])

    assert compiled.eval()(*episode[:3]).shape[1] == 2
    assert blended(0.25).requires_grad
    blended(0.0)
    assert attachment.log().keys() == {"main_loss", "blended_loss"}
    assert blended(0.5).requires_grad and "contrast_loss" in attachment.log()


def test_boards(monkeypatch, tmp_path):
    heading, board = "Weights & Biases, TensorBoard", Board()
    monkeypatch.setitem(sys.modules, "wandb", board)
    names = carry_out(heading, LOOPS[heading]() | {"folder": str(tmp_path)})
    names["writer"].close()
    (logged,) = board.logged
    assert logged.keys() == names["attachment"].log().keys() | {"task"}
    assert list(tmp_path.glob("events*"))


def test_two_processes_have_the_gradients_of_one(tmp_path, quickly_spawned):
    codes = {heading: blocks("python")[heading][0] for heading in ("DistributedDataParallel", "FSDP2")}
    root = "fully_shard(model)\n"
    attach = next(line for line in codes["FSDP2"].splitlines(keepends=True) if line.startswith("attachment"))
    codes["resharded"] = codes["FSDP2"].replace(root, "fully_shard(model, reshard_after_forward=True)\n")
    codes["attached after"] = codes["FSDP2"].replace(attach, "").replace(root, root + attach)
    assert len(set(codes.values())) == 4
    torch.multiprocessing.spawn(half_a_batch, (str(tmp_path), codes), nprocs=2)
    expected = of_one_process()
    for heading in codes:
        for rank in range(2):
            found = torch.load(tmp_path / f"{heading}-{rank}.pt", weights_only=True)
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="session")
def mmengine(tmp_path_factory) -> Path:
    """A folder with mmengine, without its opencv-python, which would lie over our opencv-python-headless."""
    folder = tmp_path_factory.mktemp("mmengine")
    words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), *OUTSIDE]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mmengine cannot be fetched here: {done.stderr.strip().splitlines()[-1]}")
    return folder


def test_mmengine(mmengine):
    path = os.pathsep.join([*sys.path, str(mmengine)])
    done = subprocess.run(
        [warm_python.python(), recipe_processes.__file__],
        input=blocks("python")["mmengine"][0],
        env=os.environ | {"PYTHONPATH": path},
        cwd=mmengine,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and done.stdout.endswith("trained\n"), done.stdout + done.stderr
