"""`stream-inspector train`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal
from workers.runtime.lifecycle import StopSignal

console = Terminal()


def train(
    *,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", help="folder of one category; with --unified a dataset's root, or several"
        ),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", help="default: the folder's name; with --unified: only these"),
    ] = None,
    unified: Annotated[
        bool, typer.Option("--unified", help="one model for all categories of --data")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="folder to write; default runs/<category>")
    ] = None,
    more: Annotated[
        Path | None,
        typer.Option("--more", help="folder of further good images: they join the model in --out"),
    ] = None,
    synthetic: Annotated[
        int, typer.Option("--synthetic", help="render this many good frames instead of --data")
    ] = 0,
    preset: Annotated[
        str | None,
        typer.Option(
            "--preset",
            help="feature-fast | feature-fine | feature-dino | feature-diffusion | pixel-small | "
            "few-images | paper",
        ),
    ] = None,
    normalisation: Annotated[
        str | None,
        typer.Option("--normalisation", help="good-images | per-image (the released code's)"),
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option("--backbone", help="network of timm's, as resnet18 or resnet18:1,2"),
    ] = None,
    backbone_weights: Annotated[
        str | None, typer.Option("--backbone-weights", help="file with its weights | hub")
    ] = None,
    init: Annotated[
        Path | None,
        typer.Option("--init", help="checkpoint of guided diffusion to begin with"),
    ] = None,
    init_label: Annotated[
        int | None, typer.Option("--init-label", help="class of --init that is meant")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="of weights, noise and crops")] = None,
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="default: the preset's own")
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option("--checkpoint-every", help="steps; a killed training goes on from there"),
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu | cuda | cuda:0")] = None,
    categories: options.Categories = None,
    false_reject: options.FalseReject = None,
    strict: options.Strict = None,
    layout: options.Layout = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Learn what good looks like, from good images only, and set the thresholds.

    80 % of the good images train the networks; which ones follows from their content. All of them
    give statistics and set the thresholds, each scored by folds that have not seen it. Labelled
    test images are never opened. After a kill the same command goes on from the last checkpoint in
    --out; training.csv there holds every step.

    With 5 to 23 good images the model is provisional: no network is trained, which takes less than
    a minute. --more adds images to a model; one that is not provisional needs its --data, too.

    Examples:

      stream-inspector train --data photos/bolts --category bolts

      stream-inspector train --data photos/bolts --categories configs/categories

      stream-inspector train --more photos/bolts-of-today --out runs/bolts

      stream-inspector train --unified --data photos --category bolts --category nuts

      stream-inspector train --synthetic 400 --category flange --preset pixel-small

      stream-inspector train --data photos/bolts --preset paper --init 256x256_diffusion.pt
    """
    from workers.offline.run import load_settings, run_command, stated
    from workers.offline.train.few import grow, growing
    from workers.offline.train.run import train as run
    from workers.offline.train.sources import Source

    flags = {
        "trainer.preset": preset,
        "trainer.normalisation": normalisation,
        "trainer.backbone": backbone,
        "trainer.backbone_weights": backbone_weights,
        "trainer.init": init and str(init),
        "trainer.init_label": init_label,
        "trainer.seed": seed,
        "trainer.iterations": iterations,
        "trainer.checkpoint_every": checkpoint_every,
        "trainer.device": device,
        "categories.folder": categories and str(categories),
        "trainer.layout": layout,
        "trainer.on_corrupt": on_corrupt,
        "budget.image_false_reject": false_reject,
        "budget.strict": strict,
    }
    settings = load_settings(config, assignments, flags)
    source = Source(tuple(data or ()), synthetic, tuple(category or ()), unified)
    told = stated(assignments, flags)
    if more is not None:

        def growth(stop: StopSignal) -> None:
            grow(settings, growing(more, source, out), console, stop, stated=told)

        run_command("train", settings, growth)
        return
    run_command(
        "train", settings, lambda stop: run(settings, source, out, console, stop, stated=told)
    )
