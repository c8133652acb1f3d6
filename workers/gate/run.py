"""Puts the gate together and runs it to its end."""

import queue
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from socket import gethostname

import structlog

from schemas.frame import new_frame_id
from workers.gate.answers import Answer
from workers.gate.channels.channel import Channel
from workers.gate.channels.make import make_channels
from workers.gate.courier import Courier
from workers.gate.feed import WAITING, Feed
from workers.gate.health import health, why_deaf
from workers.gate.joiner import Join, Joiner
from workers.gate.journal import Journal, read
from workers.gate.lane import Lane, Rules
from workers.gate.loop import Gate
from workers.gate.marks import Mark
from workers.gate.parts import Told, announced, judged
from workers.gate.settings import GateProcessSettings, GateSettings
from workers.gate.trace import Traces
from workers.runtime.bus.ports import Reader
from workers.runtime.errors import SettingsError
from workers.runtime.lifecycle import StopSignal
from workers.runtime.telemetry.metrics.gate import GateMetrics
from workers.runtime.telemetry.tracing import open_tracing
from workers.runtime.watchdog import Pulse, Watchdog

log = structlog.get_logger(__name__)

Open = Callable[[str, Pulse, datetime], Reader]  # topic, pulse, since


def run_gate(
    settings: GateProcessSettings,
    open_topic: Open,
    stop: StopSignal,
    prepare: Callable[[], None] = lambda: None,
) -> None:
    """Run until a stop is asked for. `prepare` is called when the settings hold. Raises Fatal."""
    gate = settings.gate
    if not gate.cameras:
        raise SettingsError("gate.cameras: name the cameras whose parts are answered")
    channels = make_channels(gate)
    prepare()
    metrics = GateMetrics()
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(gate.folder))
        answered = list(read(gate.folder))
        source: queue.Queue[Told] = queue.Queue(WAITING)
        feeds = _feeds(settings, open_topic, source)

        def ready() -> bool:
            return why_deaf(feeds) is None

        tracing = stack.enter_context(open_tracing(settings.tracing, "gate", gethostname()))
        traces = Traces(tracing) if tracing else None
        couriers = [_courier(channel, gate, ready, metrics, traces) for channel in channels]
        loop = Gate(_lanes(gate), source, journal, couriers, joiner=_joiner(gate))
        loop.restore(answered)
        for courier in couriers:
            stack.enter_context(courier)
        for feed in feeds:  # they end first: then nothing new is answered
            stack.enter_context(feed)
        hung_s = settings.kafka.hung_after_s
        others = [feed.pulse for feed in feeds]
        stack.enter_context(Watchdog(loop.pulse, hung_s, others=others))
        stack.enter_context(health(settings.health, metrics, loop, feeds, couriers))
        log.info("answering", cameras=len(gate.cameras), channels=[each.name for each in couriers])
        loop.run(stop)
    _summary(loop, couriers)


def _lanes(gate: GateSettings) -> dict[str, Lane]:
    rules = Rules(
        deadline_s=gate.deadline_s,
        tolerance_s=gate.tolerance_s,
        hold=gate.answer == "at-deadline",
        near_miss_rejects=gate.near_miss == "reject",
        unknown_rejects=gate.not_inspected == "reject",
        max_gap=gate.max_gap,
        by_outcome=gate.parts == "outcomes",
    )
    since = datetime.now(UTC)
    return {name: Lane(name, rules, since) for name in gate.lanes}


def _joiner(gate: GateSettings) -> Joiner | None:
    join, cameras = gate.join, frozenset(gate.cameras)
    if join.rule == "none":
        return None
    return Joiner(
        Join(
            station=join.station,
            cameras=cameras,
            views=frozenset(join.views) or cameras,
            rule=join.rule,
            within_s=join.within_s,
            by_outcome=gate.parts == "outcomes",
        ),
        start=new_frame_id(),
    )


def _feeds(
    settings: GateProcessSettings, open_topic: Open, source: "queue.Queue[Told]"
) -> list[Feed]:
    names, gate = settings.topics, settings.gate
    found = [(names.outcomes, judged)]
    if gate.parts == "frames":
        found.append((names.frames, announced))  # type: ignore[arg-type]
    return [
        Feed(
            topic,
            lambda pulse, since, name=topic: open_topic(name, pulse, since),  # type: ignore[misc]
            what,
            source,
            back_s=gate.look_back_s,
        )
        for topic, what in found
    ]


def _courier(
    channel: Channel,
    gate: GateSettings,
    ready: Callable[[], bool],
    metrics: GateMetrics,
    traces: Traces | None = None,
) -> Courier:
    histogram = metrics.seconds.labels(channel.name)

    def taken(answer: Answer) -> None:
        if not answer.again:
            age = datetime.now(UTC) - answer.key.captured_at
            histogram.observe(max(0.0, age.total_seconds()))
        if traces is not None and not answer.again:
            traces.answered(answer, channel.name)

    return Courier(
        channel,
        ready,
        beat_s=gate.heartbeat_s,
        tolerance_s=gate.tolerance_s,
        taken=taken,
        mark=Mark(gate.folder, channel.name),
    )


def _summary(loop: Gate, couriers: list[Courier]) -> None:
    log.info(
        "gate done",
        answered=dict(loop.decisions),
        late=loop.late,
        lost=loop.lost,
        sent={courier.name: courier.sent for courier in couriers},
        given_up={courier.name: courier.given_up for courier in couriers},
    )
