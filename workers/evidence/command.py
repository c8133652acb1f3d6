"""`stream-inspector evidence`: flags and help. Nothing heavy is imported before a command runs."""

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain
from workers.runtime.listing import AsCsv, AsJson, form
from workers.runtime.moments import ago, ahead, said
from workers.runtime.part_filter import PartFlags, part_filter
from workers.runtime.settings.process import parse_assignments

if TYPE_CHECKING:
    from workers.evidence.run import Desk
    from workers.evidence.settings import EvidenceProcessSettings
    from workers.runtime.lifecycle import StopSignal

evidence = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="The pictures of defects: which there are, how long they stay, which must stay.\n\n"
    "The section [bold]evidence[/] of any process's file names the store and the rules "
    "(evidence.keep). docs/evidence.md has the details.",
)


class Grade(StrEnum):
    """Of a case."""

    DEFECT = "defect"
    NEAR_MISS = "near_miss"


class State(StrEnum):
    """What becomes of a case."""

    KEPT = "kept"
    HELD = "held"
    EXPIRED = "expired"


Which = Annotated[
    str, typer.Argument(help="a case's id or its first characters, a frame's id, or a link")
]
Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/explainer.yaml")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="key.path=value, repeatable; wins over the file")
]
Url = Annotated[
    str | None, typer.Option("--url", help="evidence.url: where pictures are, a folder or a URL")
]


@evidence.command("list")
def list_cases(
    *,
    category: Annotated[str | None, typer.Option("--category", help="only of this one")] = None,
    grade: Annotated[Grade | None, typer.Option("--grade", help="only of this one")] = None,
    state: Annotated[State | None, typer.Option("--state", help="only these")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="captured since: 90m, 2h, 3d ago, or a time")
    ] = None,
    parts: PartFlags = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="the newest so many")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    url: Url = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Show cases, the newest first: whose they are, their size, and until when they stay.

    Examples:

      stream-inspector evidence list --config configs/explainer.yaml --state held

      stream-inspector evidence list --config configs/explainer.yaml --part lot=L-17
    """
    how, now = form(as_json, as_csv), datetime.now(UTC)
    wanted = part_filter(parts)
    start = ago(since, now, "--since") if since else None
    _run(
        *("list", url, config, assignments),
        lambda desk: desk.overview(
            *(now, how),
            category=category,
            grade=grade,
            state=state,
            since=start,
            limit=limit,
            parts=wanted,
        ),
    )


@evidence.command()
def gc(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="do it; default: only show it")] = False,
    every: Annotated[
        str | None,
        typer.Option("--every", help="go on, and do it so often: 30m, 1h; needs --apply"),
    ] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    url: Url = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Remove what no rule keeps; shows it only, unless --apply is given.

    Rules are settings: days and gigabytes for each grade, for categories of their own, and a bound
    for the whole (evidence.keep). What is held stays, and so does what is younger than an hour. A
    notice takes each picture's place, so that an old link says when and by which rule it expired.

    Examples:

      stream-inspector evidence gc --config configs/explainer.yaml

      stream-inspector evidence gc --config configs/explainer.yaml --apply --every 1h

    Two at the same time do no harm.
    """
    how = form(as_json, as_csv)
    if every is None:
        _run("gc", url, config, assignments, lambda desk: desk.collect(apply, how))
        return
    if not apply:
        raise typer.BadParameter("--every needs --apply: what is only shown is shown once")
    from workers.evidence.periodic import pause_of, repeat

    pause_s = pause_of(every)
    _start("gc", url, config, assignments, lambda s, stop: repeat(s, pause_s, stop))


@evidence.command()
def hold(
    case: Which,
    *,
    why: Annotated[str, typer.Option("--why", help="kept with it")],
    until: Annotated[
        str | None, typer.Option("--until", help="8h, 90d or a time; default: until released")
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="who; default: user@host")] = None,
    url: Url = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Keep a case, whatever the rules say, until then or until it is released.

    Example: stream-inspector evidence hold 0123abcd --why "complaint 4711" --until 365d
    """
    from workers.runtime.evidence.cases import Hold
    from workers.runtime.host.operator import operator

    now = datetime.now(UTC)
    end = ahead(until, now, "--until") if until else None
    if end is not None and end <= now:
        raise typer.BadParameter(f"--until {until!r} is {said(end)}: over")
    wish = Hold(outcome_id="0" * 32, by=by or operator(), why=why[:1000], since=now, until=end)
    _run("hold", url, config, assignments, lambda desk: desk.hold(case, wish))


@evidence.command()
def release(
    case: Which,
    *,
    url: Url = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Let a held case go in its time again.

    Example: stream-inspector evidence release 0123abcd
    """
    now = datetime.now(UTC)
    _run("release", url, config, assignments, lambda desk: desk.release(case, now))


def _run(
    name: str,
    url: str | None,
    config: Path | None,
    assignments: list[str] | None,
    body: "Callable[[Desk], object]",
) -> None:
    from workers.evidence.run import Desk
    from workers.runtime.store.files import open_blobs

    def at_desk(settings: "EvidenceProcessSettings", stop: "StopSignal") -> None:
        section = settings.evidence
        body(Desk(open_blobs(section.url or ""), section, Terminal(), stop))

    _start(name, url, config, assignments, at_desk)


def _start(
    name: str,
    url: str | None,
    config: Path | None,
    assignments: list[str] | None,
    body: "Callable[[EvidenceProcessSettings, StopSignal], None]",
) -> None:
    from workers.runtime.lifecycle import run_process

    try:
        settings = _load(url, config, assignments or [])
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None
    code = run_process(f"evidence {name}", settings.log, lambda stop: body(settings, stop))
    if code:
        raise typer.Exit(code)


def _load(
    url: str | None, config: Path | None, assignments: list[str]
) -> "EvidenceProcessSettings":
    from workers.evidence.settings import EvidenceProcessSettings

    given = {"evidence.url": url} if url else {}
    settings = EvidenceProcessSettings.load(config, parse_assignments(assignments) | given)
    if not settings.evidence.url:
        raise SettingsError("evidence.url names no store: give --config with it, or --url")
    return settings
