import numpy as np

from workers.offline.evaluate.report.examples import MOST, MOST_FOUND, Judged, Outcome, choose


def judged(bad: dict[str, list[float]], good: list[float]) -> Judged:
    """Threshold 10, near misses above 8."""
    scores = [*good, *(score for kind in bad.values() for score in kind)]
    kinds = ["good"] * len(good) + [kind for kind, values in bad.items() for _ in values]
    return Judged(np.array(scores), np.array([k != "good" for k in kinds]), kinds, 10.0, 8.0)


def test_outcomes_are_told_by_truth_and_thresholds() -> None:
    case = judged({"bent": [11, 10, 8]}, [11, 10])

    assert [case.outcome(index) for index in range(5)] == [
        *(Outcome.FALSE_ALARM, Outcome.PASSED, Outcome.FOUND, Outcome.NEAR, Outcome.MISSED)
    ]


def test_the_worst_come_first() -> None:
    case = judged({"bent": [9, 3, 20, 5]}, [12, 1, 30])

    examples = choose(case)

    assert [case.scores[index] for index in examples.missed] == [3, 5, 9]
    assert [case.scores[index] for index in examples.false_alarms] == [30, 12]
    assert [case.scores[index] for index in examples.found] == [20]
    assert (examples.n_missed, examples.n_false_alarms) == (3, 2)


def test_without_errors_the_closest_calls_are_shown_once() -> None:
    case = judged({"bent": [float(n) for n in range(11, 11 + MOST + 2)]}, [3, 5])

    examples = choose(case)

    assert (examples.n_missed, examples.n_false_alarms) == (0, 0)
    assert [case.scores[index] for index in examples.missed][:2] == [11, 12]
    assert [case.scores[index] for index in examples.false_alarms] == [5, 3]
    assert len(set(examples.every)) == len(examples.every)


def test_every_kind_is_shown_and_the_number_is_bounded() -> None:
    kinds = {f"kind {n:02}": [50.0 + n] * 40 for n in range(MOST_FOUND)}
    case = judged({**kinds, "bent": [1.0] * 40}, [99.0] * 40)

    examples = choose(case)

    assert {case.kinds[index] for index in examples.found} == set(kinds)
    assert (len(examples.missed), len(examples.false_alarms)) == (MOST, MOST)
    assert examples.n_missed == 40


def test_a_set_of_one_kind_only_is_shown() -> None:
    assert choose(judged({}, [1, 2])).missed == []
    assert choose(judged({"bent": [1]}, [])).false_alarms == []
