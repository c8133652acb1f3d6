"""Removes what no rule keeps. Two at once, a crash half way and writers meanwhile do no harm.

Cases that go are marked in their records first; a hold that came before the mark takes the mark
away again, one that comes after it sees it. Then the pictures go that no other case needs, each
only if nobody wrote it since the listing; a notice takes their place. What a crash leaves marked
and not removed, the next run removes.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from workers.evidence.retention import YOUNG_S, Fates, Known, decide
from workers.evidence.stock import Inventory, OnWork, each, take_stock
from workers.runtime.evidence.cases import (
    GC_CLOCK,
    HOLDS,
    Case,
    Expired,
    note,
    read_case,
    read_hold,
)
from workers.runtime.evidence.expiry import notice
from workers.runtime.evidence.settings import KeepSection
from workers.runtime.store.ports import BlobStore

_log = structlog.get_logger(__name__)
_SKEW_S = 300.0


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did, or would do."""

    fates: Fates
    inventory: Inventory
    removed: int = 0  # pictures
    stayed: int = 0  # cases that were held at the last moment

    @property
    def freed(self) -> int:
        """Bytes of the pictures that go."""
        stock, fates = self.inventory.stock, self.fates
        staying = {n for case in stock.live if not fates.gone(case) for n in case.pictures}
        going = (case for case in [*stock.live, *stock.loose] if fates.gone(case))
        names = {name for case in going for name in case.pictures} - staying
        return sum(stock.blobs[name].size for name in names if name in stock.blobs)


def look(blobs: BlobStore, keep: KeepSection, on_work: OnWork = lambda *_: None) -> Report:
    """What a run would do; nothing is changed. Raises StoreUnavailable."""
    now = time.time()
    inventory = take_stock(blobs, now, on_work)
    return Report(decide(inventory.stock, keep, now), inventory)


def collect(blobs: BlobStore, keep: KeepSection, on_work: OnWork = lambda *_: None) -> Report:
    """Remove what goes. Raises StoreUnavailable."""
    now = store_time(blobs)
    inventory = take_stock(blobs, now, on_work)
    run = _Run(blobs, inventory, decide(inventory.stock, keep, now), now)
    stayed = run.mark(on_work)
    removed = run.remove(on_work)
    run.forget()
    blobs.tidy(now - YOUNG_S)
    return Report(run.fates, inventory, removed, stayed)


def store_time(blobs: BlobStore) -> float:
    """The store's own clock, by which everything in it is dated. Raises StoreUnavailable."""
    ours = time.time()
    blobs.write(GC_CLOCK, b"the time of this file is the store's clock\n")
    theirs = next((blob.at for blob in blobs.listed(GC_CLOCK)), ours)
    if abs(theirs - ours) > _SKEW_S:
        _log.warning("the store's clock is not ours; its own counts", seconds=theirs - ours)
    return theirs


class _Run:
    """One pass over what goes."""

    def __init__(self, blobs: BlobStore, inventory: Inventory, fates: Fates, now: float):
        self._blobs, self._inventory, self.fates = blobs, inventory, fates
        self._now, self._at = now, datetime.fromtimestamp(now, UTC)
        self._marked: dict[str, Case] = {}

    def mark(self, on_work: OnWork) -> int:
        """Note in each record that its case has expired; how many were held meanwhile."""
        stayed = 0
        for outcome_id, case in each(list(self.fates.expire), self._mark, "cases", on_work):
            if case is None:
                del self.fates.expire[outcome_id]
                stayed += 1
            else:
                self._marked[outcome_id] = case
        return stayed

    def _mark(self, outcome_id: str) -> Case | None:
        known = self._inventory.cases[outcome_id]
        case = read_case(self._blobs, known.name) or known
        if case.expired is None:  # else another run was quicker
            expired = Expired(at=self._at, rule=self.fates.expire[outcome_id])
            marked = case.model_copy(update={"expired": expired})
            note(self._blobs, marked)
        else:
            marked = case
        hold = read_hold(self._blobs, outcome_id)
        if hold is None or not hold.lasts(self._at):
            return marked
        note(self._blobs, case.model_copy(update={"expired": None}))
        return None

    def remove(self, on_work: OnWork) -> int:
        """Take away the pictures of marked cases that nobody else needs; how many there were."""
        tasks = self._notices() | dict.fromkeys(self._bare())
        done = each(tasks.items(), self._supersede, "pictures", on_work)
        return sum(gone for _, gone in done)

    def _supersede(self, task: tuple[str, bytes | None]) -> bool:
        name, instead = task
        return self._blobs.supersede(name, self._now - YOUNG_S, instead)

    def _notices(self) -> dict[str, bytes | None]:
        """Picture -> what takes its place."""
        going = [self._inventory.known(case) for case in self._marked.values()]
        going += [case for case in self._inventory.stock.expired if not case.held]
        needed, found = self._needed(), dict[str, bytes | None]()
        for case in going:
            mine = self._marked.get(case.outcome_id) or self._inventory.cases[case.outcome_id]
            names = [
                name for name in case.pictures if name not in needed and self._left(name, case)
            ]
            found |= dict.fromkeys(names, notice(mine) if names else None)
        return found

    def _left(self, name: str, case: Known) -> bool:
        """Whether a picture is still there: marked now, or by a run that did not end."""
        blob = self._inventory.stock.blobs.get(name)
        return blob is not None and (case.outcome_id in self._marked or blob.at < case.at)

    def _needed(self) -> set[str]:
        stock, marked = self._inventory.stock, self._marked
        staying = [case for case in stock.live if case.outcome_id not in marked]
        staying += [case for case in stock.expired if case.held]
        return {name for case in staying for name in case.pictures}

    def _bare(self) -> set[str]:
        """What goes without a notice: pictures without a record, and notices in their time."""
        stock, forget = self._inventory.stock, self.fates.forget
        named = {
            name
            for case in [*stock.live, *stock.expired]
            if case.outcome_id not in forget
            for name in case.pictures
        }
        told = {
            name for case in stock.expired if case.outcome_id in forget for name in case.pictures
        }
        return set(self.fates.drop) | (told - named)

    def forget(self) -> None:
        """Records of cases that nobody is told of any more."""
        for outcome_id in self.fates.forget:
            self._blobs.delete(self._inventory.cases[outcome_id].name)
            self._blobs.delete(f"{HOLDS}{outcome_id}.json")
