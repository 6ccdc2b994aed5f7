"""Pictures and masks of one's own through `prepare.py folder`, as a user types it."""

import json

import numpy as np
import pytest
from data.image_list import read_list
from data.masks import read_mask
from data.own.folder import prepare_folder
from data.pictures import read_image
from own_tree import SIZE, TURNED_A_QUARTER, block, write_mask, write_pairs, write_picture
from PIL import Image

COLOURS = {"cup": (255, 0, 0), "plate": (0, 200, 0)}


@pytest.fixture
def prepare(command, tmp_path):
    """Prepare the pictures and masks below tmp_path; what was printed."""

    def call(*words, status=0):
        done = command("folder", "--images", tmp_path / "images", "--masks", tmp_path / "masks", *words, *out(words))
        assert done.status == status and "Traceback" not in done.err, done.out + done.err
        return done.out if status == 0 else done.err.replace("\r", "\n").splitlines()[-1]

    def out(words):
        return () if "--out" in words else ("--out", tmp_path / "out")

    return call


def listed(root, part):
    """The pixels of each class in the pictures of a list, by name."""
    return {item.image.name: item.pixels for item in read_list(root, part, 1).items}


def everything(root):
    return listed(root, "train") | listed(root, "val")


def leftovers(tmp_path):
    return [path.name for path in tmp_path.iterdir() if "out" in path.name]


def colour_table(root, text=None):
    lines = [f"{name} {' '.join(map(str, colour))}" for name, colour in COLOURS.items()]
    (root / "colours.txt").write_text(text or "\n".join(lines))
    return root / "colours.txt"


@pytest.mark.parametrize(
    ("values", "mode", "said", "classes"),
    [
        ([1] * 4, "L", "masks hold class indices up to 1", ["class1"]),
        ([255] * 4, "L", "masks hold only 0 and 255: 255 is the class", ["class1"]),
        ([1, 2, 1, 2, 2, 1], "L", "masks hold class indices up to 2", ["class1", "class2"]),
        ([1, 2, 1, 2, 2, 1], "P", "masks hold class indices up to 2", ["class1", "class2"]),
    ],
)
def test_masks_of_each_kind_are_told(prepare, tmp_path, values, mode, said, classes):
    write_pairs(tmp_path, values, mode=mode)
    assert said in prepare()
    assert (tmp_path / "out/classes.txt").read_text().splitlines() == classes
    expected = {f"{number}.jpg": {1 if value == 255 else value: 400} for number, value in enumerate(values)}
    assert everything(tmp_path / "out") == expected
    with Image.open(tmp_path / "out/SegmentationClassAug/0.png") as mask:
        assert mask.mode == "L"


def test_an_unlabelled_rim_stays_unlabelled(prepare, tmp_path):
    write_pairs(tmp_path, [1, 2, 1, 2])
    mask = block(2)
    mask[0] = 255
    write_mask(tmp_path / "masks/3.png", mask)
    assert "masks hold class indices up to 2; 255 is unlabelled" in prepare("--names", "cup, plate")
    assert np.array_equal(read_mask(tmp_path / "out/SegmentationClassAug/3.png"), mask)
    assert (tmp_path / "out/classes.txt").read_text() == "cup\nplate\n"


@pytest.mark.parametrize(
    "table",
    [
        None,
        "cup,255,0,0\r\nplate,0,200,0\r\n",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncup:255,0,0::\nplate:0,200,0::\n",
        json.dumps(COLOURS),
        '{"cup": "#ff0000", "plate": "#00C800"}',
    ],
)
def test_colours_are_read_by_a_table(prepare, tmp_path, table):
    write_pairs(tmp_path, [*COLOURS.values()] * 2)
    assert "2 plate" in prepare("--colours", colour_table(tmp_path, table))
    assert (tmp_path / "out/classes.txt").read_text() == "cup\nplate\n"
    assert everything(tmp_path / "out") == {f"{number}.jpg": {number % 2 + 1: 400} for number in range(4)}


