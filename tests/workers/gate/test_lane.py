"""A lane answers each part once, in order and in time, whatever comes late, twice or never."""

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.outcome import Verdict
from tests.workers.gate.parts import at, key, said, seen
from workers.gate.answers import Answer, Decision
from workers.gate.lane import Lane, Rules

RULES = Rules(deadline_s=1.0)


def numbers(answers: list[Answer]) -> list[tuple[int, str]]:
    return [(answer.key.number, answer.decision.value) for answer in answers]


def followed(lane: Lane) -> Lane:
    """A lane that knows its camera: part 0 was answered."""
    lane.announce(seen(0), at(0))
    lane.judge(said(0), at(0))
    lane.due(at(0))
    return lane


def test_a_verdict_is_answered_at_once() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0), at(0.1))
    assert lane.due(at(0.1)) == []
    lane.judge(said(0, Verdict.DEFECT), at(0.3))
    (answer,) = lane.due(at(0.3))
    assert (answer.decision, answer.reject, answer.reason) == (Decision.REJECT, True, "defect")
    assert not answer.late
    assert round(answer.latency_s, 6) == 0.3
    assert lane.due(at(5)) == []


def test_a_part_without_an_outcome_is_answered_when_its_time_is_over() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0), at(0.1))
    assert lane.next_s() == at(1.0).s
    assert lane.due(at(0.999)) == []
    (answer,) = lane.due(at(1.0))
    assert (answer.decision, answer.reason) == (Decision.NOT_INSPECTED, "deadline")
    assert answer.reject  # fail-safe
    assert not answer.late


def test_what_is_done_with_a_part_that_nobody_inspected_is_a_setting() -> None:
    lane = Lane("line-1", Rules(deadline_s=1.0, unknown_rejects=False))
    lane.announce(seen(0), at(0))
    (answer,) = lane.due(at(1))
    assert answer.decision is Decision.NOT_INSPECTED
    assert not answer.reject


def test_a_rejected_frame_is_not_inspected_and_says_why() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0), at(0))
    lane.judge(said(0, None), at(0.2))
    (answer,) = lane.due(at(0.2))
    assert (answer.decision, answer.reason) == (Decision.NOT_INSPECTED, "undecodable")


def test_a_near_miss_passes_unless_it_is_to_be_rejected() -> None:
    for rejects, expected in ((False, Decision.PASS), (True, Decision.REJECT)):
        lane = Lane("line-1", Rules(deadline_s=1.0, near_miss_rejects=rejects))
        lane.announce(seen(0), at(0))
        lane.judge(said(0, Verdict.NEAR_MISS), at(0.1))
        assert lane.due(at(0.1))[0].decision is expected


def test_answers_keep_the_order_of_the_parts() -> None:
    lane = Lane("line-1", RULES)
    for number in range(3):
        lane.announce(seen(number), at(0.3))
    lane.judge(said(2), at(0.4))
    lane.judge(said(1), at(0.4))
    assert lane.due(at(0.5)) == []  # part 0 comes first
    assert numbers(lane.due(at(1.0))) == [(0, "not-inspected"), (1, "pass"), (2, "pass")]


def test_a_part_held_up_by_the_one_before_it_is_still_in_time() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0, taken_s=0.5), at(0.6))
    lane.announce(seen(1, taken_s=0.2), at(0.6))  # its camera's clock went back
    lane.judge(said(1, taken_s=0.2), at(0.7))
    assert lane.next_s() == at(1.2).s
    assert numbers(lane.due(at(1.2))) == [(0, "not-inspected"), (1, "pass")]


def test_held_back_answers_all_leave_the_same_time_after_capture() -> None:
    lane = Lane("line-1", Rules(deadline_s=1.0, hold=True))
    lane.announce(seen(0), at(0.1))
    lane.judge(said(0), at(0.2))
    assert lane.due(at(0.9)) == []
    assert numbers(lane.due(at(1.0))) == [(0, "pass")]


def test_a_late_verdict_is_counted_and_changes_nothing() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0), at(0))
    assert numbers(lane.due(at(1.0))) == [(0, "not-inspected")]
    lane.judge(said(0, Verdict.DEFECT), at(1.5))
    assert lane.due(at(2)) == []
    assert lane.late_verdicts == {"defect": 1}


def test_a_part_that_could_not_be_answered_in_time_says_so_and_never_passes() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0), at(0))
    lane.judge(said(0), at(0.5))
    (answer,) = lane.due(at(1.2))  # we ourselves were stopped for so long
    assert (answer.decision, answer.late) == (Decision.NOT_INSPECTED, True)
    assert lane.late_verdicts == {"pass": 1}


def test_a_second_delivery_is_answered_once() -> None:
    lane = Lane("line-1", RULES)
    for _ in range(2):
        lane.announce(seen(0), at(0))
        lane.judge(said(0), at(0.1))
        lane.judge(said(0, Verdict.DEFECT), at(0.1))
    assert numbers(lane.due(at(0.1))) == [(0, "pass")]
    lane.announce(seen(0), at(0.2))
    lane.judge(said(0), at(0.2))
    assert lane.due(at(5)) == []
    assert lane.late_verdicts == {}


def test_a_missing_number_is_a_part_that_nobody_inspected() -> None:
    lane = followed(Lane("line-1", RULES))
    lane.announce(seen(4), at(0.5))
    lane.judge(said(4), at(0.6))
    found = lane.due(at(0.6))
    assert numbers(found) == [(n, "not-inspected") for n in (1, 2, 3)] + [(4, "pass")]
    assert {answer.reason for answer in found[:3]} == {"lost"}


