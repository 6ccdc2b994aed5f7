"""Eq. 4: the regions of a feature map. Nothing here knows a mask's classes, a prototype or a model."""

from selfcontrast.clustering.kmeans import ENGINES, Engine, cosine_kmeans
from selfcontrast.clustering.pyramid import spatial_pyramid
from selfcontrast.clustering.seeding import SEEDINGS, Seeding

__all__ = ["ENGINES", "SEEDINGS", "Engine", "Seeding", "cosine_kmeans", "spatial_pyramid"]
