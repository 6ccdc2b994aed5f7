"""SCNet's self-contrastive task for few-shot segmentation models: no parameter, no cost at inference."""

from selfcontrast.attachment import Attachment
from selfcontrast.auxiliary import SelfContrast, SelfContrastiveAuxiliary
from selfcontrast.clustering import cosine_kmeans, spatial_pyramid
from selfcontrast.errors import InputError
from selfcontrast.host import CosineHost, Doubled, Entry, Exit, Host
from selfcontrast.overlay import overlay_labels
from selfcontrast.probe import probe
from selfcontrast.prototypes import expand_prototypes, masked_average_pool, remove_foreground

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
    "cosine_kmeans",
    "expand_prototypes",
    "masked_average_pool",
    "overlay_labels",
    "probe",
    "remove_foreground",
    "spatial_pyramid",
]
