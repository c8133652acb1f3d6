"""The trace of a frame from its camera to its alarm, as a real OTLP collector receives it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from otlp_collector import Collector

from schemas.alarm import Alarm
from schemas.frame import Frame
from workers.camera.capture import Camera
from workers.camera.sending.publisher import SpooledPublisher
from workers.camera.sending.spool import Spool
from workers.camera.sending.trace import Traces as CameraTraces
from workers.camera.settings import SpoolSettings
from workers.camera.sources import Shot
from workers.notifier.assembly import make_notifier
from workers.notifier.delivering.channels.topic import TopicChannel
from workers.notifier.delivering.delivery import Delivery
from workers.notifier.delivering.trace import Traces as NotifierTraces
from workers.notifier.reading.membership import Membership
from workers.notifier.settings import NotifierProcessSettings, NotifierSettings
from workers.runtime.settings.process import TracingSettings
from workers.runtime.telemetry.spans import parse
from workers.runtime.telemetry.tracing import Tracing, open_tracing

Picture = Callable[..., bytes]
GOOD, DARK = 200, 20
PRODUCER, CONSUMER, INTERNAL = 4, 5, 1  # SpanKind of OTLP


class Journey:
    """The stage with tracing processes around it."""

    def __init__(self, stage: Any, folder: Path) -> None:
        self.stage, self.folder = stage, folder
        self._open = ExitStack()
        self.collector = self._open.enter_context(Collector())

    def tracing(self, process: str, share: float = 1.0) -> Tracing | None:
        settings = TracingSettings(endpoint=self.collector.endpoint, sample_share=share)
        return self._open.enter_context(open_tracing(settings, process, f"{process}-1"))

    def capture(self, *pictures: bytes, share: float | None = 1.0) -> list[Frame]:
        """Frames as a camera sends them; `share` None: it does not trace."""
        tracing = None if share is None else self.tracing("camera", share)
        traces = CameraTraces(tracing) if tracing else None
        camera = Camera("line-1", "bolts", 0, traces=traces)
        spool = Spool(2**20, "block")
        publisher = SpooledPublisher(
            *(spool, self.stage.broker.producer(), "frames", SpoolSettings()), traces=traces
        )
        taken = [camera.capture(Shot(data, "image/png"), datetime.now(UTC)) for data in pictures]
        publisher.start()
        for item in taken:
            spool.put(item, lambda: False)
        publisher.finish(5)
        return [item.frame for item in taken]

    def inspect(self, count: int, share: float = 1.0) -> None:
        """A worker until it has published so many outcomes, and has ended."""
        self.stage.tracing = self.tracing("worker", share)
        self.stage.start(**{"categories.names": ["bolts"]})
        self.stage.outcomes_of(count)
        self.stage.stop()

    def notify(self) -> list[Alarm]:
        """A notifier until it has read everything; returns its alarms."""
        tracing, broker = self.tracing("notifier"), self.stage.broker
        traces = NotifierTraces(tracing) if tracing else None
        channel = TopicChannel(broker.producer(), "alarms")
        delivery = Delivery([channel], NotifierSettings(folder=self.folder), traces)
        membership = Membership()
        consumer = broker.consumer("n", ["outcomes", "defects", "dead-letters"], membership)
        settings = {"notifier.folder": self.folder, "notifier.commit_every_s": 0}
        loaded = NotifierProcessSettings.load(None, settings | {"notifier.max_age_s": 1e9})
        notifier = make_notifier(loaded, consumer, membership, delivery)
        with delivery:
            for _ in range(6):
                notifier.step(0)
        return [Alarm.decode(r.headers, r.value) for r in broker.records("alarms")]

    def close(self) -> None:
        """End the processes, which sends what waits."""
        self._open.close()


@pytest.fixture
def journey(stage: Any, tmp_path: Path) -> Iterator[Journey]:
    journey = Journey(stage, tmp_path)
    yield journey
    journey.close()


def trace_of(frame: Frame) -> str:
    return frame.frame_id.replace("-", "")


@pytest.mark.slow
def test_a_defect_is_one_trace_from_camera_to_alarm(journey: Journey, picture: Picture) -> None:
    [frame] = journey.capture(picture(DARK))
    journey.inspect(1)
    [alarm] = journey.notify()
    journey.close()
    spans = journey.collector.trace(trace_of(frame))
    steps = ["decode", "batch wait", "infer", "publish"]
    assert set(spans) == {"camera", "broker", "inspect", *steps, "alarm"}
    camera, inspect = spans["camera"], spans["inspect"]
    assert camera.parent == ""
    assert camera.id == frame.traceparent.split("-")[2]
    assert spans["broker"].parent == inspect.parent == camera.id
    assert {spans[name].parent for name in (*steps, "alarm")} == {inspect.id}
    assert [spans[n].kind for n in ("camera", "inspect", "infer")] == [PRODUCER, CONSUMER, INTERNAL]
    services = {name: span.service for name, span in spans.items()}
    assert services["camera"] == "stream-inspector-camera"
    assert services["infer"] == "stream-inspector-worker"
    assert services["alarm"] == "stream-inspector-notifier"
    starts = [spans[name].started for name in ("camera", *steps)]
    assert starts == sorted(starts)
    assert all(span.started <= span.ended for span in spans.values())
    assert spans["infer"].ended == spans["publish"].started
    assert inspect.attributes["inspector.outcome"] == "defect"
    assert inspect.attributes["messaging.kafka.offset"] == 0
    assert spans["alarm"].attributes["inspector.alarm"] == alarm.alarm_id


@pytest.mark.slow
def test_messages_carry_the_context_that_subscribers_join(
    journey: Journey, picture: Picture
) -> None:
    [frame] = journey.capture(picture(DARK))
    journey.inspect(1)
    [alarm] = journey.notify()
    journey.close()
    inspect = journey.collector.trace(trace_of(frame))["inspect"]
    wanted = f"00-{inspect.trace}-{inspect.id}-01"
    for topic in ("defects", "outcomes", "alarms"):
        [record] = journey.stage.broker.records(topic)
        assert dict(record.headers)["ce_traceparent"].decode() == wanted
    assert alarm.traceparent == wanted


@pytest.mark.slow
def test_a_batch_links_its_frames(journey: Journey, picture: Picture) -> None:
    frames = journey.capture(*(picture(GOOD) for _ in range(5)))
    journey.inspect(5)
    journey.close()
    inspects = {
        (span.trace, span.id)
        for frame in frames
        for span in journey.collector.trace(trace_of(frame)).values()
        if span.name == "inspect"
    }
    batches = [span for span in journey.collector.spans if span.name == "batch"]
    linked = [link for batch in batches for link in batch.links]
    assert len(inspects) == 5
    assert sorted(linked) == sorted(inspects)
    assert sum(int(str(batch.attributes["inspector.batch.size"])) for batch in batches) == 5
    assert all(batch.attributes["inspector.model.version"] == "bolts-v1" for batch in batches)
    assert not {batch.trace for batch in batches} & {trace for trace, _ in inspects}


@pytest.mark.slow
def test_a_rejected_frame_is_an_error_that_leads_to_its_alarm(journey: Journey) -> None:
    [frame] = journey.capture(b"no image")
    journey.inspect(1)
    journey.notify()
    journey.close()
    spans = journey.collector.trace(trace_of(frame))
    assert set(spans) == {"camera", "broker", "inspect", "publish", "alarm"}
    assert spans["inspect"].error == "undecodable"
    assert spans["alarm"].parent == spans["inspect"].id


@pytest.mark.slow
def test_what_the_camera_does_not_sample_nobody_tells(journey: Journey, picture: Picture) -> None:
    journey.capture(picture(DARK), share=0.0)
    journey.inspect(1)
    journey.notify()
    journey.close()
    assert journey.collector.spans == []


@pytest.mark.slow
def test_a_trace_begins_at_the_worker_when_the_camera_brings_none(
    journey: Journey, picture: Picture
) -> None:
    journey.capture(picture(GOOD), share=None)
    journey.inspect(1)
    journey.close()
    spans = {span.name: span for span in journey.collector.spans}
    assert set(spans) == {"broker", "inspect", "decode", "batch wait", "infer", "publish", "batch"}
    assert spans["inspect"].parent == spans["broker"].parent == ""
    [outcome] = journey.stage.outcomes()
    context = parse(outcome.traceparent)
    assert context is not None
    assert (context.trace_id, context.span_id) == (spans["inspect"].trace, spans["inspect"].id)


@pytest.mark.slow
def test_clocks_that_differ_make_no_span_that_ends_before_it_began(
    journey: Journey, stage: Any, picture: Picture, make_frame: Callable[..., Frame]
) -> None:
    ahead = make_frame(picture(GOOD))
    ahead = replace(ahead, captured_at=ahead.captured_at.replace(year=2200))
    stage.send(ahead, partition=0)
    journey.inspect(1)
    journey.close()
    assert journey.collector.spans
    assert all(span.started <= span.ended for span in journey.collector.spans)


@pytest.mark.slow
def test_a_collector_that_is_away_costs_no_frame(
    journey: Journey, stage: Any, picture: Picture, make_frame: Callable[..., Frame]
) -> None:
    settings = TracingSettings(endpoint="http://127.0.0.1:9/v1/traces", sample_share=1)
    with open_tracing(settings, "worker", "w") as tracing:
        stage.tracing = tracing
        stage.start(**{"categories.names": ["bolts"]})
        stage.send(*(make_frame(picture(GOOD), n) for n in range(5)), partition=0)
        stage.outcomes_of(5)
        stage.stop()
    assert not stage.errors
