"""What all tests need before the first import of torch, and how several processes share them."""

import os
import tempfile

import cluster.build

from workers.runtime.servers.kafka_jars import jars_folder

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several: what one has made, the others find
    os.environ.setdefault("OMP_NUM_THREADS", "1")
else:
    _CACHE = tempfile.TemporaryDirectory(prefix="stream-inspector-tests-")
    _KAFKA = jars_folder()
    os.environ[cluster.build.CACHE] = str(cluster.build.base())
    os.environ["XDG_CACHE_HOME"] = _CACHE.name  # tests leave no engines behind, and find none
    _KAFKA.mkdir(parents=True, exist_ok=True)  # ... but they do not fetch Kafka's jars each time
    jars_folder().parent.mkdir()
    jars_folder().symlink_to(_KAFKA)

# As the command line does: threads that spin at OpenMP's barriers starve each other on few cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
