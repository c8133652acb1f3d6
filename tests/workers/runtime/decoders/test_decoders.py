"""Decoder processes: the same pixels, and whatever a picture does costs that picture only."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import PIL.Image as Pil
import psutil
import pytest

from schemas.frame import RAW_RGB8
from stream_inspector.errors import Damaged, FrameRejected, TooLarge, TooSlow, Undecodable
from stream_inspector.image.formats.limits import DecodeLimits
from stream_inspector.image.view.canvas import View
from workers.runtime.decoders import process
from workers.runtime.decoders.picture import Picture, Rules
from workers.runtime.decoders.pool import Decoders
from workers.runtime.errors import DecoderLost

RULES = Rules(DecodeLimits(max_pixels=20_000_000))
PATIENT = Rules(DecodeLimits(max_scans=10**6))
VIEW = View((40, 60), region=(0.25, 0.0, 1.0, 0.5), content=(30, 60))
PIXELS = np.random.default_rng(3).integers(0, 256, (80, 90, 3), np.uint8)


def encoded(kind: str = "PNG", pixels: np.ndarray = PIXELS, **options: object) -> bytes:
    stream = io.BytesIO()
    Pil.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


GOOD = Picture(encoded(), "image/png", VIEW)


def slow(scans: int = 3000, side: int = 3000) -> Picture:
    """Seconds to decode, a few kilobytes long: the last scan comes again and again."""
    data = encoded("JPEG", np.zeros((side, side), np.uint8), progressive=True)
    last = data.rindex(b"\xff\xda")
    return Picture(data[:last] + data[last:-2] * scans + b"\xff\xd9", "image/jpeg", VIEW)


@pytest.fixture(scope="module")
def decoders() -> Iterator[Decoders]:
    with Decoders(2, RULES) as started:
        yield started


def children(decoders: Decoders) -> list[psutil.Process]:
    started = (decoder._process for decoder in decoders._all)
    return [psutil.Process(process.pid) for process in started if process]


def soon(holds: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
@pytest.mark.slow
def test_the_pixels_are_those_of_this_process(decoders: Decoders, kind: str) -> None:
    picture = Picture(encoded(kind), f"image/{kind.lower()}", VIEW)
    here, there = picture.decoded(RULES.limits), decoders.decode(picture)
    assert (there.image == here.image).all()
    assert there.original_size == here.original_size == (90, 80)


def test_raw_pixels_and_masks_are_no_exception(decoders: Decoders) -> None:
    masked = View((40, 60), ignored=(0, 1000, 1400))
    raw = Picture(PIXELS.tobytes(), RAW_RGB8, masked, 90, 80)
    assert (decoders.decode(raw).image == raw.decoded(RULES.limits).image).all()


@pytest.mark.slow
def test_threads_share_the_processes(decoders: Decoders) -> None:
    wanted = GOOD.decoded(RULES.limits).image
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: decoders.decode(GOOD).image, range(60)))
    assert all((image == wanted).all() for image in found)


@pytest.mark.parametrize(
    ("data", "kind", "error", "words"),
    [
        (b"no image", "image/png", Undecodable, "no whole PNG"),
        (encoded()[:-30], "image/png", Damaged, "lost data"),
        (encoded(pixels=np.zeros((5000, 5000), np.uint8)), "image/png", TooLarge, "max_pixels"),
        (slow(100, 8).data, "image/jpeg", TooSlow, "images.max_scans"),
        (bytes(9_000_000), "image/png", TooLarge, "kafka.max_frame_bytes"),
    ],
)
def test_refusals_come_back_as_they_are(
    decoders: Decoders, data: bytes, kind: str, error: type[FrameRejected], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        decoders.decode(Picture(data, kind, VIEW))
    assert type(caught.value) is error
    assert decoders.decode(GOOD).image.shape == (40, 60, 3)


@pytest.mark.slow
def test_a_slow_picture_costs_its_time_and_nothing_else() -> None:
    with Decoders(1, replace(PATIENT, cpu_s=0.4)) as decoders:
        decoders.start()
        [first] = children(decoders)
        spent = sum(first.cpu_times()[:2])
        with pytest.raises(TooSlow, match=r"0\.4 s of processor.*images\.decode_timeout_s"):
            decoders.decode(slow())
        assert not first.is_running()
        assert spent < 5
        assert decoders.decode(GOOD).image.shape == (40, 60, 3)


@pytest.mark.slow
def test_a_process_that_stands_still_is_ended_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "PATIENCE", 1)
    with Decoders(1, replace(RULES, cpu_s=0.5)) as decoders:
        decoders.start()
        [child] = children(decoders)
        child.suspend()
        with pytest.raises(TooSlow, match="by the clock"):
            decoders.decode(GOOD)
        assert not child.is_running()
        assert decoders.decode(GOOD).image.shape == (40, 60, 3)


def killing(decoders: Decoders, times: int) -> threading.Thread:
    """A thread that ends decoder processes as they are at work, as a broken codec would."""

    def kill() -> None:
        killed = set[int]()
        while len(killed) < times:
            for child in children(decoders):
                if child.pid not in killed and sum(child.cpu_times()[:2]) > 0.5:
                    killed.add(child.pid)
                    os.kill(child.pid, signal.SIGSEGV)
            time.sleep(0.01)

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_picture_that_ends_its_decoder_twice_is_refused_with_the_reason() -> None:
    with Decoders(1, replace(PATIENT, cpu_s=60)) as decoders:
        killer = killing(decoders, 2)
        with pytest.raises(Undecodable, match=r"signal 11 \(SIGSEGV\), 2 times"):
            decoders.decode(slow(20_000))
        killer.join(10)
        assert decoders.decode(GOOD).image.shape == (40, 60, 3)


@pytest.mark.slow
def test_a_process_that_was_ended_from_outside_costs_no_picture() -> None:
    with Decoders(1, RULES) as decoders:
        for _ in range(3):
            decoders.start()
            [child] = children(decoders)
            child.kill()
            assert decoders.decode(GOOD).image.shape == (40, 60, 3)


@pytest.mark.slow
def test_ctrl_c_and_sigterm_are_for_the_parent() -> None:
    with Decoders(1, RULES) as decoders:
        decoders.start()
        [child] = children(decoders)
        assert os.getpgid(child.pid) != os.getpgid(0)
        child.send_signal(signal.SIGTERM)
        child.send_signal(signal.SIGINT)
        decoders.decode(GOOD)
        assert children(decoders) == [child]


@pytest.mark.slow
def test_processes_know_no_secrets_and_have_no_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAM_INSPECTOR_REDIS__PASSWORD", "hush")
    with Decoders(1, RULES) as decoders:
        decoders.start()
        [child] = children(decoders)
        assert "hush" not in str(child.environ())
        assert child.net_connections("inet") == []
        assert [file.path for file in child.open_files() if file.mode != "r"] == []


PARENT = """
import sys, time
from stream_inspector.image.formats.limits import DecodeLimits
from workers.runtime.decoders.pool import Decoders
from workers.runtime.decoders.picture import Picture, Rules
from stream_inspector.image.view.canvas import View
decoders = Decoders(2, Rules(DecodeLimits(max_scans=10**6), 2.0))
decoders.start()
print("ready", flush=True)
decoders.decode(Picture(sys.stdin.buffer.read(), "image/jpeg", View((8, 8))))
"""


@pytest.mark.integration
def test_a_killed_parent_leaves_no_decoders_behind() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdin is not None
    assert parent.stdout.readline() == b"ready\n"
    left = psutil.Process(parent.pid).children()
    assert len(left) == 2
    parent.stdin.write(slow(20_000).data)
    parent.stdin.close()
    soon(lambda: any(sum(child.cpu_times()[:2]) > 0.6 for child in left))  # one is at work
    parent.kill()
    parent.wait()
    soon(lambda: not any(child.is_running() and child.status() != "zombie" for child in left))


MEMORY = """
from stream_inspector.image.formats.limits import DecodeLimits
from workers.runtime.decoders import child
child._bound_memory(DecodeLimits(max_memory=64 * 2**20))
held = bytearray(64 * 2**20)
try:
    bytearray(200 * 2**20)
