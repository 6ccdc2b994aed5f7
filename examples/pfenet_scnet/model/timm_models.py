"""Models from timm: their names, and their weights from timm's download or from a file."""

from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from model.backbone import check_weights_file
from model.state import read_state

PREFIX = "timm:"
# The seed of what no file gives.
RANDOM_VALUES = 1_987_654_321


def check_timm_name(backbone: str) -> None:
    """Refuse a `timm:NAME` that cannot be built.

    Raises:
        ModuleNotFoundError: timm is not installed.
        ValueError: timm has no such model; names the nearest ones.
    """
    if find_spec("timm") is None:
        raise ModuleNotFoundError(
            f"backbone: expected timm for {backbone}, got no such package; install it with: pip install -e '.[timm]'"
        )
    import timm

    name = backbone.removeprefix(PREFIX)
    tagged = timm.list_pretrained()
    if not timm.is_model(name.partition(".")[0]) or ("." in name and name not in tagged):
        near = get_close_matches(name, tagged if "." in name else timm.list_models(), 3, 0.5)
        words = f"did you mean {' or '.join(PREFIX + one for one in near)}?" if near else "see timm.list_models()"
        raise ValueError(f"backbone: expected a model of timm {timm.__version__}, got {backbone}; {words}")


def created(name: str, weights: str | None, **options: Any) -> nn.Module:
    """timm's model with its weights.

    Args:
        name: timm's, without the prefix.
        weights: see `build_timm_backbone`.
        options: what timm is to build it with.

    Raises:
        ValueError: it cannot be built with these options, timm has no weights of it, or the file is of another model.
        OSError: the weights could not be downloaded, or there is no such file.
    """
    import timm

    if weights == "imagenet" and not timm.is_model_pretrained(name):
        raise ValueError(
            f"backbone_weights: expected weights of {name}, got none from timm; name a file by --backbone_weights FILE"
        )
    overlay = {} if weights in (None, "imagenet") else {"state_dict": _read(weights)}
    try:
        plain = _built(name, **options)
    except Exception:
        # timm's errors are of many kinds; what cannot be built without weights either is no backbone.
        raise no_layers(name) from None
    if weights is None:
        return plain
    try:
        loaded = _built(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    except Exception as error:
        raise _not_loaded(name, weights, error) from None
    # The whole file would stay in memory, and in every copy of the model.
    loaded.pretrained_cfg = loaded.default_cfg = plain.pretrained_cfg
    _check_loaded(name, weights, plain, loaded)
    return loaded


def _read(weights: str) -> dict[str, Tensor]:
    check_weights_file(weights)
    if weights.endswith(".safetensors"):
        from safetensors.torch import load_file

        return load_file(weights)
    return read_state(Path(weights))


def _built(name: str, **options: Any) -> nn.Module:
    """timm's model; what no file gives has the same random values in every call."""
    import timm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(RANDOM_VALUES)
        return timm.create_model(name, **options)


def _check_loaded(name: str, weights: str, plain: nn.Module, loaded: nn.Module) -> None:
    """Refuse weights of another model: what timm does not find, it leaves at its random values without a word."""
    first = dict(plain.named_parameters())
    left = [key for key, value in loaded.named_parameters() if value.ndim > 1 and torch.equal(value, first[key])]
    if left:
        raise _of_another(name, weights, f"one without {left[0]} and {len(left) - 1} more keys")


def _not_loaded(name: str, weights: str, error: Exception) -> Exception:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if weights != "imagenet":
        return _of_another(name, weights, f"an error ({said})")
    return OSError(
        f"backbone_weights: expected timm's weights of {name}, got no download ({said}); get the file elsewhere and "
        "name it by --backbone_weights FILE"
    )


def _of_another(name: str, weights: str, got: str) -> ValueError:
    return ValueError(
        f"backbone_weights: expected a checkpoint of {name}, got {got} from {weights}; choose the backbone that it was "
        "saved from"
    )


def no_layers(name: str) -> ValueError:
    return ValueError(
        "backbone: expected a plain vision transformer, or a pyramid of convolutions whose last stage timm can dilate, "
        f"got {PREFIX}{name}; choose one such as timm:convnext_tiny or timm:vit_small_patch14_dinov2"
    )
