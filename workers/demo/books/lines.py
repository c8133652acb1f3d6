"""The two books of a run as JSON lines: `sent.jsonl` by the camera, `outcomes.jsonl` by the reader.

They are kept by processes that know nothing of each other; `tally` compares them.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from schemas.outcome import Outcome

GOOD = "good"


@dataclass(frozen=True, slots=True)
class SentFrame:
    """One line of the camera's book, written before the frame was sent."""

    frame_id: str
    camera_id: str
    sequence: int
    category: str
    captured_at: datetime
    truth: str | None  # "good", a kind of defect, or None when nobody knows
    path: str | None = None  # the file it came from
    index: int | None = None  # or its number in the synthetic series

    @property
    def defective(self) -> bool | None:
        """What the frame really shows."""
        return None if self.truth is None else self.truth != GOOD


@dataclass(frozen=True, slots=True)
class Observed:
    """One outcome as the independent reader saw it; seen twice, it is written twice."""

    outcome_id: str
    frame_id: str | None  # None when the worker could not read the frame's headers
    camera_id: str | None
    verdict: str | None
    rejected: str | None
    score: float | None
    threshold: float | None
    model_version: str | None
    calibration_id: str | None
    worker_id: str
    captured_at: float | None  # seconds since the epoch
    seen_at: float
    verdict_ms: float | None  # capture to verdict, by the worker's clock

    @property
    def latency_ms(self) -> float | None:
        """Capture until the outcome could be read from the topic."""
        return None if self.captured_at is None else (self.seen_at - self.captured_at) * 1000

    def to_line(self) -> str:
        """One line of `outcomes.jsonl`."""
        return json.dumps(asdict(self), separators=(",", ":")) + "\n"


def observe(outcome: Outcome, seen_at: float) -> Observed:
    """What the books keep of an outcome."""
    frame = outcome.frame
    return Observed(
        outcome_id=outcome.outcome_id,
        frame_id=frame.frame_id if frame else None,
        camera_id=frame.camera_id if frame else None,
        verdict=outcome.verdict.value if outcome.verdict else None,
        rejected=outcome.rejected.value if outcome.rejected else None,
        score=outcome.image_score,
        threshold=outcome.image_threshold,
        model_version=outcome.model_version,
        calibration_id=outcome.calibration_id,
        worker_id=outcome.worker_id,
        captured_at=frame.captured_at.timestamp() if frame else None,
        seen_at=seen_at,
        verdict_ms=outcome.latencies.total_ms if outcome.latencies else None,
    )


class SentLog:
    """Reads the camera's book while it is being written."""

    def __init__(self, path: Path) -> None:
        self._path, self._position, self._frames = path, 0, dict[str, SentFrame]()

    def read(self) -> dict[str, SentFrame]:
        """All frames so far, by id. A line that is not finished yet waits for the next call."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            self._position += len(whole)
            for frame in map(_sent, _objects(whole)):
                self._frames.setdefault(frame.frame_id, frame)
        return self._frames


def _objects(data: bytes) -> Iterator[dict[str, Any]]:
    return (json.loads(line) for line in data.splitlines() if line.strip())


def _sent(line: dict[str, Any]) -> SentFrame:
    return SentFrame(
        frame_id=line["frame_id"],
        camera_id=line["camera_id"],
        sequence=line["sequence"],
        category=line["category"],
        captured_at=datetime.fromisoformat(line["captured_at"]),
        truth=line.get("truth"),
        path=line.get("path"),
        index=line.get("index"),
    )
