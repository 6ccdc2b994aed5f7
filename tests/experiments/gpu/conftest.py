"""One pack of scenes for all tests of this folder."""

import pytest
from packed_scenes import pack_scenes


@pytest.fixture(scope="session")
def packed(tmp_path_factory):
    return pack_scenes(tmp_path_factory.mktemp("pack"))
