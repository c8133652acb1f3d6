"""`stream-inspector evaluate`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal

console = Terminal()


def evaluate(
    *,
    model: Annotated[
        Path, typer.Option("--model", help="folder that `train` wrote, or a folder of such folders")
    ],
    data: Annotated[
        Path, typer.Option("--data", help="folder of one category, or a dataset's root")
    ],
    category: Annotated[
        str | None, typer.Option("--category", help="only this one; needed by a unified model")
    ] = None,
    resolution: Annotated[
        str | None,
        typer.Option(
            "--resolution", help="HEIGHTxWIDTH at which maps and masks meet; default: the input's"
        ),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="also write the figures to this file")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="also write the table to this file")
    ] = None,
    save_maps: Annotated[
        Path | None,
        typer.Option("--save-maps", help="folder for float32 TIFF maps, for others' evaluators"),
    ] = None,
    counterparts: Annotated[
        bool,
        typer.Option(
            "--counterparts/--no-counterparts", help="make and judge those of defective images"
        ),
    ] = True,
    html: Annotated[
        Path | None, typer.Option("--html", help="folder for a report with pictures")
    ] = None,
    layout: options.Layout = None,
    engine: options.Engine = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Measure models on labelled test images: each member alone, and together.

    Image and pixel AUROC, AUPRO up to a false-positive rate of 0.3 and 0.05, for all defect
    regions and for those of 10 pixels and more, the verdicts at the calibrated threshold, and how
    many counterparts a network that did not guide them finds normal. Of a dataset's root every
    category is measured that a model is for, and the mean is told.

    Examples:

      stream-inspector evaluate --model runs/bolts --data photos/bolts --html look

      stream-inspector evaluate --model runs --data datasets/mvtec_ad --json all.json
    """
    from workers.offline.evaluate.run import Wanted
    from workers.offline.evaluate.run import evaluate as run
    from workers.offline.run import load_settings, run_command

    flags = {
        "trainer.engine": engine,
        "trainer.layout": layout,
        "trainer.on_corrupt": on_corrupt,
    }
    settings = load_settings(config, assignments, flags)
    wanted = Wanted(
        model=model,
        data=data,
        category=category,
        resolution=parse_size(resolution),
        json_file=json_file,
        csv_file=csv_file,
        maps=save_maps,
        html=html,
        counterparts=counterparts,
    )
    run_command("evaluate", settings, lambda stop: run(settings, wanted, console, stop))


def parse_size(text: str | None) -> tuple[int, int] | None:
    """`256` or `480x640` as (height, width). Ends the process when it is neither."""
    if text is None:
        return None
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdigit() and 8 <= int(side) <= 8192 for side in sides):
        raise typer.BadParameter(f"--resolution {text}: give 256 or 480x640 (height first)")
    return int(sides[0]), int(sides[-1])
