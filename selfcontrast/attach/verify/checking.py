"""Proof that an attachment enters the right place: the host computes what it did, and learns what it should."""

from typing import Any

from selfcontrast.attach.verify.attached import Attached
from selfcontrast.attach.verify.features import features_learn
from selfcontrast.attach.verify.forwards import Batch, random_numbers_kept, traced, without_dropout
from selfcontrast.attach.verify.gradients import gradients_of, reaches_comparison, same_gradient
from selfcontrast.attach.verify.images import images_followed
from selfcontrast.attach.verify.report import CheckReport
from selfcontrast.attach.verify.second_comparison import equals, second_comparison
from selfcontrast.attach.verify.unchanged import plain_forwards, unchanged
from selfcontrast.errors import InputError, require


def check_attachment(attachment: Attached, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> CheckReport:
    """Run training forwards without and with the task, and compare; see `Attachment.check`."""
    model, batch = attachment.model, Batch(arguments, keywords)
    with without_dropout(model), random_numbers_kept(attachment.auxiliary.generator):
        plain = plain_forwards(model, batch)
        outputs, traces = traced(model, lambda: batch.call(model))
        assert attachment.contrast is not None
        judged = attachment.contrast.target != attachment.auxiliary.ignore_index
        fix = "take a batch that shows some"
        require(
            bool(judged.any()), "mask", "background, of which the task makes its prototypes", "a batch of none", fix
        )
        explicit = second_comparison(attachment, batch)
        gradients = gradients_of(attachment, explicit)
        report = CheckReport(
            [
                *unchanged(plain, outputs, traces),
                equals(attachment, attachment.contrast.logits, explicit),
                *reaches_comparison(attachment, gradients),
                features_learn(attachment, gradients, batch),
                same_gradient(gradients),
                *images_followed(attachment, batch),
            ]
        )
    if any(finding.holds is False for finding in report):
        mend = f"mend the {type(attachment.host).__name__}(...)"
        raise InputError(f"host: expected an attachment that passes its check, got\n{report}\n{mend}")
    return report
