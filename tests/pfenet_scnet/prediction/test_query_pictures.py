from pathlib import Path

import pytest
from prediction.query_pictures import find_queries

NAMES = ["b.jpg", "a.PNG", "sub/b.jpg", "sub/deep/c.tif", "notes.txt", ".hidden.jpg", "sub/._b.jpg", ".trash/d.jpg"]


@pytest.fixture
def photos(tmp_path, monkeypatch):
    for name in NAMES:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("runtime.say._said", set())
    return tmp_path / "photos"


def found(*words):
    return {str(query.name): str(query.path) for query in find_queries(words)}


def test_a_folder_gives_its_visible_pictures_at_their_places(photos, capsys):
    expected = {"a": "photos/a.PNG", "b": "photos/b.jpg", "sub/b": "photos/sub/b.jpg"}
    assert found("photos") == expected | {"sub/deep/c": "photos/sub/deep/c.tif"}
    assert capsys.readouterr().out == "photos: left out 1 of 5 files, no pictures by their names: notes.txt\n"


def test_files_give_their_names_in_the_order_given(photos):
    assert list(found("photos/sub/b.jpg", "photos/a.PNG")) == ["b", "a"]
    # A file is taken whatever its name; whether it is a picture shows when it is read.
    assert found("photos/notes.txt") == {"notes": "photos/notes.txt"}


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("photos/*.jpg", ["b"]),
        ("photos/*", ["a", "b"]),
        ("photos/**/*.jpg", ["b", "sub/b"]),
        ("photos/s?b/*", ["sub/b"]),
        ("photos/sub/*/*.tif", ["deep/c"]),
        ("*/b.jpg", ["photos/b"]),
    ],
)
def test_a_pattern_keeps_the_places_below_its_fixed_part(photos, pattern, names):
    assert list(found(pattern)) == names
    absolute = found(str(photos.parent / pattern))
    assert list(absolute) == names and all(Path(path).is_absolute() for path in absolute.values())


def test_a_name_that_looks_like_a_pattern_is_a_name_first(photos):
    (photos / "b[1].jpg").touch()
    assert found("photos/b[1].jpg") == {"b[1]": "photos/b[1].jpg"}


def test_a_picture_named_twice_is_predicted_once(photos, capsys):
    assert list(found("photos/b.jpg", "photos/*.jpg", "photos/sub/../b.jpg")) == ["b"]
    assert "query: 2 of 3 pictures were named before; each is predicted once" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "both"),
    [
        (["photos/b.jpg", "photos/sub/b.jpg"], "photos/b.jpg and photos/sub/b.jpg, both b.png"),
        (["photos", "photos/sub"], "photos/b.jpg and photos/sub/b.jpg, both b.png"),
        (["photos/a.jpeg", "photos/a.PNG"], "photos/a.jpeg and photos/a.PNG, both a.png"),
        (["photos/B.jpg", "photos/sub/b.jpg"], "photos/B.jpg and photos/sub/b.jpg, both b.png"),
    ],
)
def test_two_pictures_with_results_of_one_name_are_refused(photos, words, both):
    for word in words:
        if not Path(word).exists():
            Path(word).touch()
    with pytest.raises(ValueError, match=both):
        find_queries(words)


def test_a_word_without_pictures_is_refused(photos):
    (photos / "texts").mkdir()
    (photos / "texts" / "x.heic").touch()
    (photos / "empty").mkdir()
    for word, sentence in {
        "photos/none.jpg": "photos/none.jpg: expected a picture, a folder or a pattern, got none",
        "photos/none*.jpg": r"photos/none\*.jpg: expected pictures that this pattern finds .*, got none",
        "photos/empty": "photos/empty: expected pictures in this folder .*, got none",
        "photos/texts": r"photos/texts: expected pictures .*, got other files alone: x\.heic",
    }.items():
        with pytest.raises(FileNotFoundError, match=sentence):
            find_queries([word])
