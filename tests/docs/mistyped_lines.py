"""Lines of the pages, each mistyped as a newcomer would, and what the reader is then told.

An entry is a page, a line of it, what stands in its place, and a part of what Python or a warning then says. Where a
misspelt name is Python's own to explain, its message is what is held.
"""

from typing import NamedTuple


class Mistyped(NamedTuple):
    """Attributes:
    page, line: where, and what stands there, without indentation and comment.
    typed: what stands there instead; several lines are indented alike, and an empty text leaves the line out.
    said: a part of the error, its notes, or the warning.
    """

    page: str
    line: str
    typed: str
    said: str


def code_of(line: str) -> str:
    """A line without its indentation and comment."""
    return line.partition("  #")[0].strip()


def _of(page: str, line: str, **typed: tuple[str, str]) -> list[Mistyped]:
    return [Mistyped(page, line, *one) for one in typed.values()]


README, INDEX, ATTACH, TUTORIAL = "README.md", "docs/index.md", "docs/attach.md", "docs/tutorial.md"
IMPORT = "from selfcontrast import SelfContrastiveAuxiliary"
BLEND = "loss = attachment.blend(loss)"
AT_ONCE = 'attachment = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5).attach(model, "pfenet")'
AUXILIARY = "auxiliary = SelfContrastiveAuxiliary(num_prototypes=3, weight=0.5)"
BUILT = AUXILIARY.partition(" = ")[2]
CHECK = "print(attachment.check(*batch))"
CALLED = "loss = auxiliary(main_loss, features, high_level, mask, compare=model.compare)"
PARTS = "from selfcontrast import cosine_kmeans, expand_prototypes, masked_average_pool, remove_foreground"
NO_PROBE = "ask selfcontrast.probe(model, *batch)"

