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

    Examples:

      stream-inspector calibrate --model runs/bolts --data photos/bolts --false-reject 0.02

      stream-inspector calibrate --model runs/bolts --good photos/bolts-of-march --strict

      stream-inspector calibrate --model runs/bolts --data photos/bolts --folds 10

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
        folds=folds,
        tune_alpha=tune_alpha,
        defects=defects,
        target_pro=_target(target_pro),
        report=report,
        stated=stated(assignments, flags),
    )
    run_command("calibrate", settings, lambda stop: run(settings, wanted, console, stop))


def _target(text: str | None) -> float | None:
    """The PRO that is asked for. Ends the process when it is no share of 1% or more."""
    try:
        found = None if text is None else float(as_share(text))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--target-pro") from None
    if found is not None and not found >= _LEAST_TARGET:
        raise typer.BadParameter("at least 0.01, or 1%", param_hint="--target-pro")
    return found
