"""A temporary folder that is full at the first load costs a wait, not the process.

A limit of 0 bytes on files is what a full disk is, for every folder at once.
"""

import os
import subprocess
import sys
import tempfile

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]

PROGRAM = """
import resource, sys, tempfile
from workers.runtime.detectors import libraries
from workers.runtime.detectors.loading import ModelLoader
from workers.runtime.detectors.settings import ModelsSection

loader = ModelLoader(ModelsSection())

@libraries.importing()
def network():
    from stream_inspector.features import load_feature_net
    load_feature_net((8, 8))
    print("network")

def size():
    try:
        loader(b"{}", b"") if sys.argv[1] == "seen" else network()
    except Exception as error:
        print(type(error).__name__, "|", error, "|", getattr(error, "exit_code", ""), flush=True)

if sys.argv[1] == "unseen":
    libraries.check_temporary_folder = lambda: None  # it fills up a moment later
    tempfile.tempdir = None
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
size()
print("imported", "torch" in sys.modules)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
size()
"""


def said(case: str) -> list[str]:
    command = [sys.executable, "-c", PROGRAM, case]
    # torch notes its folder in the environment of whoever has imported it
    clean = {name: value for name, value in os.environ.items() if "INDUCTOR" not in name}
    run = subprocess.run(  # a pipe is no file: it has no limit
        command, capture_output=True, text=True, timeout=300, check=False, cwd="/", env=clean
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.splitlines()


def test_models_are_loaded_when_there_is_room_again() -> None:
    full, imported, room = said("seen")
    assert full.startswith("NoTemporaryFolder | ")
    assert tempfile.gettempdir() in full
    assert "TMPDIR" in full
    assert imported == "imported False"
    assert room.startswith("ModelUnsupported")  # they looked at the manifest


def test_libraries_that_were_imported_half_end_the_process() -> None:
    full, _, room = said("unseen")
    for told in (full, room):  # this process is past help
        assert told.startswith("LibrariesBroken | ")
        assert told.endswith("| 75")
