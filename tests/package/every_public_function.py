"""A user's script that calls every public function once: type checkers pass it, and it runs.

Axes: B = 2 images, C = 8 and 16 channels, 8 x 8 the feature grid, 32 x 32 the mask.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

import selfcontrast
from selfcontrast import (
    Attachment,
    CosineHost,
    Doubled,
    Entry,
    Exit,
    Host,
    InputError,
    SelfContrast,
    SelfContrastiveAuxiliary,
    cosine_kmeans,
    expand_prototypes,
    heat_map,
    masked_average_pool,
    outline_mask,
    overlay_labels,
    overlay_mask,
    probe,
    remove_foreground,
    show_contrast,
    show_prototype_map,
    spatial_pyramid,
)


class Model(nn.Module):
    """A prototype beside the features, and a head that compares them."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.deep = nn.Conv2d(3, 8, 4, 4), nn.Conv2d(8, 16, 1)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, query: Tensor, support: Tensor) -> Tensor:
        features, prototype = self.encoder(query), self.encoder(support).mean((2, 3), keepdim=True)
        self.deep(features)
        logits: Tensor = self.head(torch.cat([features, prototype.expand_as(features)], 1))
        return logits


IMAGES, FEATURES, HIGH_LEVEL = torch.rand(2, 3, 32, 32), torch.rand(2, 8, 8, 8), torch.rand(2, 16, 8, 8)
MASK = torch.zeros(2, 32, 32, dtype=torch.long)
MASK[:, 8:20, 8:20] = 1
COMPARISON = nn.Conv2d(16, 2, 1)


def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
    logits: Tensor = COMPARISON(torch.cat([features, prototype_map], 1))
    return logits


def criterion(logits: Tensor, target: Tensor) -> Tensor:
    """As a user writes it, for the one tensor of logits that the model has."""
    resized = nn.functional.interpolate(logits, (32, 32), mode="bilinear", align_corners=True)
    return nn.functional.cross_entropy(resized, target, ignore_index=255)


def steps_of_the_method() -> None:
    labels: Tensor = cosine_kmeans(HIGH_LEVEL, 3, iterations=5, seeding="k-means++", engine="torch")
    cells: Tensor = spatial_pyramid(HIGH_LEVEL, 2)
    regions: Tensor = remove_foreground(labels, MASK, 3)
    prototypes: Tensor = masked_average_pool(FEATURES, regions)
    prototype_map: Tensor = expand_prototypes(prototypes, regions, labels, generator=torch.Generator())
    print(cells.shape, prototype_map.shape)


def a_model_one_owns() -> SelfContrast:
    auxiliary = SelfContrastiveAuxiliary(
        num_prototypes=3, weight=0.3, partition="kmeans", prior="neutral", seeding="farthest-first", engine="torch"
    )
    loss: Tensor = auxiliary(torch.tensor(0.7), FEATURES, HIGH_LEVEL, MASK, compare, criterion)
    auxiliary.weight = 0.4
    contrast = auxiliary.contrast(FEATURES, HIGH_LEVEL, MASK, compare)
    blended: Tensor = auxiliary.blend(loss, contrast, criterion=criterion)
    log: dict[str, float] = auxiliary.log()
    print(auxiliary, auxiliary.weight + 1, blended.shape, log["agreement"])
    return contrast


def an_attached_model() -> None:
    model = Model()
    found: Host | CosineHost = probe(model, IMAGES, IMAGES)
    host = Host("encoder", "deep", entries=(Entry("head", "C:2C"),), exits=(Exit("head", weight=1.0),), doubled=())
    print(found.features, host.mask, Doubled("decoder", 1, fill="prior"), CosineHost("encoder", "encoder", 1, 0).scale)
    attachment: Attachment = SelfContrastiveAuxiliary().attach(model, host)
    with attachment.episode(MASK):
        print(attachment.check(IMAGES, IMAGES))
        logits = model(IMAGES, IMAGES)
    loss: Tensor = attachment.blend(criterion(logits, MASK), criterion)
    figures: dict[str, float] = attachment.log()
    print(loss.shape, figures, attachment.active, attachment.contrast is not None)
    attachment.detach()
    try:
        SelfContrastiveAuxiliary().attach(model, "pfenet")
    except InputError as error:
        print(error)


def pictures(contrast: SelfContrast) -> None:
    image = (IMAGES[0] * 255).to(torch.uint8)
    shown: list[Tensor] = [overlay_labels(image, contrast.labels[0], opacity=0.5), overlay_mask(image, MASK[0])]
    shown += [outline_mask(image, MASK[0], width=2), heat_map(torch.rand(8, 8), (32, 32))]
    shown.append(show_prototype_map(contrast.prototype_map[0], contrast.prototypes[0], (32, 32), MASK[0]))
    shown.append(show_contrast(image, MASK[0], contrast, 0))
    print([tuple(one.shape) for one in shown])


if __name__ == "__main__":
    print(selfcontrast.__version__, Path(selfcontrast.__file__).parent)
    steps_of_the_method()
    pictures(a_model_one_owns())
    an_attached_model()
