import itertools

import pytest

from stream_inspector.engine.runs import MOST, plan


def test_without_measurements_runs_are_as_few_as_can_be_and_none_has_empty_places() -> None:
    assert [plan(n, {}) for n in (1, MOST, MOST + 3)] == [[1], [MOST], [MOST, 3]]


@pytest.mark.parametrize(
    ("costs", "runs"),
    [
        ({1: 10.0, 2: 19.0, 4: 36.0, 8: 70.0}, [4, 2, 1]),  # in proportion: what fits
        ({1: 10.0, 2: 11.0, 4: 12.0, 8: 13.0}, [8]),  # a run costs, not its images: filled up
        ({1: 10.0}, [1] * 7),
    ],
)
def test_seven_images_are_cut_by_what_runs_cost(costs: dict[int, float], runs: list[int]) -> None:
    assert plan(7, costs) == runs


def test_no_other_cut_takes_less() -> None:
    costs = {1: 5.0, 2: 6.0, 4: 13.0, 8: 20.0}
    for count in range(1, 20):
        found = plan(count, costs)
        assert sum(found) >= count > sum(found[:-1])
        cuts = (
            cut
            for length in range(1, 6)
            for cut in itertools.combinations_with_replacement(costs, length)
            if sum(cut) >= count
        )
        assert sum(costs[each] for each in found) == min(sum(map(costs.get, cut)) for cut in cuts)
