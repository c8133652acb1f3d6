"""`stream-inspector console-report`: a shift report from the console's history, as a file."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from workers.console.command import Assignments, Config, Evidence, Store
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain


def report(
    *,
    out: Annotated[Path, typer.Option("--out", help="file to write: .pdf or .html")],
    since: Annotated[
        str | None,
        typer.Option("--from", help="8h, or a time; default: the last whole shift"),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="90m (so long ago), or a time; default: now")
    ] = None,
    category: Annotated[str, typer.Option(help="only this one")] = "",
    camera: Annotated[str, typer.Option(help="only this one")] = "",
    config: Config = None,
    assignments: Assignments = None,
    database: Store = None,
    evidence: Evidence = None,
) -> None:
    """Write a shift report: parts, rejects, what was not inspected, kinds, places, the worst.

    Examples:

      stream-inspector console-report --out shift.pdf

      stream-inspector console-report --from 2026-01-31T06:00 --to 2026-01-31T14:00 --out shift.html

    It reads the history of a console (console.database), and its pictures from the evidence store.
    Times without a zone are UTC. With console.report.url a console does it by itself, each shift.
    """
    from workers.runtime.lifecycle import run_process

    if out.suffix not in (".pdf", ".html"):
        raise typer.BadParameter(f"--out {out}: a file .pdf or .html")
    span = _span(since, until)
    flags = {"console.database": database, "evidence.url": evidence}
    settings = _load(config, assignments or [], flags)

    def body(_: object) -> None:
        _write(settings, span, (category, camera), out)

    code = run_process("console-report", settings.log, body)
    if code == 0:
        typer.echo(out)
    raise typer.Exit(code)


def _span(since: str | None, until: str | None) -> tuple[datetime, datetime] | None:
    """From when until when; None: the last shift. Raises typer.BadParameter."""
    from workers.runtime.moments import ago

    now = datetime.now(UTC)
    if since is None:
        if until is not None:
            raise typer.BadParameter("--to needs --from")
        return None
    start, end = ago(since, now, "--from"), ago(until, now, "--to") if until else now
    if start >= end:
        raise typer.BadParameter("--from is not before --to")
    return start, end


def _load(config: Path | None, assignments: list[str], flags: dict[str, str | None]) -> Any:
    from workers.console.settings import ConsoleProcessSettings
    from workers.runtime.settings.process import parse_assignments

    try:
        return ConsoleProcessSettings.load(config, parse_assignments(assignments) | flags)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _write(
    settings: Any, span: tuple[datetime, datetime] | None, of: tuple[str, str], out: Path
) -> None:
    """`of`: category and camera; empty: all."""
    from contextlib import closing

    from workers.console.asking.shift import Wanted
    from workers.console.history.fitting import milliseconds
    from workers.console.pages.shown import Shown
    from workers.console.pictures.evidence import EvidencePictures
    from workers.console.reports.making import Reports, within
    from workers.console.run import open_history
    from workers.runtime.moments import said
    from workers.runtime.store.files import open_blobs

    url = settings.evidence.url
    pictures = EvidencePictures(open_blobs(url) if url else None)
    with closing(open_history(settings.console)) as history:
        reports = Reports(settings.console.report, history, pictures, Shown().text)
        if span is None:
            (shift,) = reports.finished(datetime.now(UTC), 1)
            wanted, title = within(shift, *of), shift.title
        else:
            start, end = map(milliseconds, span)
            wanted = Wanted(start, end, *of)
            title = " to ".join(map(said, span))
        make = reports.pdf if out.suffix == ".pdf" else reports.html
        try:
            out.write_bytes(make(reports.look(wanted), title))
        except OSError as error:
            raise SettingsError(f"--out {out}: {error.strerror or error}") from None
