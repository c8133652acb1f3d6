"""Cases as lists: for people, and for programs."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from rich.console import Console

from workers.evidence.gc import Report
from workers.evidence.retention import Known
from workers.evidence.stock import Inventory
from workers.runtime.evidence.cases import Case, Hold
from workers.runtime.evidence.settings import KeepSection
from workers.runtime.listing import Column, Form, Kind, Listing, Shown

_EMPTY = "no cases here; evidence.url names the store, and defects bring cases"


def list_cases(
    cases: Iterable[Case], inventory: Inventory, keep: KeepSection, console: Console, form: Form
) -> None:
    """One line a case, and what becomes of it."""
    columns = (
        *(Column("case"), Column("captured"), Column("camera"), Column("category")),
        *(Column("grade"), Column("size", name="bytes", right=True), Column("state")),
        *(Column("until"), Column("why", kind=Kind.SPARE), Column("by", kind=Kind.SPARE)),
        Column("frame", name="frame_id", kind=Kind.EXTRA),
        Column("part", kind=Kind.EXTRA),
    )
    listing = Listing(console, *columns, form=form, title="evidence", empty=_EMPTY)
    for case in cases:
        known = inventory.known(case)
        state, until, why, by = _state(case, known, inventory.holds.get(case.outcome_id), keep)
        size = inventory.stock.bytes_of([known])
        listing.add(
            *(case.outcome_id, case.captured_at, case.camera_id, case.category, case.grade),
            *(Shown(size, megabytes(size)), state, until, why, by, case.frame_id),
            _who(case),
        )
    listing.close()


def _who(case: Case) -> list[str]:
    """As `--part` asks for it."""
    return [f"{name}={text}" for name, text in case.part.said().items()] if case.part else []


_State = tuple[Shown, datetime | Shown | None, str | None, str | None]


def _state(case: Case, known: Known, hold: Hold | None, keep: KeepSection) -> _State:
    if hold:
        return Shown("held", "held", "yellow"), hold.until or _FOREVER, hold.why, hold.by
    if case.expired:
        return Shown("expired", "expired", "dim"), case.expired.at, case.expired.rule, None
    days = keep.limits(case.category, case.grade).days
    stored = datetime.fromtimestamp(known.at, UTC)
    return Shown("kept", "kept"), stored + timedelta(days=days) if days else _FOREVER, None, None


_FOREVER = Shown(None, "released")


def list_fates(report: Report, console: Console, form: Form) -> None:
    """What goes, and by which rule."""
    columns = (
        *(Column("case"), Column("stored"), Column("category"), Column("grade")),
        *(Column("size", name="bytes", right=True), Column("rule", kind=Kind.CUT)),
    )
    stock, fates = report.inventory.stock, report.fates
    listing = Listing(console, *columns, form=form, title="what goes", empty="nothing goes")
    going = (case for case in [*stock.live, *stock.loose] if fates.gone(case))
    for case in sorted(going, key=lambda case: case.at):
        size = stock.bytes_of([case])
        rule = fates.expire.get(case.outcome_id) or fates.drop[case.outcome_id]
        stored = datetime.fromtimestamp(case.at, UTC)
        shown = Shown(size, megabytes(size))
        listing.add(case.outcome_id, stored, case.category, case.grade, shown, rule)
    listing.close()


def megabytes(size: float) -> str:
    """A size for people."""
    return f"{size / 1e6:.1f} MB"
