"""How a process ends: by signal, by error, by itself."""

import os
import signal
import subprocess
import sys
import time

import pytest

from workers.runtime.errors import BusUnavailable, DeviceHung, ServerUnreachable, SettingsError
from workers.runtime.lifecycle import StopSignal, run_process
from workers.runtime.settings import LogSettings


@pytest.fixture(autouse=True)
def _restore_signals() -> object:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("kafka.bootstrap_servers: wrong"), 78),
        (ServerUnreachable("no broker at x:1"), 69),
        (DeviceHung("cuda"), 75),
        (BusUnavailable("gone"), 69),
        (RuntimeError("bug"), 70),
    ],
)
def test_an_error_becomes_a_line_and_a_code(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def body(stop: StopSignal) -> None:
        raise error

    assert run_process("worker", LogSettings(level="error"), body) == code
    assert capsys.readouterr().err.splitlines()[-1] == f"stream-inspector worker: {error}"


def test_a_signal_asks_for_an_orderly_end() -> None:
    def body(stop: StopSignal) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(5)
        assert stop.is_set()

    assert run_process("worker", LogSettings(), body) == 0


def test_a_second_signal_ends_at_once() -> None:
    code = (
        "import time\n"
        "from workers.runtime.lifecycle import run_process\n"
        "from workers.runtime.settings import LogSettings\n"
        "def body(stop):\n"
        "    print('up', flush=True)\n"
        "    while True: time.sleep(0.05)\n"  # ignores the first
        "run_process('worker', LogSettings(), body)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None
    process.terminate()
    assert process.wait(5) == 128 + signal.SIGTERM
