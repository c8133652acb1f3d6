"""The camera process on an in-memory broker, from source to topic."""

import json
import threading
import urllib.request
from collections import Counter
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from schemas.frame import Frame, decode_frame
from workers.camera.run import run_camera
from workers.camera.settings import CameraProcessSettings
from workers.runtime.bus.memory import MemoryBroker, MemoryProducer
from workers.runtime.errors import SettingsError, Transient
from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers.process import free_ports
from workers.runtime.settings.process import HealthSettings


def settings(**camera: object) -> CameraProcessSettings:
    defaults = {
        "camera.rate": 0,
        "camera.synthetic.width": 32,
        "camera.synthetic.height": 32,
        "camera.spool.drain_s": 0.1,
        "camera.spool.retry_initial_s": 0.01,
    }
    named = {f"camera.{name}": value for name, value in camera.items()}
    return CameraProcessSettings.load(None, defaults | named)


def frames(broker: MemoryBroker) -> list[Frame]:
    return [decode_frame(record.headers, record.value) for record in broker.records("frames")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(5):
        (tmp_path / "pictures" / "test" / "good").mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / "test" / "good" / f"{number}.png").write_bytes(
            b"\x89PNG%d" % number
        )
    (tmp_path / "pictures" / "test" / "readme.txt").write_text("no picture")
    return tmp_path / "pictures"


def test_a_folder_travels_to_the_topic(folder: Path) -> None:
    broker = MemoryBroker()
    run_camera(settings(source=str(folder)), broker.producer, StopSignal())
    assert [frame.data for frame in frames(broker)] == [b"\x89PNG%d" % n for n in range(5)]
    assert {frame.category for frame in frames(broker)} == {"flange"}


def test_cameras_take_turns_and_count_for_themselves() -> None:
    broker = MemoryBroker()
    run_camera(settings(count=3, frames=7), broker.producer, StopSignal())
    sent = frames(broker)
    assert Counter(frame.camera_id for frame in sent) == {"cam-1": 3, "cam-2": 2, "cam-3": 2}
    assert {f.sequence for f in sent if f.camera_id == "cam-1"} == {0, 1, 2}


def test_one_camera_of_several_looks_at_another_product() -> None:
    broker = MemoryBroker()
    given = settings(count=3, frames=6, category="bolts", categories={"cam-2": "nuts"})
    run_camera(given, broker.producer, StopSignal())
    seen = {(frame.camera_id, frame.category) for frame in frames(broker)}
    assert seen == {("cam-1", "bolts"), ("cam-2", "nuts"), ("cam-3", "bolts")}
    with pytest.raises(SettingsError, match="categories: cam-9 is no camera"):
        settings(count=3, categories={"cam-9": "nuts"})


def test_the_book_says_what_was_sent_and_what_it_shows(folder: Path, tmp_path: Path) -> None:
    broker, book = MemoryBroker(), tmp_path / "sent.jsonl"
    run_camera(settings(source=str(folder), sent_log=str(book)), broker.producer, StopSignal())
    lines = [json.loads(line) for line in book.read_text().splitlines()]
    assert [line["frame_id"] for line in lines] == [frame.frame_id for frame in frames(broker)]
    assert {line["truth"] for line in lines} == {"good"}
    assert lines[0]["path"].endswith("0.png")


def test_an_explicit_partition_is_used() -> None:
    broker = MemoryBroker()
    run_camera(settings(frames=3, partitions={"cam-1": 2}), broker.producer, StopSignal())
    assert {record.partition.index for record in broker.records("frames")} == {2}


def test_a_file_over_the_limit_is_named_and_the_others_are_sent(folder: Path) -> None:
    (folder / "test" / "good" / "2.png").write_bytes(bytes(9 * 2**20))
    broker = MemoryBroker()
    with capture_logs() as logs:
        run_camera(settings(source=str(folder)), broker.producer, StopSignal())
    assert [frame.sequence for frame in frames(broker)] == [0, 1, 2, 3]
    named = [entry for entry in logs if entry["event"] == "file not sent"]
    assert "2.png" in named[0]["file"]
    assert any("readme.txt" in str(entry.get("e_g")) for entry in logs)


def test_a_stop_sends_what_waits() -> None:
    broker, stop = MemoryBroker(), StopSignal()

    class StopsAfterTen:
        def __init__(self) -> None:
            self.left = 10

        def wait(self, timeout: float) -> bool:
            self.left -= 1
            return self.is_set()

        def is_set(self) -> bool:
            return self.left <= 0

    run_camera(settings(), broker.producer, StopsAfterTen())
    assert 0 < len(frames(broker)) <= 10
    assert not stop.is_set()


def test_frames_that_could_not_be_sent_are_an_error_with_a_number() -> None:
    broker, stop = MemoryBroker(), StopSignal()
    broker.available = False

    class StopsWhenAway:
        def wait(self, timeout: float) -> bool:
            return stop.wait(timeout)

        def is_set(self) -> bool:
            return stop.is_set()

    class Stopping:
        def __init__(self) -> None:
            self.inner = broker.producer()

        def publish(self, messages: object) -> None:
            stop.set()
            self.inner.publish(messages)  # type: ignore[arg-type]

        def close(self) -> None:
            self.inner.close()

    with pytest.raises(Transient, match=r"[1-3] frames were not sent.*kafka\.bootstrap_servers"):
        run_camera(settings(frames=3), Stopping, StopsWhenAway())


@pytest.mark.slow
def test_a_full_spool_is_said_once_and_its_end_too() -> None:
    broker = MemoryBroker()

    class AwayUntilTheSpoolIsFull:
        def __init__(self) -> None:
            self.inner = broker.producer()

        def publish(self, messages: object) -> None:
            broker.available = any("spool full" in entry["event"] for entry in logs)
            self.inner.publish(messages)  # type: ignore[arg-type]

        def close(self) -> None:
            self.inner.close()

    small = settings(frames=40).model_copy(deep=True)
    object.__setattr__(small.camera.spool, "max_bytes", 20_000)
    with capture_logs() as logs:
        run_camera(small, AwayUntilTheSpoolIsFull, StopSignal())
    told = [entry["event"] for entry in logs if "spool" in entry["event"]]
    assert told[0] == "spool full: capturing stops until the broker takes frames"
    assert len(frames(broker)) == 40


def test_an_unusable_source_is_refused_before_the_broker_is_asked(tmp_path: Path) -> None:
    def connect() -> MemoryProducer:
        pytest.fail("asked the broker")

    with pytest.raises(SettingsError, match=r"camera\.source"):
        run_camera(settings(source=str(tmp_path)), connect, StopSignal())


def test_the_figures_are_told_over_http() -> None:
    (port,) = free_ports(1)
    broker = MemoryBroker()
    configured = settings(count=2, rate=50).model_copy(update={"health": HealthSettings(port=port)})
    stop = StopSignal()
    work = threading.Thread(target=run_camera, args=(configured, broker.producer, stop))
    work.start()
    while len(broker.records("frames")) < 10:
        stop.wait(0.01)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        told = {
            sample.name: sample.value
            for family in text_string_to_metric_families(answer.read().decode())
            for sample in family.samples
        }
    stop.set()
    work.join(5)
    assert 10 <= told["camera_sent_frames_total"] <= told["camera_captured_frames_total"]
    assert told["camera_sent_bytes_total"] > 1000
    assert told["camera_dropped_frames_total"] == told["camera_failed_sends_total"] == 0
    assert told["camera_ready"] == 1
