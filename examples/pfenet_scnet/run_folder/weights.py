"""The weights of a run, or of a published file: which file they are in, and the model that they make.

Nothing here reads pretrained weights or touches the network: the file replaces them all.
"""

from pathlib import Path

from model.backbones import build_backbone
from model.pfenet import PFENet
from model.state import is_deep_stem, load_state, read_state
from recipe import Recipe
from runtime.say import say_once
from torch import nn

SELECTED = {"last": "last.pt", "base": "best.pt", "novel": "best.pt"}
IN_ORDER = ("best.pt", "last.pt", "checkpoint.pt")


def weights_file(target: Path, select: str | None = None) -> Path:
    """The file that holds a run's weights, or `target` itself where it is a file.

    Args:
        select: the recipe's. Where the file that it promises is missing, another is taken, and that is said.

    Raises:
        FileNotFoundError: there is none.
    """
    if not target.is_dir():
        if not target.is_file():
            raise FileNotFoundError(f"weights: expected a run's folder or a file, got {target}; check the path")
        return target
    found = [target / name for name in IN_ORDER if (target / name).is_file()]
    if not found:
        raise FileNotFoundError(
            f"weights: expected a run's folder or a file, got {target} with none of {', '.join(IN_ORDER)}; train first"
        )
    promised = target / SELECTED[select] if select else found[0]
    if promised.is_file() and promised.name != "checkpoint.pt":
        return promised
    say_once(f"{target} has no {SELECTED[select or 'last']}; the weights are those of {found[0].name}")
    return found[0]


def load_weights(path: Path, model: nn.Module, select: str | None = None) -> None:
    """Load the weights that a run selected, or those in a file that this code or the published code saved.

    Raises:
        FileNotFoundError: `path` is neither a run's folder nor a file.
        ValueError: the file is no checkpoint, or the weights belong to another model.
    """
    file = weights_file(path, select)
    load_state(model, read_state(file), file)


def load_model(target: Path, recipe: Recipe) -> PFENet:
    """The recipe's model with a run's or a file's weights, in eval mode.

    Raises:
        FileNotFoundError: `target` is neither a run's folder nor a file.
        ValueError: the file is no checkpoint, or the weights belong to another model.
    """
    file = weights_file(target, recipe.select if target.is_dir() else None)
    state = read_state(file)
    model = recipe.model_on(build_backbone(recipe.backbone, None, deep_stem=is_deep_stem(state)))
    load_state(model, state, file)
    return model.eval()
