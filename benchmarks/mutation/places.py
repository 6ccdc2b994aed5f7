"""Where a module can be mutated: everywhere but in annotations, messages and what only a type checker reads."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cosmic_ray.ast import Visitor, get_ast

from mutation.operators import OPERATORS, Position, kind

# A mutant by its operator's name and the place's number among those of the operator.
Variant = tuple[str, int]


class _Places(Visitor):
    """The variants at each place, in the order in which cosmic-ray counts them."""

    def __init__(self) -> None:
        self.found: dict[tuple[Position, str], list[Variant]] = defaultdict(list)
        self._operators = {name: operator() for name, operator in OPERATORS.items()}
        self._counts = dict.fromkeys(OPERATORS, 0)

    def visit(self, node: Any) -> Any:
        for name, operator in self._operators.items():
            for position in operator.mutation_positions(node):
                self.found[position, kind(name)].append((name, self._counts[name]))
                self._counts[name] += 1
        return node


def places(source: str) -> dict[tuple[Position, str], list[Variant]]:
    """The variants of a module by their place and kind, in the order of the source."""
    visitor = _Places()
    visitor.walk(get_ast(source))
    silent = [*_silent(source)]
    kept = {
        place: variants
        for place, variants in visitor.found.items()
        if not any(start <= place[0][0] < end for start, end in silent)
    }
    return dict(sorted(kept.items()))


def _silent(source: str) -> Iterator[Position]:
    """The parts of the source that are not mutated, as parso counts lines and columns."""
    lines = source.splitlines()

    def column(line: int, offset: int) -> int:
        return len(lines[line - 1].encode()[:offset].decode())

    for node in _silent_nodes(ast.parse(source)):
        start, end = (node.lineno, node.col_offset), (node.end_lineno or 0, node.end_col_offset or 0)
        yield (start[0], column(*start)), (end[0], column(*end))


def _silent_nodes(tree: ast.Module) -> Iterator[Any]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(returns=annotation) if annotation:
                yield annotation
            case ast.arg(annotation=annotation) if annotation:
                yield annotation
            case ast.AnnAssign(annotation=annotation):
                yield annotation
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield node
            case ast.JoinedStr():
                yield node
            case ast.Raise(exc=ast.Call(args=arguments)):
                yield from arguments
            case ast.Call(func=ast.Name(id="require"), args=[_, *messages]):
                yield from messages
            case _:
                pass
