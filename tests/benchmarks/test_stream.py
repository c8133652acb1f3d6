"""The pictures and figures of the stream benchmark are what their tables say."""

import pytest

from benchmarks.stream.line import picture
from benchmarks.stream.measures import Cost, Sample, drift_mib


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("size", [50_000, 500_000])
@pytest.mark.slow
def test_a_picture_has_its_size(kind: str, size: int) -> None:
    assert len(picture(size, kind)) == pytest.approx(size, rel=0.1)


def test_the_ratio_is_the_workers_cost_over_the_bare_loops() -> None:
    cost = Cost(
        "png",
        50_000,
        "exactly-once",
        1,
        worker_ms=3.0,
        decode_ms=1.0,
        bare_ms=2.0,
        per_second=100.0,
        idle_ms=20.0,
    )
    assert cost.ratio == 1.5


def test_the_drift_leaves_the_start_out() -> None:
    memory = [50, 80, 99, 100, 100, 101, 103, 104]
    samples = [Sample(minute, 0, rss, 0.0) for minute, rss in enumerate(memory)]
    assert drift_mib(samples) == 103.5 - 100.5
