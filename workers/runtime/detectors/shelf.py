"""Which model versions are in memory, within a bound. Pure: the clock is passed in.

The version used longest ago leaves first; one that frames asked for stays until it has served some.
While admitted frames wait for a version it stays too, unless frames of another one have waited for
`patience_s`.
"""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass

from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.errors import WorkerError

_MIB = 2**20

_IN_VAIN_S = 5.0  # not used for so long after loading: the frames that asked went elsewhere


class NoRoom(WorkerError):
    """A version does not fit beside what it must not displace."""


@dataclass(slots=True)
class _Place:
    model: LoadedModel
    at: float  # of its last batch; of its loading before the first
    owed: bool  # frames asked for it, and none has been scored yet


class Shelf:
    """Loaded models and their order of use."""

    def __init__(self, limit_bytes: int, patience_s: float):
        self.limit, self._patience_s = limit_bytes, patience_s
        self._places: dict[str, _Place] = {}

    def __contains__(self, version: str) -> bool:
        return version in self._places

    def __getitem__(self, version: str) -> LoadedModel:
        return self._places[version].model

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._places))

    @property
    def bytes(self) -> int:
        """What they take."""
        return self.bytes_of(self._places)

    def bytes_of(self, versions: Iterable[str]) -> int:
        """What some of them take."""
        return sum(self._places[v].model.bytes for v in versions if v in self._places)

    def put(self, model: LoadedModel, now: float, *, owed: bool = False) -> None:
        """A model was loaded, because frames asked for it (`owed`) or ahead of them."""
        self._places[model.version] = _Place(model, now, owed)

    def remove(self, version: str) -> LoadedModel:
        """A model leaves."""
        return self._places.pop(version).model

    def use(self, version: str, now: float) -> None:
        """A batch is scored by this version."""
        if version in self._places:
            place = self._places[version]
            place.at, place.owed = now, False

    def check(self, version: str, needed: int, keep: Iterable[str]) -> None:
        """Raises NoRoom when a version does not fit beside what must stay, whoever leaves."""
        beside = self.bytes_of(keep)
        if needed > self.limit - beside:
            in_use = f" beside the version in use ({_mib(beside)} MiB)" if beside else ""
            raise NoRoom(
                f"version {version} needs {_mib(needed)} MiB{in_use}, "
                f"{(self.limit - beside) // _MIB} of {self.limit // _MIB} MiB are free: "
                f"set models.memory_mb to {_mib(beside + needed)} or more"
            )

    def leaving(
        self,
        needed: int,
        keep: Container[str],
        busy: Container[str],
        asked_at: float | None,
        now: float,
    ) -> list[str] | None:
        """Who has to leave so that `needed` bytes are free; None while too few may.

        Frames wait for those in `busy`; frames of what is to come have waited since `asked_at`.
        """
        patient = asked_at is None or now - asked_at < self._patience_s
        order = sorted(self._places, key=lambda v: (v in busy, self._places[v].at))
        free, chosen = self.limit - self.bytes, list[str]()
        for version in order:
            if free >= needed:
                break
            if version in keep or (patient and version in busy) or self._owed(version, now):
                continue
            chosen.append(version)
            free += self._places[version].model.bytes
        return chosen if free >= needed else None

    def _owed(self, version: str, now: float) -> bool:
        place = self._places[version]
        return place.owed and now - place.at <= _IN_VAIN_S


def _mib(size: int) -> int:
    return -(-size // _MIB)
