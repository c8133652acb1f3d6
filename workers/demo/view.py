"""The live terminal view of a run; without a terminal, a line every few seconds."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.text import Text

from workers.demo.books.lines import SentFrame
from workers.demo.books.observer import Observer
from workers.demo.books.summary import latency, throughput
from workers.demo.books.tally import Tally
from workers.runtime.host.terminal import Table, text

_LAST = 6
_ALARM_WIDTH = 100  # characters; one line each
_LINE_S = 5.0


class View:
    """Shows the books while they grow."""

    def __init__(self, console: Console, title: str, expected: int, *, headless: bool) -> None:
        self._console, self._title, self._expected = console, title, expected
        self._live = None if headless else Live(console=console, refresh_per_second=8)
        self._next_line = 0.0

    def update(
        self, books: Tally, sent: Mapping[str, SentFrame], observer: Observer, phase: str
    ) -> None:
        """Draw the state of now."""
        if self._live is not None:
            self._live.update(self._screen(books, sent, observer, phase))
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _LINE_S
            self._console.print(text(line(books, phase)))

    def _screen(
        self, books: Tally, sent: Mapping[str, SentFrame], observer: Observer, phase: str
    ) -> RenderableType:
        done = books.inspected + books.rejected
        bar = ProgressBar(total=max(1, self._expected), completed=done, width=None)
        head = Text.assemble(
            (f"{done}", "bold"), f" of {self._expected} frames have an outcome   ", (phase, "dim")
        )
        body = [
            *(head, bar, _numbers(books), Text("")),
            *(_last_defects(observer, sent), _alarms(observer)),
        ]
        return Panel(Group(*body), title=text((self._title, "bold")), padding=(1, 2))

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()


def line(books: Tally, phase: str) -> str:
    """The state in one line."""
    outcomes = list(books.outcomes.values())
    delays, rate = latency(outcomes), throughput(outcomes)
    return (
        f"{phase}: sent {books.sent}, inspected {books.inspected}, defects {books.defective}, "
        f"rejected {books.rejected}, {_figure(rate, '.1f')} frames/s, "
        f"latency p50 {_figure(delays['p50'], '.0f')} ms, p95 {_figure(delays['p95'], '.0f')} ms"
    )


def _numbers(books: Tally) -> RenderableType:
    outcomes = list(books.outcomes.values())
    delays, passed = latency(outcomes), books.inspected - books.defective - books.near_misses
    table = Table.grid(padding=(0, 4))
    table.add_row("")
    table.add_row(*(Text(name, style="dim") for name in _HEADINGS))
    table.add_row(
        Text(str(books.sent), style="bold"),
        Text(str(passed), style="bold green"),
        Text(str(books.near_misses), style="bold yellow"),
        Text(str(books.defective), style="bold red"),
        Text(str(books.rejected), style="bold magenta"),
        _figure(throughput(outcomes), ".1f"),
        f"{_figure(delays['p50'], '.0f')} ms",
        f"{_figure(delays['p95'], '.0f')} ms",
    )
    return table


_HEADINGS = ("sent", "pass", "near miss", "defect", "rejected", "frames/s", "p50", "p95")


def _last_defects(observer: Observer, sent: Mapping[str, SentFrame]) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", title_justify="left")
    for name in ("last defects", "score / threshold", "regions", "truth"):
        table.add_column(name)
    events = list(observer.defects.values())[-_LAST:]
    for event in reversed(events):
        known = sent.get(event.frame.frame_id)
        table.add_row(
            f"{event.frame.camera_id} #{event.frame.sequence}",
            text((f"{event.image_score:.2f}", "red"), f" / {event.image_threshold:.2f}"),
            str(len(event.regions)),
            (known.truth if known else None) or "unknown",
        )
    for _ in range(_LAST - len(events)):
        table.add_row("")
    return table


def _alarms(observer: Observer) -> RenderableType:
    alarms = sorted(observer.alarms.values(), key=lambda alarm: alarm.raised_at)[-3:]
    lines = [text((f"alarm  {alarm.camera_id}: ", "bold"), alarm.message) for alarm in alarms]
    lines += [Text("")] * (3 - len(lines))
    return Group(Text(""), *lines)


def _figure(value: float | None, pattern: str) -> str:
    return "-" if value is None else format(value, pattern)
