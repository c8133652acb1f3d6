"""`stream-inspector model`: flags and help. Nothing heavy is imported before a command runs."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal
from workers.runtime.listing import AsCsv, AsJson, form

if TYPE_CHECKING:
    from workers.offline.model.run import Desk

console = Terminal()
model = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Model versions in the store: which there are, which is active, who decided it.\n\n"
    "A version is named by its content and never changes. Activations are numbered and only ever "
    "added; two operators at once cannot overwrite each other. docs/models.md has the details.",
)

_CHANGING = ("push", "measure", "activate", "rollback", "gc", "try", "promote", "end", "compare")

Category = Annotated[str, typer.Argument(help="product category")]
Version = Annotated[
    str, typer.Argument(help="a version, its first characters, or a category: its active version")
]
Why = Annotated[str, typer.Option("--why", help="reason, kept in the history")]
By = Annotated[
    str | None, typer.Option("--by", help="who, kept in the history; default: user@host")
]
Expect = Annotated[
    int | None,
    typer.Option(
        "--expect",
        help="number of the last activation you have seen (0: none): if there is a newer one, "
        "nothing is changed. Default: the last one when the command starts",
    ),
]


@model.command()
def push(
    folder: Annotated[Path, typer.Argument(help="folder that `train` wrote")],
    *,
    activate_now: Annotated[
        bool, typer.Option("--activate", help="and make it the active version")
    ] = False,
    measure_now: Annotated[
        bool,
        typer.Option(
            "--measure/--no-measure", help="find and store what scores it fastest on this machine"
        ),
    ] = True,
    why: Why = "pushed",
    by: By = None,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Store a model version; it is named by its content and never changes.

    Example: stream-inspector model push runs/bolts --activate --why "first model"
    """
    _run(
        "push",
        store,
        config,
        assignments,
        lambda desk: desk.push(folder, activate_now, by, why, measured=measure_now),
    )


