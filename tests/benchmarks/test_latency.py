"""What the benchmark of latencies says of its samples."""

from benchmarks.latency import Found, Times


def found(passes: list[float], defects: list[float], bound_ms: float = 100.0) -> Found:
    one, other = Times.of(passes), Times.of(defects)
    return Found(one, other, other.p95 / one.p95, bound_ms, 40.0, 24.0)


def test_times_are_those_of_most_frames() -> None:
    times = Times.of([float(n) for n in range(100)])
    assert (times.frames, times.median, times.p95, times.worst) == (100, 49.5, 95.0, 99.0)
    assert Times.of([7.0]) == Times(1, 7.0, 7.0, 7.0)


def test_the_aim_is_held_when_both_are_fast_and_near_each_other() -> None:
    assert found([50.0] * 20, [54.0] * 20).held
    assert not found([50.0] * 20, [60.0] * 20).held  # defects come later
    assert not found([60.0] * 20, [50.0] * 20).held
    assert not found([120.0] * 20, [120.0] * 20).held  # both too late
