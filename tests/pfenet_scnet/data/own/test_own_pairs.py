import pytest
from data.own.pairs import files_below, find_pairs


@pytest.fixture
def pair(tmp_path):
    """Pair empty files of these names."""

    def call(pictures, masks, folders=("images", "masks")):
        for folder, names in zip(folders, (pictures, masks), strict=True):
            for name in names:
                (tmp_path / folder / name).parent.mkdir(parents=True, exist_ok=True)
                (tmp_path / folder / name).touch()
        return find_pairs(tmp_path / folders[0], tmp_path / folders[1])

    return call


def names(found, root):
    return {one.name: one.mask.relative_to(root).as_posix() for one in found.pairs}


@pytest.mark.parametrize(
    "mask", ["x.png", "x.PNG", "x.jpg.png", "x_mask.png", "x-mask.png", "x_label.tif", "x_gt.png", "x_labelIds.png"]
)
def test_a_mask_is_called_after_its_picture(pair, tmp_path, mask):
    found = pair(["a/x.jpg", "b/x.jpg"], [f"a/{mask}", f"b/{mask}"])
    assert names(found, tmp_path / "masks") == {"a/x.jpg": f"a/{mask}", "b/x.jpg": f"b/{mask}"}
    assert found.without_mask == found.without_picture == found.others == []


def test_a_picture_may_itself_be_called_mask(pair, tmp_path):
    found = pair(["x.jpg", "x_mask.jpg"], ["x.png", "x_mask.png"])
    assert names(found, tmp_path / "masks") == {"x.jpg": "x.png", "x_mask.jpg": "x_mask.png"}


def test_left_over_files_are_kept_apart(pair):
    found = pair(["x.jpg", "y.jpg", "notes.txt", ".hidden.jpg"], ["x.png", "z.png", "Thumbs.db"])
    assert (found.without_mask, found.without_picture) == (["y.jpg"], ["z.png"])
    assert [name.rpartition("/")[2] for name in found.others] == ["notes.txt", "Thumbs.db"]


def test_one_folder_may_hold_both_and_one_may_lie_in_the_other(pair, tmp_path):
    found = pair(["x.jpg", "y.jpg", "x_mask.png", "y.jpg.png"], [], ("both", "both"))
    assert names(found, tmp_path / "both") == {"x.jpg": "x_mask.png", "y.jpg": "y.jpg.png"}
    found = pair(["x.jpg"], ["x.png"], ("data", "data/masks"))
    assert names(found, tmp_path / "data/masks") == {"x.jpg": "x.png"} and not found.without_mask


@pytest.mark.parametrize(
    ("pictures", "masks", "message"),
    [
        (["x.jpg", "x.png"], ["x.png"], "expected x.png to fit one picture, got x.jpg, x.png; call it x.jpg.png"),
        (["x.jpg"], ["x.png", "x_mask.png"], "expected one mask of x.jpg, got x.png and x_mask.png; leave one out"),
    ],
)
def test_what_fits_twice_is_refused(pair, pictures, masks, message):
    if pictures == ["x.jpg", "x.png"]:
        with pytest.raises(ValueError, match="fit one picture"):
            pair(pictures, ["x_mask.png"])
        return
    with pytest.raises(ValueError, match=message):
        pair(pictures, masks)


def test_linked_folders_are_entered_once(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/x.jpg").touch()
    (tmp_path / "images").mkdir()
    (tmp_path / "images/link").symlink_to(tmp_path / "real")
    (tmp_path / "real/loop").symlink_to(tmp_path / "images")
    assert list(files_below(tmp_path / "images")) == ["link/x.jpg"]
