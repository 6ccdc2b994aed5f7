"""How many small changes of the library does a test notice?

python benchmarks/mutation/mutants.py                    # hours
python benchmarks/mutation/mutants.py --first 20         # the first 20 of the same sample

A mutant is the library with one change that a person could have made: another comparison, another number, a statement
left out. A sample of them is drawn by a seed, from every module. Each is tried in a copy of the tree, against the
library's own tests that run the changed line, until one fails: the mutant is killed. A test counts only if it passes
without the mutant. A mutant that no test kills in the time limit is alive, for whatever reason. `equivalent.toml` says
of some mutants why nobody can notice them.

Not mutated are annotations, texts, the messages of errors, and what only a type checker reads. The tests of the built
package do not take part, because they run a copy of the library that coverage does not see.

A run that was stopped goes on, from the folder `--work`. The outcomes there hold while the files that they come from
are as they were.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from common.measure import ROOT, command, machine, publish
from jsonargparse import auto_cli
from tqdm import tqdm

from mutation.choice import tests_for
from mutation.reach import Reached, library_tests, reach
from mutation.reasons import FILE, read_reasons, reason_for
from mutation.records import Records
from mutation.report import Tried, details, rows, summary
from mutation.sample import Mutant, sample
from mutation.tree import Tree
from mutation.trial import Outcome, Trials


def main(
    count: int = 300,
    seed: int = 0,
    limit: float = 90,
    first: int | None = None,
    work: Path = ROOT / "runs" / "mutants",
) -> None:
    """Try mutants of the library against its tests.

    Args:
        count: mutants in the sample.
        seed: draws the sample.
        limit: seconds that the tests of a mutant have.
        first: tries only so many of the sample, in its own order.
        work: a folder for the copy of the tree, what each test runs, and the outcomes so far.
    """
    tree = Tree(ROOT, work.resolve() / "tree")
    sources = tree.modules()
    reasons = read_reasons(FILE, sources)
    mutants = sample(sources, count, seed)[:first]
    tests = reach(tree, work.resolve())
    outcomes = try_all(tree, mutants, tests, Records(work / "outcomes.jsonl", tree, _everything(tree)), limit)
    tried = [
        Tried(mutant, outcome, reason_for(mutant, reasons)) for mutant, outcome in zip(mutants, outcomes, strict=True)
    ]
    report = {
        "question": (__doc__ or "").splitlines()[0],
        "command": command(),
        "seed": seed,
        "settings": {"count": count, "limit": limit, "first": first, "tests": len(tests)},
        "units": dict.fromkeys(("killed", "equivalent", "alive"), "mutants"),
        "rows": rows(tried),
        "summary": summary(tried, count),
        "details": details(tried),
        "environment": machine(["cosmic-ray", "coverage", "pytest"]),
    }
    for one in tried:
        if one.state != "killed":
            print(f"{one.state}: {one.mutant.module}:{one.mutant.line} {one.mutant.before!r} -> {one.mutant.after!r}")
            print(f"    {one.outcome.by}; {one.why or 'no reason is known'}")
    publish("mutants", report, ["arm", "measure", "median"])


def try_all(
    tree: Tree, mutants: list[Mutant], tests: dict[str, Reached], records: Records, limit: float
) -> list[Outcome]:
    """The outcome of each mutant, from the records where it is known."""
    sources = tree.modules()
    trials = Trials(tree, limit)
    found: list[Outcome] = []
    try:
        for mutant in tqdm(mutants, unit="mutant"):
            source = sources[mutant.module]
            outcome = records.find(mutant)
            if outcome is None:
                outcome = trials.run(mutant, source, tests_for(mutant, source, tests))
                records.add(mutant, outcome)
            found.append(outcome)
    finally:
        trials.close()
    return found


def _everything(tree: Tree) -> list[str]:
    return sorted({*tree.library(), *tree.helpers(), *library_tests(tree)})


if __name__ == "__main__":
    auto_cli(main)
