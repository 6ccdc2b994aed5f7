"""Which mutants are tried: drawn by a seed, some of every module, the same ones for as long as the source stays."""

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from cosmic_ray.mutating import mutate_code

from mutation.operators import OPERATORS
from mutation.places import Variant, places


class Mutant(NamedTuple):
    """One change of one module.

    Attributes:
        module: its path from the root of the tree.
        operator: the name of what makes the change.
        occurrence: which of the operator's places in the module.
        line: the number of the first line that changes.
        before: the lines that change, without the blanks around them.
        after: what they become.
    """

    module: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str

    def code(self, source: str) -> str:
        """The mutated module."""
        return mutate_code(source, OPERATORS[self.operator](), self.occurrence)


class _Place(NamedTuple):
    """A place by what chance makes of it, which does not depend on the lines above."""

    key: str
    module: str
    variants: list[Variant]


def sample(sources: Mapping[str, str], count: int, seed: int) -> list[Mutant]:
    """Draw `count` mutants, at most one for each place and kind, in an order of chance.

    Every module that can be mutated has one; the others come from all places alike. There are fewer where the sources
    have no more.

    Raises:
        ValueError: fewer were asked for than there are modules to mutate.
    """
    drawn = sorted(place for module, source in sources.items() for place in _places(module, source, seed))
    first, others, modules = [], [], set()
    for place in drawn:
        mutant = None if place.module in modules and len(others) >= count else _mutant(place, sources[place.module])
        if mutant:
            (others if place.module in modules else first).append((place.key, mutant))
            modules.add(place.module)
    if len(first) > count:
        raise ValueError(f"count: expected at least {len(first)}, one for each module, got {count}; ask for more")
    return [mutant for _, mutant in sorted(first + others[: count - len(first)])]


def _places(module: str, source: str, seed: int) -> Iterator[_Place]:
    lines = source.splitlines()
    seen: Counter[str] = Counter()
    for ((start, _), kind), variants in places(source).items():
        name = f"{seed} {module} {kind} {lines[start[0] - 1].strip()}"
        seen[name] += 1
        name = f"{name} {seen[name]}"
        yield _Place(_chance(name), module, sorted(variants, key=lambda variant: _chance(f"{name} {variant[0]}")))


def _chance(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mutant(place: _Place, source: str) -> Mutant | None:
    """The first of a place's variants that is a program, and another one."""
    for operator, occurrence in place.variants:
        code = mutate_code(source, OPERATORS[operator](), occurrence)
        if _another_program(source, code):
            return Mutant(place.module, operator, occurrence, *_changed(source, code))
    return None


def _another_program(source: str, code: str) -> bool:
    try:
        return ast.dump(ast.parse(code)) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


def _changed(source: str, code: str) -> tuple[int, str, str]:
    """The number of the first line that changes, the lines, and what they become."""
    old, new = source.splitlines(), code.splitlines()
    changes = [part for part in difflib.SequenceMatcher(None, old, new, False).get_opcodes() if part[0] != "equal"]
    start, end, first, last = changes[0][1], changes[-1][2], changes[0][3], changes[-1][4]
    return start + 1, "\n".join(old[start:end]).strip(), "\n".join(new[first:last]).strip()
