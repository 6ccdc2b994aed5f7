import pytest
from forked_commands import ForkedCommand


@pytest.fixture(scope="module")
def command(tmp_path_factory):
    return ForkedCommand("prepare", tmp_path_factory.mktemp("prepare"))
