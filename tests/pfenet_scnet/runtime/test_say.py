from runtime.say import say_once


def test_a_line_is_said_once(capsys):
    for text in ("said by test_say", "said by test_say", "another by test_say"):
        say_once(text)
    assert capsys.readouterr().out == "said by test_say\nanother by test_say\n"
