"""`stream-inspector inspect`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.offline import options
from workers.runtime.host.terminal import Terminal
from workers.runtime.listing import AsCsv, AsJson, form

console = Terminal()


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
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    engine: options.Engine = None,
    on_corrupt: options.OnCorruptFlag = None,
    config: options.Config = None,
    assignments: options.Assignments = None,
) -> None:
    """Inspect image files without a broker: verdicts, and pictures of where and why.

    Examples:

      stream-inspector inspect photos/bolts/test/bent --model runs/bolts --out look

      stream-inspector inspect 1.png --show-view --model runs/bolts --out look
    """
    from workers.offline.inspect import run as offline
    from workers.offline.run import load_settings, run_command

    flags = {
        "trainer.engine": engine,
        "trainer.on_corrupt": on_corrupt,
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
    how = form(as_json, as_csv)
    run_command(
        "inspect",
        settings,
        lambda stop: offline.inspect(
            settings,
            model,
            images,
            out,
            category=category,
            explain=explain,
            console=console,
            stop=stop,
            form=how,
        ),
    )
