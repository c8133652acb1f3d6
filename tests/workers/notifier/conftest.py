"""A webhook on this machine, for the tests of delivery."""

from collections.abc import Iterator

import pytest
from webhook import Hook


@pytest.fixture
def hook() -> Iterator[Hook]:
    server = Hook()
    yield server
    server.shutdown()
    server.server_close()
