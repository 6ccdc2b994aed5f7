"""The shapes that the package writes down, held to in every test."""

import inspect
from collections.abc import Callable
from typing import Any

import jaxtyping
from beartype import BeartypeConf, beartype

# As for every static checker, an int may stand for a float: the documented weight=0 is one.
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
_with_shapes = jaxtyping.jaxtyped


def _where_it_is_worth_it(*, typechecker: Callable[..., Any]) -> Callable[[Any], Any]:
    """jaxtyping's own decorator on what names a shape, and the checker alone, many times quicker, on other functions.

    Without a shape, a function that another defines anew at each call is left alone, because to decorate it takes
    longer than to run it; and one with names that only a static checker imports, because nothing resolves them.
    """

    def decorate(found: Any) -> Any:
        annotations = list(getattr(found, "__annotations__", {}).values())
        if any("jaxtyping." in repr(one) for one in annotations):
            return _with_shapes(found, typechecker=typechecker)
        unresolved = any(isinstance(one, str) for one in annotations)
        alone = inspect.isclass(found) or unresolved or "<locals>" in found.__qualname__
        return found if alone else typechecker(found)

    return decorate


def install() -> None:
    """Check what is imported of the package from here on."""
    jaxtyping.jaxtyped = _where_it_is_worth_it
    jaxtyping.install_import_hook("selfcontrast", f"{__name__}.checked")
