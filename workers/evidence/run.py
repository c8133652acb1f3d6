"""What `stream-inspector evidence` does, on a store."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from itertools import islice

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from workers.evidence import tables
from workers.evidence.gc import Report, collect, look
from workers.evidence.stock import Inventory, OnWork, take_stock
from workers.runtime.errors import Fatal
from workers.runtime.evidence.cases import (
    CASES,
    Case,
    Hold,
    is_id,
    picture_in,
    read_case,
    read_hold,
)
from workers.runtime.evidence.settings import EvidenceSection
from workers.runtime.host.terminal import plain, text
from workers.runtime.lifecycle import StopSignal
from workers.runtime.listing import Form
from workers.runtime.moments import said
from workers.runtime.part_filter import ANY_PART, PartFilter
from workers.runtime.store.ports import BlobStore


class NoSuchCase(Fatal):
    """A name that fits no case, or several."""

    exit_code = 65


class TooLate(Fatal):
    """A case that cannot be held any more."""

    exit_code = 65


class Interrupted(Fatal):
    """A signal: what was done is whole, the rest is for the next run."""

    exit_code = 130


class Desk:
    """Where operators deal with evidence."""

    def __init__(
        self, blobs: BlobStore, section: EvidenceSection, console: Console, stop: StopSignal
    ):
        self._blobs, self._keep, self._console, self._stop = blobs, section.keep, console, stop

    def overview(
        self,
        now: datetime,
        form: Form,
        *,
        category: str | None = None,
        grade: str | None = None,
        state: str | None = None,
        since: datetime | None = None,
        limit: int | None = None,
        parts: PartFilter = ANY_PART,
    ) -> None:
        """List cases, the newest first."""
        inventory = self._inventory(now)

        def wanted(case: Case) -> bool:
            return (
                category in (None, case.category)
                and grade in (None, case.grade)
                and state in (None, _state(case, inventory))
                and (since is None or case.captured_at >= since)
                and parts.takes(case.part)
            )

        newest = sorted(inventory.cases.values(), key=lambda case: case.captured_at, reverse=True)
        chosen = [case for case in newest if wanted(case)]
        tables.list_cases(islice(chosen, limit), inventory, self._keep, self._console, form)
        for problem in inventory.problems:
            self._say(problem, form)
        size, bound = inventory.stock.size, self._keep.max_gb * 1e9
        shown = min(limit or len(chosen), len(chosen))
        count = (
            f"{len(chosen)} cases" if shown == len(chosen) else f"{shown} of {len(chosen)} cases"
        )
        room = f"{tables.megabytes(size)} of {tables.megabytes(bound)} ({size / bound:.0%})"
        self._say(f"{count}; the store holds {room}", form)

    def collect(self, apply: bool, form: Form) -> Report:
        """Show what goes, and remove it if that is wanted."""
        with work_bar(self._console, self._stop) as on_work:
            report = (collect if apply else look)(self._blobs, self._keep, on_work)
        tables.list_fates(report, self._console, form)
        going = len(report.fates.expire) + len(report.fates.drop)
        size = tables.megabytes(report.freed)
        if apply:
            stayed = f"; {report.stayed} were held meanwhile" if report.stayed else ""
            self._say(f"{going} cases expired, {report.removed} pictures, {size}{stayed}", form)
        else:
            self._say(f"{going} cases would expire ({size}); --apply does it", form)
        if report.fates.excess:
            over = tables.megabytes(report.fates.excess)
            self._say(
                f"{over} above evidence.keep.max_gb: what is left is held, or younger than an hour",
                form,
            )
        return report

    def hold(self, which: str, hold: Hold) -> None:
        """Keep a case. Raises NoSuchCase, TooLate."""
        case = self._find(which, hold.since)
        hold = hold.model_copy(update={"outcome_id": case.outcome_id})
        self._blobs.write(hold.name, hold.dumped())
        case = read_case(self._blobs, case.name) or case  # after the hold: else a run may have
        lost = [name for name in case.pictures.values() if not self._whole(name)]
        if case.expired and lost:
            self._blobs.delete(hold.name)
            on, rule = said(case.expired.at), case.expired.rule
            raise TooLate(f"{case.outcome_id} expired on {on} by rule {rule}; nothing is held")
        if case.expired:
            raise TooLate(
                f"{case.outcome_id} is just going; it is held now: look in a minute whether it "
                f"stayed, with `stream-inspector evidence list {case.outcome_id}`"
            )
        until = f"until {said(hold.until)}" if hold.until else "until it is released"
        missing = f"; {len(lost)} of {len(case.pictures)} pictures are missing" if lost else ""
        self._console.print(text((case.outcome_id, "bold"), f" is held {until}{missing}"))

    def release(self, which: str, now: datetime) -> None:
        """Let a case go in its time again. Raises NoSuchCase."""
        case = self._find(which, now)
        found = read_hold(self._blobs, case.outcome_id)
        if found is None:
            raise NoSuchCase(f"{case.outcome_id} is not held; see `evidence list --state held`")
        self._blobs.delete(found.name)
        self._console.print(text(f"{case.outcome_id} was held by {found.by}: {found.why}"))

    def _whole(self, name: str) -> bool:
        try:
            data = self._blobs.read(name)
        except FileNotFoundError:
            return False
        return hashlib.sha256(data).hexdigest() in name

    def _find(self, which: str, now: datetime) -> Case:
        """A case by its id, its first characters, its frame or a link to one of its pictures."""
        if is_id(which):
            case = read_case(self._blobs, f"{CASES}{which[:2]}/{which}.json")
            if case:
                return case
        picture = picture_in(which)
        found = [c for c in self._inventory(now).cases.values() if _is(c, which, picture)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(case.outcome_id for case in found[:10])
            raise NoSuchCase(f"{which} may be any of {names}: give one of these")
        raise NoSuchCase(
            f"{which}: no case, frame or picture of that name; see `stream-inspector evidence list`"
        )

    def _inventory(self, now: datetime) -> Inventory:
        with work_bar(self._console, self._stop) as on_work:
            return take_stock(self._blobs, now.timestamp(), on_work)

    def _say(self, words: str, form: Form) -> None:
        if form is Form.TABLE:
            self._console.print(text(words))
        else:
            typer.echo(plain(words), err=True)  # the other stream is for programs


def _is(case: Case, which: str, picture: str | None) -> bool:
    if picture:
        return picture in case.pictures.values()
    return bool(which) and (case.outcome_id.startswith(which) or case.frame_id == which)


def _state(case: Case, inventory: Inventory) -> str:
    if case.outcome_id in inventory.holds:
        return "held"
    return "expired" if case.expired else "kept"


@contextmanager
def work_bar(console: Console, stop: StopSignal) -> Iterator[OnWork]:
    """Shows how far the work is, where there is a terminal. Raises Interrupted within."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
    tasks = {}
    with bar if console.is_terminal else nullcontext():

        def on_work(what: str, done: int, total: int) -> None:
            if stop.is_set():
                raise Interrupted("interrupted; what was done is whole, run it again for the rest")
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield on_work
