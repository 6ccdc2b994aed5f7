"""The command, as a user types it."""

import pytest
from download_trees import square, write_coco, write_download
from forked_commands import ForkedCommand
from voc_tree import mask_with


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return ForkedCommand("prepare", tmp_path_factory.mktemp("prepare"))


def test_a_process_of_its_own_ends_with_one_line_and_status_2(run, tmp_path):
    result = run("coco", f"--coco={tmp_path}", f"--out={tmp_path / 'out'}")
    assert result.status == 2 and result.err.startswith("prepare.py: coco: expected ")
    assert "instances_train2014.json, got no such file" in result.err and result.err.count("\n") == 1


def test_prepares_pascal(run, tmp_path):
    voc, sbd = write_download(tmp_path, {"a1": mask_with(1), "v1": mask_with(5)}, {"s1": mask_with(3) % 255})
    result = run("pascal", f"--voc={voc}", f"--sbd={sbd}", f"--out={tmp_path / 'out'}")
    assert result.status == 0, result.err
    assert "JPEGImages of VOC" in result.out and (tmp_path / "out/SegmentationClassAug/s1.png").is_file()


def test_prepares_coco_and_leaves_damaged_images_out_where_that_is_asked(run, tmp_path):
    one = {"category_id": 1, "segmentation": square(3, 3, 20), "area": 400}
    coco = write_coco(tmp_path / "coco", {"train": [[one]] * 2, "val": [[one]]}, year="2017")
    (coco / "train2017/COCO_train2017_000000000002.jpg").write_bytes(b"\xff\xd8\xff")
    words = ("coco", f"--coco={coco}", f"--out={tmp_path / 'out'}")
    result = run(*words)
    assert result.status == 2 and "000000000002.jpg: expected a picture" in result.err.replace("\r", "\n")
    result = run(*words, "--skip_damaged", "true")
    assert result.status == 0 and "left out 1 of 2, which are damaged" in result.out, result.err
    assert (tmp_path / "out/annotations/val2017/COCO_val2017_000000000001.png").is_file()


def test_draws_scenes(run, tmp_path):
    result = run("scenes", f"--root={tmp_path / 'scenes'}", "--train_scenes=2", "--val_scenes=1", "--hidden=0.5")
    assert result.status == 0, result.err
    assert len(list((tmp_path / "scenes" / "JPEGImages").glob("*.jpg"))) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "command: expected one of pascal, coco, folder, coco-json, scenes, got none; --help explains"),
        (("pascl",), "got pascl; did you mean pascal?"),
        (("coco_json",), "got coco_json; did you mean coco-json?"),
        (("coco-json",), "json, images, out: expected a value, got none"),
        (
            ("coco-json", "--jason", "x"),
            "--jason: expected one of this command's options, got an unknown one; did you mean",
        ),
        (
            ("coco", "--download", "true"),
            "download: expected none for COCO, which is fetched by hand, got it; unpack http",
        ),
        (("coco", "--coco=x", "--out=y", "--download=true"), "and give that as --coco, see docs/data.md"),
        (("pascal", "--out", "y"), "voc: expected VOCdevkit/VOC2012, got none; unpack http"),
        (("pascal", "--out", "y", "--download", "perhaps"), "download: expected true or false, got perhaps"),
        (("scenes", "--root", "x", "--train_scenes", "0"), "train_scenes: expected at least 1, got 0"),
        (("scenes", "--root", "x", "--seed", "-1"), "seed: expected at least 0, got -1"),
        (("scenes", "--root", "x", "--hidden", "2"), "hidden: expected 0 to 0.5, got 2"),
        (("folder", "--images", "x", "--masks", "x", "--out", "y"), "images: expected a folder, got x, which is none"),
        (
            ("coco", "--coco", "x", "--out", "y", "--skip_damaged", "maybe"),
            "skip_damaged: expected true or false, got maybe",
        ),
    ],
)
def test_a_careless_word_is_one_line(run, words, message):
    result = run(*words)
    assert result.status == 2 and result.err.startswith("prepare.py: ") and result.err.count("\n") == 1
    assert message in result.err and not (run.folder / "x").exists()


def test_the_traceback_is_there_for_those_who_ask(run):
    result = run("scenes", "--root", "x", "--train_scenes", "0", "--debug", "true")
    assert result.status == 1 and "Traceback" in result.err and "train_scenes: expected at least 1" in result.err
