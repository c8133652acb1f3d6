"""Looks what is in the store: one listing, then the records."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from workers.evidence.retention import Known, Stock, without_record
from workers.runtime.evidence.cases import CASES, Case, Hold, holds, picture_in, read_case
from workers.runtime.store.ports import Blob, BlobStore

THREADS = 8  # an object store answers each after some ten milliseconds
_AT_ONCE = 512  # records between two looks at the stop signal

OnWork = Callable[[str, int, int], None]  # what, done, in all
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Inventory:
    """Records and blobs."""

    stock: Stock
    cases: Mapping[str, Case]  # by outcome id
    holds: Mapping[str, Hold]
    problems: list[str] = field(default_factory=list)

    def known(self, case: Case) -> Known:
        """A case as the rules know it."""
        return _known(case, self.stock.blobs, self.holds)


def take_stock(blobs: BlobStore, now: float, on_work: OnWork = lambda *_: None) -> Inventory:
    """Everything in the store. Raises StoreUnavailable."""
    listed = {blob.name: blob for blob in blobs.listed()}
    names = [name for name in listed if name.startswith(CASES)]
    cases: dict[str, Case] = {}
    problems: list[str] = []
    read = each(names, lambda name: read_case(blobs, name), "records", on_work)
    for name, case in read:
        if case is None:
            problems.append(f"{name} is no record of a case")
        else:
            cases[case.outcome_id] = case
    at = datetime.fromtimestamp(now, UTC)
    lasting = {hold.outcome_id: hold for hold in holds(blobs) if hold.lasts(at)}
    return Inventory(_stock(listed, cases, lasting), cases, lasting, problems)


def _stock(
    listed: Mapping[str, Blob], cases: Mapping[str, Case], held: Mapping[str, Hold]
) -> Stock:
    named = {name for case in cases.values() for name in case.pictures.values()}
    loose = [b for b in listed.values() if picture_in(b.name) == b.name and b.name not in named]
    live = [_known(case, listed, held) for case in cases.values() if case.expired is None]
    expired = [_known(case, listed, held) for case in cases.values() if case.expired]
    return Stock(live, expired, [without_record(blob) for blob in loose], listed)


def _known(case: Case, listed: Mapping[str, Blob], held: Mapping[str, Hold]) -> Known:
    record = listed.get(case.name)
    at = record.at if record else case.decided_at.timestamp()
    pictures = tuple(name for name in case.pictures.values() if picture_in(name) == name)
    held_now = case.outcome_id in held
    return Known(case.outcome_id, case.category, case.grade, at, pictures, held_now)


def each(
    items: Iterable[_In], do: Callable[[_In], _Out], what: str, on_work: OnWork
) -> Iterator[tuple[_In, _Out]]:
    """Do something with each, several at a time, and tell how far it is."""
    waiting, done = list(items), 0
    with ThreadPoolExecutor(THREADS, thread_name_prefix="evidence") as pool:
        for start in range(0, len(waiting), _AT_ONCE):
            some = waiting[start : start + _AT_ONCE]
            yield from zip(some, pool.map(do, some), strict=True)
            done += len(some)
            on_work(what, done, len(waiting))
