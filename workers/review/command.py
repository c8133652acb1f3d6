"""`stream-inspector review`: flags and help. Nothing heavy is imported before it runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from schemas.review import Judgement, Sample
from workers.review.words import Filter, Word
from workers.runtime.host.operator import operator
from workers.runtime.listing import AsCsv, AsJson, form
from workers.runtime.moments import ago
from workers.runtime.part_filter import PartFlags, part_filter
from workers.runtime.settings.shares import as_share

review = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Whether inspection was right: say it of a part, list what was said.\n\n"
    "Reviews are events on the topic `reviews`. Of several on one part the last word counts; "
    "calibration, training, evaluation and alarms read them.",
)

Config = Annotated[Path | None, typer.Option("--config", help="YAML file, e.g. configs/dlq.yaml")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Servers = Annotated[str | None, typer.Option("--bootstrap-servers", help="Kafka, host:port")]
Judgements = Annotated[
    list[Judgement] | None, typer.Option("--judgement", help="only this one, repeatable")
]
Categories = Annotated[
    list[str] | None, typer.Option("--category", help="only this category, repeatable")
]
Cameras = Annotated[list[str] | None, typer.Option("--camera", help="only this camera, repeatable")]
Since = Annotated[
    str | None, typer.Option("--since", help="said since: 90m, 2h, 3d or 2026-01-31T08:00Z")
]
Until = Annotated[str | None, typer.Option("--until", help="said before, likewise")]


@review.command("add")
def add_review(
    name: Annotated[
        str, typer.Argument(help="frame id, the first characters of an outcome id, or `record`")
    ],
    judgement: Annotated[Judgement, typer.Argument(help="right, false-alarm, missed or unsure")],
    *,
    note: Annotated[str, typer.Option(help="for people, at most 1000 characters")] = "",
    kind: Annotated[str | None, typer.Option(help="kind of defect, e.g. scratch")] = None,
    sample: Annotated[
        Sample | None,
        typer.Option(help="audit: the part was drawn by chance; informative: by its score"),
    ] = None,
    by: Annotated[str | None, typer.Option(help="who judged; default: user@host")] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="look among outcomes since then only: 2h, 3d")
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """Say whether inspection was right about one part.

    Examples:

      stream-inspector review add 019ceb8a-5b15-7c3e false-alarm --note "a drop of oil"

      stream-inspector review add frames/2/90125 missed --kind scratch --since 1d

    Exit codes: 0 said, 65 no or several such outcomes or the judgement does not fit, 69 no broker,
    78 wrong setting.
    """
    from workers.review import run

    start = None if since is None else ago(since, datetime.now(UTC), "--since")
    word = Word(judgement, note, kind, sample, by or operator())
    with run.desk(config, assignments, servers) as desk:
        desk.add(name, word, start)


@review.command("ask")
def ask_for_reviews(
    *,
    category: Annotated[str, typer.Option("--category", help="whose parts")],
    since: Annotated[
        str, typer.Option("--since", help="decided since; a day's sample is final at its end")
    ] = "1d",
    until: Annotated[str | None, typer.Option("--until", help="decided before")] = None,
    count: Annotated[
        int | None, typer.Option("--count", min=0, help="of the random sample; default: as below")
    ] = None,
    false_reject: Annotated[
        str, typer.Option("--false-reject", help="share of good parts that may alarm")
    ] = "5%",
    confidence: Annotated[str, typer.Option("--confidence", help="of its certificate")] = "95%",
    days: Annotated[
        int, typer.Option("--days", min=1, help="in which reviews enough for it are gathered")
    ] = 7,
    near: Annotated[
        int, typer.Option("--near", min=0, help="parts beside them whose score is nearest to alarm")
    ] = 5,
    every: Annotated[bool, typer.Option("--all", help="those judged already too")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """List the parts that somebody should look at.

    A random sample of all inspected parts, the same whoever asks and however often, as large as a
    certificate of the false alarms needs in so many days; and the parts that nearly alarmed.

    Examples:

      stream-inspector review ask --category bolts

      stream-inspector review ask --category bolts --since 2026-03-13 --until 2026-03-14 --csv
    """
    from stream_inspector.threshold.production.audit import audits_a_day
    from workers.review import run
    from workers.review.asking import Ask

    how, now = form(as_json, as_csv), datetime.now(UTC)
    if count is None:
        accepted = _share(false_reject, "--false-reject"), _share(confidence, "--confidence")
        count = audits_a_day(*accepted, days)
    start = ago(since, now, "--since")
    end = now if until is None else ago(until, now, "--until")
    with run.desk(config, assignments, servers) as desk:
        desk.ask(Ask(category, start, end, count, near), every, how)


@review.command("rates")
def tell_rates(
    *,
    categories: Categories = None,
    cameras: Cameras = None,
    since: Since = "30d",
    until: Until = None,
    certified: Annotated[
        str, typer.Option("--certified", help="share of false alarms that was promised")
    ] = "5%",
    confidence: Annotated[str, typer.Option("--confidence", help="of the intervals")] = "95%",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """Tell what reviews say of false alarms and escapes, with intervals.

    Only the random sample counts. A certificate is kept, broken, or open until more is reviewed.

    Example: stream-inspector review rates --category bolts --since 30d --certified 5%
    """
    from workers.review import run

    how, now = form(as_json, as_csv), datetime.now(UTC)
    promised = _share(certified, "--certified"), _share(confidence, "--confidence")
    wanted = Filter(
        categories=frozenset(categories or ()),
        cameras=frozenset(cameras or ()),
        since=None if since is None else ago(since, now, "--since"),
        until=None if until is None else ago(until, now, "--until"),
    )
    with run.desk(config, assignments, servers) as desk:
        desk.rates(wanted, *promised, how)


def _share(said: str, flag: str) -> float:
    try:
        found = float(as_share(said))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None
    if not 0 < found < 1:
        raise typer.BadParameter("more than none, less than all", param_hint=flag)
    return found


@review.command("list")
def list_reviews(
    *,
    judgements: Judgements = None,
    categories: Categories = None,
    cameras: Cameras = None,
    parts: PartFlags = None,
    sample: Annotated[
        Sample | None, typer.Option(help="only of parts that were asked about so")
    ] = None,
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="earlier words on a part too")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = None,
    assignments: Assignments = None,
    servers: Servers = None,
) -> None:
    """List reviews: of each part the last word.

    Example: stream-inspector review list --category bolts --judgement missed --since 7d --csv
    """
    from workers.review import run

    how = form(as_json, as_csv)
    now = datetime.now(UTC)
    wanted = Filter(
        frozenset(judgements or ()),
        frozenset(categories or ()),
        frozenset(cameras or ()),
        sample,
        None if since is None else ago(since, now, "--since"),
        None if until is None else ago(until, now, "--until"),
        part_filter(parts),
    )
    with run.desk(config, assignments, servers) as desk:
        desk.overview(wanted, every, how)
