"""Lines about a frame name it; lines about a batch name that."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from journey.conftest import CALIBRATIONS, VIEWS, brightness
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from schemas.frame import Frame
from stream_inspector.verdict import Image, Verdict
from workers.runtime.detectors.loaded import LoadedModel

MakeFrame = Callable[..., Frame]
Picture = Callable[..., bytes]
GOOD, DARK = 200, 20


def lines(logs: list[Any], event: str) -> list[dict[str, Any]]:
    return [line for line in logs if line["event"] == event]


@pytest.mark.slow
def test_a_rejection_names_its_frame_and_its_record(stage: Any, make_frame: MakeFrame) -> None:
    bad = make_frame(b"no image", 7)
    with capture_logs(processors=[merge_contextvars]) as logs:
        stage.start(**{"categories.names": ["bolts"]})
        stage.send(bad, partition=1)
        stage.outcomes_of(1)
    [line] = lines(logs, "frame rejected")
    assert (line["frame"], line["camera"], line["category"]) == (bad.frame_id, "line-1", "bolts")
    assert (line["partition"], line["offset"], line["reason"]) == (1, 0, "undecodable")


@pytest.mark.slow
def test_a_batch_that_does_not_fit_is_named(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    def small(images: Sequence[Image], *rest: Any) -> list[Verdict]:
        if len(images) > 1:
            raise MemoryError
        return brightness(images, *rest)

    with capture_logs(processors=[merge_contextvars]) as logs:
        stage.start(
            lambda manifest, tensors: LoadedModel(manifest.decode(), CALIBRATIONS, VIEWS, small),
            **{"categories.names": ["bolts"], "worker.batch_age_ms": 200},
        )
        stage.send(*(make_frame(picture(GOOD), n) for n in range(4)), partition=0)
        stage.outcomes_of(4)
    [line] = lines(logs, "out of memory: smaller batches from now on")
    assert (line["batch"], line["model"], line["size"]) == (1, "bolts-v1", 1)
