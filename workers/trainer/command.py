"""`stream-inspector calibrate | inspect`: flags and help.

Nothing heavy is imported before a command runs.
"""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from workers.trainer import options

console = Console()


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
    false_reject: options.FalseReject = None,
    pixel_rate: options.PixelRate = None,
    out: Annotated[Path | None, typer.Option("--out", help="default: the model's folder")] = None,
    layout: options.Layout = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Set a model's thresholds anew for another budget of false alarms; nothing is retrained.

    Give the folder it was trained on (its held-out tenth is used), further good images, or both.

    Examples:

      stream-inspector calibrate --model runs/bolts --data photos/bolts --false-reject 0.02

      stream-inspector calibrate --model runs/bolts --good photos/bolts-of-march

      stream-inspector calibrate --model runs/bolts --data photos/bolts --tune-alpha photos/bolts
    """
    from workers.trainer import offline_commands as offline
    from workers.trainer.run import load_settings, run_command

    flags = {
        "budget.image_false_reject": false_reject,
        "budget.pixel_false_positive": pixel_rate,
        "trainer.layout": layout,
        "trainer.on_corrupt": on_corrupt,
    }
    settings = load_settings(config, assignments, flags)
    run_command(
        "calibrate",
        settings,
        lambda _: offline.calibrate(
            settings,
            model,
            data,
            good,
            out or model,
            category=category,
            labelled=tune_alpha,
            console=console,
        ),
    )


def inspect(
    images: Annotated[list[Path], typer.Argument(help="image files, or folders of them")],
    *,
    model: Annotated[Path | None, typer.Option("--model", help="folder that `train` wrote")] = None,
    category: options.ModelCategory = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder for heatmap, outline and counterpart")
    ] = None,
    show_view: Annotated[
        bool,
        typer.Option("--show-view", help="only draw what is seen; docs/categories.md"),
    ] = False,
    categories: options.Categories = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="with --show-view: its input size")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain/--no-explain", help="make normal counterparts of defects")
    ] = True,
    engine: options.Engine = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Inspect image files without a broker: verdicts, and pictures of where and why.

    Examples:

      stream-inspector inspect photos/bolts/test/bent --model runs/bolts --out look

      stream-inspector inspect 1.png --show-view --model runs/bolts --out look
    """
    from workers.trainer import offline_commands as offline
    from workers.trainer.run import load_settings, run_command

    flags = {
        "trainer.engine": engine,
        "trainer.preset": preset,
        "categories.folder": categories and str(categories),
    }
    settings = load_settings(config, assignments, flags)
    if show_view:
        run_command(
            "inspect",
            settings,
            lambda _: offline.show_view(
                settings, model, images, out, category=category, console=console
            ),
        )
        return
    run_command(
        "inspect",
        settings,
        lambda _: offline.inspect(
            settings, model, images, out, category=category, explain=explain, console=console
        ),
    )
