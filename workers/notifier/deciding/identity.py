"""Whether an outcome was met before: the same frame again, or another one under the same id."""

from collections import OrderedDict
from enum import Enum


class Meeting(Enum):
    """What an id turns out to be."""

    NEW = "new"
    AGAIN = "again"  # the same frame, delivered again: harmless
    OTHER = "other"  # another frame under an id that was used before


class Identities:
    """The ids of late, each with the fingerprint of its frame; bounded, the oldest give way."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._known: OrderedDict[str, str] = OrderedDict()
        self.repeated = 0  # frames that bore the id of another one

    def meet(self, outcome_id: str, fingerprint: str) -> Meeting:
        """Look, and remember."""
        known = self._known.get(outcome_id)
        if known == fingerprint:
            return Meeting.AGAIN
        self._known[outcome_id] = fingerprint
        self._known.move_to_end(outcome_id)
        if len(self._known) > self._keep:
            self._known.popitem(last=False)
        if known is None:
            return Meeting.NEW
        self.repeated += 1
        return Meeting.OTHER
