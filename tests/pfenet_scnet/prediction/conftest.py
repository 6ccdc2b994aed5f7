"""The command, in a folder with a run and photographs."""

import re
import shutil

import pytest
import torch
from forked_commands import ForkedCommand
from model.backbones import build_backbone
from photographs import read, write_photographs
from processes import PROGRESS
from recipe import Recipe
from training.checkpoint import save_weights

SUPPORT = ("--support", "marked.jpg", "marked.png")


@pytest.fixture(scope="session")
def work(tmp_path_factory):
    """A run of an untrained head, a marked picture, and a folder of photographs with a subfolder."""
    work = tmp_path_factory.mktemp("work")
    torch.manual_seed(0)
    recipe = Recipe(size=64, channels=16, scales=(4, 2))
    recipe.save(work / "run" / "recipe.yaml")
    save_weights(work / "run" / "last.pt", recipe.model_on(build_backbone("efficientnet_lite0")))
    write_photographs(work)
    return work


@pytest.fixture(scope="session")
def command(work):
    return ForkedCommand("predict", work)


@pytest.fixture
def predict(command, work):
    """Call the command; its results are gone before the next test."""
    yield command
    for path in work.glob("out*"):
        shutil.rmtree(path)


@pytest.fixture
def done(predict):
    """Call the command, and return what it printed."""

    def call(*words):
        ended = predict(*words)
        assert ended.status == 0, ended.err
        return ended.out

    return call


@pytest.fixture
def refusal(predict, work):
    """Call the command with a mistake: one line, status 2, nothing written."""

    def call(*words, out="out"):
        ended = predict(*words, "--out", out)
        lines = [line for line in re.split(r"[\r\n]+", ended.err) if line and not PROGRESS.search(line)]
        assert ended.status == 2 and len(lines) == 1 and lines[0].startswith("predict.py: "), ended.err
        assert not (work / "out").exists() and not list(work.glob(".*unfinished"))
        return lines[0].removeprefix("predict.py: ")

    return call


@pytest.fixture
def maps(done, work):
    """The probabilities of one query."""

    def call(*words, query="query.png", support=SUPPORT):
        done("run", *support, "--query", query, "--out", "out_once", "--probabilities", *words)
        (found,) = (work / "out_once/probabilities").iterdir()
        values = read(found) / 65535.0
        shutil.rmtree(work / "out_once")
        return values

    return call