@model.command()
def measure(
    version: Version,
    *,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Find what scores a version fastest on machines like this one: engine, precision, batches.

    `push` does it where it runs; run this on a machine of the kind that the workers have. They take
    what was measured for their kind when they load the version, and without it ONNX Runtime in
    single precision. `show` tells what was measured, and why something was refused.

    Example: stream-inspector model measure bolts
    """
    _run("measure", store, config, assignments, lambda desk: desk.measure(version))


@model.command("list")
def list_versions(
    category: Annotated[str | None, typer.Argument(help="product category; default: all")] = None,
    *,
    activations: Annotated[
        bool, typer.Option("--activations", help="of a category: only who activated what when")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Show the categories, or one category's versions and who activated what when.

    Example: stream-inspector model list bolts
    """
    how = form(as_json, as_csv)
    _run(
        "list",
        store,
        config,
        assignments,
        lambda desk: desk.overview(category, how, activations),
    )


@model.command()
def show(
    version: Version,
    *,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Show a version: where it comes from, its thresholds and what they promise, its activations.

    Example: stream-inspector model show 0123abcd
    """
    how = form(as_json, as_csv)
    _run("show", store, config, assignments, lambda desk: desk.show(version, how))


@model.command()
def diff(
    first: Version,
    second: Version,
    *,
    everything: Annotated[bool, typer.Option("--all", help="what is equal, too")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Compare two versions: data, code, settings, thresholds and figures side by side.

    Example: stream-inspector model diff bolts 0123abcd
    """
    how = form(as_json, as_csv)
    _run(
        "diff",
        store,
        config,
        assignments,
        lambda desk: desk.diff(first, second, everything, how),
    )


@model.command()
def activate(
    category: Category,
    version: Version,
    *,
    why: Why = "",
    by: By = None,
    expect: Expect = None,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Make a version the one that workers use; running workers pick it up.

    When somebody else activates one meanwhile, nothing is changed and you are told whose it is
    (exit status 75).

    Example: stream-inspector model activate bolts 0123abcd --why "new lens"
    """
    _run(
        "activate",
        store,
        config,
        assignments,
        lambda desk: desk.activate(category, version, by, why, expect),
    )


@model.command()
def rollback(
    category: Category,
    *,
    why: Why,
    by: By = None,
    expect: Expect = None,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Activate the version again that was active before the present one.

    Example: stream-inspector model rollback bolts --why "rejects every second part"
    """
    _run(
        "rollback",
        store,
        config,
        assignments,
        lambda desk: desk.rollback(category, by, why, expect),
    )


@model.command("try")
def begin_trial(
    category: Category,
    version: Version,
    *,
    shadow: Annotated[
        str | None,
        typer.Option("--shadow", help="score this share of the frames beside, decide nothing: 20%"),
    ] = None,
    canary: Annotated[
        str | None, typer.Option("--canary", help="decide about this share of the frames: 5%")
    ] = None,
    cameras: Annotated[
        list[str] | None,
        typer.Option("--camera", help="only of these, id or pattern; repeatable"),
    ] = None,
    most_alarms: Annotated[
        str | None,
        typer.Option("--most-alarms", help="guard: share of frames that may alarm more: 0.5%"),
    ] = None,
    least_frames: Annotated[
        int, typer.Option("--least-frames", min=1, help="guard: fewer decide nothing")
    ] = 500,
    why: Why = "",
    by: By = None,
    expect: Expect = None,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Put a version on trial beside the active one; running workers pick it up.

    A shadow scores frames beside and publishes on the topic `shadows`. A canary decides about its
    frames, alone; where it fails the active version decides. Another activation ends the trial.

    Examples:

      stream-inspector model try bolts 0123abcd --shadow 20% --most-alarms 0.5%

      stream-inspector model try bolts 0123abcd --canary 100% --camera line-1-cam-2
    """
    from workers.runtime.registry.trial import Mode, Trial

    if (shadow is None) == (canary is None):
        raise typer.BadParameter("--shadow SHARE or --canary SHARE: give one of them")
    mode = Mode.CANARY if shadow is None else Mode.SHADOW
    share = _share(shadow or canary or "", f"--{mode.value}")
    if not share:
        raise typer.BadParameter("more than none", param_hint=f"--{mode.value}")
    guard = None if most_alarms is None else _share(most_alarms, "--most-alarms")
    trial = Trial("", mode, share, tuple(cameras or ()), guard, least_frames)
    _run(
        "try",
        store,
        config,
        assignments,
        lambda desk: desk.begin_trial(category, version, trial, by=by, why=why, expect=expect),
    )


@model.command()
def promote(
    category: Category,
    *,
    why: Why,
    by: By = None,
    expect: Expect = None,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Make the version on trial the active one; `rollback` goes back.

    Example: stream-inspector model promote bolts --why "a week as shadow, no alarm more"
    """
    _run(
        "promote",
        store,
        config,
        assignments,
        lambda desk: desk.end_trial(category, by=by, why=why, expect=expect, promote=True),
    )


@model.command("end")
def end_trial(
    category: Category,
    *,
    why: Why,
    by: By = None,
    expect: Expect = None,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """End a trial: the active version decides about everything again.

    Example: stream-inspector model end bolts --why "misses dents"
    """
    _run(
        "end",
        store,
        config,
        assignments,
        lambda desk: desk.end_trial(category, by=by, why=why, expect=expect, promote=False),
    )


@model.command()
def compare(
    category: Category,
    *,
    confidence: Annotated[str, typer.Option("--confidence", help="of the intervals")] = "95%",
    decide: Annotated[
        bool, typer.Option("--decide", help="do what the trial's guard says: promote, end or wait")
    ] = False,
    by: By = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Compare a version on trial with the active one, from what both said since it began.

    Example: stream-inspector model compare bolts --decide
    """
    how, level = form(as_json, as_csv), _share(confidence, "--confidence")
    if not 0 < level < 1:
        raise typer.BadParameter("more than none, less than all", param_hint="--confidence")
    from workers.offline.run import load_settings

    settings = load_settings(config, assignments, {"models.store": store})

    def body(desk: "Desk") -> None:
        from workers.offline.model.trials import Heard
        from workers.runtime.bus.kafka.reading.snapshot import read_topic
        from workers.runtime.bus.passed_over import PassedOver

        heard = Heard(
            settings.topics,
            lambda topic, since: read_topic(settings.kafka, topic, since=since),
            PassedOver(),
        )
        desk.compare_trial(category, heard, level, how, decide=decide, by=by)

    _run("compare", store, config, assignments, body)


def _share(said: str, flag: str) -> float:
    from workers.runtime.settings.shares import as_share

    try:
        return float(as_share(said))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None


@model.command()
def gc(
    *,
    apply: Annotated[bool, typer.Option("--apply", help="do it; default: only show it")] = False,
    keep_days: Annotated[
        float,
        typer.Option(
            "--keep-days",
            min=0,
            help="keep what was pushed or active within so many days: at least as long as the "
            "topics outcomes and defects are kept, whose messages name versions",
        ),
    ] = 30,
    keep_last: Annotated[
        int,
        typer.Option("--keep-last", min=1, help="keep each category's last activations' versions"),
    ] = 3,
    by: By = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Remove versions that nobody needs any more; shows them only, unless --apply is given.

    What is active stays, what can be rolled back to, what recent events name, and what is young.
    Activations are never removed.

    Example: stream-inspector model gc --keep-days 60 --apply
    """
    from workers.runtime.registry.care import Retention

    retention = Retention(keep_last, keep_days)
    how = form(as_json, as_csv)
    _run("gc", store, config, assignments, lambda desk: desk.collect(retention, by, apply, how))


@model.command()
def verify(
    *,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="before: move broken activation records to aside/ in the store"
        ),
    ] = False,
    store: options.Store = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Read everything in the store and check it; exit status 65 when something is wrong.

    Digests of all files, versions against their content, activations against versions. What is
    broken among the activations is passed over by everybody; --repair moves it out of the way.

    Example: stream-inspector model verify --store s3://plant/models
    """
    _run("verify", store, config, assignments, lambda desk: desk.verify(repair))


def _run(
    name: str,
    store: str | None,
    config: Path | None,
    assignments: list[str] | None,
    body: "Callable[[Desk], None]",
) -> None:
    from workers.offline.model.run import Desk, open_registry
    from workers.offline.run import load_settings, run_command

    settings = load_settings(config, assignments, {"models.store": store})
    run_command(
        f"model {name}",
        settings,
        lambda stop: body(
            Desk(
                open_registry(settings, console, changes=name in _CHANGING),
                console,
                stop,
                settings.models.store,
            )
        ),
    )
