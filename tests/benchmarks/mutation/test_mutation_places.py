"""What is mutated, and what is not."""

import ast

import pytest
from cosmic_ray.mutating import mutate_code
from mutation.operators import OPERATORS
from mutation.places import places

SILENT = '''
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    LIMIT = 1


def read(number: "int | None", other: dict[int, 2 | 3]) -> "Tensor | None":
    """Not 1 + 1."""
    name: list[1 + 1]
    require(number, "number", str(1 + 1), 2, f"{3}")
    text = f"µ {1 + 1}"
    raise ValueError("no", 1)
'''


def variants(source: str) -> list[str]:
    """Everything that the source can become."""
    source += "\n"
    return [
        mutate_code(source, OPERATORS[operator](), occurrence).strip()
        for found in places(source).values()
        for operator, occurrence in found
    ]


def test_annotations_texts_and_messages_are_not_mutated() -> None:
    found = {kind for _, kind in places(SILENT)}
    assert found == {"RemoveStatement"}
    (changed,) = variants(SILENT)
    assert "require" not in changed


def test_letters_of_two_bytes_do_not_move_what_is_left_out() -> None:
    assert not places('text = f"µµµµµ {one + 1}"')
    assert len(places('text = f"µµµµµ {one}" + 1')) == 2


@pytest.mark.parametrize(
    ("source", "after"),
    [
        ("x = a + b", {"x = a - b", "x = a * b", "x = a / b", "x = a // b", "x = a % b"}),
        ("x = a is b", {"x = a is not b"}),
        ("x = a | b", {"x = a & b", "x = a ^ b"}),
        ("call(a)", {"pass"}),
        ("a.b = c", {"pass"}),
        ("a += b", {"pass"}),
        ("a = b", set()),
        ("def f():\n    return a", {"def f():\n    return None"}),
        ("def f():\n    return None", set()),
    ],
)
def test_what_a_line_becomes(source: str, after: set[str]) -> None:
    assert {ast.unparse(ast.parse(code)) for code in variants(source)} == {
        ast.unparse(ast.parse(code)) for code in after
    }
