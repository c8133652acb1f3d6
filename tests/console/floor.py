"""A plant for the console's tests: cameras, an in-memory broker, a history, and its pages."""

import base64
import hashlib
import io
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from pydantic import SecretStr
from starlette.testclient import TestClient

from schemas.alarm import Alarm, AlarmKind, Severity
from schemas.dead_letter import DeadLetter, OriginalRecord
from schemas.defect import Box, CounterpartCheck, DefectEvent, Evidence, Region
from schemas.frame import Frame, encode_frame
from schemas.message import Message
from schemas.outcome import (
    FrameRef,
    Latencies,
    Outcome,
    RecordRef,
    RejectReason,
    Verdict,
    outcome_id,
)
from workers.console.app import make_app
from workers.console.history.database import open_database
from workers.console.pages.desk import Room
from workers.console.reading.feed import Feed
from workers.console.reading.sources import sources
from workers.console.run import make_room
from workers.console.settings import (
    AccessSettings,
    ConsoleProcessSettings,
    ConsoleSettings,
    EvidenceSection,
    ModelStoreSection,
    UserSettings,
)
from workers.runtime.bus.memory import MemoryBroker
from workers.runtime.bus.memory_reader import MemoryReader
from workers.runtime.bus.ports import Outgoing, Partition, Record
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs

PASSWORD = "correct horse"
# As weak as a hash may be: tests log in hundreds of times.
_KEY = hashlib.scrypt(PASSWORD.encode(), salt=b"salt", n=2**4, r=8, p=1, dklen=32)
_HASH = SecretStr(
    "$".join(["scrypt", "4", "8", "1", *(base64.b64encode(x).decode() for x in (b"salt", _KEY))])
)
NOW = datetime.now(UTC).replace(microsecond=0)


def users() -> dict[str, UserSettings]:
    return {
        name: UserSettings(role=role, password_hash=_HASH)
        for name, role in (("vera", "viewer"), ("olga", "operator"), ("emil", "engineer"))
    }


def png(grey: int = 128, size: tuple[int, int] = (32, 24)) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size, grey).save(buffer, "PNG")
    return buffer.getvalue()