def test_a_lost_part_whose_frame_comes_after_all_is_not_answered_again() -> None:
    lane = followed(Lane("line-1", RULES))
    lane.announce(seen(2), at(0.3))
    assert numbers(lane.due(at(0.3))) == [(1, "not-inspected")]
    lane.announce(seen(1), at(0.4))
    lane.judge(said(1), at(0.5))
    lane.judge(said(2), at(0.5))
    assert numbers(lane.due(at(0.5))) == [(2, "pass")]
    assert lane.late_verdicts == {"pass": 1}


def test_a_count_that_jumps_wildly_or_begins_anew_loses_no_parts() -> None:
    lane = followed(Lane("line-1", Rules(deadline_s=1.0, max_gap=10)))
    for part in (seen(5000, 0.1), seen(7, 0.2, "e2"), seen(1, 0.3, "e1")):
        lane.announce(part, at(0.3))
    assert [number for number, _ in numbers(lane.due(at(9)))] == [5000, 7, 1]
    assert lane.jumps == 1


def test_ids_that_are_used_again_are_other_parts() -> None:
    lane = followed(Lane("line-1", RULES))
    lane.announce(seen(0, taken_s=5), at(5))  # a camera that counts from 0 and names no start
    lane.judge(said(0, Verdict.DEFECT, taken_s=5), at(5.1))
    assert numbers(lane.due(at(5.1))) == [(0, "reject")]


def test_an_outcome_waits_for_its_frame_and_speaks_for_itself_at_half_time() -> None:
    lane = followed(Lane("line-1", RULES))
    lane.judge(said(2), at(0.2))
    assert lane.due(at(0.3)) == []
    lane.announce(seen(1), at(0.4))
    lane.announce(seen(2), at(0.4))
    lane.judge(said(1), at(0.4))
    assert numbers(lane.due(at(0.4))) == [(1, "pass"), (2, "pass")]
    lane.judge(said(3), at(0.4))  # taken at 0.3: over at 1.3, so half of it is left at 0.85
    assert lane.due(at(0.84)) == []
    assert numbers(lane.due(at(0.86))) == [(3, "pass")]
    lane.announce(seen(3), at(0.9))
    assert lane.due(at(5)) == []


def test_without_frames_an_outcome_speaks_for_its_part_at_once() -> None:
    lane = Lane("line-1", Rules(deadline_s=1.0, by_outcome=True))
    lane.judge(said(0), at(0.1))
    lane.judge(said(2, Verdict.DEFECT), at(0.3))
    found = [(0, "pass"), (1, "not-inspected"), (2, "reject")]
    assert numbers(lane.due(at(0.3))) == found


def test_what_was_over_before_the_start_is_not_told() -> None:
    lane = Lane("line-1", RULES, since=at(9).utc)
    for number in range(3):  # taken at 0, 0.1, 0.2
        lane.judge(said(number), at(9))
        lane.announce(seen(number), at(9))
    lane.announce(seen(3, taken_s=9), at(9))
    lane.judge(said(3, taken_s=9), at(9.1))
    assert numbers(lane.due(at(9.1))) == [(3, "pass")]
    assert lane.late_verdicts == {}


def test_a_clock_that_is_ahead_gives_no_more_time_and_is_counted() -> None:
    lane = Lane("line-1", RULES)
    lane.announce(seen(0, taken_s=3600), at(0))
    assert lane.next_s() == at(1).s
    (answer,) = lane.due(at(1))
    assert answer.latency_s == 0
    assert lane.clock_ahead == 1


def test_a_start_knows_what_was_answered() -> None:
    lane = Lane("line-1", RULES)
    lane.restore(key(0), Decision.PASS, lost=False)
    lane.restore(key(1)._replace(frame_id=""), Decision.NOT_INSPECTED, lost=True)
    for number in (0, 1, 2):
        lane.announce(seen(number), at(0.5))
        lane.judge(said(number, Verdict.DEFECT), at(0.5))
    assert numbers(lane.due(at(0.5))) == [(2, "reject")]


def test_parts_that_went_by_unseen_while_the_gate_was_away_are_told_as_late() -> None:
    lane = Lane("line-1", RULES)
    lane.restore(key(0), Decision.PASS, lost=False)
    lane.announce(seen(1), at(5))
    lane.judge(said(1), at(5))
    lane.announce(seen(3), at(5))
    found = lane.due(at(5))
    assert numbers(found) == [(n, "not-inspected") for n in (1, 2, 3)]
    assert all(answer.late for answer in found)


EVENTS = st.lists(
    st.tuples(st.sampled_from(["seen", "pass", "defect", "none", "wait"]), st.integers(0, 12)),
    max_size=60,
)


@settings(max_examples=300, deadline=None)
@given(EVENTS)
def test_whatever_comes_no_part_is_answered_twice_or_later_than_its_time(
    events: list[tuple[str, int]],
) -> None:
    lane, now_s, told, given_s = Lane("line-1", RULES), 0.0, [], {}
    verdicts = {"pass": Verdict.PASS, "defect": Verdict.DEFECT, "none": None}
    for what, number in events:
        now = at(now_s)
        if what == "wait":
            now_s += number / 20
        elif number / 10 <= now_s and what == "seen":
            lane.announce(seen(number), now)
            given_s.setdefault(number, now_s)
        elif number / 10 <= now_s:
            lane.judge(said(number, verdicts[what]), now)
        for due_s in [lane.next_s()]:
            assert due_s is None or due_s <= now.s + RULES.deadline_s
        told += lane.due(at(now_s))
    told += lane.due(at(now_s + 2))
    answered = [answer.key.number for answer in told]
    assert len(set(answered)) == len(answered)
    assert all(answer.decision is Decision.NOT_INSPECTED for answer in told if answer.late)
    assert lane.waiting == 0
    known = {number for number, when in given_s.items() if when < number / 10 + 1.0}
    assert known <= set(answered)  # whoever was announced in time got an answer