def test_colours_without_a_table_are_named(prepare, tmp_path):
    write_pairs(tmp_path, [*COLOURS.values()] * 2)
    error = prepare(status=2)
    assert error == (
        f"prepare.py: {tmp_path}/masks/0.png: expected class indices, got colours (4 of 4 masks): 0,0,0; 0,200,0; "
        "255,0,0; name them in a file with a line 'name r g b' each, and add --colours FILE"
    )
    assert leftovers(tmp_path) == []


@pytest.fixture
def damaged(tmp_path):
    """Eight sound pairs and four others: a mask of another size, one of no class, a mask and a picture cut off."""
    write_pairs(tmp_path, [1, 2] * 6)
    write_mask(tmp_path / "masks/8.png", block(1, (20, 30), side=9))
    write_mask(tmp_path / "masks/9.png", block(7))
    for path in (tmp_path / "masks/10.png", tmp_path / "images/11.jpg"):
        path.write_bytes(path.read_bytes()[:-100])
    return tmp_path


def test_damaged_files_are_named_all_in_one_line(prepare, damaged):
    error = prepare("--names", "cup,plate", status=2)
    assert f"{damaged}/masks/10.png: expected a whole mask, got a damaged file" in error
    (damaged / "masks/10.png").unlink()
    (damaged / "images/10.jpg").unlink()
    error = prepare("--names", "cup,plate", status=2)
    assert error.startswith(f"prepare.py: {damaged}/images/11.jpg: expected a picture, got a damaged one")
    assert f"; {damaged}/masks/8.png: expected its picture's size 48 x 64 (height x width), got 20 x 30; " in error
    assert f"; {damaged}/masks/9.png: expected the indices of 2 classes, got the value 7; " in error
    assert error.endswith("; or add --skip_damaged true to leave such files out")
    assert leftovers(damaged) == []


def test_damaged_files_are_left_out_and_counted(prepare, damaged):
    said = prepare("--names", "cup,plate", "--skip_damaged", "true")
    assert "looking at masks: left out 1 of 12, which are damaged: " in said
    assert "checking pictures and writing masks: left out 3 of 11, which are damaged: " in said
    assert set(everything(damaged / "out")) == {f"{number}.jpg" for number in range(8)}


def test_phones_and_rare_pictures_are_written_upright_and_all_others_linked(prepare, tmp_path):
    images = tmp_path / "images"
    write_pairs(tmp_path, [1] * 3)
    write_picture(images / "phone.jpg", SIZE, TURNED_A_QUARTER)
    write_mask(tmp_path / "masks/phone.png", block(1, SIZE[::-1]))
    write_picture(images / "upright.jpg", SIZE, note=1)
    for name, mode in (("clear.png", "RGBA"), ("print.jpg", "CMYK"), ("scan.tif", "RGB"), ("palette.png", "P")):
        write_picture(images / name, mode=mode)
    Image.fromarray(np.full(SIZE, 40_000, np.uint16)).save(images / "deep.png")
    write_picture(images / "grey.png", mode="L")
    rare = ["clear", "deep", "palette", "phone", "print", "scan"]
    for name in ("upright", "grey", *rare):
        if name != "phone":
            write_mask(tmp_path / f"masks/{name}.png", block(1))
    said = prepare()
    assert "pictures linked: 5" in said and "pictures written upright as PNG: 6" in said
    written = tmp_path / "out/JPEGImages"
    links = {path.name: path.readlink() for path in written.iterdir() if path.is_symlink()}
    assert links == {name: images / name for name in ("0.jpg", "1.jpg", "2.jpg", "grey.png", "upright.jpg")}
    for name in rare:
        source = next(images.glob(f"{name}.*"))
        assert np.array_equal(read_image(written / f"{name}.png"), read_image(source, upright=True))
        with Image.open(written / f"{name}.png") as picture:
            assert picture.mode == "RGB"
    assert read_image(written / "phone.png").shape == (3, 64, 48), "as high as it is shown"
    assert read_mask(tmp_path / "out/SegmentationClassAug/phone.png").shape == (64, 48)


def test_a_mask_that_was_drawn_on_the_stored_picture_is_explained(prepare, tmp_path):
    write_pairs(tmp_path, [1, 1])
    write_picture(tmp_path / "images/0.jpg", note=TURNED_A_QUARTER)
    error = prepare(status=2)
    assert "masks/0.png: expected its picture's size 64 x 48 (height x width), got 48 x 64" in error
    assert "it fits the picture turned by a quarter" in error and "remove the orientation note" in error


