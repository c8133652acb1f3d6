"""Cameras on the network, from the device to the broker, with the cable pulled in the middle."""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from schemas.frame import Frame, decode_frame
from tests.integration.camera.devices import GigeCamera, RtspCamera, gige_device, rtsp_device
from tests.workers.gate.plants import PATIENCE_S
from workers.camera.devices.device import DeviceLost
from workers.camera.devices.genicam.aravis import AravisDevice
from workers.camera.devices.live import live_shots
from workers.camera.devices.open import find_devices
from workers.camera.settings import DeviceSettings
from workers.camera.sources import Missed, Shot, Taken
from workers.runtime.bus.kafka.reading.reader import KafkaReader
from workers.runtime.errors import SettingsError
from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers.embedded import EmbeddedBroker
from workers.runtime.settings.process import KafkaSettings

pytestmark = pytest.mark.integration

GIGE = {"camera.device.region": "[0,0,128,64]", "camera.device.encoding": "raw"}
SMALL = DeviceSettings(region=(0, 0, 128, 64), encoding="raw")


class Line:
    """A broker, and camera processes before it."""

    def __init__(self, kafka: KafkaSettings, folder: Path) -> None:
        self._kafka, self._folder = kafka, folder
        self._processes: list[subprocess.Popen[bytes]] = []
        self.frames: list[Frame] = []
        self._reader: KafkaReader | None = None

    def camera(self, source: str, **settings: object) -> None:
        given = {
            "kafka.bootstrap_servers": self._kafka.bootstrap_servers,
            "topics.frames": self._folder.name,
            "camera.device.retry_initial_s": 0.1,
            "camera.device.retry_max_s": 0.3,
            "camera.device.timeout_s": 2,
        }
        flags = [part for k, v in (given | settings).items() for part in ("--set", f"{k}={v}")]
        command = [sys.executable, "-m", "workers.cli", "camera", "--source", source]
        self.log = self._folder / "camera.log"
        with self.log.open("wb") as log:
            process = subprocess.Popen([*command, *flags], stdout=log, stderr=log)
        self._processes.append(process)

    def until(self, happened: Callable[[list[Frame]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not happened(self.frames):
            assert time.monotonic() < deadline, self.log.read_text()
            reader = self._reader = self._reader or self._open()
            records = reader.poll(0.2) if reader else []
            self.frames += [decode_frame(each.headers, each.value) for each in records]

    def _open(self) -> KafkaReader | None:
        reader = KafkaReader(self._kafka, self._folder.name, "reader")
        if reader.partitions:
            return reader
        reader.close()
        time.sleep(0.2)
        return None

    def starts(self) -> list[list[Frame]]:
        """Frames of each start, in their order."""
        epochs = dict.fromkeys(frame.epoch for frame in self.frames)
        return [[frame for frame in self.frames if frame.epoch == epoch] for epoch in epochs]

    def end(self) -> str:
        """Stop it in order; what it said."""
        (process,) = self._processes
        process.terminate()
        assert process.wait(PATIENCE_S) == 0, self.log.read_text()
        return self.log.read_text()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        if self._reader is not None:
            self._reader.close()


@pytest.fixture(scope="module")
def kafka() -> Iterator[KafkaSettings]:
    with EmbeddedBroker() as broker:
        yield KafkaSettings(bootstrap_servers=broker.bootstrap_servers)


@pytest.fixture
def line(kafka: KafkaSettings, tmp_path: Path) -> Iterator[Line]:
    with closing(Line(kafka, tmp_path)) as found:
        yield found


@gige_device
def test_a_gige_camera_whose_cable_is_pulled_is_found_again_and_its_parts_are_missed(
    line: Line,
) -> None:
    with GigeCamera("line1") as device:
        line.camera(f"aravis:{device.id}", **GIGE)
        line.until(lambda frames: len(frames) >= 10)
        device.kill()
        time.sleep(1)
        device.start()
        line.until(lambda _: len(line.starts()) > 1 and len(line.starts()[1]) >= 5)
        said = line.end()
    assert {(frame.width, frame.height, frame.pixel_format) for frame in line.frames} == {
        (128, 64, "Mono8")
    }
    starts = line.starts()
    for frames in starts:  # what a busy machine loses meanwhile is a gap, too
        assert all(_steps(a, b) for a, b in pairwise(frames)), said
    assert "device lost" in said
    missed = _missed(said)
    assert len(missed) == len(starts) - 1, said
    assert 0 < missed[0] <= starts[1][0].sequence, said
    assert missed[0] < 25 * PATIENCE_S  # at its 25 frames/s


def _steps(a: Frame, b: Frame) -> bool:
    """From one frame to the next both count the same: ours, and the device's own."""
    assert a.block is not None
    assert b.block is not None
    return b.sequence - a.sequence == b.block - a.block > 0


def _missed(said: str) -> list[int]:
    """Parts of each time that the device was away, as the log has them."""
    return [int(parts) for parts in re.findall(r"parts=(\d+) .*reason=away", said)]


@rtsp_device
def test_a_stream_whose_server_is_killed_is_found_again_and_its_parts_are_missed(
    line: Line,
) -> None:
    with RtspCamera() as device:
        line.camera(device.url)
        line.until(lambda frames: len(frames) >= 10)
        device.kill()
        time.sleep(1)
        device.start()
        line.until(lambda _: len(line.starts()) > 1 and len(line.starts()[1]) >= 5)
        said = line.end()
    before, after = line.starts()
    assert {frame.content_type for frame in line.frames} == {"image/png"}
    assert len({frame.data for frame in before}) > 5  # the ball moves
    assert [frame.sequence for frame in before] == list(range(len(before)))
    assert _missed(said) == [after[0].sequence], said
    assert 0 < after[0].sequence < 20 * PATIENCE_S  # at its 20 frames/s


def taken(device: AravisDevice, settings: DeviceSettings, pictures: int) -> list[Taken]:
    stop, found = StopSignal(), []
    for each in live_shots(device, settings, stop):
        found.append(each)
        if sum(isinstance(one, Shot | Missed) for one in found) >= pictures:
            stop.set()
    return found


@gige_device
def test_packets_that_are_lost_on_the_way_are_parts_that_were_not_inspected() -> None:
    given = SMALL.model_copy(update={"region": (0, 0, 256, 256)})
    with GigeCamera("lossy", lost=20) as camera:
        found = taken(AravisDevice(camera.id, given), given, 30)
    shots = [each for each in found if isinstance(each, Shot)]
    missed = [each for each in found if isinstance(each, Missed)]
    assert shots
    assert {each.reason for each in missed} <= {"incomplete", "gap"}
    assert any(each.reason == "incomplete" for each in missed)
    blocks = [shot.block for shot in shots if shot.block is not None]
    told = sum(each.parts for each in missed)
    assert told >= blocks[-1] - blocks[0] + 1 - len(shots)  # nothing is lost without a word


@gige_device
def test_a_gige_camera_takes_settings_and_names_what_it_does_not_take() -> None:
    with GigeCamera("nodes") as camera:
        assert f"aravis:{camera.id}" in {each.source for each in find_devices(DeviceSettings())}
        given = DeviceSettings(
            exposure_us=5000,
            gain=2,
            region=(0, 0, 64, 32),
            nodes={"PixelFormat": "Mono16"},
            counter="block",
            encoding="raw",
        )
        found = taken(AravisDevice(camera.id, given), given, 5)
        shot = next(each for each in found if isinstance(each, Shot))
        assert (shot.width, shot.height, shot.pixel_format) == (64, 32, "Mono16")
        assert shot.count == shot.block
        for settings, named in (
            ({"nodes": {"Colour": 1}}, "nodes.Colour: this camera has no Colour"),
            ({"nodes": {"PixelFormat": "x"}}, "nodes.PixelFormat"),
            ({"trigger": "hardware", "trigger_line": "Line9"}, "trigger_line: 'Line9'"),
            ({"counter": "ChunkCounterValue"}, "counter"),
            ({"counter": "NoSuchNode"}, "counter: this camera has no NoSuchNode"),
        ):
            device = AravisDevice(camera.id, DeviceSettings.model_validate(settings))
            with closing(device), pytest.raises(SettingsError, match=rf"camera\.device\.{named}"):
                device.open()


@gige_device
def test_a_gige_camera_that_another_program_controls_is_waited_for() -> None:
    with GigeCamera("taken") as camera:
        first = AravisDevice(camera.id, SMALL)
        with closing(first), closing(AravisDevice(camera.id, SMALL)) as second:
            first.open()
            with pytest.raises(DeviceLost, match="another program controls it"):
                second.open()
            assert first.grab(PATIENCE_S) is not None
        with closing(AravisDevice(camera.id, SMALL)) as third:
            third.open()
            assert third.grab(PATIENCE_S) is not None
    with (
        closing(AravisDevice("nobody", SMALL)) as nobody,
        pytest.raises(DeviceLost, match="nobody"),
    ):
        nobody.open()
