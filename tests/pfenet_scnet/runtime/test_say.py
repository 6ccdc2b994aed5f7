import pytest
from runtime.say import say_once, shown, some


def test_a_line_is_said_once(capsys):
    for text in ("said by test_say", "said by test_say", "another by test_say"):
        say_once(text)
    assert capsys.readouterr().out == "said by test_say\nanother by test_say\n"


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("größe λ.jpg", "größe λ.jpg"),
        ("a\u00a0b", r"a\xa0b"),
        ("\x1b[2J\x07.jpg", r"\x1b[2J\x07.jpg"),
        ("a\nb\r", r"a\nb\r"),
        ("\udcff\u202e.jpg", r"\udcff\u202e.jpg"),
    ],
)
def test_what_nobody_sees_is_written_out_wherever_names_are_said(text, visible, capsys):
    assert shown(text) == some([text]) == visible
    say_once(text)
    assert capsys.readouterr().out == f"{visible}\n"
