"""What people were told, so that records that are read again tell nobody twice.

A JSON-lines file in the notifier's folder. It is advice: when the disk does not take it, that is
said once, and after a crash an alarm may come again, with the same id.
"""

import json
import os
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import structlog

from schemas.alarm import Alarm
from workers.runtime.host.regular_file import open_own
from workers.runtime.json_text import parse

log = structlog.get_logger(__name__)

_KEEP = 20_000  # alarms: some weeks of a busy line
_LINE_LIMIT = 200  # characters; ours have 60


class Told:
    """The alarms that went out, by id and count: a summary that grew is another one."""

    def __init__(self, folder: Path, keep: int = _KEEP) -> None:
        self._path, self._keep = folder / "told.jsonl", keep
        self._known: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._lines = 0
        self.failing = False  # the disk does not take it
        self.withheld = 0  # alarms that were told before
        self._load()

    def fresh(self, alarms: Sequence[Alarm]) -> list[Alarm]:
        """Those that nobody was told of yet."""
        found = [alarm for alarm in alarms if (alarm.alarm_id, alarm.count) not in self._known]
        self.withheld += len(alarms) - len(found)
        return found

    def note(self, alarms: Sequence[Alarm]) -> None:
        """These are safe: they went out, or stand on the disk of their channel."""
        if not alarms:
            return
        keys = [(alarm.alarm_id, alarm.count) for alarm in alarms]
        for key in keys:
            self._remember(key)
        try:
            if self._lines + len(keys) > 2 * self._keep:
                self._rewrite()
            else:
                self._append(keys)
        except OSError as error:
            self._tell(error)
        else:
            self.failing = False

    def _remember(self, key: tuple[str, int]) -> None:
        self._known[key] = None
        while len(self._known) > self._keep:
            self._known.popitem(last=False)

    def _append(self, keys: Sequence[tuple[str, int]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(open_own(self._path, os.O_WRONLY | os.O_APPEND), "a") as file:
            file.writelines(f"{json.dumps(key)}\n" for key in keys)
        self._lines += len(keys)

    def _rewrite(self) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            file.writelines(f"{json.dumps(key)}\n" for key in self._known)
        fresh.replace(self._path)
        self._lines = len(self._known)

    def _tell(self, error: OSError) -> None:
        if not self.failing:
            log.error(
                "what was told is not noted: after a crash it may be told again",
                file=str(self._path),
                reason=error.strerror,
                setting="notifier.folder",
            )
        self.failing = True

    def _load(self) -> None:
        try:
            if not self._path.is_file():  # a pipe or a device would never end
                return
            with self._path.open(errors="replace") as file:
                while self._lines < 4 * self._keep and (line := file.readline(_LINE_LIMIT)):
                    self._lines += 1
                    self._read(line)
        except OSError as error:
            log.warning("what was told is not known", file=str(self._path), reason=error.strerror)

    def _read(self, line: str) -> None:
        try:
            alarm_id, count = parse(line)
        except (ValueError, TypeError):
            return  # a line that a crash tore
        if isinstance(alarm_id, str) and isinstance(count, int):
            self._remember((alarm_id, count))
