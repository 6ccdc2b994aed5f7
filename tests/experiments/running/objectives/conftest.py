import pytest
from tiny_backbone import tiny_model


@pytest.fixture
def model():
    return tiny_model().train()
