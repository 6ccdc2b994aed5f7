import pytest
from run_folder.rows import add_row, read_rows, write_rows


def test_rows_come_back_in_order(tmp_path):
    log = tmp_path / "log.jsonl"
    assert read_rows(log) == []
    write_rows(log, [{"step": 1}])
    add_row(log, {"step": 2})
    assert read_rows(log) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize(
    "tail", [b'{"step": 3', b'{"miou": 3}', b'{"step": "3"}', b"[" * 100_000, b"3", b"\xff\xfe", b'{"step": 3, "mi']
)
def test_a_torn_last_line_is_dropped(tmp_path, tail):
    log = tmp_path / "log.jsonl"
    log.write_bytes(b'{"step": 1}\n' + tail)
    assert read_rows(log) == [{"step": 1}]


def test_a_damaged_line_before_the_last_is_named(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(ValueError, match=r"log\.jsonl: expected a JSON object in line 2"):
        read_rows(tmp_path / "log.jsonl")
