"""`stream-inspector calibrate`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal
from workers.runtime.settings.shares import as_share

console = Terminal()
_LEAST_TARGET = 0.01


def calibrate(
    *,
    model: options.ModelFolder,
    category: options.ModelCategory = None,
    data: options.Data = None,
    good: Annotated[
        Path | None,
        typer.Option("--good", help="folder of further good images, seen by no training"),
    ] = None,
    reviews: Annotated[
        Path | None,
        typer.Option(
            "--reviews",
            help="folder of `collect --verdict reviewed`: its random sample sets thresholds, its "
            "confirmed defects are known bad",
        ),
    ] = None,
    tune_alpha: Annotated[
        Path | None,
        typer.Option(
            "--tune-alpha", help="labelled images of the category: weigh KL against features anew"
        ),
    ] = None,
    defects: Annotated[
        Path | None,
        typer.Option(
            "--defects", help="labelled images: escapes, recall and PRO at the thresholds"
        ),
    ] = None,
    known_bad: Annotated[
        Path | None,
        typer.Option(
            "--known-bad",
            help="folder of defective pictures, no masks; sub-folders are kinds: what passes",
        ),
    ] = None,
    most_escapes: Annotated[
        str | None,
        typer.Option(
            "--most-escapes",
            help="accepted share of those that pass, 0.02 or 2%; decides unless --false-reject is "
            "given too",
        ),
    ] = None,
    target_pro: Annotated[
        str | None,
        typer.Option(
            "--target-pro",
            help="with --defects: the smallest pixel rate that reaches this PRO, 0.9 or 90%",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(
            "--folds", min=0, max=50, help="cross-fit all good images of --data; 0: only its tenth"
        ),
    ] = 0,
    false_reject: options.FalseReject = None,
    pixel_rate: options.PixelRate = None,
    confidence: Annotated[
        str | None,
        typer.Option("--confidence", help="of what is certified, and of intervals: 0.95 or 95%"),
    ] = None,
    strict: options.Strict = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="HTML file: curve, scores, nearest good images")
    ] = None,
    categories: options.Categories = None,
    out: Annotated[Path | None, typer.Option("--out", help="default: the model's folder")] = None,
    layout: options.Layout = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Set a model's thresholds anew for another budget of false alarms; nothing is retrained.

    Give the folder it was trained on (its held-out tenth is used), further good images, or both.
    State what you accept: a share of good images, of good pixels, or both ("none" leaves one out),
    and the confidence. Too few images for it: the weaker promise is told, or with --strict the
    number of missing images. docs/thresholds.md explains what is promised.

    With pictures of defective parts, see what passes: the report draws escapes against false
    alarms, shows both kinds of mistakes where two limits cannot hold together, and tries what may
    help.

    Examples:

      stream-inspector calibrate --model runs/bolts --data photos/bolts --false-reject 0.02

      stream-inspector calibrate --model runs/bolts --good photos/bolts-of-march --strict

      stream-inspector calibrate --model runs/bolts --data photos/bolts --known-bad photos/scrap \
--most-escapes 2% --false-reject 5% --report look.html

      stream-inspector calibrate --model runs/bolts --reviews data/bolts/reviewed

      stream-inspector calibrate --model runs/bolts --data photos/bolts --defects photos/bolts \
--target-pro 0.9 --report thresholds.html

      stream-inspector calibrate --model runs/bolts --data photos/bolts --tune-alpha photos/bolts
    """
    from workers.offline.calibrate.run import Wanted
    from workers.offline.calibrate.run import calibrate as run
    from workers.offline.run import load_settings, run_command, stated

    flags = {
        "budget.image_false_reject": false_reject,
        "budget.pixel_false_positive": pixel_rate,
        "budget.confidence": confidence,
        "budget.strict": strict,
        "categories.folder": categories and str(categories),
        "trainer.layout": layout,
        "trainer.on_corrupt": on_corrupt,
    }
    settings = load_settings(config, assignments, flags)
    wanted = Wanted(
        model=model,
        out=out or model,
        category=category,
        data=data,
        good=good,
        reviews=reviews,
        folds=folds,
        tune_alpha=tune_alpha,
        defects=defects,
        known_bad=known_bad,
        most_escapes=_escapes(most_escapes),
        target_pro=_target(target_pro),
        report=report,
        stated=stated(assignments, flags),
    )
    run_command("calibrate", settings, lambda stop: run(settings, wanted, console, stop))


def _target(text: str | None) -> float | None:
    """The PRO that is asked for. Ends the process when it is no share of 1% or more."""
    found = _share(text, "--target-pro")
    if found is not None and not found >= _LEAST_TARGET:
        raise typer.BadParameter("at least 0.01, or 1%", param_hint="--target-pro")
    return found


def _escapes(text: str | None) -> float | None:
    """The share that may pass. Ends the process when it is none between 0 and 1."""
    found = _share(text, "--most-escapes")
    if found is not None and not 0 < found < 1:
        raise typer.BadParameter("more than none, less than all: 2%", param_hint="--most-escapes")
    return found


def _share(text: str | None, flag: str) -> float | None:
    try:
        return None if text is None else float(as_share(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=flag) from None
