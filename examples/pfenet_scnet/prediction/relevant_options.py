"""Options that a command takes but does not depend on are refused, and so are words that are no option."""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import fields

from recipe import Recipe
from runtime.options import given_options, unknown_option


def check_relevant(words: Sequence[str], parser: ArgumentParser, relevant: Sequence[str], what: str) -> None:
    """Refuse what `what` does not depend on.

    Args:
        words: those that the command's own parser left over.
        relevant: the recipe's options that count.
        what: such as "a prediction".

    Raises:
        ValueError: names the option, with the nearest one where it is unknown.
    """
    known = [option for action in parser._actions for option in action.option_strings]
    for name in sorted(given_options(words) - set(relevant)):
        if name in {field.name for field in fields(Recipe)}:
            raise ValueError(f"--{name}: expected an option that {what} depends on, got one of training; leave it out")
        raise unknown_option(f"--{name}", [*known, *(f"--{option}" for option in relevant)])
