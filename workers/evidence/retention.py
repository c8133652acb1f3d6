"""Which cases go, and by which rule. Pure: what is there and a time in, fates out."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from workers.runtime.evidence.settings import DEFECT, NEAR_MISS, KeepSection
from workers.runtime.store.ports import Blob

DAY_S, GB = 86_400.0, 1e9
YOUNG_S = 3600.0  # nothing younger goes: its event may not be published yet
_NOTICES = 0.1  # of all the room: what says that pictures have expired


@dataclass(frozen=True, slots=True)
class Known:
    """A case as its record tells it."""

    outcome_id: str
    category: str | None  # None: a picture without a record
    grade: str
    at: float  # when it was stored, by the store's clock
    pictures: tuple[str, ...]
    held: bool = False


@dataclass(frozen=True, slots=True)
class Stock:
    """What is in the store."""

    live: Sequence[Known]
    expired: Sequence[Known]  # at: when they expired
    loose: Sequence[Known]  # pictures that no record names
    blobs: Mapping[str, Blob]  # everything, by name

    @property
    def size(self) -> int:
        """Bytes of everything."""
        return sum(blob.size for blob in self.blobs.values())

    def bytes_of(self, cases: Iterable[Known]) -> int:
        """Bytes of the pictures of cases; one that several share counts once."""
        names = {name for case in cases for name in case.pictures}
        return sum(_size(self.blobs, name) for name in names)


@dataclass(slots=True)
class Fates:
    """What goes."""

    expire: dict[str, str] = field(default_factory=dict)  # outcome id -> the rule
    drop: dict[str, str] = field(default_factory=dict)  # of loose pictures, by name
    forget: set[str] = field(default_factory=set)  # expired cases that nobody is told of any more
    excess: int = 0  # bytes above max_gb that nothing may be removed for

    def gone(self, case: Known) -> bool:
        """Whether it goes."""
        return case.outcome_id in self.expire or case.outcome_id in self.drop


def decide(stock: Stock, keep: KeepSection, now: float) -> Fates:
    """The fate of everything: age first, then each category's room, then the whole."""
    fates = Fates()
    for case in [*stock.live, *stock.loose]:
        limit = keep.limits(case.category, case.grade)
        if limit.days is not None and case.at < now - limit.days * DAY_S and _may_go(case, now):
            _mark(fates, case, f"{_kind(case)}: {limit.days:g} days")
    for (category, grade), cases in _groups(stock.live).items():
        limit = keep.limits(category, grade)
        if limit.gb is not None:
            rule = f"{grade} of {category}: at most {limit.gb:g} GB"
            _fit(fates, cases, stock, now, room=limit.gb * GB, rule=rule)
    _forget(fates, stock, keep, now)
    _fit_all(fates, stock, keep, now)
    return fates


def _kind(case: Known) -> str:
    return f"{case.grade} of {case.category}" if case.category else "no record"


def _mark(fates: Fates, case: Known, rule: str) -> None:
    (fates.expire if case.category else fates.drop)[case.outcome_id] = rule


def _may_go(case: Known, now: float) -> bool:
    return not case.held and case.at < now - YOUNG_S


def _groups(cases: Iterable[Known]) -> dict[tuple[str, str], list[Known]]:
    found: dict[tuple[str, str], list[Known]] = defaultdict(list)
    for case in cases:
        found[case.category or "", case.grade].append(case)
    return found


def _fit(
    fates: Fates, cases: Collection[Known], stock: Stock, now: float, *, room: float, rule: str
) -> float:
    """Let the first of the cases go until the rest fits; the bytes that are still too many."""
    staying = [case for case in cases if not fates.gone(case)]
    users = Counter(name for case in staying for name in case.pictures)
    left = float(sum(_size(stock.blobs, name) for name in users))
    for case in sorted(staying, key=_order):
        if left <= room:
            break
        if _may_go(case, now):
            _mark(fates, case, rule)
            left -= sum(_size(stock.blobs, name) for name in _freed(users, case))
    return max(0.0, left - room)


def _order(case: Known) -> tuple[bool, float]:
    """Near misses first, then the oldest."""
    return case.grade != NEAR_MISS, case.at


def _freed(users: Counter[str], case: Known) -> Iterator[str]:
    for name in case.pictures:
        users[name] -= 1
        if users[name] == 0:
            yield name


def _forget(fates: Fates, stock: Stock, keep: KeepSection, now: float) -> None:
    """Notices go in their time, and earlier where they take more than their part of the room."""
    room = keep.max_gb * GB * _NOTICES
    for case in sorted(stock.expired, key=lambda case: -case.at):
        room -= stock.bytes_of([case])
        old = case.at < now - keep.expired_days * DAY_S
        if not case.held and (old or room < 0):
            fates.forget.add(case.outcome_id)


def _fit_all(fates: Fates, stock: Stock, keep: KeepSection, now: float) -> None:
    told = stock.bytes_of(case for case in stock.expired if case.outcome_id not in fates.forget)
    room, rule = keep.max_gb * GB - told, f"all evidence: at most {keep.max_gb:g} GB"
    everything = [*stock.live, *stock.loose]
    fates.excess = round(_fit(fates, everything, stock, now, room=room, rule=rule))


def _size(blobs: Mapping[str, Blob], name: str) -> int:
    found = blobs.get(name)
    return found.size if found else 0


def without_record(blob: Blob) -> Known:
    """A picture that no record names, as old as itself, kept as a defect is."""
    return Known(blob.name, None, DEFECT, blob.at, (blob.name,))
