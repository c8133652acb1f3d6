"""`stream-inspector sample`: flags, help and what it does."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal, text

console = Terminal()


def sample(
    *,
    model: options.ModelFolder,
    out: Annotated[Path, typer.Option("--out", help="PNG to write")] = Path("samples.png"),
    category: options.ModelCategory = None,
    count: Annotated[int, typer.Option("--count", min=1, max=64, help="pictures")] = 8,
    steps: Annotated[int, typer.Option("--steps", min=2, max=1000, help="of the chain")] = 250,
    sampler: Annotated[str, typer.Option("--sampler", help="ancestral | ddim")] = "ancestral",
    seed: Annotated[int | None, typer.Option("--seed", help="of the noise")] = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Draw new pictures of good parts: what the pixel network takes for normal.

    Example: stream-inspector sample --model runs/bolts --count 8 --out bolts.png
    """
    from stream_inspector.counterpart.generation import SAMPLERS, sample_images
    from stream_inspector.image.pictures import encode_png, side_by_side
    from workers.offline.model_folder import read_model
    from workers.offline.run import load_settings, run_command
    from workers.runtime.host.whole_file import write_whole

    if sampler not in SAMPLERS:
        raise typer.BadParameter(f"--sampler {sampler}: give one of {', '.join(SAMPLERS)}")
    settings = load_settings(config, assignments, {"trainer.seed": seed})

    def draw(_: object) -> None:
        images = sample_images(
            read_model(model),
            category,
            count=count,
            steps=steps,
            sampler=sampler,
            seed=settings.trainer.seed,
            device=settings.trainer.device,
        )
        panels = [(str(number), image) for number, image in enumerate(images, 1)]
        write_whole(out, encode_png(side_by_side(panels, height=images[0].shape[0])))
        console.print(text(f"{count} pictures are in {out}"))

    run_command("sample", settings, draw)