def test_names_with_blanks_and_of_one_stem_are_kept_apart(prepare, tmp_path):
    for name in ("my cup", "my_cup", "a b/x", "c/x"):
        write_picture(tmp_path / f"images/{name}.jpg")
        write_mask(tmp_path / f"masks/{name}.png", block(1))
    for number, ending in enumerate(("jpg", "png")):
        write_picture(tmp_path / f"images/twin.{ending}")
        write_mask(tmp_path / f"masks/twin.{ending}.png", block(1, side=10 + number))
    said = prepare()
    assert "names with blanks, which have _ there, as lists hold no blanks: 2; " in said
    lines = [(tmp_path / f"out/ImageSets/Segmentation/{part}.txt").read_text() for part in ("train", "val")]
    assert sorted("".join(lines).splitlines()) == [
        "JPEGImages/a_b/x.jpg SegmentationClassAug/a_b/x.png",
        "JPEGImages/c/x.jpg SegmentationClassAug/c/x.png",
        "JPEGImages/my_cup.jpg SegmentationClassAug/my_cup.png",
        "JPEGImages/my_cup_2.jpg SegmentationClassAug/my_cup_2.png",
        "JPEGImages/twin.jpg SegmentationClassAug/twin.jpg.png",
        "JPEGImages/twin.png SegmentationClassAug/twin.png.png",
    ]
    assert (tmp_path / "out/JPEGImages/my_cup_2.jpg").readlink() == tmp_path / "images/my cup.jpg"
    found = everything(tmp_path / "out")
    assert found["twin.jpg"] == {1: 100} and found["twin.png"] == {1: 121}


def test_what_was_not_paired_is_named(prepare, tmp_path):
    write_pairs(tmp_path, [1, 1])
    write_picture(tmp_path / "images/lonely.jpg")
    write_mask(tmp_path / "masks/other.png", block(1))
    (tmp_path / "images/notes.txt").write_text("shot in May")
    error = prepare(status=2)
    assert "pictures without one: 1 (lonely.jpg)" in error and "masks without a picture: 1 (other.png)" in error
    (tmp_path / "images/lonely.jpg").unlink()
    (tmp_path / "masks/other.png").unlink()
    assert f"files that are no pictures, left out: 1 ({tmp_path}/images/notes.txt)" in prepare()


def test_lists_of_ones_own_divide_and_select(prepare, tmp_path):
    write_pairs(tmp_path, [1, 2] * 3)
    write_picture(tmp_path / "images/not marked.jpg")
    (tmp_path / "train.txt").write_bytes("\ufeffimages\\0.jpg\r\n 1 \r\n1.jpg\r\n3.jpg 3.png\r\n".encode())
    (tmp_path / "val.txt").write_text("2\n4.jpg\n")
    said = prepare("--train_list", tmp_path / "train.txt", "--val_list", tmp_path / "val.txt")
    assert "train.txt: 4 lines name 3 pictures; each counts once" in said and "divided by the given lists" in said
    assert "pictures in neither list, left out: 1" in said
    assert set(listed(tmp_path / "out", "train")) == {"0.jpg", "1.jpg", "3.jpg"}
    assert set(listed(tmp_path / "out", "val")) == {"2.jpg", "4.jpg"}


def test_a_seed_divides_always_the_same(prepare, tmp_path):
    write_pairs(tmp_path, [1, 2] * 6)
    said = prepare("--seed", 1)
    assert "12 pictures, 8 to train on and 4 for validation, divided by seed 1 with a share of 0.25" in said
    prepare("--seed", 1, "--out", tmp_path / "again")
    prepare("--seed", 2, "--out", tmp_path / "other")
    first, again, other = (set(listed(tmp_path / name, "val")) for name in ("out", "again", "other"))
    assert first == again != other
    assert "6 to train on and 6 for validation" in prepare("--val_share", 0.5, "--out", tmp_path / "half")


