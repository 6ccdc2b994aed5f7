"""The command, as a user types it."""

import subprocess
import sys
from pathlib import Path

from download_trees import square, write_coco, write_download
from voc_tree import mask_with

SCRIPT = Path(__file__).parents[2] / "examples/pfenet_scnet/prepare.py"


def run(*arguments):
    return subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, check=False)


def test_prepares_pascal(tmp_path):
    voc, sbd = write_download(tmp_path, {"a1": mask_with(1), "v1": mask_with(5)}, {"s1": mask_with(3) % 255})
    result = run("pascal", f"--voc={voc}", f"--sbd={sbd}", f"--out={tmp_path / 'out'}")
    assert result.returncode == 0, result.stderr
    assert "JPEGImages of VOC" in result.stdout and (tmp_path / "out/SegmentationClassAug/s1.png").is_file()


def test_prepares_coco(tmp_path):
    one = {"category_id": 1, "segmentation": square(3, 3, 20), "area": 400}
    coco = write_coco(tmp_path / "coco", {"train": [[one]], "val": [[one]]}, year="2017")
    result = run("coco", f"--coco={coco}", f"--out={tmp_path / 'out'}")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out/annotations/val2017/COCO_val2017_000000000001.png").is_file()


def test_draws_scenes(tmp_path):
    result = run("scenes", f"--root={tmp_path / 'scenes'}", "--train_scenes=2", "--val_scenes=1", "--hidden=0.5")
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "scenes" / "JPEGImages").glob("*.jpg"))) == 3


def test_a_missing_piece_ends_with_a_sentence(tmp_path):
    result = run("coco", f"--coco={tmp_path}", f"--out={tmp_path / 'out'}")
    assert result.returncode != 0 and "instances_train2014.json, got no such file" in result.stderr
