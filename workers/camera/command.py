"""`stream-inspector camera`: flags and help. Nothing heavy is imported before it runs."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.part import TEXTS
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain, text
from workers.runtime.listing import AsCsv, AsJson, Column, Form, Listing, Shown, form
from workers.runtime.settings.process import parse_assignments

_UNAVAILABLE = 69  # EX_UNAVAILABLE

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file, e.g. configs/camera.yaml")
]
Assignments = Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable")]
Source = Annotated[
    str | None, typer.Option(metavar="WHAT", help="a folder, a glob pattern, or: synthetic")
]
Category = Annotated[str | None, typer.Option(help="product category")]
Ids = Annotated[
    list[str] | None, typer.Option("--id", help="camera id, repeatable for several cameras")
]
PartTexts = Annotated[
    list[str] | None,
    typer.Option(
        "--part",
        metavar="WHAT=TEXT",
        help="who the parts are: lot=L-17, recipe, shift, view, or any attribute; repeatable",
    ),
]
Rate = Annotated[float | None, typer.Option(help="frames/s of each camera; 0: no pause")]
Frames = Annotated[int | None, typer.Option(help="stop after this many frames in all")]
Loop = Annotated[
    bool | None, typer.Option("--loop/--once", help="start the files again at their end")
]
SentLog = Annotated[Path | None, typer.Option(help="JSON lines, written before each send")]
Bootstrap = Annotated[str | None, typer.Option(help="Kafka, host:port")]
ListDevices = Annotated[
    bool, typer.Option("--list", help="show the cameras that are there, and stop")
]
Preview = Annotated[
    Path | None,
    typer.Option("--preview", metavar="FILE", help="write one picture of a real camera, and stop"),
]
ShowSpread = Annotated[
    bool, typer.Option("--show-spread", help="show the partition of each camera, and stop")
]


def camera(
    *,
    config: Config = None,
    assignments: Assignments = None,
    source: Source = None,
    category: Category = None,
    ids: Ids = None,
    part: PartTexts = None,
    rate: Rate = None,
    frames: Frames = None,
    loop: Loop = None,
    sent_log: SentLog = None,
    bootstrap_servers: Bootstrap = None,
    list_devices: ListDevices = False,
    preview: Preview = None,
    show_spread: ShowSpread = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Send pictures to the frames topic, in order: of real cameras, or played from files.

    Examples:

      stream-inspector camera --frames 100 --rate 10

      stream-inspector camera --source photos/ --category bolts --id line-1 --loop

      stream-inspector camera --source basler:40012345 --id line-1 --category bolts

      stream-inspector camera --source photos/ --part lot=L-17 --part shift=early

      stream-inspector camera --source rtsp://10.0.0.7/main --preview look.png

      stream-inspector camera --list --config configs/camera.yaml

      stream-inspector camera --set camera.count=8 --set topics.partitions=8 --show-spread

    While the broker is away frames wait in memory (camera.spool.*); --sent-log keeps a book of what
    was sent. Files larger than kafka.max_frame_bytes are named and left out. docs/cameras.md tells
    of real cameras, watched folders and streams.
    """
    flags: dict[str, Any] = {
        "camera.source": source,
        "camera.category": category,
        "camera.ids": ids or None,
        "camera.rate": rate,
        **_part(part or []),
        "camera.frames": frames,
        "camera.loop": loop,
        "camera.sent_log": sent_log,
        "kafka.bootstrap_servers": bootstrap_servers,
    }
    how = form(as_json, as_csv)
    settings = _load(config, assignments or [], flags)
    if list_devices:
        raise typer.Exit(_asked(lambda: _list(settings, how)))
    if preview is not None:
        raise typer.Exit(_asked(lambda: _preview(settings, preview)))
    if show_spread:
        _show_spread(settings, how)
        return
    raise typer.Exit(_run(settings))


def _part(texts: list[str]) -> dict[str, str]:
    """The flags as settings. Raises typer.BadParameter."""
    found = {}
    for given in texts:
        name, equals, said = given.partition("=")
        if not (name and equals and said):
            raise typer.BadParameter(f"--part {given}: give WHAT=TEXT, e.g. lot=L-17")
        if "." in name:
            raise typer.BadParameter(f"--part {given}: set names with a dot in a file")
        known = name in TEXTS
        found[f"camera.part.{name}" if known else f"camera.part.attributes.{name}"] = said
    return found


def _load(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> Any:
    from workers.camera.settings import CameraProcessSettings

    given = {path: value for path, value in flags.items() if value is not None}
    try:
        return CameraProcessSettings.load(config, parse_assignments(assignments) | given)
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None


def _asked(what: Callable[[], None]) -> int:
    from workers.runtime.errors import WorkerError

    try:
        what()
    except SettingsError as error:
        complain(error)
        return error.exit_code
    except WorkerError as error:
        complain(error)
        return _UNAVAILABLE
    return 0


def _list(settings: Any, how: Form) -> None:
    from workers.camera.devices.open import find_devices

    columns = (Column("source"), Column("camera"))
    listing = Listing(Terminal(), *columns, form=how, title="cameras that are there")
    for found in find_devices(settings.camera.device):
        listing.add(found.source, found.what)
    listing.close()


def _preview(settings: Any, file: Path) -> None:
    from workers.camera.devices.preview import preview

    preview(settings.camera, file)
    typer.echo(str(file))


def _run(settings: Any) -> int:
    from workers.camera.run import run_camera
    from workers.runtime.bus.kafka.admin.limits import check_limits
    from workers.runtime.bus.kafka.connect import connect_producer, create_topics
    from workers.runtime.lifecycle import StopSignal, run_process

    def connect() -> Any:
        if settings.topics.create:
            names = (settings.topics.frames, settings.topics.camera_states)
            create_topics(settings.kafka, dict.fromkeys(names, settings.topics.partitions))
        check_limits(settings.kafka, settings.topics.frames)
        return connect_producer(settings.kafka, "stream-inspector-camera")

    def body(stop: StopSignal) -> None:
        def at_once() -> Any:
            with stop.at_once():
                return connect()

        run_camera(settings, at_once, stop)

    return run_process("camera", settings.log, body)


def _show_spread(settings: Any, how: Form) -> None:
    from workers.camera.sending.spread import even_map, spread

    cameras, partitions = settings.camera.camera_ids, settings.topics.partitions
    found = spread(cameras, partitions, settings.camera.partitions)
    console, columns = Terminal(), (Column("partition", right=True), Column("cameras"))
    listing = Listing(console, *columns, form=how, title=f"topic {settings.topics.frames}")
    for index, names in sorted(found.items()):
        listing.add(index, Shown(list(names), ", ".join(names) or "none", "" if names else "dim"))
    listing.close()
    if how is not Form.TABLE:
        return
    empty = sum(not names for names in found.values())
    if empty and len(cameras) > 1:
        pairs = ", ".join(
            f"{name}: {index}" for name, index in even_map(cameras, partitions).items()
        )
        console.print(text(f"{empty} of {partitions} partitions get no frames. An even spread:"))
        console.print(text(f"--set 'camera.partitions={{{pairs}}}'"), soft_wrap=True)
