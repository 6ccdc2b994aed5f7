"""Finished cells are never lost and never read in part."""

import json
import multiprocessing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from grid.cell import Cell
from grid.cell_store import add_cell, file_of, finished_cells
from grid.studies import STUDIES, every_cell
from tiny_cells import tiny

RESULTS = Path(__file__).parents[3] / "experiments" / "results"


def row(cell: Cell) -> dict[str, Any]:
    return {"cell": json.loads(json.dumps(asdict(cell))), "padding": "x" * 100_000}


def add_many(results: Path, seeds: range) -> None:
    for seed in seeds:
        add_cell(results, tiny(seed=seed), row(tiny(seed=seed)))


def test_a_cell_stands_in_the_file_of_the_first_study_that_needs_it(tmp_path):
    shared = STUDIES["table5"].cells()["λ = 0", 0, 0]
    add_cell(tmp_path, shared, row(shared))
    add_cell(tmp_path, tiny(), row(tiny()))
    assert {path.name for path in (tmp_path / "cells").iterdir()} == {"main.jsonl", "other.jsonl"}
    assert finished_cells(tmp_path).keys() == {shared.digest, tiny().digest}


def test_two_processes_lose_nothing_of_each_other(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=add_many, args=(tmp_path, range(i, i + 15))) for i in (0, 15)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert finished_cells(tmp_path) == {tiny(seed=seed).digest: row(tiny(seed=seed)) for seed in range(30)}


def test_a_line_that_was_cut_off_is_no_result_and_makes_room(tmp_path):
    add_many(tmp_path, range(2))
    path = file_of(tmp_path, tiny())
    whole = path.read_bytes()
    for length in (len(whole) - 1, len(whole) - 50_000):
        path.write_bytes(whole[:length])
        assert finished_cells(tmp_path).keys() == {tiny(seed=0).digest}
    add_many(tmp_path, range(1, 2))
    assert path.read_bytes() == whole and len(finished_cells(tmp_path)) == 2


def test_a_cell_that_another_work_folder_finished_first_keeps_its_line(tmp_path):
    add_many(tmp_path, range(2))
    whole = file_of(tmp_path, tiny()).read_bytes()
    add_cell(tmp_path, tiny(seed=0), row(tiny(seed=0)) | {"padding": "another"})
    assert file_of(tmp_path, tiny()).read_bytes() == whole


def test_a_cell_that_stands_twice_is_refused(tmp_path):
    add_many(tmp_path, range(1))
    path = file_of(tmp_path, tiny())
    path.with_name("main.jsonl").write_bytes(path.read_bytes())
    with pytest.raises(ValueError, match=f"expected one line for each cell, got two of {tiny(seed=0).digest}"):
        finished_cells(tmp_path)


@pytest.mark.parametrize("results", [RESULTS, RESULTS / "again"])
def test_committed_cells_stand_where_a_run_would_put_them(results):
    owners = {cell.digest: name for name, cell in every_cell()}
    for path in (results / "cells").glob("*.jsonl"):
        for line in path.read_text().splitlines():
            assert owners[Cell(**json.loads(line)["cell"]).digest] == path.stem
