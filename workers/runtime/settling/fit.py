"""Makes results small enough for their topics, whose limits only the broker knows."""

from dataclasses import replace

from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import SettingsError
from workers.runtime.settling.ledger import Run
from workers.runtime.settling.results import Result

_HEADERS_BYTES = 1024  # of a message, about
_STEP = 0.75  # a refusal says that the largest is too large; by how much it does not say

Runs = list[Run[Result]]


class Fit:
    """Remembers what was refused, so that a camera of large bad frames is refused once."""

    def __init__(self) -> None:
        self.bound: int | None = None  # bytes from which on results that can be cut are cut

    def known(self, runs: Runs) -> Runs:
        """Cut what would be refused."""
        if self.bound is None:
            return runs
        return [
            replace(run, results=tuple(_below(self.bound, result) for result in run.results))
            for run in runs
        ]

    def refused(self, runs: Runs) -> Runs:
        """Cut the largest, and what is nearly as large. Raises SettingsError when nothing can be.

        A result of coordinates alone is below 16 KiB; a topic that refuses that is set up wrong.
        """
        sizes = [_size(result) for run in runs for result in run.results if result.smaller]
        if not sizes:
            topics = sorted({m.topic for run in runs for r in run.results for m in r.messages})
            largest = max(_weight(m) for run in runs for r in run.results for m in r.messages)
            raise SettingsError(
                f"the broker refuses results of {largest} bytes that hold no frame: raise "
                f"max.message.bytes of the topics {', '.join(topics)} to 65536 at least"
            )
        self.bound = int(max(sizes) * _STEP)
        return self.known(runs)


def _below(bound: int, result: Result) -> Result:
    """The result in as few steps as bring it below the bound, or as small as it gets."""
    while _size(result) >= bound and result.smaller is not None:
        result = result.smaller()
    return result


def _size(result: Result) -> int:
    return max((_weight(message) for message in result.messages), default=0)


def _weight(outgoing: Outgoing) -> int:
    """Bytes of a message."""
    message = outgoing.message
    return len(message.value) + len(message.key or b"") + _HEADERS_BYTES