class Floor:
    """What a test makes happen, and what the pages show of it."""

    def __init__(self, folder: Path, database: str = "", **console: Any):
        self.folder, self.broker = folder, MemoryBroker()
        redis_url = console.pop("redis_url", "redis://127.0.0.1:1/0")  # nobody is there
        access = console.pop("access", AccessSettings(users=users()))
        self.settings = ConsoleProcessSettings(
            console=ConsoleSettings(
                database=database or f"sqlite:///{folder}/history.sqlite3", access=access, **console
            ),
            evidence=EvidenceSection(url=str(folder / "evidence")),
            models=ModelStoreSection(store=str(folder / "models")),
            redis=RedisSettings(url=redis_url),
        )
        for name in self.settings.topics.names():
            self.broker.create_topic(name)
        self.producer = self.broker.producer()
        self.blobs = open_blobs(str(folder / "evidence"))
        self.open()

    def open(self) -> None:
        """The history, as the settings have it."""
        self.database = open_database(self.settings.console.database)
        self.feeds = [
            Feed(source, self._reader(source.topic), self.database)
            for source in sources(self.settings.topics)
        ]
        for feed in self.feeds:
            feed.problem = None
        self.room: Room = make_room(
            self.settings,
            self.database,
            self.feeds,
            self.fetch,
            lambda message: self.producer.publish([message]),
            stopping=threading.Event(),
        )

    def _reader(self, topic: str) -> Callable[..., MemoryReader]:
        return lambda pulse, positions: MemoryReader(
            self.broker, topic, max_records=100, positions=positions
        )

    def fetch(self, partition: Partition, offset: int) -> Record | None:
        found = self.broker.read(partition, offset, 1)
        return found[0] if found and found[0].offset == offset else None

    def browser(self, name: str | None = "olga", **headers: str) -> TestClient:
        """A browser with somebody at it."""
        client = TestClient(make_app(self.room), headers=headers, follow_redirects=False)
        if name is not None:
            answer = client.post("/login", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 303, answer.text
        return client

    def token(self, client: TestClient) -> str:
        """Of the forms of whoever sits there."""
        text = client.get("/live").text
        return text.partition('name="token" value="')[2].partition('"')[0]

    def publish(self, topic: str, message: Message) -> None:
        self.producer.publish([Outgoing(topic, message.encode())])

    def read(self) -> None:
        """Everything that the topics have goes into the history."""
        for feed in self.feeds:
            reader = MemoryReader(
                self.broker, feed.topic, max_records=100, positions=feed.positions()
            )
            while records := reader.poll(0):
                feed.keep(records)

    def frame(self, camera: str, sequence: int, data: bytes, category: str = "bolts") -> Outcome:
        """A frame on its topic, and what is common to whatever is said of it."""
        frame = Frame(
            frame_id=f"{camera}-{sequence}",
            camera_id=camera,
            category=category,
            sequence=sequence,
            captured_at=NOW - timedelta(seconds=60 - sequence % 60),
            content_type="image/png",
            data=data,
        )
        topic = self.settings.topics.frames
        offset = self.broker.end(Partition(topic, 0))
        self.producer.publish([Outgoing(topic, encode_frame(frame), partition=0)])
        return Outcome(
            outcome_id=outcome_id(frame.source, frame.frame_id),
            frame=FrameRef(
                frame_id=frame.frame_id,
                camera_id=camera,
                category=category,
                sequence=sequence,
                captured_at=frame.captured_at,
                content=hashlib.sha256(data).hexdigest()[:16],
            ),
            record=RecordRef(topic=topic, partition=0, offset=offset),
            worker_id="w",
            verdict=Verdict.PASS,
            image_score=0.5,
            image_threshold=1.0,
            model_version="abc",
            calibration_id="def",
            latencies=Latencies(
                queued_ms=1, decode_ms=1, batch_wait_ms=1, inference_ms=1, total_ms=42
            ),
            decided_at=frame.captured_at + timedelta(milliseconds=42),
        )

    def part(
        self,
        camera: str = "line-1",
        sequence: int = 0,
        verdict: Verdict = Verdict.PASS,
        *,
        score: float | None = None,
        category: str = "bolts",
        data: bytes | None = None,
        aged: timedelta = timedelta(),
        **changes: Any,
    ) -> Outcome:
        """An inspected frame: its outcome, and where it is one, the defect with its pictures."""
        data = data or png(40 + sequence % 200)
        usual = {Verdict.PASS: 0.5, Verdict.NEAR_MISS: 0.9, Verdict.DEFECT: 1.5}
        plain = self.frame(camera, sequence, data, category)
        outcome = plain.model_copy(
            update={
                "verdict": verdict,
                "image_score": usual[verdict] if score is None else score,
                "decided_at": plain.decided_at - aged,
                **changes,
            }
        )
        self.publish(self.settings.topics.outcomes, outcome)
        if verdict is Verdict.DEFECT:
            self.publish(self.settings.topics.defects, self.defect(outcome, data))
        return outcome

    def defect(self, outcome: Outcome, data: bytes, **changes: Any) -> DefectEvent:
        links = {kind: self.store(picture) for kind, picture in pictures(data).items()}
        shared = outcome.model_dump(
            exclude={"rejected", "verdict"} | {"run", "replayed_from", "traceparent"}
        )
        region = Region(
            box=Box(x=1, y=1, width=4, height=4),
            polygon=[(1, 1), (5, 1), (5, 5), (1, 5)],
            area_px=16,
            peak_score=3.0,
        )
        return DefectEvent(
            **{
                **shared,
                "pixel_threshold": 2.0,
                "regions": [region],
                "image_width": 32,
                "image_height": 24,
                "evidence": Evidence(**links),
                "counterpart": CounterpartCheck(status="skipped", reason="a test"),
                **changes,
            }
        )

    def store(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        return self.blobs.write(f"{digest[:2]}/{digest}.png", data)

    def reject(
        self, camera: str = "line-1", sequence: int = 0, error: str = "not a picture"
    ) -> Outcome:
        """A frame that was not inspected."""
        plain = self.frame(camera, sequence, b"junk")
        reason = RejectReason.UNDECODABLE
        nothing = ("verdict", "image_score", "image_threshold", "model_version", "calibration_id")
        empty = {**dict.fromkeys(nothing), "latencies": None}
        outcome = plain.model_copy(update={**empty, "rejected": reason})
        self.publish(self.settings.topics.outcomes, outcome)
        letter = DeadLetter(
            outcome_id=outcome.outcome_id,
            frame=outcome.frame,
            record=outcome.record,
            worker_id="w",
            reason=reason,
            error=error,
            attempts=1,
            original=OriginalRecord.of(None, b"junk", ()),
            rejected_at=outcome.decided_at,
        )
        self.publish(self.settings.topics.dead_letters, letter)
        return outcome

    def alarm(self, camera: str = "line-1", **changes: Any) -> Alarm:
        """Somebody was told."""
        alarm = Alarm(
            **{
                "alarm_id": uuid.uuid4().hex,
                "kind": AlarmKind.NOT_INSPECTED,
                "severity": Severity.CRITICAL,
                "camera_id": camera,
                "cause": "camera-silent",
                "message": f"{camera} is silent",
                "first_seen": NOW,
                "last_seen": NOW,
                "count": 1,
                "frame_ids": [],
                "raised_at": NOW,
                **changes,
            }
        )
        self.publish(self.settings.topics.alarms, alarm)
        return alarm


def pictures(frame: bytes) -> dict[str, bytes]:
    """A defect's four pictures; each its own."""
    return {"frame": frame, "heatmap": png(10), "outline": png(20), "counterpart": png(30)}
