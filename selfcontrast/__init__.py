"""SCNet's self-contrastive task for few-shot segmentation models: no parameter, no cost at inference."""

from selfcontrast.attach.attachment import Attachment
from selfcontrast.attach.host import CosineHost, Doubled, Entry, Exit, Host
from selfcontrast.attach.probe import probe
from selfcontrast.auxiliary import SelfContrastiveAuxiliary
from selfcontrast.clustering import cosine_kmeans, spatial_pyramid
from selfcontrast.contrast import SelfContrast
from selfcontrast.errors import InputError
from selfcontrast.prototypes import expand_prototypes, masked_average_pool, remove_foreground
from selfcontrast.visualize import overlay_labels

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
