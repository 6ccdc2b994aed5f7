"""All that the doctor finds, as plain text of one screen."""

import platform
from importlib.metadata import version

import torch

import selfcontrast
from selfcontrast.doctor.devices import Checkup, devices, examine
from selfcontrast.doctor.optional_parts import State, states


def report() -> tuple[str, bool]:
    """The text, and whether all that is installed works."""
    checkups, parts = [examine(device) for device in devices()], states()
    wrong = [f"{one.device}: {one.error}" for one in checkups if one.error] + [
        one.broken for one in parts if one.broken
    ]
    last = (
        "All that is installed works."
        if not wrong
        else "\n".join(["What does not work", *(f"  {one}" for one in wrong)])
    )
    return "\n\n".join([_versions(), _devices(checkups), _parts(parts), last]), not wrong


def _versions() -> str:
    return (
        f"selfcontrast {selfcontrast.__version__}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"numpy {version('numpy')}\n{platform.system()} {platform.machine()}"
    )


def _devices(checkups: list[Checkup]) -> str:
    lines = [f"  {'failed' if one.error else 'works':8}{one.device:10}{one.description}".rstrip() for one in checkups]
    if len(checkups) == 1:
        built = "processors alone" if torch.version.cuda is None else f"CUDA {torch.version.cuda}"
        lines.append(f"  no accelerator found; this torch was built for {built}")
    return "\n".join(["Devices, and one training step of a small attached model on each", *lines])


def _parts(parts: list[State]) -> str:
    lines = [f"  {one.name:24}{one.state:26}{one.purpose}" for one in parts]
    missing = list(dict.fromkeys(one.missing for one in parts if one.missing))
    if missing:
        # Without it pip may put another torch in the place of this one.
        torch_itself = f"'torch=={version('torch').partition('+')[0]}'"
        lines.append("What gets a missing part and keeps the torch that is installed")
        lines += [f"  pip install {torch_itself} 'selfcontrast[{extra}]'" for extra in missing]
    return "\n".join(["Optional parts", *lines])
