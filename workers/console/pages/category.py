"""A category: scores over time with their threshold, what people say, and pictures."""

import time
from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection
from starlette.responses import Response

from stream_inspector.threshold.budget import Calibration
from stream_inspector.threshold.production.drift import Reference
from workers.console.asking import category as asking
from workers.console.asking.category import HOUR_MS, PERIODS, Step
from workers.console.asking.drift import Drift, drift_at, drift_now
from workers.console.asking.judged import Certificate, audited, certificate, newest_calibration
from workers.console.asking.sample import Sampling
from workers.console.pages.desk import Asked
from workers.runtime.errors import StoreUnavailable

_NEAREST = 12
_CONFIDENCE = 0.95  # of the shares that are counted


def category_page(asked: Asked) -> Response:
    """`?name=`: one; without it all of them."""
    name = asked.query.get("name", "")
    if not name:
        return _list(asked)
    period = PERIODS.get(asked.query.get("period", ""), PERIODS["day"])
    since_ms = int(time.time() * 1000) - period.hours * HOUR_MS
    with asked.room.database.read() as connection:
        every = asking.steps(connection, name, since_ms, period.step_ms)
        return asked.show(
            "category.html.j2",
            name=name,
            period=period,
            most=asking.LOOKED_AT,
            periods=PERIODS.values(),
            steps=every,
            totals=asking.totals(every, _CONFIDENCE),
            sampling=Sampling.of(asked.room.settings.console.audit),
            nearest=asking.nearest_good(connection, name, since_ms, _NEAREST),
            groups={
                "Defects, by their kinds": asking.confirmed(connection, name, since_ms),
                "False alarms": asking.false_alarms(connection, name, since_ms),
                "Not inspected, by reasons": asking.reasons(connection, name, since_ms),
            },
            **_said(asked, connection, name, since_ms),
            **_charts(asked, connection, name, every),
        )


def _list(asked: Asked) -> Response:
    now_ms = int(time.time() * 1000)
    with asked.room.database.read() as connection:
        week = asking.category_names(connection, now_ms - PERIODS["week"].hours * HOUR_MS)
        day = asking.category_names(connection, now_ms - PERIODS["day"].hours * HOUR_MS)
    return asked.show("categories.html.j2", week=week, day={n: (p, d) for n, p, d in day})


def _said(asked: Asked, connection: Connection, name: str, since_ms: int) -> dict[str, Any]:
    """What the random sample says, in the whole period and of the present calibration."""
    audit = asked.room.settings.console.audit
    version, calibration_id = newest_calibration(connection, name) or ("", "")
    calibration, problem = _calibration(asked, version, name)
    own = audited(connection, name)
    certified = calibration.certified_false_reject if calibration else audit.false_alarms
    return {
        "version": version,
        "calibration": calibration,
        "store_problem": problem,
        "whole": certificate(
            [word for word in own if word.decided_ms >= since_ms],
            audit.false_alarms,
            audit.confidence,
        ),
        "present": certificate(
            [word for word in own if word.calibration_id == calibration_id],
            certified,
            audit.confidence,
        ),
        "wanted": _wanted(audit.false_alarms, audit.confidence, own, calibration_id),
    }


def _wanted(
    share: float, confidence: float, own: Sequence[Any], calibration_id: str
) -> Certificate:
    """For a new calibration that certifies the share of the settings."""
    return certificate([w for w in own if w.calibration_id == calibration_id], share, confidence)


def _calibration(asked: Asked, version: str, name: str) -> tuple[Calibration | None, str]:
    try:
        return (asked.room.calibrations.of(version, name) if version else None), ""
    except (StoreUnavailable, ValueError) as error:
        return None, str(error)


def _charts(
    asked: Asked, connection: Connection, name: str, every: Sequence[Step]
) -> dict[str, Any]:
    @cache
    def reference_of(version: str) -> Reference | None:
        found, _ = _calibration(asked, version, name)
        return found.reference if found else None

    drifts = drift_at(connection, name, [step.start_ms for step in every], reference_of)
    return {
        "now": drift_now(connection, name, reference_of),
        "scores": _chart(every, "", Threshold="threshold", Highest="highest", Mean="mean"),
        "shares": _chart(every, "%", Defects="defect_share"),
        "drift": _drift_chart(drifts),
    }


def _chart(every: Sequence[Step], unit: str, **lines: str) -> dict[str, Any]:
    """As static/charts.js draws it: seconds, and a line for each attribute of the steps."""
    scale = 100 if unit == "%" else 1
    return {
        "unit": unit,
        "times": [step.start_ms // 1000 for step in every],
        "lines": [
            {"name": title, "values": [_short(getattr(step, field), scale) for step in every]}
            for title, field in lines.items()
        ],
    }


def _drift_chart(drifts: Sequence[Drift]) -> dict[str, Any]:
    places = [_short(each.shift.place, 100) for each in drifts]
    return {
        "unit": "%",
        "times": [each.at_ms // 1000 for each in drifts],
        "lines": [
            {"name": "Good images that score lower", "values": places},
            {"name": "No change", "values": [50] * len(drifts)},
        ],
        "most": 100,
    }


def _short(value: float | None, scale: float) -> float | None:
    return None if value is None else float(f"{scale * value:.4g}")
