"""Versions that could not be loaded: why, and when they are tried again. Pure: clock passed in."""

from dataclasses import dataclass, replace

from workers.runtime.errors import Transient

_PAUSE_S, _LONGEST_S = 5.0, 300.0  # somebody may repair the store, or make room
_AWAY_S = 1.0  # ... or the stores did not answer


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a version is not used for a category, and when it is tried again (seconds)."""

    reason: str
    again_at: float
    pause_s: float
    broken: bool = True  # the version, as opposed to a store or a device that is away


class Refusals:
    """By category and version. One thread writes; others may read."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Refusal] = {}

    def reasons(self) -> dict[tuple[str, str], str]:
        """Category and version -> why the version is not used."""
        return {named: each.reason for named, each in self._known.copy().items()}

    def allows(self, category: str, version: str, now: float) -> bool:
        """Whether the version may be tried at `now`."""
        known = self._known.get((category, version))
        return known is None or known.again_at <= now

    def broken(self, category: str, version: str) -> bool:
        """Whether the version itself was found to be unusable, so that another one may do."""
        known = self._known.get((category, version))
        return known is not None and known.broken

    def add(self, category: str, version: str, error: Exception, now: float) -> bool:
        """The version cannot be loaded: later and later again. Whether that is news."""
        known, reason = self._known.get((category, version)), f"{type(error).__name__}: {error}"
        pause = min(2 * known.pause_s, _LONGEST_S) if known else _PAUSE_S
        if isinstance(error, Transient):
            pause = _AWAY_S
        broken = not isinstance(error, Transient)
        self._known[category, version] = Refusal(reason, now + pause, pause, broken)
        return known is None or known.reason != reason

    def remove(self, category: str, version: str) -> None:
        """The version is in use now."""
        self._known.pop((category, version), None)

    def forgive(self) -> None:
        """Try all of them at once: something has changed."""
        self._known = {
            named: replace(each, again_at=0.0, pause_s=_PAUSE_S)
            for named, each in self._known.items()
        }
