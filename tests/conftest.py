"""What all tests need before the first import of torch, and how several processes share them."""

import gc
import os
import signal
import sys
import tempfile
from collections.abc import Generator, Iterator
from typing import Any

import cluster.build
import pytest
import structlog

from tests.scheduling import CrashProof
from workers.runtime import secrets
from workers.runtime.servers.kafka_jars import jars_folder

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several: engines that one exports, all find
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    gc.disable()  # what is imported and collected lives as long as the process
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

# No table is folded. Here, not in a test: a console keeps the width at its command's first import.
os.environ["COLUMNS"] = "300"

_DECODER = "workers.runtime.decoders.child"  # small, and part of whatever takes pictures
_ASKED_BY_PYTHON = ("ldconfig", "uname")  # by ctypes for libraries, by platform for the processor
_started: list[str] = []  # programs, by the test that runs


def _note(event: str, args: tuple[Any, ...]) -> None:
    if event != "subprocess.Popen" or str(args[0]).endswith(_ASKED_BY_PYTHON):
        return
    if _DECODER not in map(str, args[1]):
        _started.append(str(args[0]))


sys.addaudithook(_note)


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """`-n auto`: twice the processors, as tests wait half of their time; `-n logical`: as many."""
    processors = len(os.sched_getaffinity(0))
    return processors if config.option.numprocesses == "logical" else 2 * processors


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> CrashProof:
    """A process that crashes fails its test, and the run ends."""
    return CrashProof(config, log)


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests begin first, each where there is room; a file's others stay in one process."""
    for item in items:
        alone = item.get_closest_marker("slow") or item.get_closest_marker("xdist_group")
        if not alone:
            item.add_marker(pytest.mark.xdist_group(item.nodeid.split("::")[0]))
    items.sort(key=lambda item: [not item.get_closest_marker(m) for m in ("slow", "integration")])


def pytest_collection_finish() -> None:
    """Only what tests make is looked through for garbage; and a broken pipe is an error again.

    The charts' library is Go and takes the signal; a process that had it crashed at a broken pipe.
    """
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Before the fixtures."""
    _started.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """`make check` selects by marker, so a test that starts a process must say so."""
    yield
    if _started and not item.get_closest_marker("integration"):
        pytest.fail(f"it started {', '.join(_started)}: mark it `integration`", pytrace=False)


@pytest.fixture(autouse=True)
def fresh_secrets() -> None:
    """What one test gave as a secret is an ordinary word to the next."""
    secrets.forget()


@pytest.fixture(autouse=True)
def fresh_logging() -> Iterator[None]:
    """A command that a test runs in this process logs to that test's standard error only."""
    yield
    structlog.reset_defaults()
