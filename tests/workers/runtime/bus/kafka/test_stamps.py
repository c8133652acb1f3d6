"""A clock that is wrong costs records their time, nothing else."""

from structlog.testing import capture_logs

from workers.runtime.bus.kafka.writing.stamps import Stamps


class Clocks:
    def __init__(self) -> None:
        self.wall, self.monotonic = 1_000_000.0, 50.0

    def move(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


def test_a_time_that_is_refused_is_left_out_until_the_clock_is_set() -> None:
    clocks = Clocks()
    stamps = Stamps(lambda: clocks.wall, lambda: clocks.monotonic)
    assert stamps.timestamp_ms() is None
    with capture_logs() as logs:
        assert stamps.refuse("out of range")
        assert not stamps.refuse("out of range")
        clocks.move(10_000)
        assert stamps.timestamp_ms() == -1
        clocks.wall -= 7200  # somebody sets it
        assert stamps.timestamp_ms() is None
        assert stamps.refuse("out of range")
    assert [entry["log_level"] for entry in logs] == ["error", "info", "error"]
