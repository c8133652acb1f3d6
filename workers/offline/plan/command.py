"""`stream-inspector plan`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain, text
from workers.runtime.listing import AsCsv, AsJson, Column, Form, Kind, Listing, form

if TYPE_CHECKING:
    from workers.offline.plan.run import Plan


def plan(
    *,
    cameras: Annotated[int, typer.Option("--cameras", min=1, help="how many")],
    rate: Annotated[float, typer.Option("--rate", min=1e-6, help="frames a second of each")],
    latency: Annotated[
        float, typer.Option("--latency", min=1, help="ms from capture to outcome, 95 % of frames")
    ] = 500,
    kb: Annotated[float, typer.Option("--kb", min=0.1, help="of an encoded frame")] = 500,
    megapixels: Annotated[float, typer.Option("--megapixels", min=0.001, help="of a frame")] = 2.0,
    kind: Annotated[Literal["png", "jpeg"], typer.Option("--kind", help="of encoding")] = "jpeg",
    preset: Annotated[str, typer.Option("--preset", help="as `train` has it")] = "feature-fast",
    category: Annotated[
        Path | None,
        typer.Option("--category", help="its file: tiles and input size count"),
    ] = None,
    constants: Annotated[
        Path | None,
        typer.Option("--constants", help='what make bench ARGS="--json FILE" wrote; default: ours'),
    ] = None,
    accelerator: Annotated[
        bool, typer.Option("--accelerator", help="the constants' device is none of the cores")
    ] = False,
    pinned: Annotated[
        bool, typer.Option("--pinned", help="cameras are given their partitions, not hashed")
    ] = False,
    batch_max: Annotated[int, typer.Option("--batch-max", min=1, help="worker.batch_max")] = 8,
    batch_age: Annotated[
        float, typer.Option("--batch-age", min=0, help="worker.batch_age_ms")
    ] = 10,
    load: Annotated[
        float, typer.Option("--load", min=0.01, max=0.99, help="share of a worker's capacity")
    ] = 0.7,
    spare: Annotated[int, typer.Option("--spare", min=0, help="workers that may fail")] = 1,
    defects: Annotated[float, typer.Option("--defects", min=0, max=1, help="share")] = 0.01,
    replicas: Annotated[int, typer.Option("--replicas", min=1, help="of each topic")] = 3,
    readers: Annotated[
        int, typer.Option("--readers", min=1, help="of the frames: workers, gate, collector")
    ] = 1,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Say what a line needs: workers, partitions, cores or accelerators, broker, Redis, stores.

    Computed from times that were measured, each number with its reason: `make bench ARGS="--json
    mine.json"` measures this machine's. docs/performance.md says how far such a plan can be
    trusted.

    Examples:

      stream-inspector plan --cameras 40 --rate 2 --latency 400 --preset pixel-small

      stream-inspector plan --cameras 1000 --rate 1 --constants mine.json --accelerator --json
    """
    how = form(as_json, as_csv)
    from workers.offline.plan.constants import Constants
    from workers.offline.plan.demand import Demand
    from workers.offline.plan.run import plan as planned
    from workers.offline.plan.view import images_of

    try:
        demand = Demand(
            *(cameras, rate, kb, megapixels, kind, preset, images_of(category, preset), latency),
            batch_max=batch_max,
            batch_age_ms=batch_age,
            accelerator=accelerator,
            pinned=pinned,
            load=load,
            spare=spare,
            defects=defects,
            replicas=replicas,
            readers=readers,
        )
        found = planned(demand, Constants.read(constants))
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None
    show(found, Terminal(), how)


def show(found: "Plan", console: Terminal, how: Form) -> None:
    """The table, and below it what it costs."""
    from workers.offline.plan.rows import cost, rows

    columns = (
        *(Column("what"), Column("value", right=True, pattern=".4g"), Column("unit")),
        Column("because", kind=Kind.CUT),
    )
    listing = Listing(console, *columns, form=how, title="plan")
    for row in rows(found):
        listing.add(row.what, round(row.value, 3), row.unit, row.because)
    listing.close()
    if how is Form.TABLE:
        console.print(text(f"cost: {cost(found)}"))
        console.print(text((f"constants: {found.service.constants.machine}", "dim")))
