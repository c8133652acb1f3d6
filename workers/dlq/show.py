"""Dead letters on the terminal, as JSON, and their bytes as files."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from schemas.dead_letter import DeadLetter
from schemas.interruption import Interruption
from schemas.resolution import Resolution
from schemas.review import Review, Subject, subject_of
from workers.dlq.letters import (
    Resolutions,
    camera_of,
    category_of,
    content_type_of,
    frame_of,
    key_of,
)
from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.listing import Column, Form, Kind, Listing, Shown
from workers.runtime.moments import said

_ID_SHOWN = 12  # characters: enough to name a letter
_SUFFIXES = {"image/png": ".png", "image/jpeg": ".jpg", "image/bmp": ".bmp", "image/tiff": ".tiff"}


def everything_of(
    letter: DeadLetter, resolution: Resolution | None, review: Review | None = None
) -> dict[str, Any]:
    """All that programs are told; without the bytes, which `show --out` writes."""
    content: dict[str, Any] = letter.model_dump(mode="json", exclude={"original": {"value"}})
    content["bytes"] = len(letter.original.value_bytes() or b"")
    content["resolution"] = resolution and resolution.model_dump(mode="json")
    content["review"] = review and review.model_dump(mode="json")
    return content


_LETTERS = (
    Column("id"),
    Column("rejected"),
    Column("reason"),
    Column("camera"),
    Column("state"),
    Column("review", kind=Kind.SPARE),
    Column("error", kind=Kind.SPARE),
    Column("category", kind=Kind.EXTRA),
    Column("record", kind=Kind.EXTRA),
)
_INTERRUPTIONS = (
    Column("noticed"),
    Column("cause"),
    Column("where"),
    Column("records", right=True),
    Column("error", kind=Kind.CUT),
)


def list_letters(
    letters: Iterable[DeadLetter],
    known: Resolutions,
    reviews: Mapping[Subject, Review],
    console: Console,
    form: Form,
) -> None:
    """One line a letter."""
    listing = Listing(console, *_LETTERS, form=form, empty="no dead letters")
    for letter in letters:
        record, resolution = letter.record, known.get(key_of(letter))
        review = reviews.get(subject_of(letter.outcome_id, letter.frame, record))
        listing.add(
            Shown(letter.outcome_id, letter.outcome_id[:_ID_SHOWN]),
            letter.rejected_at,
            letter.reason.value,
            camera_of(letter),
            state(resolution),
            review.judgement.value if review else None,
            letter.error,
            category_of(letter),
            f"{record.topic}/{record.partition}/{record.offset}",
            whole=everything_of(letter, resolution, review) if form is Form.JSON else None,
        )
    listing.close()


def list_interruptions(interruptions: Iterable[Interruption], console: Console) -> None:
    """Frames of which no record is in hand: nothing can be replayed, their parts need a look."""
    listing = Listing(console, *_INTERRUPTIONS, title="not inspected, no record")
    for each in interruptions:
        listing.add(each.noticed_at, each.cause.value, each.key, each.records, each.error)
    listing.close()


def tell_letter(
    letter: DeadLetter, resolution: Resolution | None, review: Review | None, console: Console
) -> None:
    """Everything but the bytes."""
    facts = Listing(console, Column(""), Column("", name="value"))
    for name, value in _facts(letter, resolution, review).items():
        if value is not None:
            facts.add(Shown(name, name, "bold"), value)
    facts.close()
    console.print()
    headers = Listing(
        console, Column("header"), Column("value"), title="headers of the original record"
    )
    for name, data in letter.original.header_bytes():
        headers.add(name, data.decode("utf-8", "backslashreplace"))
    headers.close()


def _facts(
    letter: DeadLetter, resolution: Resolution | None, review: Review | None
) -> dict[str, Any]:
    record, size = letter.record, len(letter.original.value_bytes() or b"")
    facts = {
        "outcome id": letter.outcome_id,
        "reason": letter.reason.value,
        "error": letter.error,
        "attempts": letter.attempts,
        "rejected": f"{said(letter.rejected_at)} by {letter.worker_id}",
        "frame": frame_of(letter),
        "camera": camera_of(letter),
        "category": category_of(letter),
        "record": f"topic {record.topic}, partition {record.partition}, offset {record.offset}",
        "run": letter.run,
        "replayed from": letter.replayed_from,
        "bytes": f"{size} ({content_type_of(letter) or 'content type unknown'})",
        "state": state(resolution),
        "review": review
        and f"{review.judgement.value}, {said(review.reviewed_at)} by {review.by}: {review.note}",
    }
    if resolution is None:
        return facts
    return facts | {
        "settled": f"{said(resolution.resolved_at)} by {resolution.by}: {resolution.why}"
    }


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
