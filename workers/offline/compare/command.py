"""`stream-inspector compare`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal

console = Terminal()


def compare(
    *,
    data: Annotated[
        Path, typer.Option("--data", help="folder of one category, or a dataset's root")
    ],
    model: Annotated[
        Path | None,
        typer.Option("--model", help="a model, or a folder of them by category; default: train"),
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", help="comma-separated; default: all of them")
    ] = None,
    library: Annotated[
        list[str] | None,
        typer.Option(
            "--with", help="a model of anomalib's beside them, as EfficientAd; repeatable"
        ),
    ] = None,
    minutes: Annotated[
        str | None,
        typer.Option("--minutes", help="each other method trains so long; ours: as long as ours"),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="also write the figures to this file")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="also write the table to this file")
    ] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="to train with: feature-fast | pixel-small")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="to train with; default: each method's own")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="of all that is drawn")] = None,
    layout: options.Layout = None,
    engine: options.Engine = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Put our detector beside the six of the paper's table, and PatchCore: accuracy, time, memory.

    All of them see the same good images, input size and metrics, and all but those that learn from
    pixels the same frozen features, in one run on this machine; without --model ours is trained
    here. What the authors published stands beside it. Methods: ours, cutpaste, spade, padim,
    padim-unpooled, draem, cflow, uniad, patchcore, patchcore-unpooled.

    Examples:

      stream-inspector compare --data photos/bolts --model runs/bolts

      stream-inspector compare --data datasets/mvtec --methods ours,padim,patchcore --json all.json

      stream-inspector compare --data photos/bolts --minutes ours --with EfficientAd --with Dinomaly
    """
    from workers.offline.compare.run import Comparison
    from workers.offline.compare.run import compare as run
    from workers.offline.run import load_settings, run_command

    flags = {
        "trainer.preset": preset,
        "trainer.iterations": iterations,
        "trainer.seed": seed,
        "trainer.engine": engine,
        "trainer.layout": layout,
        "trainer.on_corrupt": on_corrupt,
    }
    settings = load_settings(config, assignments, flags)
    wanted = Comparison(data, model, methods, tuple(library or ()), minutes, json_file, csv_file)
    run_command("compare", settings, lambda stop: run(settings, wanted, console, stop))
