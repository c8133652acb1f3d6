"""A planned stage runs as planned: what it does beside what the plan says of it, in one run.

The detector only waits, so its time does not depend on what else the machine does; what the shell
takes is measured in the same run.
"""

import random
import re
import time
from urllib.request import urlopen

import pytest

from benchmarks.stream.line import Line, line, picture
from workers.offline.plan.constants import Constants
from workers.offline.plan.demand import Demand
from workers.offline.plan.queue import Service
from workers.runtime.settings.process import KafkaSettings

pytestmark = [pytest.mark.integration, pytest.mark.slow]

BATCH_MS, BATCH_MAX, RATE, SECONDS = 200, 4, 5.0, 24.0


def told(each: Line, name: str) -> float:
    """A metric of the one worker."""
    (port,) = each.children
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found, text
    return float(found[1])


def planned(shell_ms: float) -> Service:
    constants = Constants(
        machine="this one",
        cores=2,
        batch_ms={"waits": {1: BATCH_MS, BATCH_MAX: BATCH_MS}},
        decode_ms_megapixel={"png": 15, "jpeg": 2},
        shell_ms=shell_ms,
        shell_ms_megabyte=0,
    )
    demand = Demand(8, RATE / 8, 50, 0.03, "png", "waits", 1, 2000, batch_max=BATCH_MAX)
    return Service(constants, demand)


def test_a_stage_is_as_busy_and_as_quick_as_planned(apache_kafka: KafkaSettings) -> None:
    settings = {"models.null_detector_ms": BATCH_MS, "worker.batch_max": BATCH_MAX}
    data, chance = picture(50_000), random.Random(7)  # noqa: S311  arrivals, no secret
    with line(apache_kafka, 1, **settings) as each:
        spent = each.measure([data] * 100)  # a backlog: at its limit
        busy, batches = (
            told(each, "inspector_device_busy_seconds_total"),
            told(each, "inspector_batch_size_frames_count"),
        )
        start, sent, due = time.monotonic(), each.sent, 0.0
        while due < SECONDS:
            time.sleep(max(0.0, start + due - time.monotonic()))
            each.send([data])
            due += chance.expovariate(RATE)
        took = time.monotonic() - start
        each.wait()
        frames = each.sent - sent
        busy = (told(each, "inspector_device_busy_seconds_total") - busy) / took
        batches = told(each, "inspector_batch_size_frames_count") - batches
    service = planned(spent.cpu_ms)
    assert spent.frames / spent.seconds == pytest.approx(service.capacity(), rel=0.2)
    assert busy == pytest.approx(service.device_busy(frames / took), rel=0.2)
    assert frames / batches == pytest.approx(service.batch(frames / took), rel=0.2)
