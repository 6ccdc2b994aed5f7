"""The checks that prepared.py puts on the package: without them no test would notice what a signature says wrongly."""

import pytest
import torch
from beartype.roar import BeartypeCallHintParamViolation
from jaxtyping import TypeCheckError

from selfcontrast.precision import at_least_float32
from selfcontrast.prototypes import place_prototypes, resize_nearest


def test_a_shape_that_the_signature_does_not_have_is_noticed():
    held = torch.zeros(2, 5, 5, dtype=torch.long)
    assert place_prototypes(torch.rand(2, 3, 4), held).shape == (2, 4, 5, 5)
    with pytest.raises(TypeCheckError):
        place_prototypes(torch.rand(1, 3, 4), held)
    with pytest.raises(TypeCheckError):
        place_prototypes(torch.rand(2, 3, 4), held.float())


def test_so_is_another_kind_where_there_is_no_shape():
    assert at_least_float32(torch.rand(2)).shape == (2,)
    with pytest.raises(BeartypeCallHintParamViolation):
        at_least_float32([1.0])
    with pytest.raises(BeartypeCallHintParamViolation):
        resize_nearest(torch.rand(1, 4, 4), 2)
