"""CANet, PMMs, RPMMs and SG-One: one encoder for both images, and state of the batch's size carried past the entry."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from host_models.parts import GRID, Backbone, C, CounterPrior, bilinear, block, judged, nearest, pool


def beside(features: Tensor, prototype: Tensor) -> Tensor:
    return torch.cat([features, nearest(prototype, features.shape[2:])], 1)


class CANet(Backbone):
    """The query first; a history mask, an argument of the forward, enters behind the entry."""

    def __init__(self) -> None:
        super().__init__()
        self.layer5 = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU(), nn.Dropout2d(0.5))
        self.layer55 = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU(), nn.Dropout2d(0.5))
        self.residule1 = nn.Sequential(nn.ReLU(), nn.Conv2d(C + 2, C, 1))
        self.layer7, self.layer9 = nn.Sequential(nn.Conv2d(2 * C, C, 1), nn.ReLU()), nn.Conv2d(C, 2, 1)

    def compare(self, merged: Tensor, history: Tensor) -> Tensor:
        out = self.layer55(merged)
        out = out + self.residule1(torch.cat([out, bilinear(history, out.shape[2:])], 1))
        pooled = F.adaptive_avg_pool2d(out, 1).expand_as(out)
        return self.layer9(self.layer7(torch.cat([pooled, out], 1)))

    def forward(self, query_rgb: Tensor, support_rgb: Tensor, support_mask: Tensor, history_mask: Tensor) -> Tensor:
        features = self.layer5(self.middle(query_rgb)[0])
        prototype = pool(self.layer5(self.middle(support_rgb)[0]), support_mask)
        return self.compare(beside(features, prototype), history_mask)

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        features = self.layer5(self.middle(episode[0])[0])
        return (self.compare(beside(features, prototype_map), torch.zeros_like(episode[3])),)


class Features(Backbone):
    """Returns a list of three maps, as the published backbone does."""

    def forward(self, image: Tensor) -> list[Tensor]:
        both, third = self.middle(image)
        return [both[:, :C], both[:, C:], self.layer4(third)]


class Mixture(nn.Module):
    """Several foreground prototypes from a random start, and a map of probabilities."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.mu = torch.randn(number, C)

    def forward(self, support: Tensor, mask: Tensor, query: Tensor) -> tuple[list[Tensor], Tensor]:
        mean = pool(support, mask)
        prototypes = [mean + 0.1 * mean.norm(dim=1, keepdim=True) * one.view(1, C, 1, 1) for one in self.mu]
        near = torch.stack([F.cosine_similarity(query, one) for one in prototypes]).mean(0)
        return prototypes, torch.stack([-near, near], 1).softmax(1)


class Mixed(nn.Module):
    """What PMMs and RPMMs share; the support passes the encoder first."""

    def __init__(self, dropout: bool) -> None:
        super().__init__()
        self.model_res = Features()
        self.layer5 = block(2 * C, C)
        self.layer55, self.layer56, self.layer7 = block(2 * C, C), block(C + 2, C), block(C, C)
        self.residule1 = nn.Sequential(nn.ReLU(), nn.Conv2d(C + 2, C, 1))
        self.layer6 = nn.Sequential(nn.Conv2d(C, C, 1), nn.Dropout2d(0.5 if dropout else 0.0))
        self.layer9 = nn.Conv2d(C, 2, 1)

    def encode(self, image: Tensor) -> Tensor:
        return self.layer5(torch.cat(self.model_res(image)[:2], 1))

    def compare(self, merged: list[Tensor], probability: Tensor, history: Tensor) -> Tensor:
        out = torch.stack([self.layer55(one) for one in merged]).sum(0)
        out = self.layer56(torch.cat([out, bilinear(probability, out.shape[2:])], 1))
        out = out + self.residule1(torch.cat([out, bilinear(history, out.shape[2:])], 1))
        return self.layer9(self.layer7(self.layer6(out)))


class PMMs(Mixed):
    """Three prototypes, whose merged features are added; the probability map is a prior."""

    def __init__(self) -> None:
        super().__init__(dropout=True)
        self.PMMs = Mixture(3)

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor) -> Any:
        shown, features = self.encode(support), self.encode(query)
        prototypes, probability = self.PMMs(shown, support_mask, features)
        logits = self.compare([beside(features, one) for one in prototypes], probability, probability)
        return shown, features, prototypes, logits

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        shown, features = self.encode(episode[1]), self.encode(episode[0])
        prior = counter(self.PMMs(shown, episode[2], features)[1])
        return (self.compare([beside(features, prototype_map)] * 3, prior, prior),)


class RPMMs(Mixed):
    """Three rounds, each guided by the last; each with a new mixture; the batch size is written down."""

    def __init__(self, batch: int) -> None:
        super().__init__(dropout=False)
        self.batch = batch

    def forward(self, query: Tensor, support: Tensor, support_mask: Tensor) -> Any:
        shown, features = self.encode(support), self.encode(query)
        history, several = torch.zeros(self.batch, 2, GRID, GRID), []
        for number in (1, 2, 3):
            self.PMMs = Mixture(number)
            prototypes, probability = self.PMMs(shown, support_mask, features)
            several.append(self.compare([beside(features, one) for one in prototypes], probability, history))
            history = several[-1].softmax(1)
        return shown, *several

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        self.encode(episode[1])
        features = self.encode(episode[0])
        history, several = torch.zeros(self.batch, 2, GRID, GRID), []
        prior = counter(torch.full_like(history, 0.5))
        for number in (1, 2, 3):
            several.append(self.compare([beside(features, prototype_map)] * number, prior, history))
            history = several[-1].softmax(1)
        return tuple(several)


class Classifier(nn.Module):
    """SG-One's branch: features to compare, and features that the similarity weighs."""

    def __init__(self) -> None:
        super().__init__()
        self.features_4, self.features_5 = nn.Conv2d(3, C, 4, 4), nn.Conv2d(C, 16, 1)
        self.classifier_6, self.side = nn.Conv2d(16, C, 1), nn.Conv2d(16, C, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        high = F.relu(self.features_5(F.relu(self.features_4(image))))
        return self.classifier_6(high), self.side(high)


class SGOne(nn.Module):
    """The cosine with the prototype weighs the query's features; the logits are two pixels larger than the grid."""

    def __init__(self) -> None:
        super().__init__()
        self.netB, self.cos_similarity_func = Classifier(), nn.CosineSimilarity()
        self.classifier_6, self.exit_layer = nn.Sequential(nn.Conv2d(C, C, 1), nn.ReLU()), nn.Conv2d(C, 2, 1, padding=1)

    def forward(self, anchor_img: Tensor, pos_img: Tensor, neg_img: Tensor, pos_mask: Tensor) -> Any:
        prototype = pool(self.netB(pos_img)[0], pos_mask)
        features, side = self.netB(anchor_img)
        similarity = self.cos_similarity_func(features, prototype)
        logits = self.exit_layer(self.classifier_6(similarity[:, None] * side))
        return features, similarity, prototype, logits

    def explicit(self, prototype_map: Tensor, counter: CounterPrior, *episode: Tensor) -> tuple[Tensor, ...]:
        features, side = self.netB(episode[0])
        similarity = F.cosine_similarity(features, prototype_map)
        return (self.exit_layer(self.classifier_6(similarity[:, None] * side)),)


def three_rounds(logits: tuple[Tensor, ...], mask: Tensor) -> Tensor:
    """The rounds' losses added."""
    return torch.stack([judged(one, mask, align_corners=False) for one in logits]).sum()
