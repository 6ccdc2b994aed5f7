"""The tutorial's lines mistyped, and those lines in which nothing of this project can be mistyped."""

# ruff: noqa: E501  What stands on a page, and what is said, is written as it is.

from mistyped_lines import TUTORIAL, Mistyped

SHORTER = {"range(64)": "range(4)", "range(20)": "range(3)", "steps=150": "steps=2"}


def shorter(text):
    """The page or a part of it, with so little work that each line is reached in a second."""
    for usual, little in SHORTER.items():
        text = text.replace(usual, little)
    return text


# A line, what is typed in its place, and what is said.
TYPED = {
    "from data.synthetic import draw_scene": {
        "from data.synthetic import draw_scenes": "cannot import name 'draw_scenes'",
        "from data.sythetic import draw_scene": "No module named 'data.sythetic'",
    },
    "from selfcontrast import overlay_mask": {
        "from selfcontrast import overlay_masks": "cannot import name 'overlay_masks'",
        "from self_contrast import overlay_mask": "No module named 'self_contrast'",
    },
    "TRIANGLE, STAR = 3, 12": {
        "TRIANGLE, STAR = 3, 21": "classes: expected numbers from 1 to 20 in a list, got [3, 21]; class_names() has",
        "TRIANGLE, STAR = 'triangle', 'star'": "classes: expected numbers from 1 to 20 in a list, got ['triangle']",
        "TRIANGLE = 3": "name 'STAR' is not defined",
    },
    "picture, labels = draw_scene(classes, np.random.default_rng(seed))": {
        "picture, labels = draw_scene(classes, seed)": "random: expected a numpy.random.Generator, got 3; write np.random.default_rng(seed)",
        "picture, labels = draw_scene(classes)": "missing 1 required positional argument: 'random'",
        "picture, labels = draw_scene(np.random.default_rng(seed), classes)": "classes: expected numbers from 1 to 20 in a list, got",
    },
    "return torch.tensor(np.array(picture)).permute(2, 0, 1), torch.tensor(np.array(labels)).long()": {
        "return torch.tensor(np.array(picture)), torch.tensor(np.array(labels)).long()": "image: expected uint8 of shape (3,",
        "return torch.tensor(np.array(picture)).permute(2, 0, 1) / 255, torch.tensor(np.array(labels)).long()": (
            "got torch.float32 of shape (3, 256, 256); undo the normalisation, as in (255 * image).byte()"
        ),
        "return torch.tensor(np.array(labels)).long(), torch.tensor(np.array(picture)).permute(2, 0, 1)": "mask: expected",
        "return np.array(picture).transpose(2, 0, 1), torch.tensor(np.array(labels)).long()": (
            "image: expected a tensor, got ndarray; convert it with torch.as_tensor(...)"
        ),
    },
    "return torch.where(labels == 255, 255, (labels == wanted).long())": {
        "return (labels == wanted).float()": "mask: expected integers of shape (h, w), got torch.float32 of shape (256, 256);",
        "return labels": "mask: expected no values but 0, 1 and 255, got ",
    },
    "support, support_labels = scene([TRIANGLE], seed=3)": {
        "support, support_labels = scene(TRIANGLE, seed=3)": "classes: expected numbers from 1 to 20 in a list, got 3",
        "support, support_labels = scene([TRIANGEL], seed=3)": "name 'TRIANGEL' is not defined",
        "support, support_labels = scene(seed=3, classes=[TRIANGLE, 21])": "classes: expected numbers from 1 to 20 in a list, got [3, 21]",
        "support_labels, support = scene([TRIANGLE], seed=3)": "mask: expected integers of shape (h, w)",
    },
    "query, query_labels = scene([TRIANGLE, STAR], seed=12)": {
        "query_labels, query = scene([TRIANGLE, STAR], seed=12)": "mask: expected integers of shape (h, w)",
    },
    "support_mask, mask = mask_of(support_labels, TRIANGLE), mask_of(query_labels, TRIANGLE)": {
        "support_mask, mask = support_labels, query_labels": "mask: expected no values but 0, 1 and 255, got ",
        "support_mask, mask = mask_of(support_labels), mask_of(query_labels)": "missing 1 required positional argument",
    },
    'save("episode.jpg", overlay_mask(support, support_mask), query, overlay_mask(query, mask))': {
        "overlay_mask(support_mask, support)": "mask: expected integers of shape (h, w), got torch.uint8 of shape (3, 256, ",
        "overlay_mask(support, support_mask[None])": "pass one image's mask",
        "overlay_mask(support[None], support_mask)": "image: expected uint8 of shape (3, H, W)",
        "overlay_mask(support, support_mask.float())": "as integers, for instance with .long()",
        "overlay_mask(support, support_mask, opacity=55)": "opacity: expected 0 to 1, got 55",
        "overlay_mask(support)": "missing 1 required positional argument: 'mask'",
    },
    "from data.transforms import normalise": {
        "from data.transforms import normalize": "cannot import name 'normalize'"
    },
    "from model.backbones import build_backbone": {"from model.backbone import build_backbone": "cannot import name"},
    "from model.pfenet import PFENet": {"from model.pfenet import PFEnet": "cannot import name 'PFEnet'"},
    "from selfcontrast import heat_map, masked_average_pool, outline_mask": {
        "from selfcontrast import heatmap, masked_average_pool, outline_mask": "cannot import name 'heatmap'",
    },
    'model = PFENet(build_backbone("efficientnet_lite0"), channels=32, scales=(14, 7, 4)).eval()': {
        'PFENet(build_backbone("efficientnet_lite"), channels=32, scales=(14, 7, 4))': "got 'efficientnet_lite'; did you mean efficientnet_lite",
        'PFENet("efficientnet_lite0", channels=32, scales=(14, 7, 4))': "backbone: expected a Backbone, got 'efficientnet_lite0'; build it with build_backbone",
        'PFENet(build_backbone("efficientnet_lite0"), chanels=32)': "unexpected keyword argument 'chanels'",
        'PFENet(build_backbone("efficientnet_lite0"), channels=32, scales=14)': "scales: expected sides of grids, got 14; write a tuple",
    },
    "mid, layer3 = model.mid_level(normalise(torch.stack([query, support])))": {
        "mid, layer3 = model.mid_level(torch.stack([query, support]))": "images: expected normalised floats, got torch.uint8",
        "mid, layer3 = model.mid_level(normalise(torch.stack([query, support]).float()))": (
            "images: expected bytes, got torch.float32; normalise once only"
        ),
        "mid, layer3 = model.mid_level(normalise(normalise(torch.stack([query, support]))))": "normalise once only",
        "mid, layer3 = model.midlevel(normalise(torch.stack([query, support])))": "no attribute 'midlevel'",
    },
    "high_level = model.layer4(layer3[:1])": {"high_level = model.layer5(layer3[:1])": "no attribute 'layer5'"},
    "marked = F.interpolate((support_mask == 1)[None, None].float(), cells)": {
        "marked = F.interpolate((support_mask == 1)[None].float(), cells)": "Input and output must have the same number of",
        "marked = (support_mask == 1)[None, None].float()": "resize the masks to the feature grid",
    },
    "prototype = masked_average_pool(mid[1:], marked)[0, 0]": {
        "prototype = masked_average_pool(marked, mid[1:])[0, 0]": "look at the arguments' order: features first",
        "prototype = masked_average_pool(mid, marked)[0, 0]": "masks: expected the shape (2, 1, ",
        "prototype = masked_average_pool(mid[1], marked)[0, 0]": "features: expected a feature map of shape (B, C, h, w)",
    },
    "alike = (alike - alike.min()) / (alike.max() - alike.min())": {"": "values: expected 0 to 1, got "},
    'save("compared.jpg", outline_mask(query, mask), outline_mask(heat_map(alike, query.shape[1:]), mask))': {
        "outline_mask(mask, query)": "image: expected uint8 of shape (3, H, W)",
        "heat_map(query)": "values: expected floating-point values of shape (h, w), got torch.uint8",
        "heat_map(alike, query.shape)": "size: expected (H, W) in pixels, got torch.Size([3, 256, 256]); pass the picture's",
        "heat_map(alike, 320)": "size: expected (H, W) in pixels, got 320; pass the picture's",
        "heat_map(alike[None], query.shape[1:])": "show one image's values",
    },
    "hidden = (query_labels == STAR).long()": {
        "hidden = (query_labels == STAR).float()": "mask: expected integers of shape (h, w), got torch.float32",
        "hidden = (query_label == STAR).long()": "name 'query_label' is not defined",
    },
    'save("hidden.jpg", overlay_mask(query, mask), outline_mask(overlay_mask(query, mask), hidden))': {
        "outline_mask(overlay_mask(query, mask), hidden, width=0)": "width: expected at least 1 pixel, got 0",
        "outline_mask(hidden, query)": "image: expected uint8 of shape (3, H, W)",
    },
    "from selfcontrast import cosine_kmeans, overlay_labels": {
        "from selfcontrast import cosine_kmeans, overlay_label": "cannot import name 'overlay_label'",
    },
    "from selfcontrast.prototypes import labelled_cells": {
        "from selfcontrast.prototype import labelled_cells": "No module named 'selfcontrast.prototype'",
    },
    "draws = torch.Generator().manual_seed(0)": {
        "draws = 0": "generator: expected a torch.Generator or None, got 0; write generator=torch.Generator(device).manual_",
    },
    "labels = cosine_kmeans(high_level, 3, valid=labelled_cells(mask[None], cells), generator=draws)": {
        "labels = cosine_kmeans(3, high_level)": "features: expected a tensor, got 3; look at the arguments and their order",
        "labels = cosine_kmeans(high_level)": "missing 1 required positional argument: 'num_clusters'",
        "labels = cosine_kmeans(high_level, 3, valid=mask[None])": "valid: expected bool of shape (1, ",
        "labels = cosine_kmeans(high_level, 3, valid=labelled_cells(mask, cells))": "mask: expected a mask of shape (B, H, W)",
        "labels = cosine_kmeans(high_level, 3, valid=labelled_cells(cells, mask[None]))": "mask: expected a tensor, got",
    },
    'save("regions.jpg", query, overlay_labels(query, labels[0] + 1))': {
        "overlay_labels(query, labels + 1)": "labels: expected integers of shape (h, w), got torch.int64 of shape (1, ",
        "overlay_labels(labels[0], query)": "image: expected uint8 of shape (3, H, W)",
    },
    "from selfcontrast import remove_foreground": {"from selfcontrast import remove_foregroud": "cannot import name"},
    "regions = remove_foreground(labels, mask[None], 3)": {
        "regions = remove_foreground(labels, mask, 3)": "mask: expected a mask of shape (B, H, W), got (256, 256); drop the",
        "regions = remove_foreground(mask[None], labels, 3)": "mask: expected no values but 0, 1 and 255",
        "regions = remove_foreground(labels, mask[None])": "missing 1 required positional argument: 'num_clusters'",
    },
    "background = torch.where(regions[0].any(0), regions[0].byte().argmax(0) + 1, -1)": {
        "background = torch.where(regions.any(0), regions[0].byte().argmax(0) + 1, -1)": "labels: expected integers of sha",
    },
    'save("background.jpg", query, outline_mask(overlay_labels(query, background), mask))': {
        "overlay_labels(query, regions)": "labels: expected integers of shape (h, w), got torch.bool of shape (1, 3, ",
    },
    "from selfcontrast import expand_prototypes, show_prototype_map": {
        "from selfcontrast import expand_prototype, show_prototype_map": "cannot import name 'expand_prototype'",
    },
    "from selfcontrast.prototypes import foreground_cells": {
        "from selfcontrast import foreground_cells": "cannot import name 'foreground_cells'",
    },
    "features = model.down_query(mid[:1])": {"features = model.down_querry(mid[:1])": "no attribute 'down_querry'"},
    "prototypes = masked_average_pool(features, regions)": {
        "prototypes = masked_average_pool(regions, features)": "features: expected floating-point features, got torch.bool",
        "prototypes = masked_average_pool(features, labels)": "masks: expected the shape (1, 'K', ",
    },
    "foreground = foreground_cells(mask[None], cells)": {
        "foreground = foreground_cells(mask, cells)": "mask: expected a mask of shape (B, H, W)",
        "foreground = mask[None] == 1": "foreground: expected bool of the shape (1, ",
    },
    "prototype_map = expand_prototypes(prototypes, regions, labels, foreground, generator=draws)": {
        "prototype_map = expand_prototypes(regions, prototypes, labels)": "prototypes: expected the shape (B, K, C)",
        "prototype_map = expand_prototypes(prototypes, labels, regions)": "labels: expected integers of shape (B, h, w)",
        "prototype_map = expand_prototypes(prototypes, regions)": "missing 1 required positional argument: 'labels'",
        "prototype_map = expand_prototypes(prototypes, regions, labels, foreground, draws)": "positional arguments but 5 w",
    },
    'save("prototype-map.jpg", query, show_prototype_map(prototype_map[0], prototypes[0], query.shape[1:], foreground[0]))': {
        "show_prototype_map(prototype_map, prototypes, query.shape[1:])": "pass one image's",
        "show_prototype_map(prototypes[0], prototype_map[0], query.shape[1:])": "prototype_map: expected the shape (C, h, w)",
        "show_prototype_map(prototype_map[0], prototypes[0], query.shape)": "size: expected (H, W) in pixels",
        "show_prototype_map(prototype_map[0], prototypes[0])": "missing 1 required positional argument: 'size'",
    },
    "from selfcontrast import SelfContrastiveAuxiliary, show_contrast": {
        "from selfcontrast import SelfContrastAuxiliary, show_contrast": "cannot import name 'SelfContrastAuxiliary'",
    },
    "task = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5, generator=torch.Generator().manual_seed(0))": {
        "task = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5, generator=0)": "generator: expected a torch.Genera",
        "task = SelfContrastiveAuxiliary(num_prototype=3)": "unexpected keyword argument 'num_prototype'",
        "task = SelfContrastiveAuxiliary": "missing",
    },
    "prior = torch.full_like(features[:, :1], 0.5)": {
        "prior = 0.5": "prior: expected a tensor, got 0.5",
        "prior = None": "there was no third, as no prior was given",
    },
    "contrast = task.contrast(features, high_level, mask[None], model.compare, prior=prior)": {
        "contrast = task.contrast(high_level, features, mask[None], model.compare, prior=prior)": "compare was called with",
        "contrast = task.contrast(features, high_level, mask, model.compare, prior=prior)": "or add the batch with mask[Non",
        "contrast = task.contrast(features, high_level, mask[None], model, prior=prior)": "compare was called with",
        "contrast = task.contrast(features, high_level, mask[None], prior=prior)": "missing 1 required positional argument",
        "contrast = task.contrast(features, high_level, mask[None], model.compare)": "there was no third, as no prior was g",
    },
    'save("contrast.jpg", show_contrast(query, mask, contrast))': {
        "show_contrast(mask, query, contrast)": "image: expected uint8 of shape (3, H, W)",
        "show_contrast(query, mask, task)": "contrast: expected a pass of the task, got SelfContrastiveAuxiliary; after a tr",
        "show_contrast(query, support_mask, contrast)": "mask: expected the mask of this query, got one that differs at",
        "show_contrast(query, mask, contrast, 1)": "index: expected 0 to 0, got 1; name a query of the batch",
        "show_contrast(query, mask, None)": "contrast: expected a pass of the task, got None",
    },
    "from selfcontrast.loss import resize_logits": {"from selfcontrast import resize_logits": "cannot import name"},
    "encoded = model.encode(normalise(query)[None], normalise(support)[None, None], support_mask[None, None])": {
        "model.encode(normalise(query), normalise(support), support_mask)": "query: expected the shape (B, 3, H, W), got (3, 256, 256)",
        "model.encode(normalise(query)[None], normalise(support)[None], support_mask[None])": "supports: expected the shape (B, S, 3, H, W), got (1, 3, 2",
        "model.encode(normalise(support)[None, None], normalise(query)[None], support_mask[None, None])": "query: expected the shape (B, 3, H, W), got (1, 1, 3, 2",
        "model.encode(query[None], support[None, None], support_mask[None, None])": "images: expected normalised floats, got torch.uint8; pass normalise(images)",
    },
    "first = model.compare(encoded.features, encoded.prototype_map, encoded.prior)": {
        "first = model.compare(encoded.features, encoded.prototype_map)": "missing 1 required positional argument: 'prior'",
        "first = model.compare(encoded)": "missing 2 required positional arguments: 'prototype_map' and 'prior'",
    },
    "main_loss, contrast_loss = model.loss(first, mask[None]), model.loss(contrast.logits, contrast.target)": {
        "main_loss, contrast_loss = model.loss(first), model.loss(contrast.logits)": "missing 1 required positional argum",
        "main_loss, contrast_loss = model.loss(first, mask), model.loss(contrast.logits, contrast.target)": "mask: expected the shape (B, H, W), got (256, 256)",
    },
    "loss = 0.5 * main_loss + 0.5 * contrast_loss": {
        "loss = 0.5 * mainloss + 0.5 * contrast_loss": "name 'mainloss' is not defined"
    },
    "answers = [resize_logits(logits, mask[None]).softmax(1)[0, 1] for logits in (first[0], contrast.logits[0])]": {
        "answers = [resize_logits(logits, mask[None])[0, 1] for logits in (first[0], contrast.logits[0])]": "values: expecte",
    },
    "targets = [torch.where(one == 255, grey, heat_map((one == 1).float())) for one in (mask, contrast.target[0])]": {
        "targets = [torch.where(one == 255, grey, heat_map(one)) for one in (mask, contrast.target[0])]": "values: expected",
    },
    'save("losses.jpg", heat_map(answers[0]), targets[0], heat_map(answers[1]), targets[1])': {
        "heat_map(answers)": "values: expected a tensor, got list",
    },
    "from model.pfenet import Extracted": {"from model.pfenet import Extract": "cannot import name 'Extract'"},
    "BASE, NOVEL = (1, 3, 6, 8, 17, 20), (11, 12, 13, 14, 15)": {
        "BASE, NOVEL = (1, 3, 6, 8, 17, 20), (111, 12, 13, 14, 15)": "classes: expected numbers from 1 to 20 in a list, got [1, 111]",
        "BASE, NOVEL = (0, 3, 6, 8, 17, 20), (11, 12, 13, 14, 15)": "classes: expected numbers from 1 to 20 in a list, got [0]",
    },
    "supports, support_masks = normalise(support)[None, None], mask_of(support_labels, wanted)[None, None]": {
        "supports, support_masks = normalise(support), mask_of(support_labels, wanted)": "supports: expected the shape (B, S, 3, H, W)",
    },
    "return model.extract(normalise(query)[None], supports, support_masks), mask_of(labels, wanted)[None]": {
        "return model.extract(query[None], supports, support_masks), mask_of(labels, wanted)[None]": "images: expected normalised floats, got torch.uint8",
        "return model.extract(supports, normalise(query)[None], support_masks), mask_of(labels, wanted)[None]": "query: expected the shape (B, 3, H, W)",
    },
    "(support, support_labels), (query, labels) = scene([wanted], 2 * seed), scene([wanted, other], 2 * seed + 1)": {
        "(support, support_labels), (query, labels) = scene(wanted, 2 * seed), scene(other, 2 * seed)": "classes: expected",
    },
    'trained = PFENet(build_backbone("efficientnet_lite0"), channels=32, scales=(14, 7, 4)).train()': {
        'trained = PFENet(build_backbone("efficientnet_lite0"), channels=64, scales=(14, 7, 4), shot=0)': "unexpected keywo",
    },
    "task = SelfContrastiveAuxiliary(num_prototypes=3, weight=weight)": {
        "task = SelfContrastiveAuxiliary(weight, 3)": "num_prototypes: expected an integer of at least 1",
        "task = SelfContrastiveAuxiliary(num_prototypes=3, weight=weight).eval()": "call model.train() before you train",
    },
    "encoded, mask = trained.reduce(Extracted(*map(torch.cat, zip(*parts)))), torch.cat(masks)": {
        "encoded, mask = trained.reduce(parts), torch.cat(masks)": "'tuple' object has no attribute 'mid'",
    },
    "main_loss = trained.loss(trained.compare(encoded.features, encoded.prototype_map, encoded.prior), mask)": {
        "main_loss = trained.compare(encoded.features, encoded.prototype_map, encoded.prior)": "main_loss: expected a tens",
    },
    "main_loss,": {"main_loss.item(),": "main_loss: expected a tensor, got "},
    "encoded.features,": {"encoded,": "features: expected a tensor, got Encoded"},
    "encoded.high_level,": {"mask,": "high_level: expected a feature map of shape (B, C, h, w)"},
    "mask,": {"mask[0],": "mask: expected a mask of shape (B, H, W)", "masks,": "mask: expected a tensor, got tuple"},
    "compare=trained.compare,": {
        "compare=trained,": "compare was called with",
        "": "missing 1 required positional argument",
    },
    "criterion=trained.loss,": {
        "": "criterion: expected the host's own loss when compare returns several logits, got none"
    },
    "prior=encoded.prior,": {"": "there was no third, as no prior was given"},
    "baseline, baseline_losses = train(weight=0)": {
        "baseline, baseline_losses = train(wieght=0)": "unexpected keyword argument 'wieght'",
        "baseline, baseline_losses = train(weight=-1)": "weight: expected λ in [0, 1], got -1; use 0.5",
    },
    "scnet, scnet_losses = train(weight=0.5)": {
        "scnet, scnet_losses = train(weight=5)": "weight: expected λ in [0, 1], got 5; use 0.5, the paper's best",
        "scnet, scnet_losses = train(weight='0.5')": "weight: expected λ in [0, 1], got '0.5'",
    },
    "found = [trained.segment(parts, query.shape[1:])[0].argmax(0) == 1 for _, parts, _ in tests]": {
        "found = [trained.segment(parts, query.shape)[0].argmax(0) == 1 for _, parts, _ in tests]": "size: expected (H, W)",
        "found = [trained.segment(parts)[0].argmax(0) == 1 for _, parts, _ in tests]": "missing 1 required positional argu",
    },
    "marked = [outline_mask(overlay_mask(picture, one[place]), truth) for one in found]": {
        "marked = [outline_mask(overlay_mask(one[place], picture), truth) for one in found]": "mask: expected integers of",
    },
    'save(f"result-{place + 1}.jpg", overlay_mask(picture, truth), *marked)': {
        "overlay_mask(truth, picture)": "mask: expected integers of shape (h, w)",
    },
}
LINES = [Mistyped(TUTORIAL, line, typed, said) for line, entries in TYPED.items() for typed, said in entries.items()]
