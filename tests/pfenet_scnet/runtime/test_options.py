from typing import Literal

import pytest
from runtime.options import ExactParser, Parser, Range, check_choice, given_options, nearest


def parser():
    parser = Parser()
    parser.add_argument("--weight", type=float)
    parser.add_argument("--size", type=int | None)
    parser.add_argument("--kind", type=Literal["ring", "cube"])
    parser.add_argument("--name", type=str, required=True)
    return parser


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["--wieght", "1"],
            "--wieght: expected one of this command's options, got an unknown one; did you mean --weight?",
        ),
        (["--weig", "1"], "--weig: expected one of this command's options, got an unknown one; did you mean --weight?"),
        (["--zzz"], "--zzz: expected one of this command's options, got an unknown one; --help lists them"),
        (
            ["--name", "a", "word"],
            "word: expected an option, got a word without one before it; --help lists the options",
        ),
        (["--name", "a", "--weight", "much"], "weight: expected a number, got much; change --weight"),
        (["--name", "a", "--size", "much"], "size: expected a whole number, got much; change --size"),
        (["--name", "a", "--kind", "rnig"], "kind: expected one of ring, cube, got rnig; did you mean ring?"),
        (["--name"], "--name: expected a value after it, got none; --help explains"),
        ([], "name: expected a value, got none; --help explains"),
    ],
)
def test_a_mistake_is_one_sentence_of_ours(words, sentence):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        parser().parse_args(words)
    assert str(raised.value) == sentence


def test_the_other_parser_speaks_alike_and_hands_words_on():
    parser = ExactParser()
    parser.add_argument("--seeds", type=int, nargs="+")
    assert parser.parse_known_args(["--seed", "3", "--seeds", "1", "2"])[1] == ["--seed", "3"]
    with pytest.raises(ValueError, match="got an unknown one; did you mean --seeds"):
        parser.parse_args(["--seed", "3"])
    with pytest.raises(ValueError, match="seeds: expected a whole number, got x; change --seeds"):
        parser.parse_args(["--seeds", "x"])


@pytest.mark.parametrize("kind", [Parser, ExactParser])
def test_help_names_the_way_to_a_traceback(kind, capsys):
    with pytest.raises(SystemExit):
        kind(epilog="More.").parse_args(["--help"])
    assert "More. --debug true shows the traceback" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("allowed", "inside", "outside", "words"),
    [
        (Range(1), [1, 9e9, None], [0, -1, float("nan")], "at least 1"),
        (Range(0, 0.5), [0, 0.5], [0.6, -0.1, float("nan")], "0 to 0.5"),
        (Range(0, above=True), [1e-9], [0, -1], "more than 0"),
    ],
)
def test_a_range_takes_what_lies_inside(allowed, inside, outside, words):
    for value in inside:
        allowed.check("weight", value)
    for value in outside:
        with pytest.raises(ValueError, match=f"weight: expected {words}, got .*; change --weight"):
            allowed.check("weight", value)


def test_a_choice_suggests_the_nearest_or_all():
    check_choice("kind", "ring", ("ring", "cube"))
    with pytest.raises(ValueError, match="kind: expected one of ring, cube, got 'cub'; did you mean cube"):
        check_choice("kind", "cub", ("ring", "cube"))
    assert nearest("zzz", ["ring", "cube"]) == "choose among ring, cube"


def test_given_options_are_names_without_values():
    assert given_options(["RUN", "--shot=5", "--scales", "[4,2]", "-5"]) == {"shot", "scales"}
