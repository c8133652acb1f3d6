"""Several frames of one part get one answer together: worst of, all of, and in time."""

from datetime import timedelta

import pytest

from schemas.outcome import Verdict
from schemas.part import PartRef
from tests.workers.gate.parts import START, at
from workers.gate.answers import Answer, Decision, Noted
from workers.gate.joiner import Join, Joiner
from workers.gate.lane import Lane, Rules
from workers.gate.parts import Announced, Judged, PartKey

DEFECT, NEAR, PASS = Verdict.DEFECT, Verdict.NEAR_MISS, Verdict.PASS


def frame_key(part: str, camera: str, taken_s: float) -> PartKey:
    return PartKey(f"{camera}-{part}", "e1", 0, START + timedelta(seconds=taken_s))


class Station:
    """A joiner and its lane, as the gate's loop uses them."""

    def __init__(self, rule: str = "worst", *, by_outcome: bool = False, start: str = "s1") -> None:
        cameras = frozenset({"top", "side"})
        join = Join("station", cameras, cameras, rule, 60.0, by_outcome)  # type: ignore[arg-type]
        self.joiner = Joiner(join, start)
        self.lane = Lane("station", Rules(deadline_s=1.0, by_outcome=by_outcome))

    def seen(self, part: str, camera: str, at_s: float, taken_s: float | None = None) -> None:
        taken = at_s if taken_s is None else taken_s
        key = frame_key(part, camera, taken)
        self._hear(Announced(camera, key, PartRef(id=part, view=camera)), at_s)

    def said(
        self, part: str, camera: str, verdict: Verdict | None, at_s: float, taken_s: float = 0.0
    ) -> None:
        key = frame_key(part, camera, taken_s)
        reason = str(verdict or "undecodable")
        self._hear(Judged(camera, key, verdict, reason, PartRef(id=part, view=camera)), at_s)

    def due(self, at_s: float) -> list[tuple[str, Decision, str]]:
        return [(each.key.frame_id, each.decision, each.reason) for each in self.lane.due(at(at_s))]

    def _hear(self, told: Announced | Judged, at_s: float) -> None:
        for part in self.joiner.hear(told):
            if isinstance(part, Announced):
                self.lane.announce(part, at(at_s))
            else:
                self.lane.judge(part, at(at_s))


@pytest.mark.parametrize(
    ("rule", "top", "side", "decision"),
    [
        ("worst", PASS, PASS, Decision.PASS),
        ("worst", PASS, DEFECT, Decision.REJECT),
        ("worst", NEAR, PASS, Decision.PASS),
        ("worst", None, DEFECT, Decision.REJECT),
        ("worst", None, PASS, Decision.NOT_INSPECTED),
        ("all", DEFECT, DEFECT, Decision.REJECT),
        ("all", PASS, DEFECT, Decision.PASS),
        ("all", None, DEFECT, Decision.NOT_INSPECTED),
    ],
)
@pytest.mark.parametrize("by_outcome", [False, True])
def test_views_say_together_what_the_part_is(
    rule: str, top: Verdict | None, side: Verdict | None, decision: Decision, *, by_outcome: bool
) -> None:
    station = Station(rule, by_outcome=by_outcome)
    if not by_outcome:
        station.seen("p", "top", 0.0)
        station.seen("p", "side", 0.1)
    station.said("p", "top", top, 0.2)
    station.said("p", "side", side, 0.3)
    assert [said[:2] for said in station.due(0.4)] == [("p", decision)]
    assert station.due(2.0) == []


def test_a_defect_decides_before_the_other_view_is_there() -> None:
    station = Station()
    station.seen("p", "top", 0.0)
    station.said("p", "top", DEFECT, 0.2)
    assert station.due(0.3) == [("p", Decision.REJECT, "defect")]
    station.seen("p", "side", 0.4)
    station.said("p", "side", PASS, 0.5)
    assert station.due(3.0) == []


@pytest.mark.parametrize("rule", ["worst", "all"])
def test_a_part_whose_view_is_missing_is_not_inspected(rule: str) -> None:
    station = Station(rule)
    station.seen("p", "top", 0.0)
    station.said("p", "top", PASS, 0.2)
    assert station.due(0.9) == []
    assert station.due(1.0) == [("p", Decision.NOT_INSPECTED, "deadline")]


def test_the_time_counts_from_the_first_view() -> None:
    station = Station()
    station.seen("p", "top", 0.0)
    station.seen("p", "side", 0.9)
    assert [said[0] for said in station.due(1.0)] == ["p"]


def test_an_outcome_that_is_read_before_its_frame_waits_for_it() -> None:
    station = Station()
    station.said("b", "top", PASS, 0.3)
    station.said("b", "side", PASS, 0.3)
    station.seen("a", "top", 0.4, 0.0)
    station.seen("b", "top", 0.4, 0.1)
    assert station.due(0.5) == []  # `a` goes first
    station.said("a", "top", PASS, 0.6)
    station.said("a", "side", PASS, 0.6)
    assert [said[0] for said in station.due(0.7)] == ["a", "b"]


def test_parts_that_are_numbered_show_which_one_nobody_saw() -> None:
    station = Station()
    for part, at_s in (("7", 0.0), ("9", 0.2)):
        station.seen(part, "top", at_s)
        station.said(part, "top", DEFECT, at_s, at_s)
    answers = station.lane.due(at(0.3))
    assert [(each.key.number, each.reason) for each in answers] == [
        (7, "defect"),
        (8, "lost"),
        (9, "defect"),
    ]


def test_the_same_id_later_is_the_part_again() -> None:
    station = Station()
    for at_s in (0.0, 100.0):
        station.seen("p", "top", at_s)
        station.said("p", "top", DEFECT, at_s, at_s)
        assert [said[0] for said in station.due(at_s + 0.1)] == ["p"]
    station.said("p", "side", PASS, 100.2, 0.1)  # of the first pass
    assert station.due(102.0) == []


def test_a_frame_without_a_part_belongs_to_none() -> None:
    station = Station()
    for who in (None, PartRef(lot="L-17")):
        assert station.joiner.hear(Announced("top", frame_key("x", "top", 0), who)) == []
    assert station.joiner.hear(Announced("other", frame_key("x", "o", 0), PartRef(id="x"))) == []
    assert station.joiner.strangers == {"top": 2}


def noted(answer: Answer) -> Noted:
    rest = (answer.decision, answer.reject, answer.reason, answer.late, answer.who)
    return Noted(answer.camera, answer.key, *rest)


def test_a_restart_answers_no_part_again_and_counts_on() -> None:
    before = Station()
    for number, part in enumerate("ab"):
        before.seen(part, "top", number / 10)
        before.said(part, "top", DEFECT, number / 10, number / 10)
    answers = before.lane.due(at(0.3))
    after = Station(start="s2")
    for answer in answers:
        after.lane.restore(answer.key, answer.decision, lost=False)
        after.joiner.restore(noted(answer))
    for number, part in enumerate("abc"):  # read once more, by the other camera first
        after.seen(part, "side", 0.5, number / 10)
        after.seen(part, "top", 0.5, number / 10)
        after.said(part, "top", DEFECT, 0.5, number / 10)
    again = after.lane.due(at(0.6))
    assert [each.key.frame_id for each in again] == ["c"]
    assert [(each.key.start, each.key.number) for each in [*answers, *again]] == [
        ("s1", 0),
        ("s1", 1),
        ("s1", 2),
    ]
