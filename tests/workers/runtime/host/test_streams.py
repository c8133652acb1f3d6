"""No state of standard output or error ends a process or changes how it ends."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

TALKER = """
import sys, threading
from prometheus_client import generate_latest
from workers.runtime.host.streams import guard_streams
guard_streams()
from workers.runtime.lifecycle import leave, run_process
from workers.runtime.settings.process import LogSettings
from workers.runtime.telemetry.metrics.camera import CameraMetrics
import structlog, logging

def body(stop):
    log = structlog.get_logger("talker")
    for number in range(int(sys.argv[1])):
        log.info("number %d, bodensee-ö" % number, text="x" * 100)
        logging.getLogger("library").warning("also %d", number)
    if len(sys.argv) > 2:
        open(sys.argv[2], "w").close()
        sys.stdin.readline()
        log.info("again")
        log.info("and again")
    metrics = generate_latest(CameraMetrics().registry).decode()
    [line] = [l for l in metrics.splitlines() if l.startswith("camera_dropped_log_lines_total")]
    open(3, "w").write(line.split()[1])

code = run_process("talker", LogSettings(format="json", repeats=0), body)
threading.Thread(target=lambda: None, daemon=True).start()
leave(code)
sys.exit(code)
"""
pytestmark = pytest.mark.integration

CLI = [sys.executable, "-m", "workers.cli"]
SMALL = 64 * 1024  # bytes of the full disk


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk that is soon full."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder)],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)  # noqa: S607


def talk(
    tmp_path: Path, redirect: str, count: int = 2000, before: str = ""
) -> tuple[int, float, subprocess.CompletedProcess[str]]:
    """The talker in a shell: its status, how many lines it dropped, and what was heard."""
    counted = tmp_path / "dropped"
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    status = tmp_path / "status"
    line = f"{{ {before} {sys.executable} {program} {count} 3>{counted}; echo $? >{status}; }}"
    done = subprocess.run(
        ["/bin/bash", "-c", f"{line} {redirect}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )
    return int(status.read_text()), float(counted.read_text() or "nan"), done


def test_a_log_that_is_whole(tmp_path: Path) -> None:
    status, dropped, done = talk(tmp_path, "", 100)
    assert (status, dropped) == (0, 0)
    assert len(done.stderr.splitlines()) == 200


def test_a_full_disk(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk") as disk:
        status, dropped, _ = talk(tmp_path, f">{disk}/log 2>&1")
        assert (disk / "log").stat().st_size == SMALL
    assert status == 0
    assert 3000 < dropped < 4000


def test_a_disk_that_has_room_again_is_told(tmp_path: Path) -> None:
    program = tmp_path / "talker.py"
    program.write_text(TALKER)
    waits = tmp_path / "waits"
    with small_disk(tmp_path / "disk") as disk, (disk / "log").open("ab") as log:
        process = subprocess.Popen(
            [
                "/bin/bash",
                "-c",
                f"exec {sys.executable} {program} 2000 {waits} 3>{tmp_path}/dropped",
            ],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        )
        deadline = time.monotonic() + 30
        while not waits.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.truncate(disk / "log", 0)
        process.communicate(b"go on\n", timeout=30)
        said = (disk / "log").read_text().splitlines()
    assert process.returncode == 0
    told = [line for line in said if "log lines were lost" in line]
    assert len(told) == 1
    assert "No space left on device" in told[0]
    assert "and again" in said[-1] or "and again" in said[-2]


@pytest.mark.parametrize(
    "redirect", ["2>&1 | head -1", "2>&1 >/dev/null | true", "2>&1 | (exec <&-)"]
)
def test_a_reader_that_left(tmp_path: Path, redirect: str) -> None:
    status, dropped, done = talk(tmp_path, redirect)
    assert status == 0
    assert dropped > 1000
    assert done.stderr == ""


def test_a_reader_that_never_reads_does_not_hold_the_process_up(tmp_path: Path) -> None:
    began = time.monotonic()
    status, dropped, _ = talk(
        tmp_path, f"2>&1 | {{ while [ ! -s {tmp_path}/status ]; do sleep 0.1; done; }}"
    )
    assert status == 0
    assert dropped > 1000
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    status, _, _ = talk(tmp_path, closed, 100)
    assert status == 0


@pytest.mark.parametrize(
    "locale", ["LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0", "PYTHONIOENCODING=ascii:strict"]
)
def test_a_locale_without_our_signs(tmp_path: Path, locale: str) -> None:
    status, dropped, done = talk(tmp_path, "", 3, before=f"env {locale}")
    assert (status, dropped) == (0, 0)
    assert "bodensee" in done.stderr


def run(command: list[str], redirect: str) -> subprocess.CompletedProcess[str]:
    """A command of ours in a shell; prints its status on standard error at the end."""
    line = f"{{ {' '.join(command)}; echo status $? >&3; }} 3>&2 {redirect}"
    return subprocess.run(
        ["/bin/bash", "-c", line],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
    )


@pytest.mark.parametrize("redirect", ["| head -1", "| true", ">&-"])
@pytest.mark.parametrize("what", [["config", "show", "worker"], ["--help"]])
def test_a_command_whose_reader_left_ends_as_usual(what: list[str], redirect: str) -> None:
    done = run([*CLI, *what], redirect)
    assert done.stderr == "status 0\n"


def test_a_wrong_setting_keeps_its_status_whoever_reads(tmp_path: Path) -> None:
    wrong = [*CLI, "config", "check", "worker", "--set", "worker.nothing=1"]
    for redirect in ("2>&-", "2>&1 | true", "2>&1 >&-"):
        assert run(wrong, redirect).stderr == "status 78\n"


def test_an_answer_that_is_not_whole_is_an_error(tmp_path: Path) -> None:
    done = run([*CLI, "config", "show", "worker"], ">/dev/full")
    assert done.stderr.splitlines() == [
        "standard output: No space left on device: what was printed is not complete",
        "status 74",
    ]
