import pytest
from runtime.json_files import parse_json, read_object


def test_reads_what_is_json():
    assert parse_json(b'{"a": [1]}') == {"a": [1]} and parse_json("[[[1]]]") == [[[1]]]
    assert parse_json('{"a": 1, "a": 2}', lambda pairs: pairs) == [("a", 1), ("a", 2)]


@pytest.mark.parametrize("data", ["", "{", "nan(", b"\xff\xfe", "[" * 100_000, '{"a":' * 100_000, "9" * 10_000])
def test_whatever_is_none_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


def test_an_object_in_a_file_is_read_or_named(tmp_path):
    assert read_object(tmp_path / "a.json") is None
    (tmp_path / "a.json").write_text('{"a": 1}')
    assert read_object(tmp_path / "a.json") == {"a": 1}
    for content in (b"", b"[]", b'{"a": 1', b"\xff"):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.json: expected a JSON object, got something else; delete the file"):
            read_object(tmp_path / "a.json")
