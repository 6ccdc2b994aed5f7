"""Work on many files over all cores; what is damaged is named, and a process that dies is an error, not a hang.

The processes end with the command, however that ends.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import islice
from typing import TypeVar

from runtime.interrupts import begin_worker
from runtime.say import some
from tqdm import tqdm

from data.damage import SKIP
from data.pictures import Damaged

# Windows waits for no more processes at a time.
MOST = 61

Task = TypeVar("Task")
Result = TypeVar("Result")


def in_parallel(
    work: Callable[[Task], Result],
    tasks: Sequence[Task],
    title: str,
    name: Callable[[Task], object] = str,
    skip_damaged: bool = False,
) -> list[Result | None]:
    """What `work` returns for each task, in their order; None where a file is damaged and may be left out.

    Args:
        name: what an error calls a task.
        skip_damaged: leave damaged files out, and say how many.

    Raises:
        Damaged: names the damaged files.
        ChildProcessError: a process died; names the files that were in work.
    """
    results: list[Result | None] = [None] * len(tasks)
    found: dict[int, Damaged] = {}
    with closing(_finished(work, tasks, title, name)) as finished:
        for place, result in tqdm(finished, title, len(tasks)):
            if isinstance(result, Damaged):
                found[place] = result
            else:
                results[place] = result
    damages = [str(found[place]) for place in sorted(found)]
    if damages and not skip_damaged:
        raise Damaged(f"{some(damages, '; ')}; or {SKIP}")
    if damages:
        print(f"{title}: left out {len(damages)} of {len(tasks)}, which are damaged: {some(damages, '; ')}")
    return results


def _finished(
    work: Callable[[Task], Result], tasks: Sequence[Task], title: str, name: Callable[[Task], object]
) -> Iterator[tuple[int, Result | Damaged]]:
    """Results as they come, with the task's place. Only a few tasks wait at a time, so that those in work are known."""
    workers = min(os.cpu_count() or 1, len(tasks) or 1, MOST)
    queue = iter(enumerate(tasks))
    at_work: dict[Future[Result | Damaged], int] = {}
    with ProcessPoolExecutor(workers, initializer=begin_worker) as pool:
        try:
            while True:
                for place, task in islice(queue, 2 * workers - len(at_work)):
                    at_work[pool.submit(_attempt, work, task)] = place
                if not at_work:
                    return
                for done in wait(at_work, return_when=FIRST_COMPLETED).done:
                    yield at_work[done], done.result()
                    del at_work[done]
        except BrokenProcessPool:
            names = [str(name(tasks[place])) for task, place in at_work.items() if not task.done() or task.exception()]
            raise ChildProcessError(
                f"{title}: expected the work to end, got a process that died, perhaps for want of memory, at one of "
                f"{some(names)}; look at these files, or close other programs and try again"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)


def _attempt(work: Callable[[Task], Result], task: Task) -> Result | Damaged:
    try:
        return work(task)
    except Damaged as damage:
        return damage
