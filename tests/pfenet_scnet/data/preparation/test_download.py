"""Archives in the real layout, fetched from a server on this machine by torchvision's own classes."""

import hashlib
import os
import shutil
import sys
import tarfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import warm_python
from data.preparation.download import fetch, pascal
from download_trees import write_download
from processes import EXAMPLE
from torchvision.datasets import SBDataset
from torchvision.datasets.voc import DATASET_YEAR_DICT
from voc_tree import mask_with

VOC, SBD = "VOCtrainval_11-May-2012.tar", "benchmark.tgz"


class Server:
    """Serves a folder, and notes what is asked for."""

    def __init__(self, folder):
        asked = self.asked = set()

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.add(self.path.lstrip("/"))

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    """Both archives in a folder, laid out as those that are published."""
    root, folder = tmp_path_factory.mktemp("trees"), tmp_path_factory.mktemp("archives")
    voc, sbd = write_download(root, {"a1": mask_with(1), "v1": mask_with(5)}, {"s1": mask_with(3) % 255})
    for name in ("img", "inst"):
        (sbd / name).mkdir()
    (sbd / "val.txt").write_text("")
    with tarfile.open(folder / VOC, "w") as archive:
        archive.add(voc, "VOCdevkit/VOC2012")
    with tarfile.open(folder / SBD, "w:gz") as archive:
        archive.add(sbd, "benchmark_RELEASE/dataset")
    return folder


def md5(path):
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


@pytest.fixture
def server(archives, monkeypatch):
    """torchvision asks this server in place of the universities'."""
    found = Server(archives)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(
        DATASET_YEAR_DICT, "2012", DATASET_YEAR_DICT["2012"] | {"url": f"{found.url}/{VOC}", "md5": md5(archives / VOC)}
    )
    monkeypatch.setattr(SBDataset, "url", f"{found.url}/{SBD}")
    monkeypatch.setattr(SBDataset, "md5", md5(archives / SBD))
    yield found
    found.close()


# What the fixture `server` does, in a process of its own.
PROCESS = """
import runpy, sys
from torchvision.datasets import SBDataset, voc
script, url, of_voc, of_sbd = sys.argv[1:5]
sys.argv[:] = [script, *sys.argv[5:]]
sys.path.insert(0, script.rpartition("/")[0])
voc.DATASET_YEAR_DICT["2012"] |= {"url": f"{url}/VOCtrainval_11-May-2012.tar", "md5": of_voc}
SBDataset.url, SBDataset.md5 = f"{url}/benchmark.tgz", of_sbd
runpy.run_path(script, run_name="__main__")
"""


def test_the_command_says_what_it_will_fetch_and_prepares_it(server, archives, tmp_path):
    words = [EXAMPLE / "prepare.py", server.url, md5(archives / VOC), md5(archives / SBD), "pascal", "--download=true"]
    line = ["-c", PROCESS, *words, "--into=downloads", "--out=out"]
    done = warm_python.run(*line, cwd=tmp_path, env=os.environ)
    assert done.returncode == 0, done.stderr
    beforehand = done.stdout.splitlines()[:2]
    assert beforehand == [
        f"VOC: {VOC}, 2.0 GB, from {server.url}/{VOC} into downloads/VOC",
        f"SBD: {SBD}, 1.4 GB, from {server.url}/{SBD} into downloads/SBD",
    ]
    assert {path.name for path in (tmp_path / "out/SegmentationClassAug").iterdir()} == {"a1.png", "v1.png", "s1.png"}
    assert (tmp_path / "out/JPEGImages").resolve() == tmp_path / "downloads/VOC/VOCdevkit/VOC2012/JPEGImages"
    assert {path.name for path in (tmp_path / "downloads").iterdir()} == {"VOC", "SBD"}


def test_what_is_there_is_used_again(server, tmp_path, capsys):
    fetch(tmp_path)
    server.asked.clear()
    fetch(tmp_path)
    assert not server.asked
    assert f"VOC: {tmp_path / 'VOC'} is there and is used again" in capsys.readouterr().out


def test_a_torn_archive_is_fetched_anew_and_a_whole_one_is_not(server, archives, tmp_path):
    for name, file in (("VOC", VOC), ("SBD", SBD)):
        (tmp_path / f"{name}.unfinished").mkdir()
        shutil.copy(archives / file, tmp_path / f"{name}.unfinished")
    torn = tmp_path / "SBD.unfinished"
    (torn / SBD).write_bytes((archives / SBD).read_bytes()[:100])
    # Stopped while it was unpacked.
    (torn / "cls").mkdir()
    (torn / "cls/s9.mat").write_bytes(b"torn")
    (torn / "train.txt").write_text("s9\n")
    fetch(tmp_path)
    assert server.asked == {SBD}
    assert [path.name for path in (tmp_path / "SBD/cls").iterdir()] == ["s1.mat"]
    assert (tmp_path / "SBD/train.txt").read_text() == "s1\n" and (tmp_path / "VOC/VOCdevkit/VOC2012").is_dir()


def test_another_file_than_the_one_that_is_known_is_not_unpacked(server, tmp_path, monkeypatch):
    monkeypatch.setattr(SBDataset, "md5", "0" * 32)
    with pytest.raises(
        OSError, match=r"download: expected benchmark.tgz from http.*corrupted.*--sbd, see docs/data.md"
    ):
        fetch(tmp_path)
    assert not (tmp_path / "SBD").exists() and [p.name for p in (tmp_path / "SBD.unfinished").iterdir()] == [SBD]


def test_without_a_network_the_error_says_how_to_do_it_by_hand(server, tmp_path):
    server.close()
    with pytest.raises(OSError, match=r"download: expected VOCtrainval_11-May-2012.tar from http.* got none") as caught:
        fetch(tmp_path)
    said = str(caught.value)
    assert "give its VOCdevkit/VOC2012 as --voc, see docs/data.md" in said and "\n" not in said


def test_without_torchvision_the_error_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(ImportError, match=r"download: expected torchvision, .* pip install torchvision"):
        fetch(tmp_path)


def test_a_full_disk_is_said_before_anything_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 9 * 10**9, 10**9))
    with pytest.raises(OSError, match=r"into: expected 7.5 GB of room in .*, got 1.0"):
        fetch(tmp_path / "new")
    assert not server.asked and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"download": True}, "into: expected the folder to fetch the archives into, got none; add --into DIR"),
        ({"download": True, "into": Path("d"), "voc": Path("v")}, "download: expected false beside --voc and --sbd"),
        ({"download": True, "into": Path("file")}, "into: expected a folder, got file, which is a file"),
        ({"download": True, "into": Path("d"), "train_list": Path("l")}, "train_list: expected l, got no such file"),
        ({"download": True, "into": Path("d"), "out": Path("taken")}, "out: expected no taken/JPEGImages or a link to"),
        ({"into": Path("d")}, "into: expected none without --download true, got d"),
        ({}, "voc: expected VOCdevkit/VOC2012, got none; unpack http"),
    ],
)
def test_every_argument_is_looked_at_before_the_first_byte(server, tmp_path, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "taken/JPEGImages").mkdir(parents=True)
    (tmp_path / "taken/JPEGImages/mine.jpg").touch()
    with pytest.raises((ValueError, OSError)) as caught:
        pascal(**{"out": Path("out")} | options)
    assert sentence in str(caught.value)
    assert not server.asked and not (tmp_path / "d").exists() and not (tmp_path / "out").exists()
