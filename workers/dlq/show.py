"""Dead letters on the terminal, as JSON, and their bytes as files."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from schemas.dead_letter import DeadLetter
from schemas.interruption import Interruption
from schemas.resolution import Resolution
from workers.dlq.letters import (
    Resolutions,
    camera_of,
    category_of,
    content_type_of,
    frame_of,
    key_of,
)
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Table, text

_ID_SHOWN = 12  # characters: enough to name a letter
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/bmp": ".bmp", "image/tiff": ".tiff"}


def as_json(letter: DeadLetter, resolution: Resolution | None) -> str:
    """One line for programs; without the bytes, which `show --out` writes."""
    content = letter.model_dump(mode="json", exclude={"original": {"value"}})
    content["bytes"] = len(letter.original.value_bytes() or b"")
    content["resolution"] = resolution and resolution.model_dump(mode="json")
    return json.dumps(content)


def table_of(letters: Iterable[DeadLetter], known: Resolutions) -> Table:
    """One row a letter."""
    table = Table("id", "rejected", "reason", "category", "camera", "record", "state", "error")
    for letter in letters:
        record = letter.record
        table.add_row(
            letter.outcome_id[:_ID_SHOWN],
            f"{letter.rejected_at:%Y-%m-%d %H:%M:%S}",
            letter.reason.value,
            category_of(letter) or "-",
            camera_of(letter) or "-",
            f"{record.topic}/{record.partition}/{record.offset}",
            state(known.get(key_of(letter))),
            letter.error or "-",
        )
    return table


def interruptions_table(interruptions: Iterable[Interruption]) -> Table:
    """Frames of which no record is in hand: nothing can be replayed, their parts need a look."""
    table = Table("noticed", "cause", "where", "records", "error", title="not inspected, no record")
    for each in interruptions:
        noticed = f"{each.noticed_at:%Y-%m-%d %H:%M:%S}"
        table.add_row(noticed, each.cause.value, each.key, str(each.records), each.error or "-")
    return table


def details_of(letter: DeadLetter, resolution: Resolution | None) -> RenderableType:
    """Everything but the bytes."""
    record, size = letter.record, len(letter.original.value_bytes() or b"")
    facts: dict[str, Any] = {
        "outcome id": letter.outcome_id,
        "reason": letter.reason.value,
        "error": letter.error,
        "attempts": letter.attempts,
        "rejected": f"{letter.rejected_at.isoformat()} by {letter.worker_id}",
        "frame": frame_of(letter),
        "camera": camera_of(letter),
        "category": category_of(letter),
        "record": f"topic {record.topic}, partition {record.partition}, offset {record.offset}",
        "run": letter.run,
        "replayed from": letter.replayed_from,
        "bytes": f"{size} ({content_type_of(letter) or 'content type unknown'})",
        "state": state(resolution),
    }
    if resolution is not None:
        at = resolution.resolved_at.isoformat()
        facts["settled"] = f"{at} by {resolution.by}: {resolution.why}"
    grid = Table.grid(padding=(0, 2))
    for name, value in facts.items():
        if value is not None:
            grid.add_row(Text(name, style="bold"), str(value))
    headers = Table("header", "value", title="headers of the original record", title_justify="left")
    for name, data in letter.original.header_bytes():
        headers.add_row(name, data.decode("utf-8", "backslashreplace"))
    return Group(grid, "", headers)


def state(resolution: Resolution | None) -> str:
    """Open, replayed or discarded."""
    return "open" if resolution is None else resolution.action.value


def write_bytes(letter: DeadLetter, out: Path, console: Console) -> None:
    """The original value into a file, or into a folder under the letter's id and suffix."""
    data = letter.original.value_bytes()
    if data is None:
        console.print("no bytes to write: the frame was too large for its dead letter")
        return
    if out.is_dir():
        suffix = _SUFFIXES.get(content_type_of(letter) or "", ".bin")
        out /= f"{letter.outcome_id[:_ID_SHOWN]}{suffix}"
    try:
        out.write_bytes(data)
    except OSError as error:
        raise SettingsError(f"--out: {out}: {error.strerror}") from None
    console.print(text(f"{len(data)} bytes written to {out}"))
