"""SCNet's self-contrastive task for few-shot segmentation models: no parameter, no cost at inference."""

from importlib.metadata import PackageNotFoundError, version

from selfcontrast.attach.attachment import Attachment
from selfcontrast.attach.host import CosineHost, Doubled, Entry, Exit, Host
from selfcontrast.attach.probe import probe
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.clustering import cosine_kmeans, spatial_pyramid
from selfcontrast.contrast import SelfContrast
from selfcontrast.errors import InputError
from selfcontrast.prototypes import expand_prototypes, masked_average_pool, remove_foreground
from selfcontrast.visualize import (
    heat_map,
    outline_mask,
    overlay_labels,
    overlay_mask,
    show_contrast,
    show_prototype_map,
)

try:
    __version__ = version("selfcontrast")
except PackageNotFoundError:
    # Imported from a folder that was never installed.
    __version__ = "unknown"

__all__ = [
    "Attachment",
    "CosineHost",
    "Doubled",
    "Entry",
    "Exit",
    "Host",
    "InputError",
    "SelfContrast",
    "SelfContrastiveAuxiliary",
    "__version__",
    "cosine_kmeans",
    "expand_prototypes",
    "heat_map",
    "masked_average_pool",
    "outline_mask",
    "overlay_labels",
    "overlay_mask",
    "probe",
    "remove_foreground",
    "show_contrast",
    "show_prototype_map",
    "spatial_pyramid",
]
