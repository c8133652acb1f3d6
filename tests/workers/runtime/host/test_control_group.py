"""Processors and memory that a container leaves us, by both versions of control groups."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from workers.runtime.detectors import device
from workers.runtime.host.control_group import memory_limit, processors, whole_processors

V2_CONTAINER = {"sys/fs/cgroup/cpu.max": "40000 100000\n", "proc/self/cgroup": "0::/\n"}
V2_HOST = {
    "sys/fs/cgroup/a.slice/cpu.max": "30000 100000",
    "sys/fs/cgroup/a.slice/b.scope/cpu.max": "max 100000",
    "proc/self/cgroup": "0::/a.slice/b.scope",
}
V1_CONTAINER = {
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "40000",
    "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000",
    "proc/self/cgroup": "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n",
}
V1_HOST = {
    "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
    "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    "sys/fs/cgroup/cpu/plant/cpu.cfs_quota_us": "50000",
    "sys/fs/cgroup/cpu/plant/cpu.cfs_period_us": "100000",
    "proc/self/cgroup": "4:cpu,cpuacct:/plant/worker\n",
}
NONE = {"sys/fs/cgroup/cpu.max": "max 100000", "proc/self/cgroup": "0::/"}


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "share"),
    [(V2_CONTAINER, 0.4), (V2_HOST, 0.3), (V1_CONTAINER, 0.4), (V1_HOST, 0.5)],
)
def test_the_smallest_quota_holds(tmp_path: Path, files: dict[str, str], share: float) -> None:
    assert processors(lay(tmp_path, files)) == pytest.approx(share)
    assert whole_processors(tmp_path) == 1


@pytest.mark.parametrize("files", [NONE, {}, {"sys/fs/cgroup/cpu.max": "nonsense"}])
def test_without_a_quota_the_affinity_holds(tmp_path: Path, files: dict[str, str]) -> None:
    assert processors(lay(tmp_path, files)) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"sys/fs/cgroup/memory.max": "1000"}, 1000),
        ({"sys/fs/cgroup/memory.max": "max"}, None),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "2000"}, 2000),
        ({"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ({}, None),
    ],
)
def test_the_memory_limit(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    assert memory_limit(lay(tmp_path, files)) == limit


def test_a_worker_takes_no_more_threads_than_it_has_processors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torch.get_num_threads", lambda: 64)
    monkeypatch.setattr(device, "whole_processors", lambda: 1)
    assert device.device_threads(None) == 1
    assert device.device_threads(3) == 3


@pytest.mark.integration
def test_every_library_of_a_command_is_told_before_it_is_loaded() -> None:
    code = (
        "import sys, os\n"
        "from workers import cli\n"
        "assert 'numpy' not in sys.modules and 'torch' not in sys.modules\n"
        "cli.whole_processors = lambda: 1\n"
        "os.cpu_count = lambda: 64\n"
        "cli.app = lambda: None\n"
        "cli.main()\n"
        "import torch\n"
        "print(os.environ['OMP_NUM_THREADS'], torch.get_num_threads())\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split() == ["1", "1"], done.stderr