def test_the_table_says_what_each_class_can_serve_as(prepare, tmp_path):
    write_pairs(tmp_path, [1] * 12 + [2] * 4 + [3, 0])
    said = prepare("--names", "cup,plate,fork,spoon")
    rows = {line.split()[1]: " ".join(line.split()) for line in said.splitlines() if line.startswith("  ")}
    assert rows["cup"] == "1 cup 4,800 9 3 base class; novel class, up to 2-shot"
    assert rows["plate"] == "2 plate 1,600 2 2 base class; novel class, 1-shot"
    assert rows["fork"] == "3 fork 400 1 0 support of predict.py only"
    assert rows["spoon"] == "4 spoon 0 0 0 nothing: no pixel is left of it"
    assert "pictures of background alone: 1, in no list, as an episode needs an object" in said
    assert "Train with --novel_classes and the names of those to hold out, among cup, plate." in said
    assert "17.jpg" not in everything(tmp_path / "out") and not (tmp_path / "out/JPEGImages/17.jpg").exists()


def test_one_class_alone_is_written_and_points_to_predict(prepare, tmp_path):
    write_pairs(tmp_path, [255] * 4)
    said = prepare("--names", "cup")
    assert "One class alone cannot train an episodic model" in said and "predict.py can segment cup" in said
    assert everything(tmp_path / "out") == {f"{number}.jpg": {1: 400} for number in range(4)}


def test_a_single_picture_cannot_be_divided(prepare, tmp_path):
    write_pairs(tmp_path, [1])
    error = prepare(status=2)
    assert error.startswith("prepare.py: val: expected at least one picture with an object, got 1 in all; ")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--names", "cup,,fork"), "names: expected a name for each class, got an empty one"),
        (("--names", "cup,cup"), "names: expected each class name once, got cup twice"),
        (
            ("--names", "cup\nplate"),
            r"names: expected class names of one line without control characters, got cup\nplate",
        ),
        (("--names", "cup", "--colours", "x"), "names: expected none beside --colours x"),
        (("--colours", "x"), "colours: expected x, got no such file or folder"),
        (("--val_share", "0"), "val_share: expected 0.01 to 0.99, got 0"),
        (("--val_share", "nan"), "val_share: expected a number, got nan"),
        (("--seed", "-1"), "seed: expected at least 0, got -1"),
        (("--seed", "one"), "seed: expected a whole number, got one"),
        (("--train_list", "x"), "val_list: expected a list beside --train_list, got none"),
        (
            ("--image", "x"),
            "--image: expected one of this command's options, got an unknown one; did you mean --images?",
        ),
        (("--images", "nowhere"), "images: expected a folder, got nowhere, which is none"),
    ],
)
def test_a_careless_option_is_refused_before_anything_is_written(prepare, tmp_path, words, message):
    write_pairs(tmp_path, [1, 2])
    error = prepare(*words, status=2)
    assert error.startswith(f"prepare.py: {message}") and leftovers(tmp_path) == []


def test_a_folder_that_holds_something_is_not_touched(prepare, tmp_path):
    write_pairs(tmp_path, [1, 2] * 4)
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("mine")
    error = prepare(status=2)
    assert error.startswith("prepare.py: out: expected a new or empty folder") and leftovers(tmp_path) == ["out"]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.txt"]
    error = prepare("--out", tmp_path / "images/out", status=2)
    assert "out: expected a folder outside of --images" in error
    (tmp_path / "out/thesis.txt").unlink()
    prepare()
    assert len(everything(tmp_path / "out")) == 8, "an empty one is taken"


def test_where_no_link_can_be_made_pictures_are_copied(tmp_path, monkeypatch, capsys):
    def refuse(self, target, target_is_directory=False):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.symlink_to", refuse)
    write_pairs(tmp_path, [1, 2] * 2)
    prepare_folder(tmp_path / "images", tmp_path / "masks", tmp_path / "out")
    assert "pictures copied, as no link can be made here: 4" in capsys.readouterr().out
    copy = tmp_path / "out/JPEGImages/0.jpg"
    assert copy.read_bytes() == (tmp_path / "images/0.jpg").read_bytes() and not copy.is_symlink()