BUILDING = {
    "a misspelt name": ("weigth=0.5", "unexpected keyword argument 'weigth'"),
    "swapped": ("0.5, 3", "num_prototypes: expected an integer of at least 1, got 0.5; pass 1 or more"),
    "a word": ("num_prototypes='3'", "num_prototypes: expected an integer of at least 1, got '3'"),
    "the model": ("model", "num_prototypes: expected an integer of at least 1, got "),
    "too much": ("weight=5", "weight: expected λ in [0, 1], got 5; use 0.5, the paper's best"),
    "λ in words": ("weight='0.5'", "weight: expected λ in [0, 1], got '0.5'; use 0.5"),
    "no λ": ("weight=None", "weight: expected λ in [0, 1], got None; use 0.5"),
    "not a number": ("weight=float('nan')", "weight: expected λ in [0, 1], got nan"),
    "a misspelt choice": ("partition='kmean'", "partition: expected one of kmeans, pyramid, got 'kmean'"),
    "no square": ("3, partition='pyramid'", "num_prototypes: expected a square for a pyramid"),
    "a seed": ("generator=0", "generator: expected a torch.Generator or None, got 0; write generator=torch.Generator"),
}
ATTACHING = {
    "a misspelt preset": ('model, "pfent"', "got 'pfent'; did you mean 'pfenet' or 'pfenet2plus'?"),
    "as in the paper": ('model, "PFENet"', "did you mean 'pfenet'?"),
    "swapped": (
        '"pfenet", model',
        "model: expected a torch.nn.Module, got 'pfenet'; pass the model itself, as the first",
    ),
    "no preset": ("model", "missing 1 required positional argument: 'host'"),
    "None": (
        "model, None",
        "host: expected a preset's name, a Host(...) or a CosineHost(...), got None; write .attach(m",
    ),
    "another model's, by its mask": (
        'model, "bam"',
        'preset "bam" expected an argument of PFENet.forward: x, s_x, s_y, y',
    ),
    "another model's, by a module": (
        'model, "canet"',
        "preset \"canet\" expected a module 'layer5' in the model, got none",
    ),
    "a wholly other model's": ('model, "panet"', NO_PROBE),
    "a refused one": ('model, "hsnet"', "hsnet cannot be attached to: it correlates all pixels"),
    "a class": ('type(model), "pfenet"', "model: expected a torch.nn.Module, got the class PFENet; build it first"),
    "weights": (
        'model.state_dict(), "pfenet"',
        "model: expected a torch.nn.Module, got OrderedDict; pass the model itself",
    ),
    "a wrapped one": ('torch.nn.DataParallel(model), "pfenet"', "attach to model.module"),
    "a compiled one": ('torch.compile(model), "pfenet"', "attach first, then compile"),
}
BLENDING = {
    "misspelt": ("attachment.belnd(loss)", "no attribute 'belnd'"),
    "nothing": ("attachment.blend()", "missing 1 required positional argument: 'main_loss'"),
    "None": ("attachment.blend(None)", "main_loss: expected a tensor, got None; look at the arguments"),
    "a number": ("attachment.blend(loss.item())", "main_loss: expected a tensor, got "),
    "the output": ("attachment.blend(model(*batch))", "main_loss: expected a tensor, got tuple"),
    "an array": ("attachment.blend(loss.detach().numpy())", "got ndarray; convert it with torch.as_tensor(...)"),
    "each image's": (
        "attachment.blend(torch.ones(2))",
        "main_loss: expected a scalar, got (2,); reduce it to the batch's",
    ),
    "twice": (
        "attachment.blend(attachment.blend(loss))",
        "got none since the last blend; call model(...), not model.forw",
    ),
    "no gradients": (
        "attachment.blend(loss)\ntorch.set_grad_enabled(False)\nmodel(*batch)\nattachment.blend(loss)",
        "not under torch.no_gr",
    ),
    "in eval mode": ("model.eval() and attachment.blend(loss)", "got eval mode, in which the loss is the model's own"),
    "detached": (
        "attachment.detach() or attachment.blend(loss)",
        "blend: expected an attached model, got one that is det",
    ),
    "black and white": (
        "model(*batch[:3], (batch[3] == 1) * 255) and attachment.blend(loss)",
        "if your masks are black and white, pass (mask == 255).long()",
    ),
    "classes": ("model(*batch[:3], batch[3] * 7)", "mask: expected no values but 0, 1 and 255, got "),
    "no mask": (
        "model(*batch[:3])",
        "mask: expected a tensor in the forward's argument 'y', got NoneType; pass it to model",
    ),
    "never blended": ("model(*batch)", "the previous training forward was never blended: its L2 is dropped"),
}
CHECKING = {
    "no batch": (
        "",
        "batch: expected what PFENet.forward takes, got a call with this fault: missing a required argument",
    ),
    "no star": ("batch", "missing a required argument: 's_x'; write check(*batch), with the star"),
    "no mask": ("*batch[:3]", "mask: expected a tensor in the forward's argument 'y', got NoneType"),
    "one too many": ("*batch, 3", "too many positional arguments; pass what model(...) gets in training"),
    "black and white": ("*batch[:3], (batch[3] == 1) * 255", "got a batch of 0 and 255; pass (mask == 255).long()"),
    "classes": ("*batch[:3], batch[3] * 7", "mask: expected no values but 0, 1 and 255"),
    "no channel is left": ("*batch[:3], batch[3][0]", "mask: expected a mask of shape (B, H, W), got (32, 32)"),
    "probabilities": ("*batch[:3], batch[3] * 0.5", "mask: expected no values but 0, 1 and 255"),
    "a float mask": (
        "*batch[:3], batch[3].float()",
        "this came from the model's own forward, before the task was enter",
    ),
    "bytes": ("(batch[0] * 50).byte(), *batch[1:]", "look at the batch that check was given"),
    "in eval mode": (
        "*(model.eval() and batch)",
        "model: expected training mode, as in its training script, got eval mode;",
    ),
    "with λ = 0": ("*(setattr(attachment.auxiliary, 'weight', 0) or batch)", "set auxiliary.weight above 0"),
    "detached": (
        "*(attachment.detach() or batch)",
        "check: expected an attached model, got one that is detached; call aux",
    ),
}
FUNCTION = {
    "a misspelt argument": ("main_loss, features, high_level, mask, comapre=model.compare", "argument 'comapre'"),
    "no comparison": ("main_loss, features, high_level, mask", "missing 1 required positional argument: 'compare'"),
    "no loss": ("features, high_level, mask, compare=model.compare", "missing 1 required positional argument: 'mask'"),
    "None": ("None, features, high_level, mask, model.compare", "main_loss: expected a tensor, got None"),
    "a number": ("1.0, features, high_level, mask, model.compare", "main_loss: expected a tensor, got 1.0"),
    "each image's": (
        "torch.ones(2), features, high_level, mask, model.compare",
        "main_loss: expected a scalar, got (2,)",
    ),
    "swapped loss": (
        "features, main_loss, high_level, mask, model.compare",
        "features: expected a feature map of shape",
    ),
    "swapped features": (
        "main_loss, high_level, features, mask, model.compare",
        "of shapes (2, 16, 4, 4), (2, 16, 4, 4);",
    ),
    "swapped mask": (
        "main_loss, features, mask, high_level, model.compare",
        "mask: expected a mask of shape (B, H, W), g",
    ),
    "one image": (
        "main_loss, features[0], high_level, mask, model.compare",
        "add the missing dimension, for instance wi",
    ),
    "an array": (
        "main_loss, features.detach().numpy(), high_level, mask, model.compare",
        "features: expected a tensor, got",
    ),
    "nothing deep": ("main_loss, features, None, mask, model.compare", "high_level: expected a tensor, got None"),
    "another batch": (
        "main_loss, features, high_level[:1], mask, model.compare",
        "high_level: expected a batch of 2, as",
    ),
    "integers": ("main_loss, features.long(), high_level, mask, model.compare", "convert them with .float()"),
    "NaN": ("main_loss, features * torch.nan, high_level, mask, model.compare", "features: expected finite values"),
    "black and white": (
        "main_loss, features, high_level, mask * 255, model.compare",
        "if your masks are black and white, pass (mask == 255).long()",
    ),
    "probabilities": ("main_loss, features, high_level, mask * 0.3, model.compare", "binarise the mask"),
    "a channel": (
        "main_loss, features, high_level, mask[:, None], model.compare",
        "drop the channel dimension with mask[:",
    ),
    "one mask": ("main_loss, features, high_level, mask[0], model.compare", "or add the batch with mask[None]"),
    "a mask as an array": (
        "main_loss, features, high_level, mask.numpy(), model.compare",
        "convert it with torch.as_ten",
    ),
    "the model": (
        "main_loss, features, high_level, mask, model",
        "compare was called with (features, prototype_map) of sha",
    ),
    "a name": (
        "main_loss, features, high_level, mask, 'compare'",
        "got 'compare'; pass the function itself, as in compare=",
    ),
    "classes": (
        "main_loss, features, high_level, mask, lambda *own: model.compare(*own).argmax(1)",
        "before any softmax or argmax",
    ),
    "a dictionary": (
        "main_loss, features, high_level, mask, lambda *own: {'out': model.compare(*own)}",
        "compare: expected logits or a tuple of such, got dict; return the logits alone",
    ),
    "another criterion": (
        "main_loss, features, high_level, mask, model.compare, torch.nn.functional.cross_entropy",
        "let it resize the logits to the target, or leave it out",
    ),
    "a prior": (
        "main_loss, features, high_level, mask, model.compare, prior=features[:, :1]",
        "the third is the prior",
    ),
    "in eval mode": (
        "auxiliary.eval() and model.head.weight.sum(), features, high_level, mask, model.compare",
        "call model.train() before you train",
    ),
}


