"""`stream-inspector reproduce`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal

console = Terminal()


def reproduce(
    *,
    data: Annotated[Path, typer.Option("--data", help="a dataset's root, or one category")],
    out: Annotated[Path, typer.Option("--out", help="folder of models, results, tables, figures")],
    preset: Annotated[str, typer.Option("--preset", help="paper | pixel-small")] = "paper",
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="of all that train; default: their own")
    ] = None,
    methods: Annotated[
        str | None,
        typer.Option("--methods", help="to compare with, comma-separated; none: ''; default: all"),
    ] = None,
    minutes: Annotated[
        str | None,
        typer.Option("--minutes", help="each other method trains so long; ours: as long as ours"),
    ] = None,
    unified: Annotated[
        bool, typer.Option("--unified/--no-unified", help="also one model for all categories")
    ] = True,
    examples: Annotated[
        int, typer.Option("--examples", min=0, help="pictures of a figure and category")
    ] = 2,
    init: Annotated[
        Path | None, typer.Option("--init", help="checkpoint of guided diffusion to begin with")
    ] = None,
    backbone_weights: Annotated[
        str | None, typer.Option("--backbone-weights", help="file with its weights | hub")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="of all that is drawn")] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu | cuda | cuda:0")] = None,
    layout: options.Layout = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
    job: Annotated[
        str | None,
        typer.Option("--job", help="only this one: a category, or unified; several side by side"),
    ] = None,
) -> None:
    """Run the paper's experiments on the categories that are there; write its tables and figures.

    For each category, in a process of its own: train, score KL, features and both at T on the
    chain of 250 and on the original steps, at alpha .5 and tuned, and the systems that the paper
    compares itself with on the same images; then one model for all. Writes table 1 with the
    published figures beside it, table 2 with readings and members, and figures 4 (reconstructions),
    6 (localisation) and 7 (steps of gradient denoising) as PNG and PDF. What is done stays done:
    after a stop the same command goes on.

    Examples:

      stream-inspector reproduce --data datasets/mvtec_ad --out paper --device cuda

      stream-inspector reproduce --data datasets/btad --out btad --init 256x256_diffusion.pt

      stream-inspector reproduce --data datasets/mvtec_ad --out small --preset pixel-small
    """
    from workers.offline.reproduce.plan import OTHERS, Wanted
    from workers.offline.reproduce.run import in_a_process, run_job
    from workers.offline.reproduce.run import reproduce as run
    from workers.offline.run import load_settings, run_command

    flags = {
        "trainer.preset": preset,
        "trainer.iterations": iterations,
        "trainer.init": init and str(init),
        "trainer.backbone_weights": backbone_weights,
        "trainer.seed": seed,
        "trainer.device": device,
        "trainer.layout": layout,
        "trainer.on_corrupt": on_corrupt,
    }
    settings = load_settings(config, assignments, flags)
    chosen = (
        OTHERS if methods is None else tuple(n.strip() for n in methods.split(",") if n.strip())
    )
    wanted = Wanted(data, out, chosen, minutes, unified, examples)
    if job is not None:
        run_command(
            "reproduce", settings, lambda stop: run_job(settings, wanted, job, console, stop)
        )
        return
    again = {
        "--data": data,
        "--out": out,
        "--preset": preset,
        "--iterations": iterations,
        "--methods": methods,
        "--minutes": minutes,
        "--examples": examples,
        "--init": init,
        "--backbone-weights": backbone_weights,
        "--seed": seed,
        "--device": device,
        "--layout": layout,
        "--on-corrupt": on_corrupt,
        "--config": config,
    }
    arguments = [
        word for name, value in again.items() if value is not None for word in (name, str(value))
    ]
    arguments += ["--unified" if unified else "--no-unified"]
    arguments += [word for each in assignments or [] for word in ("--set", each)]
    launch = in_a_process(arguments)
    run_command("reproduce", settings, lambda stop: run(settings, wanted, console, stop, launch))
