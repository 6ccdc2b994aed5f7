import io
import sys
import traceback

import pytest
import torch
from runtime.command import one_line, run_command
from torch.utils.data import DataLoader, Dataset


def failing(error):
    def main(_words):
        raise error

    return main


class Broken(Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise ValueError("a.jpg: expected a picture,\n got none; get it anew")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("size: expected\n more"), "size: expected more"),
        (
            FileNotFoundError(2, "No such file or directory", "a.txt"),
            "a.txt: No such file or directory; check the path, and make the folder that it lies in",
        ),
        (OSError(28, "No space left"), "disk: No space left; make room on the disk, or choose another one"),
        (ValueError("\x1b[2Ja.jpg: cut off"), r"\x1b[2Ja.jpg: cut off"),
        (ImportError("gradio: expected it installed"), "gradio: expected it installed"),
        (torch.OutOfMemoryError("too much"), "too much"),
        (FloatingPointError("the loss is nan"), "the loss is nan"),
        (ValueError(), "ValueError"),
    ],
)
def test_a_mistake_is_one_line_with_status_2(error, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["/somewhere/train.py"])
    with pytest.raises(SystemExit) as ended:
        run_command(failing(error), [])
    assert ended.value.code == 2 and capsys.readouterr().err == f"train.py: {said}\n"


LOADER = "DataLoader worker (pid 7) is killed by signal: Killed. "
PEER = "[/gloo/transport/tcp/pair.cc:545] Read error [127.0.0.1]:39623: Connection reset by peer. This is typically"


@pytest.mark.parametrize(("said", "name"), [(LOADER, "workers"), (PEER, "torchrun")])
def test_a_process_that_died_is_one_line_that_says_how_to_go_on(said, name, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit) as ended:
        run_command(failing(RuntimeError(said)), [])
    line = capsys.readouterr().err
    assert ended.value.code == 2 and line.count("\n") == 1 and line.startswith(f"train.py: {name}: expected ")
    assert line.endswith("; a training goes on with --resume true\n")
    with pytest.raises(RuntimeError, match="another"):
        run_command(failing(RuntimeError("another")), [])


def test_a_fault_of_ours_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run_command(failing(ZeroDivisionError()), [])


@pytest.mark.parametrize("words", [["--debug", "true"], ["a", "--debug=true", "b"]])
def test_debug_shows_the_traceback(words):
    with pytest.raises(ValueError, match="wrong"):
        run_command(failing(ValueError("wrong")), words)


def test_debug_is_no_word_of_the_command():
    seen = []
    run_command(seen.extend, ["a", "--debug", "false", "b"])
    assert seen == ["a", "b"]


def test_ctrl_c_is_one_line_with_its_own_status(capsys):
    with pytest.raises(SystemExit) as ended:
        run_command(failing(KeyboardInterrupt()), [])
    assert ended.value.code == 130 and capsys.readouterr().err.endswith(": interrupted\n")


def test_an_error_in_a_loader_process_is_said_without_its_traceback():
    with pytest.raises(ValueError, match="Original Traceback") as raised:
        next(iter(DataLoader(Broken(), num_workers=1)))
    # They hold the loader, whose process would be waited for in vain for five seconds when all else of it is gone.
    traceback.clear_frames(raised.tb)
    assert one_line(raised.value) == "a.jpg: expected a picture, got none; get it anew"


def test_what_a_console_cannot_show_is_written_out(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    run_command(lambda _words: print("class naïve, λ"), [])
    sys.stdout.flush()
    assert written.getvalue().split() == [b"class", b"na\\xefve,", b"\\u03bb"]
