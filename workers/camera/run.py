"""Puts the camera process together and runs it to its end."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from socket import gethostname

import structlog

from workers.camera.capture import make_cameras
from workers.camera.devices.clock import DeviceClock
from workers.camera.identity import Identity
from workers.camera.play import Player
from workers.camera.sending.ending import announce_end
from workers.camera.sending.publisher import SpooledPublisher
from workers.camera.sending.sent_log import SentLog
from workers.camera.sending.spool import Spool
from workers.camera.sending.trace import Traces
from workers.camera.settings import SYNTHETIC, WATCH, CameraProcessSettings, CameraSettings
from workers.camera.sources import Shot, Stop, Taken, list_files, shots
from workers.camera.watched import after_sending, watched_shots
from workers.runtime.bus.ports import Producer
from workers.runtime.datasets.played import Played
from workers.runtime.errors import Transient
from workers.runtime.telemetry.health import HealthServer
from workers.runtime.telemetry.metrics.camera import CameraMetrics
from workers.runtime.telemetry.tracing import open_tracing
from workers.runtime.watchdog import Watchdog

log = structlog.get_logger(__name__)

_NAMED = 5  # skipped files that a warning lists
_POLL_S = 0.2
_ANSWER_S = 5.0  # a broker that takes longer is away


def run_camera(
    settings: CameraProcessSettings, connect: Callable[[], Producer], stop: Stop
) -> None:
    """Play until the source ends or a stop is asked for, then send what is left.

    `connect` is called when the source is known to be usable.
    Raises SettingsError for an unusable source, Transient when frames could not be sent.
    """
    camera = settings.camera
    listing = _listing(camera)
    spool = Spool(camera.spool.max_bytes, camera.spool.when_full)
    with ExitStack() as stack:
        tracing = stack.enter_context(open_tracing(settings.tracing, "camera", gethostname()))
        traces = Traces(tracing) if tracing else None
        book = stack.enter_context(SentLog(camera.sent_log)) if camera.sent_log else None
        producer = stack.enter_context(closing(connect()))
        publisher = SpooledPublisher(
            *(spool, producer, settings.topics.frames, camera.spool),
            sent_log=book,
            traces=traces,
            taken=_after_sending(camera),
        )
        categories = {name: camera.category_of(name) for name in camera.camera_ids}
        identity = Identity(camera.part)
        cameras = make_cameras(categories, camera.partitions, traces, identity.of)
        player = Player(cameras, spool, publisher, stop, progress_s=camera.progress_s)
        clock = DeviceClock()
        metrics = _metrics(player, publisher, spool)
        metrics.unidentified.ask_one(lambda: identity.unusable)
        metrics.device_ahead.ask_one(lambda: clock.ahead_s)
        metrics.device_ptp.ask_one(lambda: _told(clock.synchronised))
        metrics.transfer.ask_one(lambda: clock.transfer_s)
        stack.enter_context(_health(settings, metrics, publisher))
        hung_s = settings.kafka.hung_after_s + settings.kafka.publication_s
        stack.enter_context(Watchdog(publisher.pulse, hung_s))
        seen = ", ".join(sorted(set(categories.values())))
        log.info("playing", source=camera.source, cameras=len(cameras), category=seen)
        started = time.monotonic()
        publisher.start()
        taken = _taken(settings, listing, stop, clock)
        player.play(taken, _rate(camera), camera.frames)
        _drain(publisher, spool, camera.spool.drain_s, stop)
        left = player.counts.captured - publisher.sent - publisher.refused - spool.dropped
        if publisher.failure is None and not left and player.counts.captured:
            announce_end(producer, settings.topics.camera_states, cameras)
        _summary(player, publisher, spool.dropped, left, time.monotonic() - started)
    if publisher.failure is not None:
        raise publisher.failure
    if left:
        raise Transient(
            f"{left} frames were not sent: the broker at {settings.kafka.bootstrap_servers} took "
            "none of them in time (settings kafka.bootstrap_servers, camera.spool.drain_s)"
        )


def _taken(
    settings: CameraProcessSettings, listing: Played | None, stop: Stop, clock: DeviceClock
) -> Iterator[Taken]:
    """What the source gives."""
    camera, most = settings.camera, settings.kafka.max_frame_bytes
    if camera.source.startswith(WATCH):
        folder = Path(camera.source.removeprefix(WATCH))
        return watched_shots(folder, most, camera.settle_s, stop, camera.part)
    if not camera.live:
        return shots(camera, most, listing)
    from workers.camera.devices.live import live_shots
    from workers.camera.devices.open import open_device

    device = open_device(camera.source, camera.device)
    once = _is_file(camera) and not camera.loop
    return live_shots(device, camera.device, stop, once=once, clock=clock)


def _after_sending(camera: CameraSettings) -> Callable[[Shot], None]:
    if not camera.source.startswith(WATCH):
        return lambda _: None
    return lambda shot: after_sending(shot, camera.part.sidecar)


def _is_file(camera: CameraSettings) -> bool:
    """Whether it is a video that has an end."""
    where = camera.source.removeprefix("video:")
    return where != camera.source and "://" not in where and not where.startswith("/dev/")


def _rate(camera: CameraSettings) -> float:
    """What comes by itself has a pace of its own."""
    return camera.rate if not camera.live or _is_file(camera) else 0.0


def _listing(camera: CameraSettings) -> Played | None:
    if camera.source == SYNTHETIC or camera.live:
        return None
    listing = list_files(camera.source)
    if listing.skipped:
        names = ", ".join(path.name for path in listing.skipped[:_NAMED])
        log.warning("files that are no images are skipped", count=len(listing.skipped), e_g=names)
    return listing


def _drain(publisher: SpooledPublisher, spool: Spool, drain_s: float, stop: Stop) -> None:
    """Send what waits: without a deadline at the end of a source, with one after a stop."""
    spool.close()
    while publisher.running and not stop.is_set():
        stop.wait(_POLL_S)
    publisher.finish(drain_s)


def _summary(
    player: Player, publisher: SpooledPublisher, dropped: int, left: int, seconds: float
) -> None:
    log.info(
        "camera done",
        captured=player.counts.captured,
        sent=publisher.sent,
        dropped=dropped,
        refused=player.counts.refused + publisher.refused,
        missed=player.counts.missed.total(),
        not_sent=left,
        mib=round(publisher.sent_bytes / 2**20, 1),
        seconds=round(seconds, 1),
        frames_per_s=round(publisher.sent / max(seconds, 1e-6), 1),
    )


def _told(said: bool | None) -> float:
    return math.nan if said is None else float(said)


def _health(
    settings: CameraProcessSettings, metrics: CameraMetrics, publisher: SpooledPublisher
) -> HealthServer:
    """Unready while the broker is away."""

    def ready() -> str | None:
        if publisher.away:
            return publisher.problem
        return "the broker is away" if publisher.unanswered_s > _ANSWER_S else None

    metrics.ready.ask_one(lambda: float(ready() is None))
    return HealthServer(settings.health, metrics.registry, ready=ready)


def _metrics(player: Player, publisher: SpooledPublisher, spool: Spool) -> CameraMetrics:
    """The figures are read when they are asked for."""
    metrics = CameraMetrics()
    metrics.captured.ask_one(lambda: player.counts.captured)
    metrics.sent.ask_one(lambda: publisher.sent)
    metrics.sent_bytes.ask_one(lambda: publisher.sent_bytes)
    metrics.failures.ask_one(lambda: publisher.failures)
    metrics.dropped.ask_one(lambda: spool.dropped)
    metrics.refused.ask_one(lambda: player.counts.refused + publisher.refused)
    metrics.missed.ask(lambda: {(why,): n for why, n in dict(player.counts.missed).items()})
    metrics.waiting.ask_one(lambda: spool.held)
    metrics.waiting_bytes.ask_one(lambda: spool.held_bytes)
    metrics.unanswered.ask_one(lambda: publisher.unanswered_s)
    return metrics
