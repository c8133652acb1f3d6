"""`stream-inspector dlq`: list, show, replay and discard dead letters."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.outcome import RejectReason
from schemas.resolution import Action
from workers.dlq.letters import Filter
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.listing import AsCsv, AsJson, form
from workers.runtime.moments import ago
from workers.runtime.part_filter import PartFlags, part_filter

dlq = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Frames that could not be inspected: look at them, send them again, or settle them.\n\n"
    "A replay sends the original bytes to the frames topic with the headers of their lineage, and "
    "notes it in the topic `resolutions`: no letter is replayed twice.",
)

Config = Annotated[Path | None, typer.Option("--config", help="YAML file, e.g. configs/dlq.yaml")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Servers = Annotated[str | None, typer.Option("--bootstrap-servers", help="Kafka, host:port")]
Reasons = Annotated[
    list[RejectReason] | None, typer.Option("--reason", help="only this reason, repeatable")
]
Categories = Annotated[
    list[str] | None, typer.Option("--category", help="only this category, repeatable")
]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="only this camera, repeatable")]
Ids = Annotated[
    list[str] | None,
    typer.Option("--id", help="frame id, the first characters of `id`, or `record`"),
]
Since = Annotated[
    str | None, typer.Option("--since", help="rejected since: 90m, 2h, 3d or 2026-01-31T08:00Z")
]
Until = Annotated[str | None, typer.Option("--until", help="rejected before, likewise")]
Why = Annotated[str, typer.Option("--why", help="reason, for those who look later")]
Everything = Annotated[bool, typer.Option("--all", help="without any filter")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="only say what would be done")]


@dlq.command("list")
def list_letters(
    *,
    reasons: Reasons = None,
    categories: Categories = None,
    cameras: Cameras = None,
    ids: Ids = None,
    since: Since = None,
    until: Until = None,
    parts: PartFlags = None,
    settled: Annotated[bool, typer.Option("--all", help="the settled ones too")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """List open dead letters.

    Example: stream-inspector dlq list --reason undecodable --since 2h
    """
    from workers.dlq import run

    how = form(as_json, as_csv)
    wanted = make_filter(reasons, categories, cameras, ids, since, until, parts)
    with run.desk(config, assignments, servers) as desk:
        desk.overview(wanted, settled, how)


@dlq.command("show")
def show_letter(
    name: Annotated[
        str, typer.Argument(help="frame id, the first characters of `id`, or `record`")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", help="write the original bytes: a file or a folder")
    ] = None,
    as_json: AsJson = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """Show one dead letter: headers, error, coordinates, attempts.

    Example: stream-inspector dlq show 3f9c20d1 --out broken.png
    """
    from workers.dlq import run

    with run.desk(config, assignments, servers) as desk:
        desk.show(name, out, as_json)


@dlq.command("replay")
def replay_letters(
    *,
    why: Why,
    reasons: Reasons = None,
    categories: Categories = None,
    cameras: Cameras = None,
    ids: Ids = None,
    since: Since = None,
    until: Until = None,
    parts: PartFlags = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """Send the frames of open dead letters again.

    Example: stream-inspector dlq replay --reason inspection-failed --since 1d --why "GPU replaced"
    """
    from workers.dlq import run

    wanted = make_filter(reasons, categories, cameras, ids, since, until, parts)
    _meant(wanted, everything)
    with run.desk(config, assignments, servers) as desk:
        desk.resolve(Action.REPLAYED, wanted, why, dry_run)


@dlq.command("discard")
def discard_letters(
    *,
    why: Why,
    reasons: Reasons = None,
    categories: Categories = None,
    cameras: Cameras = None,
    ids: Ids = None,
    since: Since = None,
    until: Until = None,
    parts: PartFlags = None,
    everything: Everything = False,
    dry_run: DryRun = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """Settle open dead letters without sending them again; who and why is kept.

    Example: stream-inspector dlq discard --camera line-9 --why "test camera, no parts"
    """
    from workers.dlq import run

    wanted = make_filter(reasons, categories, cameras, ids, since, until, parts)
    _meant(wanted, everything)
    with run.desk(config, assignments, servers) as desk:
        desk.resolve(Action.DISCARDED, wanted, why, dry_run)


def make_filter(  # noqa: PLR0917 - one flag each
    reasons: list[RejectReason] | None,
    categories: list[str] | None,
    cameras: list[str] | None,
    ids: list[str] | None,
    since: str | None,
    until: str | None,
    parts: list[str] | None = None,
) -> Filter:
    """The flags as a filter. Raises typer.BadParameter."""
    now = datetime.now(UTC)
    return Filter(
        frozenset(reasons or ()),
        frozenset(categories or ()),
        frozenset(cameras or ()),
        tuple(ids or ()),
        None if since is None else ago(since, now, "--since"),
        None if until is None else ago(until, now, "--until"),
        part_filter(parts),
    )


def _meant(wanted: Filter, everything: bool) -> None:
    if wanted.empty and not everything:
        complain("name what is meant with a filter, or give --all")
        raise typer.Exit(SettingsError.exit_code)
