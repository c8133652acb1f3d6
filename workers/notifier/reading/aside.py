"""Records that could not be handled, by their coordinates: they stay readable in their topic.

A JSON-lines file in the notifier's folder, not a topic: nobody may read it in circles. Bounded,
and advice: a disk that does not take it is said once, and ends nothing.
"""

import json
import os
from pathlib import Path

import structlog

from workers.notifier.clock import Now
from workers.runtime.bus.ports import Record
from workers.runtime.host.regular_file import open_own

log = structlog.get_logger(__name__)

REASON_LIMIT = 500  # characters


class Aside:
    """`aside.jsonl`; when it is full it becomes `aside.1.jsonl`, and a new one begins."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._path, self._max_bytes = folder / "aside.jsonl", max_bytes
        self.failing = False  # the disk does not take it

    def put(self, record: Record, reason: str, now: Now) -> None:
        """Note a record."""
        at = record.partition
        log.warning(
            "event set aside",
            topic=at.topic,
            partition=at.index,
            offset=record.offset,
            reason=reason,
        )
        line = {
            "topic": at.topic,
            "partition": at.index,
            "offset": record.offset,
            "timestamp_ms": record.timestamp_ms,
            "bytes": len(record.value or b""),
            "reason": reason,
            "at": now.utc.isoformat(),
        }
        try:
            self._append(json.dumps(line).encode() + b"\n")
        except OSError as error:
            self._tell(error)
        else:
            self.failing = False

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(open_own(self._path, os.O_WRONLY | os.O_APPEND), "ab") as file:
            full = file.tell() + len(line) > self._max_bytes
            if not full:
                file.write(line)
                return
        self._path.replace(self._path.with_suffix(".1.jsonl"))
        self._path.write_bytes(line)

    def _tell(self, error: OSError) -> None:
        if not self.failing:
            log.error(
                "what was set aside is not noted; the log has it",
                file=str(self._path),
                reason=error.strerror,
                setting="notifier.folder",
            )
        self.failing = True


def reason_of(error: Exception) -> str:
    """What is wrong with a record, short enough for a log line and an alarm."""
    try:
        text = str(error)
    except Exception:
        text = ""
    name = "" if isinstance(error, ValueError) and text else f"{type(error).__name__}: "
    return f"{name}{text}"[:REASON_LIMIT].encode("utf-8", "replace").decode()
