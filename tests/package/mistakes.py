"""Mistakes of a user's script: a type checker has to find every line that is marked, and this file is never run."""

import torch
from torch import Tensor, nn

from selfcontrast import (
    CosineHost,
    Doubled,
    Entry,
    Exit,
    Host,
    SelfContrastiveAuxiliary,
    cosine_kmeans,
    overlay_labels,
    remove_foreground,
    spatial_pyramid,
)


def compare(features: Tensor, prototype_map: Tensor) -> Tensor:
    return features[:, :2] - prototype_map[:, :2]


def of_the_task(loss: Tensor, features: Tensor, mask: Tensor, model: nn.Module) -> None:
    auxiliary = SelfContrastiveAuxiliary()
    auxiliary(loss, features, features, compare)  # wrong
    auxiliary(loss, features, features, mask)  # wrong
    auxiliary(loss, features, mask, compare, criterion=None)  # wrong
    auxiliary(0.7, features, features, mask, compare)  # wrong
    auxiliary(loss, features, features, mask, compare, priors=mask)  # wrong
    auxiliary.contrast(features, features, compare)  # wrong
    text: str = auxiliary(loss, features, features, mask, compare)  # wrong
    auxiliary.weight = "half"  # wrong
    auxiliary.wieght(0.5)  # wrong
    auxiliary.log()["main_loss"].item()  # wrong
    auxiliary.attach(model, "pfnet")  # wrong
    auxiliary.attach(model, "PFENet")  # wrong
    auxiliary.attach("pfenet", model)  # wrong
    auxiliary.attach(model, "pfenet").blend()  # wrong
    auxiliary.attach(model, "pfenet").blended(loss)  # wrong
    auxiliary.attach(model, "pfenet").log(loss)  # wrong
    print(text)


def of_its_options() -> None:
    SelfContrastiveAuxiliary(num_prototypes="3")  # wrong
    SelfContrastiveAuxiliary(num_prototypes=2.5)  # wrong
    SelfContrastiveAuxiliary(partition="kmean")  # wrong
    SelfContrastiveAuxiliary(prior="netural")  # wrong
    SelfContrastiveAuxiliary(seeding="kmeans++")  # wrong
    SelfContrastiveAuxiliary(engine="fais")  # wrong
    SelfContrastiveAuxiliary(lambda_=0.5)  # wrong
    SelfContrastiveAuxiliary(generator=0)  # wrong


def of_the_steps(features: Tensor, labels: Tensor, mask: Tensor) -> None:
    cosine_kmeans(features)  # wrong
    cosine_kmeans(features, 3, engine="tensorflow")  # wrong
    cosine_kmeans(features, 3, seeding="farthest")  # wrong
    remove_foreground(labels, mask, 2.5)  # wrong
    remove_foreground(labels, 3)  # wrong
    spatial_pyramid(features, "2")  # wrong
    overlay_labels(torch.zeros(3, 4, 4))  # wrong


def of_the_hosts() -> None:
    Host("encoder", "deep", (Entry("merge"),))  # wrong
    Host("encoder", "deep", (Entry("merge"),), (Exit("head"),), mechanism="refold")  # wrong
    Host("encoder", "deep", (Entry("merge"),), (Entry("head"),))  # wrong
    Doubled("decoder", 1, fill="priors")  # wrong
    CosineHost("encoder", "encoder", foreground="1", background=0)  # wrong
