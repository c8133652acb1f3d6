"""Activations: numbered records in the model store that are only ever added.

The highest one that can be read holds. What only looks like a record, or is a broken one, is passed
over by everybody, and the next activation takes the number after it.
"""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any

import structlog

from workers.runtime.errors import Fatal, StoreUnavailable
from workers.runtime.names import check_name, is_name
from workers.runtime.registry.layout import (
    activation_file,
    activation_numbers,
    activations_folder,
    dump,
    now,
)
from workers.runtime.registry.trial import Trial
from workers.runtime.store.ports import BlobStore, BlobUnreadable

_log = structlog.get_logger(__name__)

ROLLBACK = "rollback: "  # begins the reason of an activation that left a version behind
_EARLIER = 5  # versions that are worth trying
_LOOKED_AT = 50  # activations among which they are looked for
_TRIES = 1000  # numbers that others may take before us
_BEING_WRITTEN_S, _LOOKS = 0.2, 5  # a record may be read half written, on some stores


class Superseded(Fatal):
    """Somebody else was faster; nothing was changed."""

    exit_code = 75  # EX_TEMPFAIL: look at what they did, then decide again


@dataclass(frozen=True, slots=True)
class Activation:
    """One entry of a category's switchboard."""

    number: int
    version: str
    by: str
    why: str
    at: str  # ISO 8601, UTC
    nonce: str = ""  # tells our record from an equal one of somebody else
    trial: Trial | None = None  # of another version, beside this one


def read_activation(number: int, data: bytes) -> Activation:
    """The record with a number; what it says beyond ours is ignored. Raises ValueError."""
    if not data.strip():
        raise ValueError("it is empty")
    try:
        plain = dict(json.loads(data))
    except (ValueError, TypeError, RecursionError):
        raise ValueError("it is no JSON object, or cut short") from None
    try:
        known = {f.name: plain[f.name] for f in fields(Activation) if f.name in plain}
        entry = Activation(**{**known, "trial": None})
    except TypeError:
        raise ValueError("it lacks what a record of this version of the software says") from None
    return replace(_checked(entry, number), trial=_read_trial(plain.get("trial")))


def _read_trial(plain: Any) -> Trial | None:
    """One that cannot be read is none: the active version holds all the same."""
    if plain is None:
        return None
    try:
        return Trial.read(plain)
    except ValueError as error:
        _log.warning("a trial of a version is passed over", reason=str(error))
        return None


def _checked(entry: Activation, number: int) -> Activation:
    plain: dict[str, Any] = asdict(entry)
    plain.pop("trial")
    if type(plain.pop("number")) is not int or not all(type(v) is str for v in plain.values()):
        raise ValueError("its values are of other types than a record's")
    if entry.number != number:
        raise ValueError(f"it says that it is number {entry.number}")
    if not is_name(entry.version):
        raise ValueError("it names no version")
    if datetime.fromisoformat(entry.at).tzinfo is None:
        raise ValueError(f"its time {entry.at} has no zone")
    return entry


class Activations:
    """Reads and adds the records of every category."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._told: set[str] = set()  # broken records that were told of

    def numbers(self, category: str) -> list[int]:
        """The numbers of all records, broken ones too, ascending. Raises StoreUnavailable."""
        folder = activations_folder(check_name(category))
        return activation_numbers(category, self._blobs.names(folder))

    def newest(self, category: str) -> Activation | None:
        """The one that holds; None when there is none that can be read."""
        return next(self._backwards(category, self.numbers(category)), None)

    def last(self, category: str) -> Activation | None:
        """The same; raises StoreUnavailable when there are records, and none can be read."""
        numbers = self.numbers(category)
        found = next(self._backwards(category, numbers), None)
        if found is None and numbers:
            name = activation_file(category, numbers[-1])
            raise StoreUnavailable(
                f"{name} is not readable, nor is any before it: {self.fault(category, numbers[-1])}"
                f"; activate a version again (`stream-inspector model activate {category}`)"
            )
        return found

    def history(self, category: str) -> list[Activation]:
        """Every one that can be read, oldest first."""
        return [*self._backwards(category, self.numbers(category))][::-1]

    def earlier(self, category: str) -> list[str]:
        """Versions that were active before the present one, the latest first; a few.

        Not those that somebody rolled back from: they were found to be bad.
        """
        found: list[str] = []
        successor, bad = None, set[str]()
        for entry in self._backwards(category, self.numbers(category)[-_LOOKED_AT:]):
            if successor is None:
                found, bad = [], {entry.version}
            elif successor.why.startswith(ROLLBACK):
                bad.add(entry.version)
            if entry.version not in bad and entry.version not in found:
                found.append(entry.version)
            successor = entry
        return found[:_EARLIER]

    def fault(self, category: str, number: int) -> str | None:
        """What is wrong with a record; None when it is one. Raises StoreUnavailable."""
        try:
            read_activation(number, self._blobs.read(activation_file(category, number)))
        except BlobUnreadable as error:
            return f"it may not be read: {error}"
        except (ValueError, FileNotFoundError) as error:
            return str(error)
        return None

    def _backwards(self, category: str, numbers: Sequence[int]) -> Iterator[Activation]:
        """Those of the numbers that can be read, newest first."""
        for number in reversed(numbers):
            entry = self._read(activation_file(category, number), number)
            if entry is not None:
                yield entry

    def _read(self, name: str, number: int) -> Activation | None:
        try:
            return read_activation(number, self._blobs.read(name))
        except (ValueError, FileNotFoundError, BlobUnreadable) as error:
            if name not in self._told:
                self._told.add(name)
                _log.warning(
                    "a broken activation is passed over: `stream-inspector model verify` names it",
                    file=name,
                    reason=str(error),
                )
            return None

    def append(
        self,
        category: str,
        version: str,
        by: str,
        why: str,
        superseded: Callable[[Activation | None], None],
        *,
        trial: Trial | None = None,
    ) -> Activation:
        """Add the next one. `superseded` looks at the last one before, and may raise.

        Raises StoreUnavailable.
        """
        tried = 0
        for _ in range(_TRIES):
            last, highest = self._settled(category)
            superseded(last)
            # one look decides: a number that is taken after it is found out by `create`
            number = max(highest, tried) + 1
            entry = Activation(number, version, by, why, now(), uuid.uuid4().hex, trial)
            name = activation_file(category, number)
            if self._blobs.create(name, dump(asdict(entry))):
                return entry
            if self._read(name, number) == entry:  # ours: the client wrote it twice
                return entry
            tried = number
        raise StoreUnavailable(f"{activations_folder(category)}: no number is free")

    def _settled(self, category: str) -> tuple[Activation | None, int]:
        """The newest, and the highest number there is; one that is being written is waited for."""
        for look in range(_LOOKS):
            numbers = self.numbers(category)
            last, highest = next(self._backwards(category, numbers), None), max(numbers, default=0)
            if (last.number if last else 0) == highest or look == _LOOKS - 1:
                break
            time.sleep(_BEING_WRITTEN_S)
        return last, highest
