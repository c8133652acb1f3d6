"""What a gate tells of itself over HTTP."""

from collections import Counter
from collections.abc import Callable, Sequence

from workers.gate.courier import Courier
from workers.gate.feed import Feed
from workers.gate.loop import Gate
from workers.runtime.settings.process import HealthSettings
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.gate import GateMetrics
from workers.runtime.telemetry.metrics.table import Values


def why_deaf(feeds: Sequence[Feed]) -> str | None:
    """Why parts cannot be heard of; None: they are."""
    return "; ".join(feed.problem for feed in feeds if feed.problem) or None


def health(
    settings: HealthSettings,
    metrics: GateMetrics,
    loop: Gate,
    feeds: Sequence[Feed],
    couriers: Sequence[Courier],
) -> HealthServer:
    """Unready while parts cannot be heard of, or a channel is down: parts go unanswered."""

    def ready() -> str | None:
        return why_deaf(feeds) or _down(couriers)

    def notes() -> str | None:
        return "gate.folder does not take what is answered" if loop.journal.failing else None

    metrics.ready.ask_one(lambda: float(why_deaf(feeds) is None))
    metrics.journal_failing.ask_one(lambda: float(loop.journal.failing))
    metrics.unreadable.ask_one(lambda: sum(feed.unreadable for feed in feeds))
    _tell_lanes(metrics, loop)
    _tell_channels(metrics, couriers)
    return HealthServer(settings, metrics.registry, ready=ready, notes=notes)


def _down(couriers: Sequence[Courier]) -> str | None:
    down = [f"{courier.name}: {courier.problem}" for courier in couriers if courier.problem]
    return "; ".join(down) or None


def _tell_lanes(metrics: GateMetrics, loop: Gate) -> None:
    lanes = list(loop.lanes.values())

    def verdicts() -> Values:
        found: Counter[str] = sum((lane.late_verdicts for lane in lanes), Counter())
        return {(verdict,): count for verdict, count in found.items()}

    def strangers() -> Values:
        found = loop.joiner.strangers if loop.joiner else Counter[str]()
        return {(camera,): count for camera, count in dict(found).items()}

    metrics.answers.ask(lambda: {(said,): count for said, count in loop.decisions.items()})
    metrics.lost.ask_one(lambda: loop.lost)
    metrics.late.ask_one(lambda: loop.late)
    metrics.late_verdicts.ask(verdicts)
    metrics.repeated.ask_one(lambda: sum(lane.repeated for lane in lanes))
    metrics.jumps.ask_one(lambda: sum(lane.jumps for lane in lanes))
    metrics.clock_ahead.ask_one(lambda: sum(lane.clock_ahead for lane in lanes))
    metrics.strangers.ask(strangers)
    metrics.waiting.ask_one(lambda: sum(lane.waiting for lane in lanes))


def _tell_channels(metrics: GateMetrics, couriers: Sequence[Courier]) -> None:
    def each(figure: Callable[[Courier], float]) -> Callable[[], Values]:
        return lambda: {(courier.name,): figure(courier) for courier in couriers}

    metrics.sent.ask(each(lambda courier: courier.sent))
    metrics.overdue.ask(each(lambda courier: courier.overdue))
    metrics.given_up.ask(each(lambda courier: courier.given_up))
    metrics.failures.ask(each(lambda courier: courier.failures))
    metrics.channel_up.ask(each(lambda courier: float(courier.problem is None)))
    metrics.unsent.ask(each(lambda courier: courier.waiting))
