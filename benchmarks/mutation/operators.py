"""What a mutant changes: cosmic-ray's operators, without those that any test notices, and two of our own.

A sum that becomes a shift ends with an error at once, so arithmetic becomes other arithmetic, and a comparison of
values stays one. Each operator belongs to a kind, and a place in the source counts once for each kind.
"""

import re
from collections.abc import Iterator
from typing import Any

import cosmic_ray.ast  # noqa: F401  The operators import it in a circle that only ends when it comes first.
from cosmic_ray.operators.operator import Operator
from cosmic_ray.operators.provider import OperatorProvider
from parso.python.tree import Keyword

Position = tuple[tuple[int, int], tuple[int, int]]

ARITHMETIC = {"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod"}
BITS = {"BitOr", "BitAnd", "BitXor"}
VALUES = {"Eq", "NotEq", "Lt", "LtE", "Gt", "GtE"}
IDENTITIES = {"Is", "IsNot"}
ALIKE = (ARITHMETIC, BITS, VALUES, IDENTITIES)
# These draw the names that they put in, without a seed.
DRAWN = {"VariableReplacer", "VariableInserter"}
PAIR = re.compile(r"Replace(?:Binary|Comparison)Operator_([A-Za-z]+)_([A-Za-z]+)")


class _Statement(Operator):
    """An operator that puts other words in the place of a whole statement."""

    words: str

    @staticmethod
    def applies(node: Any) -> bool:
        raise NotImplementedError

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        if getattr(node.parent, "type", None) == "simple_stmt" and self.applies(node):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Keyword:
        return Keyword(self.words, node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[()]:
        return ()


class RemoveStatement(_Statement):
    """A call whose result nobody takes, or what is stored in an object or a container, is left out."""

    words = "pass"

    @staticmethod
    def applies(node: Any) -> bool:
        if node.type == "atom_expr":
            return True
        return node.type == "expr_stmt" and (
            node.children[0].type == "atom_expr"
            or (node.children[1].type == "operator" and node.children[1].value != "=")
        )


class ReturnNone(_Statement):
    """A function returns nothing."""

    words = "return None"

    @staticmethod
    def applies(node: Any) -> bool:
        return node.type == "return_stmt" and node.children[1].get_code().strip() != "None"


def _serves(name: str) -> bool:
    pair = PAIR.fullmatch(name)
    return name not in DRAWN and (pair is None or any({*pair.groups()} <= alike for alike in ALIKE))


OWN: dict[str, type[Operator]] = {operator.__name__: operator for operator in (RemoveStatement, ReturnNone)}
_PROVIDER = OperatorProvider()
OPERATORS: dict[str, type[Operator]] = {name: _PROVIDER[name] for name in _PROVIDER if _serves(name)} | OWN


def kind(name: str) -> str:
    """What an operator changes, whatever it puts there.

    >>> kind("ReplaceBinaryOperator_Add_Sub"), kind("NumberReplacer")
    ('ReplaceBinaryOperator', 'NumberReplacer')
    """
    return name.partition("_")[0]
