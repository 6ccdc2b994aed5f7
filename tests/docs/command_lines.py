"""A command line of a page: its script exists, and the script's own parser takes its options.

Scripts run in this process until their parser has read the words; nothing behind that starts.
"""

import argparse
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import jsonargparse
from doc_pages import ROOT
from packaging.requirements import Requirement
from recipe import read_recipe
from runtime.options import ExactParser

# What a page writes for a word of the reader's choice, and such a word, where a parser knows only some.
CHOICES = {"STUDY": "main", "NAME": "pfenet"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


class Parsed(BaseException):
    """A script's parser took its words."""


def check_line(line: str) -> None:
    """Hold one line of a page against the repository.

    Raises:
        ValueError: it names what is not there.
    """
    for command in re.split(r" && ", line):
        words = shlex.split(command, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if ">" in words:
            words = words[: words.index(">")]
        if words:
            _check([CHOICES.get(word, word) for word in words], line)


def _check(words: list[str], line: str) -> None:
    kind, rest = words[0], words[1:]
    if kind == "python" and rest[0] == "-m":
        _check_module(rest[1:], line)
    elif kind == "python":
        _check_script(rest[0], rest[1:], line)
    elif kind == "torchrun":
        from torch.distributed.run import get_args_parser

        given = get_args_parser().parse_args(rest)
        _check_script(given.training_script, given.training_script_args, line)
    elif kind == "pip":
        _check_pip(rest, line)
    elif kind in ("pytest", "ruff", "bash"):
        _need([word for word in rest if "/" in word], line)
    elif kind == "pyright":
        _expect(not rest, line, "no arguments")
    elif kind == "export":
        _expect(all(re.fullmatch(r"[A-Z_]+=\S*", word) for word in rest), line, "NAME=VALUE")
    elif kind in ("twine", "check-wheel-contents"):
        # tests/package/test_wheel.py runs both on what is built.
        _expect(rest[-1].startswith("dist/"), line, "what lies in dist/")
    elif kind == "tensorboard":
        _expect(rest[:1] == ["--logdir"], line, "--logdir")
    else:
        raise ValueError(f"{line}: expected a command that the tests know, got {kind}; teach command_lines.py")


def _check_script(script: str, words: list[str], line: str) -> None:
    _need([script], line)
    source = (ROOT / script).read_text()
    if not re.search(r"parse_args|auto_cli|run_command", source):
        wanted = source.count("sys.argv[")
        _expect(len(words) == wanted and not any(word.startswith("-") for word in words), line, f"{wanted} words")
        return
    # A script finds what lies beside it, as Python runs it.
    beside = mock.patch.object(sys, "path", [str((ROOT / script).parent), *sys.path])
    with _stopping_at_the_parser(), beside, mock.patch.object(sys, "argv", [script, *words]):
        try:
            runpy.run_path(str(ROOT / script), run_name="__main__")
        except Parsed:
            return
        except SystemExit as end:
            _expect(end.code == 0, line, "words that the script's parser takes")
            return
    raise ValueError(f"{line}: expected a parser that reads the words, got a script that ran; teach command_lines.py")


@contextmanager
def _stopping_at_the_parser() -> Iterator[None]:
    """Inside, every parser ends its script once it has read the words."""
    of_argparse, of_jsonargparse = argparse.ArgumentParser.parse_args, jsonargparse.ArgumentParser.parse_args
    of_exact = ExactParser.parse_known_args
    inside = False

    def once(read: Any, *arguments: Any, **keywords: Any) -> Any:
        nonlocal inside
        if inside:
            return read(*arguments, **keywords)
        inside = True
        try:
            read(*arguments, **keywords)
        finally:
            inside = False
        raise Parsed

    def known(parser: ExactParser, words: list[str] | None = None, namespace: Any = None) -> Any:
        given, recipe_words = of_exact(parser, words, namespace)
        read_recipe(recipe_words)
        return given, recipe_words

    with (
        mock.patch.object(argparse.ArgumentParser, "parse_args", lambda *a, **k: once(of_argparse, *a, **k)),
        mock.patch.object(jsonargparse.ArgumentParser, "parse_args", lambda *a, **k: once(of_jsonargparse, *a, **k)),
        mock.patch.object(ExactParser, "parse_known_args", lambda *a, **k: once(known, *a, **k)),
    ):
        yield


def _check_module(words: list[str], line: str) -> None:
    module, rest = words[0], words[1:]
    if module == "http.server":
        _expect(rest[:1] == ["--directory"], line, "--directory")
    elif module == "build":
        _expect(not rest, line, "no arguments")
    elif module == "selfcontrast":
        _expect(rest == ["doctor"], line, "doctor")
    else:
        _check_script(f"{module.replace('.', '/')}.py", rest, line)


def _check_pip(words: list[str], line: str) -> None:
    """The files and extras that an installation names are there."""
    _expect(words[:1] == ["install"], line, "install")
    place = 1
    while place < len(words):
        word = words[place]
        if word in ("-r", "--index-url", "-c"):
            _need([words[place + 1]] if word != "--index-url" else [], line)
            place += 2
            continue
        if not word.startswith("-"):
            _check_requirement(word, line)
        place += 1


def _check_requirement(word: str, line: str) -> None:
    """Ours, from here or an index, with extras that it has; anything else only has to be well formed."""
    local = re.fullmatch(r"\.(?:\[(?P<extras>[\w,-]+)\])?", word)
    if local:
        extras = set((local["extras"] or "").split(",")) - {""}
    else:
        requirement = Requirement(word)
        extras = requirement.extras if requirement.name == PROJECT["name"] else set()
    _expect(extras <= PROJECT["optional-dependencies"].keys(), line, "extras that pyproject.toml has")


def _need(paths: list[str], line: str) -> None:
    for path in paths:
        # What stands in capitals is the reader's own.
        _expect(path.isupper() or (ROOT / path).exists(), line, f"a file {path} in the repository")


def _expect(condition: bool, line: str, expected: str) -> None:
    if not condition:
        raise ValueError(f"{line}: expected {expected}")


def script_of(line: str) -> Path | None:
    """The script that a line runs, if it runs one."""
    found = re.search(r"python ([\w/.]+\.py)", line)
    return Path(found[1]) if found else None