def _each(page: str, line: str, whole: str, typed: dict[str, tuple[str, str]]) -> list[Mistyped]:
    """Entries whose words go into one place of a line."""
    return [Mistyped(page, line, whole.format(words), said) for words, said in typed.values()]


LINES = [
    *[
        Mistyped(page, IMPORT, IMPORT.replace(*words), said)
        for page in (README, INDEX, ATTACH)
        for words, said in (
            (("Auxiliary", "Auxilary"), "cannot import name 'SelfContrastiveAuxilary'"),
            (("selfcontrast", "self_contrast"), "No module named 'self_contrast'"),
        )
    ],
    *_each(README, AT_ONCE, 'SelfContrastiveAuxiliary({}).attach(model, "pfenet")', BUILDING),
    *_each(README, AT_ONCE, "SelfContrastiveAuxiliary().attach({})", ATTACHING),
    Mistyped(README, AT_ONCE, f"{AT_ONCE}\n{AT_ONCE}", "got an attached one; call attachment.detach() first"),
    *_each(README, BLEND, "{}", BLENDING),
    *_each(README, CHECK, "attachment.check({})", CHECKING),
    *_of(
        README,
        "print(attachment.log())",
        before=(
            "SelfContrastiveAuxiliary().attach(type(own)(), None)",
            "host: expected a preset's name",
        ),
        early=(
            "auxiliary = SelfContrastiveAuxiliary(); auxiliary.log()",
            "log: expected a blended training step before",
        ),
        misspelt=("attachment.logs()", "no attribute 'logs'"),
    ),
    *_of(
        README,
        "attachment.detach()",
        model=("model.detach()", "no attribute 'detach'"),
        after=("attachment.detach()\nattachment.check(*batch)", "check: expected an attached model"),
    ),
    *_each(README, AUXILIARY, "auxiliary = SelfContrastiveAuxiliary({})", BUILDING),
    *_each(README, CALLED, "auxiliary({})", FUNCTION),
    *_of(README, PARTS, misspelt=(PARTS.replace("kmeans", "kmean"), "cannot import name 'cosine_kmean'")),
    *_each(
        README,
        "labels = cosine_kmeans(features, 3)",
        "labels = cosine_kmeans({})",
        {
            "no count": ("features", "missing 1 required positional argument: 'num_clusters'"),
            "swapped": ("3, features", "features: expected a tensor, got 3"),
            "one image": ("features[0], 3", "features: expected a feature map of shape (B, C, h, w), got (8, 8, 8)"),
            "a word": ("features, '3'", "num_clusters: expected an integer of at least 1, got '3'"),
            "too many": (
                "features, 1000",
                "num_clusters: expected at most the 64 pixels of a map, got 1000; use fewer",
            ),
            "the mask": ("features, 3, valid=mask", "valid: expected bool of shape (2, 8, 8), got torch.int64"),
            "an engine": (
                "features, 3, engine='fais'",
                "engine: expected one of auto, torch, triton, faiss, got 'fais'",
            ),
            "a seed": ("features, 3, generator=0", "generator: expected a torch.Generator or None, got 0"),
            "centres": ("features, 3, init=[1, 2, 3]", "init: expected a tensor, got list"),
        },
    ),
    *_each(
        README,
        "regions = remove_foreground(labels, mask, 3)",
        "regions = remove_foreground({})",
        {
            "no count": ("labels, mask", "missing 1 required positional argument: 'num_clusters'"),
            "swapped": ("mask, labels, 3", "mask: expected no values but 0, 1 and 255"),
            "features": ("features, mask, 3", "labels: expected integers of shape (B, h, w)"),
            "an array": ("labels.numpy(), mask, 3", "labels: expected a tensor, got ndarray"),
            "one mask": ("labels, mask[0], 3", "mask: expected a mask of shape (B, H, W)"),
            "classes": ("labels, mask * 7, 3", "binarise the mask for the episode's class"),
        },
    ),
    *_each(
        README,
        "prototypes = masked_average_pool(features, regions)",
        "prototypes = masked_average_pool({})",
        {
            "swapped": ("regions, features", "features: expected floating-point features, got torch.bool"),
            "labels": ("features, labels", "masks: expected the shape (2, 'K', 8, 8), got (2, 8, 8)"),
            "the mask": ("features, mask[:, None]", "got (2, 1, 32, 32); resize the masks to the feature grid"),
            "an array": ("features, regions.numpy()", "masks: expected a tensor, got ndarray"),
            "no regions": ("features", "missing 1 required positional argument: 'masks'"),
        },
    ),
    *_each(
        README,
        "prototype_map = expand_prototypes(prototypes, regions, labels)",
        "prototype_map = expand_prototypes({})",
        {
            "swapped first": ("regions, prototypes, labels", "prototypes: expected the shape (B, K, C)"),
            "swapped last": ("prototypes, labels, regions", "labels: expected integers of shape (B, h, w)"),
            "no labels": ("prototypes, regions", "missing 1 required positional argument: 'labels'"),
            "the mask": ("prototypes, regions, labels, mask", "foreground: expected bool of the shape (2, 8, 8)"),
            "integers": ("prototypes, regions, labels, labels", "got torch.int64 of shape (2, 8, 8); resize it"),
            "a seed": (
                "prototypes, regions, labels, generator=0",
                "generator: expected a torch.Generator or None, got",
            ),
        },
    ),
    *_of(
        INDEX,
        'attachment = SelfContrastiveAuxiliary().attach(model, "pfenet")',
        preset=('SelfContrastiveAuxiliary().attach(model, "pfnet")', "did you mean 'pfenet'"),
    ),
    *_of(INDEX, BLEND, twice=("attachment.blend(attachment.blend(loss))", "once before each blend")),
    *_of(
        ATTACH,
        'attachment = auxiliary.attach(model, "pfenet")',
        of_the_class=(
            'SelfContrastiveAuxiliary.attach(model, "pfenet")',
            "missing 1 required positional argument: 'host'",
        ),
    ),
    *_each(
        ATTACH,
        "host = probe(strange_model, query, support, support_mask)",
        "probe({})",
        {
            "no batch": ("strange_model", "batch: expected what Matcher.forward takes"),
            "no star": ("strange_model, (query, support, support_mask)", "write probe(model, *batch), with the star"),
            "swapped": (
                "query, strange_model, support_mask",
                "model: expected a torch.nn.Module, got a tensor of shape",
            ),
            "a class": ("type(strange_model), query, support, support_mask", "got the class Matcher; build it first"),
            "no mask": ("strange_model, query, support", "missing a required argument: 'support_mask'"),
            "in eval mode": ("strange_model.eval(), query, support, support_mask", "call model.train()"),
            "bytes": (
                "strange_model, query.byte(), support.byte(), support_mask",
                "expected images as (..., 3, H, W) floats, got none",
            ),
            "attached": ("model, *batch", "got an attached one; call attachment.detach() first"),
        },
    ),
    *_each(
        ATTACH,
        "with strange_attachment.episode(mask):",
        "with strange_attachment.episode({}):",
        {
            "one mask": ("mask[0]", "mask: expected a mask of shape (B, H, W), got (32, 32)"),
            "an array": ("mask.numpy()", "mask: expected a tensor, got ndarray"),
            "a name": ("'mask'", "mask: expected a tensor, got 'mask'"),
            "the image": ("query", "mask: expected a mask of shape (B, H, W), got (2, 3, 32, 32)"),
            "probabilities": ("mask * 0.5", "binarise the mask"),
            "black and white": ("mask * 255", "if your masks are black and white"),
            "another batch": ("mask[:1].expand(3, -1, -1)", "give the mask of this very batch"),
            "none": ("None", "mask: expected a tensor, got None"),
        },
    ),
    Mistyped(
        ATTACH, "with strange_attachment.episode(mask):", "if True:", "write `with attachment.episode(mask):` around"
    ),
]
