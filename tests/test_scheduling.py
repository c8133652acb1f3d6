"""A test process that crashes costs its test, not the run."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[1]
CONFTEST = """
import pytest
from tests.scheduling import CrashProof

def pytest_xdist_make_scheduler(config, log):
    return CrashProof(config, log)

def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.xdist_group(item.nodeid))
"""
TESTS = """
import os, signal, time
import pytest

@pytest.mark.parametrize("number", range(60))
def test_it(number):
    time.sleep(0.02)
    if number == 40:
        os.kill(os.getpid(), signal.SIGSEGV)
"""


def test_a_run_ends_after_a_process_that_crashed(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_crash.py").write_text(TESTS)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", str(tmp_path)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert "1 failed, 59 passed" in found.stdout, found.stdout[-2000:]
    assert "crashed while running 'test_crash.py::test_it[40]" in found.stdout
