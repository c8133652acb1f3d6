"""What the benchmark of the gate says of answers that were too few, too late or wrong."""

import argparse
from typing import Any

import pytest

from benchmarks.gate import report
from benchmarks.plc import NOT_INSPECTED, PASS, REJECT, Told

GIVEN = argparse.Namespace(rate=5.0, deadline=1.0)
PARTS = {0: 100.0, 1: 100.2, 2: 150.0}
JUDGED = {0: (PASS, False), 1: (REJECT, True), 2: (PASS, False)}


def told(part: int, decision: int, at: float, *, late: bool = False) -> Told:
    return Told(0, part, 7, decision, decision != PASS, late, at)


GOOD = [told(0, PASS, 100.1), told(1, REJECT, 100.5), told(2, PASS, 150.2)]


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        (GOOD, {"unanswered": 0, "answered_wrong": 0, "passed": 2, "rejected": 1}),
        ([*GOOD, GOOD[1]], {"unanswered": 0, "answered_wrong": 0, "rejected": 1}),
        (GOOD[1:], {"unanswered": 1, "answered_wrong": 0}),
        ([told(0, REJECT, 100.1), *GOOD[1:]], {"answered_wrong": 1}),
        ([told(0, NOT_INSPECTED, 101, late=True), *GOOD[1:]], {"answered_wrong": 0, "late": 1}),
        ([*GOOD, told(9, PASS, 151)], {"answered_wrong": 1}),
    ],
)
def test_answers_are_held_against_parts_and_verdicts(
    answers: list[Told], found: dict[str, Any]
) -> None:
    result = report(GIVEN, PARTS, answers, JUDGED, [])
    assert {name: result[name] for name in found} == found


def test_parts_of_a_fault_are_looked_at_on_their_own() -> None:
    result = report(GIVEN, PARTS, GOOD, JUDGED, [("gate", 100.1)])
    assert result["ms"]["parts"] == 3
    assert result["ms_without_a_fault_in_30_s"] == {
        **dict.fromkeys(("p50", "p95", "p99", "most"), 200.0),
        "parts": 1,
    }
