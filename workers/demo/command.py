"""`stream-inspector demo`: flags and help. Nothing heavy is imported before it runs."""

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer

Data = Annotated[
    Path | None,
    typer.Option("--data", help="a category in MVTec layout: trains, then streams its test/"),
]
Category = Annotated[str | None, typer.Option("--category", help="default: the data folder's name")]
Frames = Annotated[
    int | None, typer.Option("--frames", help="default: 120 rendered, or all test images")
]
Workers = Annotated[int | None, typer.Option("--workers", help="inspection processes")]
Cameras = Annotated[int | None, typer.Option("--cameras", help="cameras to play")]
Rate = Annotated[float | None, typer.Option("--rate", help="frames per second of each camera")]
Broker = Annotated[
    str | None,
    typer.Option("--broker", help="embedded | kafka: Apache Kafka, needs Java 17 and Maven"),
]
Poison = Annotated[
    int | None, typer.Option("--poison", help="broken frames sent along, to see them rejected")
]
PresetName = Annotated[
    str | None, typer.Option("--preset", help="train with it: feature-fast | pixel-small")
]
ModelFolder = Annotated[
    Path | None, typer.Option("--model", help="a model folder that `train` wrote")
]
Out = Annotated[
    Path | None, typer.Option("--out", help="report, pictures, books [default: runs/demo]")
]
Console = Annotated[
    bool, typer.Option("--console", help="watch, judge and search the run in a browser")
]
Summary = Annotated[
    Path | None, typer.Option("--summary", help="also write the numbers to this JSON file")
]
Headless = Annotated[
    bool, typer.Option("--headless", help="no live view: a line every few seconds")
]
Config = Annotated[Path | None, typer.Option("--config", help="YAML file, e.g. configs/demo.yaml")]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]


def demo(
    *,
    data: Data = None,
    category: Category = None,
    frames: Frames = None,
    workers: Workers = None,
    cameras: Cameras = None,
    rate: Rate = None,
    broker: Broker = None,
    poison: Poison = None,
    preset: PresetName = None,
    model: ModelFolder = None,
    out: Out = None,
    summary: Summary = None,
    console: Console = False,
    headless: Headless = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Watch frames travel from cameras over Kafka to inspection, defect events and alarms.

    Needs nothing else: broker and store are started and stopped with it. Ends with a summary and
    one HTML page of pictures; the exit status says whether every frame got exactly one outcome.

    Examples:

      stream-inspector demo

      stream-inspector demo --frames 300 --workers 2 --rate 5 --broker kafka

      stream-inspector demo --console     # pages of the run, until Ctrl-C

      stream-inspector demo --data photos/bolts --category bolts
    """
    flags: dict[str, Any] = {
        "demo.data": data,
        "demo.category": category,
        "demo.frames": frames,
        "demo.workers": workers,
        "demo.cameras": cameras,
        "demo.rate": rate,
        "demo.broker": broker,
        "demo.poison": poison,
        "demo.preset": preset,
        "demo.model": model,
        "demo.out": out,
        "demo.console": console or None,
    }
    settings = _load(config, assignments, flags)
    raise typer.Exit(_run(settings, summary, headless=headless))


def _load(config: Path | None, assignments: list[str] | None, flags: dict[str, Any]) -> Any:
    from workers.demo.settings import DemoProcessSettings
    from workers.runtime.errors import SettingsError
    from workers.runtime.host.terminal import complain
    from workers.runtime.settings.process import parse_assignments

    given = {path: value for path, value in flags.items() if value is not None}
    try:
        return DemoProcessSettings.load(config, parse_assignments(assignments or []) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _run(settings: Any, summary: Path | None, *, headless: bool) -> int:
    from workers.runtime.host.terminal import Terminal, text

    console = Terminal()
    console.print(text(("stream-inspector demo", "bold")))
    from workers.demo.closing import say_ending
    from workers.demo.conclude import Ending
    from workers.demo.journey import run_demo
    from workers.offline.noted import telling
    from workers.offline.run import run_guarded
    from workers.runtime.decoders.current import decoding_by
    from workers.runtime.lifecycle import StopSignal

    codes: list[int] = []

    def tell(ending: Ending) -> None:
        if summary is not None:
            summary.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ending.report.with_name("summary.json"), summary)
        say_ending(ending, console)
        codes.append(ending.exit_code)

    def body(stop: StopSignal) -> None:
        quiet = headless or not console.is_terminal
        with decoding_by(settings.images.rules(settings.kafka.max_frame_bytes)), telling():
            run_demo(settings.demo, console, stop, tell, headless=quiet)

    return run_guarded("demo", settings.log, body) or codes[0]
