"""What all tests need before the first import of torch."""

import os
import tempfile
from collections.abc import Iterator

import cluster.build
import pytest
import structlog

from workers.runtime.servers.kafka_jars import jars_folder

_CACHE = tempfile.TemporaryDirectory(prefix="stream-inspector-tests-")
_KAFKA = jars_folder()
os.environ[cluster.build.CACHE] = str(cluster.build.base())
os.environ["XDG_CACHE_HOME"] = _CACHE.name  # tests leave no engines behind, and find none
_KAFKA.mkdir(parents=True, exist_ok=True)  # ... but they do not fetch Kafka's jars each time
jars_folder().parent.mkdir()
jars_folder().symlink_to(_KAFKA)

# As the command line does: threads that spin at OpenMP's barriers starve each other on few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """A command that a test runs in this process logs to that test's standard error only."""
    yield
    structlog.reset_defaults()
