"""The review page: one part after the other, judged by key or button."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from schemas.frame import LIVE
from schemas.review import KIND_LIMIT, NOTE_LIMIT, Judgement, Review, Sample
from workers.console.asking import queue
from workers.console.asking.parts import Part, error_of, event_of, find, notes_of
from workers.console.asking.sample import Sampling, is_drawn
from workers.console.history.writing import write_reviews
from workers.console.pages.desk import Asked
from workers.console.pictures.evidence import KINDS as PICTURES
from workers.runtime.bus.ports import Outgoing

# What fits a verdict: judgement, its key, and what it says
_NO_ALARM = (
    (Judgement.RIGHT, "r", "Right: good"),
    (Judgement.MISSED, "m", "Missed: a defect"),
    (Judgement.UNSURE, "u", "Unsure"),
)
ANSWERS = {
    "defect": (
        (Judgement.RIGHT, "r", "Right: a defect"),
        (Judgement.FALSE_ALARM, "f", "False alarm: good"),
        (Judgement.UNSURE, "u", "Unsure"),
    ),
    "near_miss": _NO_ALARM,
    "pass": _NO_ALARM,
    "rejected": (
        (Judgement.RIGHT, "r", "Right: cannot be inspected"),
        (Judgement.MISSED, "m", "Missed: a defective part"),
        (Judgement.UNSURE, "u", "Unsure"),
    ),
}


@dataclass(frozen=True, slots=True)
class Last:
    """What became of the last judgement."""

    text: str = ""
    part: str = ""  # that was judged
    adjust: str = ""  # a category whose thresholds this person may want to move now


NOTHING = Last()

# Why the parts of a queue are asked about; none: somebody should say it anyway
_SAMPLES = {queue.RANDOM: Sample.AUDIT, "near-misses": Sample.INFORMATIVE}


def review_home(_: Asked) -> Response:
    """Defects first."""
    return RedirectResponse("/review/defects", 303)


def review_page(asked: Asked) -> Response:
    """The next part of a queue."""
    kind = asked.request.path_params["kind"]
    if kind not in queue.EVERY:
        return asked.show("missing.html.j2", 404, what="There is no such queue.")
    piece = asked.is_part_of_page  # an empty queue asks again
    return _show(asked, kind, template="queue.html.j2" if piece else "review.html.j2")


def judge(asked: Asked) -> Response:
    """A word on the part; the answer is the next one."""
    kind, key = asked.request.path_params["kind"], asked.form.get("part", "")
    if kind not in queue.EVERY:
        return asked.tell("there is no such queue", 404)
    if asked.form.get("judgement") == "later":
        lease_s = asked.room.settings.console.lease_s
        queue.set_aside(asked.room.database, key, asked.person.name, lease_s)
        return _next(asked, kind, Last("Left for later."))
    with asked.room.database.read() as connection:
        part, holder = find(connection, key), queue.holder(connection, key)
        drawn = kind == queue.RANDOM and is_drawn(connection, key)
    refused = _refused(asked, part, holder, drawn)
    if part is None or refused:
        return _next(asked, kind, Last(refused))
    word = _said(asked, part, _SAMPLES.get(kind))
    if isinstance(word, str):
        return asked.tell(word, 422)
    falsely = word.judgement is Judgement.FALSE_ALARM and asked.person.may("engineer")
    said = f"Said: {word.judgement.value.replace('-', ' ')}."
    return _next(asked, kind, Last(said, key, part.category if falsely else ""))


def judge_part(asked: Asked) -> Response:
    """A word on a part that somebody looked up, or another one on what was judged: it counts.

    What chance drew stays a part of the random sample, whoever corrects the word on it.
    """
    key = asked.request.path_params["part"]
    with asked.room.database.read() as connection:
        part = find(connection, key)
    if part is None or not may_judge(asked, part):
        return asked.tell("no such part, or one of a replay: nobody judges it here", 404)
    word = _said(asked, part, Sample(part.sample) if part.sample else None)
    if isinstance(word, str):
        return asked.tell(word, 422)
    return RedirectResponse(f"/parts/{quote(key)}", 303)


def may_judge(asked: Asked, part: Part) -> bool:
    """Whether this person may say a word on it here: of replays and nameless frames nobody may."""
    return asked.person.may("operator") and part.run == LIVE and part.frame is not None


def _refused(asked: Asked, part: Part | None, holder: str | None, drawn: bool) -> str:
    """Why it is not theirs to judge; empty: it is. What chance drew is judged as such once more."""
    if part is None:
        return "That part is not in the history any more."
    if asked.request.path_params["kind"] == queue.RANDOM and not drawn:
        return "That part is not of the random sample: not judged."
    if part.judgement is not None and not (drawn and part.sample != Sample.AUDIT):
        return f"That part was judged by {part.by}: not judged again."
    if holder not in (None, asked.person.name):
        return f"That part is with {holder or 'nobody, left for later'}: not judged."
    return ""


def _said(asked: Asked, part: Part, sample: Sample | None) -> Review | str:
    """The word of the form, said; or why it cannot be."""
    try:
        review = _review(asked, part, sample)
    except ValueError as error:  # ValidationError is one
        return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
    _say(asked, part, review)
    return review


def _review(asked: Asked, part: Part, sample: Sample | None) -> Review:
    return Review.of(
        part.outcome(),
        Judgement(asked.form.get("judgement", "")),
        by=asked.person.name,
        at=datetime.now(UTC),
        note=asked.form.get("note", "").strip()[:NOTE_LIMIT],
        kind=asked.form.get("defect", "").strip()[:KIND_LIMIT] or None,
        sample=sample,
    )


def _say(asked: Asked, part: Part, review: Review) -> None:
    """On the topic first, which histories are made of; in ours at once: nobody is asked again."""
    asked.room.publish(Outgoing(asked.room.settings.topics.reviews, review.encode()))
    with asked.room.database.write() as connection:
        write_reviews(connection, [review])
        queue.release(connection, part.part)
    asked.note("review", f"{review.judgement.value} {part.part}")


def _next(asked: Asked, kind: str, last: Last) -> Response:
    """The next part."""
    if asked.is_part_of_page:
        return _show(asked, kind, last, "queue.html.j2")
    return RedirectResponse(f"/review/{kind}", 303)


def _show(
    asked: Asked, kind: str, last: Last = NOTHING, template: str = "review.html.j2"
) -> Response:
    database, console = asked.room.database, asked.room.settings.console
    sampling = Sampling.of(console.audit)
    if asked.person.may("operator"):
        part, coming = queue.take(database, kind, asked.person.name, console.lease_s, sampling)
    else:
        part, coming = None, None
    with database.read() as connection:
        counts = {name: queue.waiting(connection, name, sampling) for name in queue.EVERY}
        seen = _seen(connection, part) if part else {}
        ahead = pictures_of(coming, event_of(connection, coming.part)) if coming else []
    return asked.show(
        template,
        kind=kind,
        counts=counts,
        most=queue.MOST_COUNTED,
        last=last,
        part=part,
        coming=coming,
        ahead=ahead,
        answers=ANSWERS[part.verdict] if part else (),
        note_limit=NOTE_LIMIT,
        kind_limit=KIND_LIMIT,
        **seen,
    )


def _seen(connection: Any, part: Part) -> dict[str, Any]:
    event = event_of(connection, part.part)
    return {
        "size": (event.get("image_width", 0), event.get("image_height", 0)),
        "error": error_of(connection, part.part),
        "kinds": pictures_of(part, event),
        "notes": notes_of(event),
        "regions": event.get("regions") or [],
    }


def pictures_of(part: Part, event: dict[str, Any]) -> list[str]:
    """Which pictures there should be: a frame always, the others as the event says."""
    links = event.get("evidence") or {}
    return [kind for kind in PICTURES if links.get(kind) or (kind == "frame" and part.frame)]
