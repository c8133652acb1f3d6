"""What a check finds, and what a check is."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer. Whatever is not well says what to do and names its setting."""

    status: Status
    says: str
    do: str | None = None
    setting: str | None = None


def ok(says: str) -> Finding:
    """All is well."""
    return Finding(Status.OK, says)


def skipped(why: str, do: str | None = None) -> Finding:
    """Not looked at."""
    return Finding(Status.SKIPPED, why, do)


def warning(says: str, do: str, setting: str | None = None) -> Finding:
    """It will run, with something that somebody should know."""
    return Finding(Status.WARNING, says, do, setting)


def failed(says: str, do: str, setting: str | None = None) -> Finding:
    """It will not run, or not as promised."""
    return Finding(Status.FAILED, says, do, setting)


def or_ok(problems: Iterable[Finding | None], says: str) -> list[Finding]:
    """The problems that there are, else that all is well."""
    return [each for each in problems if each is not None] or [ok(says)]


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    `needs` are the checks without which this one cannot be done; `do` and `setting` are the advice
    when it raises.
    """

    area: str
    name: str
    run: Callable[[], list[Finding]]
    needs: str | tuple[str, ...] | None = None  # "area: name", or several
    limit_s: float = 20.0
    do: str = "see the message"
    setting: str | None = None

    def lacks(self, unmet: Collection[str]) -> str | None:
        """The first of the checks it needs that is not ok."""
        needs = (self.needs,) if isinstance(self.needs, str) else self.needs or ()
        return next((each for each in needs if each in unmet), None)

    @property
    def title(self) -> str:
        """What other checks call it."""
        return f"{self.area}: {self.name}"
