"""The pairing of the arms and the report, on evaluations that are counted and not run."""

import json
from typing import Any

import pytest
import reliance
import torch
from common.measure import ROOT
from evaluation.metrics import Evaluation, FoldScores, Reliance
from jsonschema import Draft202012Validator

SCHEMA = json.loads((ROOT / "benchmarks" / "schema.json").read_text())


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Rounds of two arms that take 1 and 2 seconds, and send 3 pictures each through a layer."""
    clock: list[float] = [0.0]
    order: list[str] = []
    monkeypatch.setattr(reliance, "processor_seconds", lambda: clock[0])
    layer = torch.nn.Identity()

    def arm(name: str, seconds: float) -> Evaluation:
        order.append(name)
        clock[0] += seconds
        layer(torch.zeros(3, 1))
        other = None if seconds == 1 else Reliance(30.0, 10.0)
        return Evaluation(FoldScores(40.0, 60.0, {}), 20.0, 1000, 300, "digest", (), other)

    one, two = reliance.ARMS
    arms = {one: lambda: arm(one, 1.0), two: lambda: arm(two, 2.0)}
    found, rounds = reliance.measured(arms, reliance.Counted(layer))
    return {"order": order, "report": reliance.report(found, rounds), "arms": (one, two)}


def test_arms_take_turns_and_the_first_round_is_not_counted(ran: dict[str, Any]) -> None:
    assert ran["order"] == list(ran["arms"]) * (1 + reliance.ROUNDS)
    rows = {(row["arm"], row["measure"]): row for row in ran["report"]["rows"]}
    one, two = ran["arms"]
    assert rows[one, "processor_seconds"]["median"] == 1 and rows[two, "processor_seconds"]["median"] == 2
    assert rows[one, "pictures"]["max"] == 3 and rows[one, "pictures"]["rounds"] == reliance.ROUNDS
    assert ran["report"]["summary"]["times_longer"]["median"] == 2
    assert ran["report"]["summary"]["miou"] == {"own": 40.0, "other_class": 30.0, "empty": 10.0}


def test_the_report_keeps_the_contract(ran: dict[str, Any]) -> None:
    environment = json.loads((ROOT / "benchmarks" / "results" / "reliance.json").read_text())["environment"]
    about = {"command": "python benchmarks/reliance.py RUN", "seed": 1000, "environment": environment}
    Draft202012Validator(SCHEMA).validate(ran["report"] | about)
