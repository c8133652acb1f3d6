"""Thresholds: move what is accepted, see what would have alarmed, calibrate and activate."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.responses import RedirectResponse, Response

from stream_inspector.errors import CalibrationRefused, InspectorError
from stream_inspector.model.renewed import with_thresholds
from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.production.audit import threshold_with
from stream_inspector.threshold.production.recalibrate import Accepted, Recalibrated, recalibrate
from workers.console.asking import thresholds as asking
from workers.console.asking.thresholds import Learnt, Span
from workers.console.pages.desk import Asked
from workers.console.works import Say
from workers.runtime.datasets.reviewed import lineage_of
from workers.runtime.names import is_name
from workers.runtime.registry.activations import Activation
from workers.runtime.registry.registry import Registry

WHY_LIMIT = 500  # characters
_DAYS = (1, 7, 30)
_PICTURES = 12
_MOST, _LEAST = 0.3, 0.001  # shares that a slider goes to
_MISSING = "Nothing of this category is active, or its version has no thresholds that can be read."


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says."""

    accepted: Accepted
    days: int


@dataclass(frozen=True, slots=True)
class Desk:
    """What a wish meets: the active version, its calibration, and what people said."""

    category: str
    last: Activation
    old: Calibration
    span: Span
    learnt: Learnt


def thresholds_page(asked: Asked) -> Response:
    """The sliders, and what they would do; for htmx the latter alone."""
    return _show(asked, asked.query)


def calibrate_page(asked: Asked) -> Response:
    """Begin to calibrate and activate what was shown."""
    category = asked.request.path_params["category"]
    why = asked.form.get("why", "").strip()[:WHY_LIMIT]
    if not why:
        return _show(asked, asked.form, "Say why: it is kept with the activation.", 422)
    found = _found(asked, asked.form)
    if found is None:
        return asked.show("missing.html.j2", 404, what=_MISSING)
    desk, wish = found
    try:
        made = recalibrate(desk.old, desk.learnt.reviewed, wish.accepted)
    except CalibrationRefused as error:
        return _show(asked, asked.form, str(error), 409)
    if made.calibration.id != asked.form.get("candidate"):
        said = "Meanwhile reviews or the active version have changed: look again."
        return _show(asked, asked.form, said, 409)
    begun = asked.room.works.begin(
        f"thresholds {category}", asked.person.name, _renewing(asked, desk, made, why)
    )
    if not begun:
        return _show(asked, asked.form, "Somebody is at it: wait until that is done.", 409)
    asked.note("thresholds", f"{category}: calibration {made.calibration.id}; {why}")
    return RedirectResponse(f"/thresholds/{category}", 303)


def work_page(asked: Asked) -> Response:
    """How far it is: a piece of the page."""
    category = asked.request.path_params["category"]
    work = asked.room.works.last(f"thresholds {category}")
    return asked.show("work.html.j2", category=category, work=work)


def _renewing(asked: Asked, desk: Desk, made: Recalibrated, why: str) -> Callable[[Say], str]:
    """Another version of the same weights, made the active one."""
    versions, by, category = asked.room.versions, asked.person.name, desk.category
    said = lineage_of(desk.learnt.said)
    learnt = {**said, "calibrated_from": desk.last.version, "calibrated_by": by}

    def act(say: Say) -> str:
        registry: Registry = versions.changing()
        say(f"reading version {desk.last.version}")
        manifest, tensors = registry.fetch(desk.last.version)
        version, renewed = with_thresholds(manifest, category, made.calibration, learnt)
        say(f"storing version {version}")
        names = [*asked.room.versions.about(desk.last.version).get("categories", [category])]
        registry.push(names, version, renewed, tensors)
        say(f"activating version {version}")
        number = registry.activate(category, version, by, why, desk.last.number)
        return f"version {version} is active (activation {number})"

    return act


def _show(asked: Asked, given: Any, problem: str = "", status: int = 200) -> Response:
    found = _found(asked, given)
    if found is None:
        return asked.show("missing.html.j2", 404, what=_MISSING)
    desk, wish = found
    piece = asked.is_part_of_page and asked.request.method == "GET"
    return asked.show(
        "preview.html.j2" if piece else "thresholds.html.j2",
        status,
        category=desk.category,
        last=desk.last,
        old=desk.old,
        wish=wish,
        days=_DAYS,
        learnt=desk.learnt,
        work=asked.room.works.last(f"thresholds {desk.category}"),
        problem=problem,
        why_limit=WHY_LIMIT,
        **_preview(asked, desk, wish),
    )


def _found(asked: Asked, given: Any) -> tuple[Desk, Wish] | None:
    """The active version and what is wished of it; None: there is none. Raises WorkerError."""
    category = asked.request.path_params["category"]
    store, calibrations = asked.room.versions.store, asked.room.calibrations
    last = store.last(category) if is_name(category) else None
    old = calibrations.of(last.version, category) if last else None
    if last is None or old is None:
        return None
    wish = _wish(given, old)
    since_ms = int(time.time() * 1000) - wish.days * 86_400_000
    span = Span(category, since_ms, tuple(calibrations.alike(category, last.version)))
    with asked.room.database.read() as connection:
        return Desk(category, last, old, span, asking.learnt(connection, span)), wish


def _wish(given: Any, old: Calibration) -> Wish:
    share = old.budget.image_false_reject
    false_alarms = _share(given.get("false_alarms", ""), 0.05 if share is None else share)
    escapes = _share(given.get("escapes", ""), 0.0)
    decide = given.get("decides", "") == "escapes"
    days = given.get("days", "")
    return Wish(
        Accepted(false_alarms or _LEAST, escapes or None, decide),
        int(days) if days in {str(each) for each in _DAYS} else 7,
    )


def _share(percent: str, otherwise: float) -> float:
    """A percentage of the form as a share within what sliders have."""
    try:
        found = round(float(percent) / 100, 6)
    except ValueError:
        return otherwise
    return otherwise if math.isnan(found) else min(max(found, 0.0), _MOST)


def _preview(asked: Asked, desk: Desk, wish: Wish) -> dict[str, Any]:
    """What would be; `refused`: why it cannot be."""
    try:
        made = recalibrate(desk.old, desk.learnt.reviewed, wish.accepted)
    except (CalibrationRefused, InspectorError) as error:
        return {"made": None, "refused": str(error)}
    now, then = desk.old.image_threshold, made.calibration.image_threshold
    with asked.room.database.read() as connection:
        return {
            "made": made,
            "refused": "",
            "scored": asking.scored(connection, desk.span),
            "alarms": [asking.alarms_above(connection, desk.span, each) for each in (now, then)],
            "no_more": asking.between(connection, desk.span, now, then, _PICTURES),
            "too": asking.between(connection, desk.span, then, now, _PICTURES),
            "raised": _raised(made, desk.learnt),
        }


def _raised(made: Recalibrated, learnt: Learnt) -> tuple[float, float] | None:
    """Where scores that were chosen by their height would move the threshold; never done."""
    if not learnt.chosen:
        return None
    scores, share = made.calibration.image_scores, made.calibration.budget.image_false_reject
    return threshold_with(scores, [], share), threshold_with(scores, learnt.chosen, share)
