"""Niceness of a process of ours: its own and that of what it starts."""

import subprocess
import sys

import psutil
import pytest

_CHILD = """
import subprocess, sys
from workers.runtime.host.priority import give_way
give_way(int(sys.argv[1]))
own = "import os; print(os.nice(0))"
print(subprocess.run([sys.executable, "-c", own], capture_output=True, text=True).stdout)
"""


@pytest.mark.integration
@pytest.mark.parametrize("niceness", [0, 7])
def test_what_a_process_starts_lets_others_go_first_too(niceness: int) -> None:
    before = psutil.Process().nice()

    child = subprocess.run(
        [sys.executable, "-c", _CHILD, str(niceness)], capture_output=True, text=True, check=True
    )

    assert int(child.stdout) == min(19, before + niceness)
