"""The stream benchmark measures workers that do their work."""

import pytest

from benchmarks.stream.line import line, picture
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_a_measurement_covers_all_workers_and_every_frame(apache_kafka: KafkaSettings) -> None:
    with line(apache_kafka, workers=2) as each:
        spent = each.measure([picture(50_000)] * 200)
        assert spent.frames == 200
        assert 0 < spent.cpu_ms < 100
        assert set(each.by) == {"worker-0", "worker-1"}
        assert len(each.seen) == each.sent == sum(each.by.values())
        assert each.rss_mib() > 2 * 30
