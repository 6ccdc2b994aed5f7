import multiprocessing
import os
import signal
import sys
import time

import pytest
from data.pictures import Damaged
from data.preparation.workers import in_parallel
from living_processes import alive_after, is_alive


def halve(number):
    if number % 2:
        raise Damaged(f"{number}.jpg: odd")
    time.sleep(0.001 * max(20 - number, 0))
    return number // 2


def die_at_seven(number):
    if number == 7:
        os._exit(1)
    return number


def test_results_stand_in_the_order_of_the_tasks():
    assert in_parallel(halve, list(range(0, 20, 2)), "halving") == list(range(10))


def test_nothing_to_do_is_nothing_done():
    assert in_parallel(halve, [], "halving") == []


def test_damaged_files_are_one_line_with_the_first_ten():
    with pytest.raises(Damaged) as caught:
        in_parallel(halve, list(range(30)), "halving")
    first = "; ".join(f"{number}.jpg: odd" for number in range(1, 20, 2))
    assert str(caught.value) == f"{first}; and 5 more; or add --skip_damaged true to leave such files out"


def test_damaged_files_are_left_out_aloud_where_that_is_asked(capsys):
    assert in_parallel(halve, [0, 1, 2], "halving", skip_damaged=True) == [0, None, 1]
    assert "halving: left out 1 of 3, which are damaged: 1.jpg: odd" in capsys.readouterr().out


def test_a_process_that_dies_is_an_error_that_names_the_files_in_work():
    with pytest.raises(ChildProcessError, match="a process that died") as caught:
        in_parallel(die_at_seven, list(range(100)), "working", lambda number: f"{number}.jpg")
    named = str(caught.value).partition("at one of ")[2].partition(";")[0].split(", ")
    assert "7.jpg" in named and len(named) <= 2 * os.cpu_count()
    assert "\n" not in str(caught.value)


def test_an_error_of_ours_is_not_taken_for_damage():
    with pytest.raises(TypeError):
        in_parallel(halve, ["two"], "halving", skip_damaged=True)


def sleep(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(100)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot fork")
def test_the_processes_end_with_a_command_that_is_killed(tmp_path):
    """They would wait for their next task for ever."""
    process = multiprocessing.get_context("fork").Process(target=in_parallel, args=(sleep, [tmp_path] * 4, "asleep"))
    process.start()
    while not list(tmp_path.iterdir()):
        assert process.is_alive()
        time.sleep(0.05)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert all(map(is_alive, workers)), "they live as long as the command does"
    process.kill()
    process.join()
    survived = alive_after(20, workers)
    for one in survived:
        os.kill(one, signal.SIGKILL)
    assert not survived
