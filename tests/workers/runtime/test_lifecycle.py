"""How a process ends: by signal, by error, by itself."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from workers.runtime.errors import BusUnavailable, DeviceHung, ServerUnreachable, SettingsError
from workers.runtime.lifecycle import StopSignal, run_process
from workers.runtime.settings.process import LogSettings


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


def start(body: str) -> subprocess.Popen[bytes]:
    """A process whose body is given; returns when it is up."""
    code = (
        "import time\n"
        "from workers.runtime import lifecycle\n"
        "from workers.runtime.settings.process import LogSettings\n"
        "lifecycle._CLOSING_S = 0.3\n"
        f"def body(stop):\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        "raise SystemExit(lifecycle.run_process('worker', LogSettings(), body))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    return process


@pytest.mark.integration
def test_a_signal_asks_for_an_orderly_end() -> None:
    """In a process of its own: what else listens for signals in this one is not known."""
    process = start(
        """
        print("up", flush=True)
        assert stop.wait(10)
        assert stop.is_set()
        """
    )
    process.terminate()
    assert process.wait(10) == 0


WAIT = "while True: time.sleep(0.05)"


@pytest.mark.integration
def test_a_second_signal_gives_up_what_is_in_work_and_closes() -> None:
    process = start(f"""
        print("up", flush=True)
        try:
            {WAIT}
        finally:
            print("closed", flush=True)
    """)
    process.terminate()
    time.sleep(0.3)
    assert process.poll() is None  # the first is for the body to see
    process.terminate()
    assert process.wait(5) == 128 + signal.SIGTERM
    assert process.stdout is not None
    assert process.stdout.read() == b"closed\n"


@pytest.mark.integration
def test_a_closing_that_hangs_is_cut_off() -> None:
    process = start(f"""
        print("up", flush=True)
        try:
            {WAIT}
        finally:
            {WAIT}
    """)
    process.terminate()
    time.sleep(0.1)
    process.terminate()
    assert process.wait(5) == 128 + signal.SIGTERM


@pytest.mark.integration
def test_a_third_signal_ends_the_process_where_it_stands() -> None:
    process = start(f"""
        lifecycle._CLOSING_S = 60
        print("up", flush=True)
        try:
            {WAIT}
        finally:
            print("closing", flush=True)
            {WAIT}
    """)
    process.terminate()
    time.sleep(0.1)
    process.terminate()
    assert process.stdout is not None
    assert process.stdout.readline() == b"closing\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 128 + signal.SIGINT


@pytest.mark.integration
def test_where_nothing_is_in_work_a_signal_ends_at_once() -> None:
    process = start("""
        with stop.at_once():
            print("up", flush=True)
            time.sleep(60)
    """)
    process.terminate()
    assert process.wait(5) == 0


@pytest.mark.integration
@pytest.mark.parametrize("leaves", [True, False])
def test_a_device_that_still_computes_does_not_turn_the_end_into_a_crash(leaves: bool) -> None:
    """Without `leave` it does, or this would prove nothing."""
    program = f"""
        import sys, threading, time, torch
        from workers.runtime.lifecycle import leave
        def compute():
            while True:
                torch.nn.functional.conv2d(torch.ones(8, 32, 128, 128), torch.ones(32, 32, 3, 3))
        threading.Thread(target=compute, daemon=True).start()
        time.sleep(0.5)
        if {leaves}:
            leave(3)
        sys.exit(3)
    """
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert done.returncode == (3 if leaves else -signal.SIGABRT)
