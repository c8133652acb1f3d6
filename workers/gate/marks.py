"""How far a channel has come, on disk: the newest answer that the plant has from it.

What stands in the journal behind it was decided and never arrived: a gate that starts tells it.
"""

from collections.abc import Sequence
from pathlib import Path

import structlog

from workers.gate.answers import Answer, Noted
from workers.gate.parts import PartKey

log = structlog.get_logger(__name__)


class Mark:
    """One channel's. Belongs to its courier's thread once that runs."""

    def __init__(self, folder: Path, channel: str) -> None:
        self._file = folder / f"sent.{channel}"
        self._failing = False

    def unsent(self, answered: Sequence[Noted]) -> int:
        """How many of these, the newest ones, never arrived; 0 where that is not known."""
        try:
            mark = self._file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return 0
        for count, noted in enumerate(reversed(answered)):
            if _name(noted.camera, noted.key) == mark:
                return count
        return 0

    def set(self, answer: Answer) -> None:
        """The plant has this one. A disk that does not take it costs a repetition after a crash."""
        beside = self._file.with_suffix(f"{self._file.suffix}.new")
        try:
            beside.write_text(_name(answer.camera, answer.key), encoding="utf-8")
            beside.replace(self._file)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.warning("not noted what was sent", file=str(self._file), why=str(error))
            self._failing = True


def _name(camera: str, key: PartKey) -> str:
    return f"{camera} {key.start} {key.number} {key.frame_id} {key.captured_at.isoformat()}"
