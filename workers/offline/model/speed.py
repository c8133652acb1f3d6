"""What scores a version fastest on this machine: measured at `push`, told by `show`."""

import os
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console

from stream_inspector.engine.measure import measure
from stream_inspector.engine.sessions import usable_threads
from stream_inspector.model.version import Model
from workers.runtime.host.machine import machine_kind
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Form, Listing
from workers.runtime.moments import said_again
from workers.runtime.registry.choices import note_choice, noted_choices
from workers.runtime.registry.registry import Registry


def measure_version(registry: Registry, model: Model, console: Console) -> None:
    """Try what can score it, store what is best for machines like this, and say why.

    What fails here costs the measurement alone: workers then take what they take without one.
    """
    machine, threads = machine_kind(), usable_threads()
    try:
        found = measure(model, threads, time.perf_counter)
    except Exception as error:  # engines raise their own
        told = f"engine: not measured: {type(error).__name__}: {error}"
        console.print(text((told, "yellow")))
        return
    note_choice(registry, model.version, machine, found.choice)
    console.print(text("engine: ", (found.choice.label, "bold"), f" on {machine}"))
    console.print(text(f"  {found.choice.reason}"))
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if found.tried and load > 2 * threads:
        told = f"  other work was going on (load {load:.0f}): `model measure` measures again"
        console.print(text((told, "yellow")))


def tell_choices(registry: Registry, version: str, console: Console) -> None:
    """What was measured of a version, one line a kind of machine."""
    columns = (Column("engine"), Column("ms an image"), Column("machine"), Column("why"))
    listing = Listing(
        console,
        *(*columns, Column("measured")),
        form=Form.TABLE,
        title="fastest engines",
        empty="not measured: workers take ONNX Runtime in single precision (`model measure`)",
    )
    for entry in noted_choices(registry, version):
        coarse = ", 8 bits" if entry.get("eight_bits") else ""
        listing.add(
            f"{entry.get('engine')}{coarse}",
            _sizes(entry.get("batch_ms")),
            entry["machine"],
            entry.get("reason"),
            said_again(str(entry.get("measured_at", ""))),
        )
    listing.close()


def _sizes(costs: Any) -> str:
    """Milliseconds an image, by images of a run."""
    if not isinstance(costs, Mapping):
        return ""
    return ", ".join(f"{size}: {float(ms) / int(size):.1f}" for size, ms in costs.items())
