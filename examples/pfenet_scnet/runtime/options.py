"""A command line that reads exact options only and suggests the nearest for a misspelt one; ranges of numbers."""

import argparse
import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from jsonargparse import ArgumentParser

DEBUG = "--debug true shows the traceback of an error."
KINDS = {"<class 'int'>": "a whole number", "<class 'float'>": "a number", "<class 'bool'>": "true or false"}


class Parser(ArgumentParser):
    """jsonargparse's parser; a mistake is a ValueError of one line, and no option may be shortened."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        epilog = " ".join(text for text in (options.pop("epilog", None), DEBUG) if text)
        super().__init__(*arguments, **{"allow_abbrev": False, "epilog": epilog} | options)

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise _mistake(message, self._option_string_actions) from None


class ExactParser(argparse.ArgumentParser):
    """The standard library's parser for a command that hands words on to a recipe: exact options, errors of one line.

    `parse_known_args` gives the words that it does not know, with their order, to whoever reads them.
    """

    def __init__(self, **options: Any) -> None:
        epilog = " ".join(text for text in (options.pop("epilog", None), DEBUG) if text)
        form = argparse.RawDescriptionHelpFormatter
        super().__init__(**{"allow_abbrev": False, "formatter_class": form, "epilog": epilog} | options)
        self._words: list[str] = []

    def parse_known_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:
        self._words = list(args or ())
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        # An option that must be given and is misspelt: the misspelt word says more than that it is missing.
        missing = re.findall(r"--\w+", message) if "are required" in message else []
        given = (word.partition("=")[0] for word in self._words if word.startswith("--"))
        for word in (name for name in given if name not in self._option_string_actions):
            if get_close_matches(word, missing, 1, 0.7):
                raise unknown_option(word, missing) from None
        raise _mistake(message, self._option_string_actions) from None


def _mistake(message: str, known: Iterable[str]) -> ValueError:
    unknown = re.search(r"unrecognized arguments: (\S+)", message)
    return unknown_option(unknown[1], known) if unknown else ValueError(_plain(message))


def unknown_option(word: str, known: Iterable[str]) -> ValueError:
    """The error for a word that is no option, with the nearest option."""
    name = word.partition("=")[0]
    if not name.startswith("--"):
        return ValueError(f"{word}: expected an option, got a word without one before it; --help lists the options")
    return ValueError(f"{name}: expected one of this command's options, got an unknown one; {nearest(name, known)}")


def nearest(word: str, known: Iterable[str]) -> str:
    """The end of an error about an unknown word.

    >>> nearest("pascl", ["pascal", "coco"])
    'did you mean pascal?'
    """
    names = {name.lstrip("-"): name for name in known}
    found = get_close_matches(word.lstrip("-"), names, 1, 0.5)
    if found:
        return f"did you mean {names[found[0]]}?"
    return "--help lists them" if word.startswith("--") else f"choose among {', '.join(names)}"


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a word that is none of the choices.

    Raises:
        ValueError: names option, choices, the word, and the nearest choice.
    """
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}; {nearest(value, choices)}")


class Range(NamedTuple):
    """The numbers that an option takes: `low` to `high`, either end left open by None; `above` shuts `low` itself out.

    >>> Range(1).check("steps", 0)
    Traceback (most recent call last):
    ValueError: steps: expected at least 1, got 0; change --steps
    """

    low: float | None = None
    high: float | None = None
    above: bool = False

    def check(self, name: str, value: float | None) -> None:
        """Refuse a number outside; None is not given and passes.

        Raises:
            ValueError: names option, range and number.
        """
        if value is None:
            return
        low = self.low is None or (value > self.low if self.above else value >= self.low)
        if not (low and (self.high is None or value <= self.high)):
            raise ValueError(f"{name}: expected {self}, got {value:g}; change --{name}")

    def __str__(self) -> str:
        if self.high is not None:
            return f"{self.low:g} to {self.high:g}"
        return f"more than {self.low:g}" if self.above else f"at least {self.low:g}"


def check_seeds(seeds: Sequence[int], twice: str) -> None:
    """Refuse a seed below 0, and one that is named twice; `twice` says why that is no use.

    Raises:
        ValueError: names the seeds.
    """
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"seeds: expected each seed once, got {list(seeds)}; {twice}")
    for seed in seeds:
        Range(0).check("seeds", seed)


def given_options(words: Sequence[str]) -> set[str]:
    """The names of the options on a command line.

    >>> sorted(given_options(["RUN", "--shot", "5", "--fold=2"]))
    ['fold', 'shot']
    """
    return {word[2:].partition("=")[0] for word in words if word.startswith("--")}


def _plain(message: str) -> str:
    """jsonargparse's and argparse's messages in the words of ours."""
    unfollowed = re.search(r"argument (?:\S+/)*(--\S+): expected (?:(\d+)|one|at least one) arguments?$", message)
    if unfollowed:
        count, got = (f"{unfollowed[2]} values", "fewer") if unfollowed[2] else ("a value", "none")
        return f"{unfollowed[1]}: expected {count} after it, got {got}; --help explains"
    required = re.search(r"the following arguments are required: (.+)", message)
    if required:
        missing = ", ".join(name.rpartition(".")[2] for name in required[1].split(", "))
        return f"{missing}: expected a value, got none; --help explains"
    choice = re.search(r"argument (\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message)
    if choice:
        choices = [one.strip(" '") for one in choice[3].split(",")]
        return f"{choice[1]}: expected one of {', '.join(choices)}, got {choice[2]}; {nearest(choice[2], choices)}"
    kind = re.search(r"argument (\S+): invalid (\w+) value: '(.*)'", message)
    if kind and f"<class '{kind[2]}'>" in KINDS:
        words = KINDS[f"<class '{kind[2]}'>"]
        return f"{kind[1].lstrip('-')}: expected {words}, got {kind[3] or 'nothing'}; change {kind[1]}"
    key = re.search(r'Parser key "([^"]+)":\s+(.*)', message, re.DOTALL)
    return _wrong_value(key[1], key[2]) if key else re.sub(r"^argument (--\S+): ", r"\1: ", message)


def _wrong_value(name: str, complaint: str) -> str:
    """A value of the wrong type; of a union, the first type is the one to name."""
    kind = re.search(r"Expected an? (.+?)(\. Got value|\n|$)", complaint)
    got = re.search(r"(?:Got|Given) value: (.*)", complaint)
    if not (kind and got):
        return f"{name}: {complaint}"
    literal = re.search(r"Literal\[(.*?)\]", kind[1])
    if literal:
        choices = [choice.strip(" '") for choice in literal[1].split(",")]
        return f"{name}: expected one of {', '.join(choices)}, got {got[1]}; {nearest(got[1], choices)}"
    words = next((word for text, word in KINDS.items() if text in kind[1]), kind[1])
    return f"{name}: expected {words}, got {got[1].strip() or 'nothing'}; change --{name}"