except MemoryError:
    print("refused")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="no other kernel counts private memory")
@pytest.mark.integration
def test_the_kernel_refuses_a_decoder_more_memory_than_a_picture_may_have() -> None:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], check=False, capture_output=True, text=True
    )
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr


def test_decoders_that_cannot_start_are_no_fault_of_a_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "executable", "/no/python")
    monkeypatch.setattr("workers.runtime.decoders.pool._PAUSE_S", 0.01)
    with (
        Decoders(1, RULES) as decoders,
        pytest.raises(DecoderLost, match=r"a decoder process does not start.*No such file"),
    ):
        decoders.decode(GOOD)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with Decoders(1, RULES) as decoders, pytest.raises(DecoderLost, match="exit code 1"):
        decoders.start()


@pytest.mark.slow
def test_closing_leaves_no_process_and_starts_none() -> None:
    decoders = Decoders(2, RULES)
    decoders.start()
    ours = children(decoders)
    decoders.close()
    assert not any(child.is_running() for child in ours)
    with pytest.raises(DecoderLost, match="closed"):
        decoders.decode(GOOD)


@pytest.mark.integration
def test_a_process_imports_nothing_heavy() -> None:
    code = "import sys, workers.runtime.decoders.child; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "pydantic", "structlog", "kafka", "redis", "scipy"} & set(
        eval(done.stdout)  # noqa: S307
    )


def test_another_process_can_be_given_the_same_rules() -> None:
    from workers.runtime.decoders.settings import ImagesSection

    given = ImagesSection(max_pixels=7, max_side=6, decode_mb=99, accept_damaged=True)
    flags = ImagesSection.flags(given.rules(1024))
    told = {name.removeprefix("images."): value for name, value in flags.items()}
    assert ImagesSection.model_validate(told) == given
