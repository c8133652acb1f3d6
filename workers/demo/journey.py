"""The demo from beginning to end: model, stage, stream, count, report."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console

from stream_inspector.detector import Detector
from stream_inspector.model.version import save_model
from workers.demo.books.lines import SentFrame, SentLog
from workers.demo.books.observer import Observer
from workers.demo.books.tally import Tally, tally
from workers.demo.conclude import Ending, Streamed, conclude
from workers.demo.settings import DemoSettings
from workers.demo.stage.brokers import BROKERS
from workers.demo.stage.folder import prepare
from workers.demo.stage.model_source import obtain
from workers.demo.stage.pages import open_browser
from workers.demo.stage.plan import plan_load
from workers.demo.stage.setup import Setup
from workers.demo.stage.stage import Stage
from workers.demo.view import View
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal

_TICK_S = 0.2
_LONGEST_LOOK_S = 24 * 3600.0  # at the console, after the run
_AFTERWARDS_S = 1.5  # late repetitions and alarms are counted too
_SCORE_TOLERANCE = 0.02  # of threshold minus median good score: what batch size may move


def run_demo(
    settings: DemoSettings,
    console: Console,
    stop: StopSignal,
    tell: Callable[[Ending], None],
    *,
    headless: bool,
) -> None:
    """Run everything; `tell` is told how it ended.

    Somebody at a terminal may look at the pages of the console for as long as they like.
    Raises DataError, ModelError, WorkerError with what to do.
    """
    setup = _prepare(settings, console, stop)
    with Stage(settings, setup.load, setup.folder) as stage:
        streamed = _stream(setup, stage, console, stop, headless=headless)
        console.print("Scoring the frames once more for pixel metrics and pictures ...")
        tell(conclude(setup, streamed))
        if stage.pages is not None and not headless:
            console.print(text(f"The console stays at {stage.pages.told}; Ctrl-C ends it."))
            stop.wait(_LONGEST_LOOK_S)


def _prepare(settings: DemoSettings, console: Console, stop: StopSignal) -> Setup:
    folder, load = prepare(settings.out), plan_load(settings)
    if load.note:
        console.print(text((load.note, "yellow")))
    obtained = obtain(settings, load.category, folder.folder("cache"), console, stop)
    made = f"({obtained.model.preset.name}, {obtained.origin})"
    version = (obtained.model.version, "bold")
    console.print(text("Model ", version, f" of {load.category} {made}; loading it ..."))
    detector = Detector(obtained.model, engine=settings.engine)
    promise = BROKERS[settings.broker].promise
    ahead = f"Starting broker and store; delivery is {promise}."
    console.print(text(f"Engine {detector.engine}. {ahead}"))
    return Setup(settings, load, folder, obtained, detector)


def _stream(
    setup: Setup, stage: Stage, console: Console, stop: StopSignal, *, headless: bool
) -> Streamed:
    settings, load = setup.settings, setup.load
    model = setup.obtained.model
    files = save_model(model)
    stage.publish_model(model.version, files.manifest, files.tensors)
    observer = stage.observe()
    console.print("Starting workers, explainer and notifier ...")
    stage.start_inspection(setup.detector.engine, stop)
    if stage.pages is not None:
        console.print(text((f"Console: {stage.pages.told}", "bold")))
        if not headless:
            open_browser(stage.pages.url)
    stage.start_cameras()
    watch = Watch(setup, observer)
    title, expected = f"stream-inspector: {load.category}", load.frames + settings.poison
    with View(console, title, expected, headless=headless) as view:
        patience = Patience(settings.stall_s, settings.ready_s)
        given_up = follow(stage, watch, view, patience, stop)
    stage.stop_processes()
    observer.finish()
    books, sent = watch.look()
    failures = [*([given_up] if given_up else []), *stage.failures, *observer.problems()]
    return Streamed(books, sent, observer, failures, stop.is_set())


class Watch:
    """Compares the books as they grow."""

    def __init__(self, setup: Setup, observer: Observer) -> None:
        books = setup.folder.books[: 1 + bool(setup.settings.poison)]
        self._logs = [SentLog(path) for path in books]
        self.observer, self._tolerance = observer, score_tolerance(setup)

    def look(self) -> tuple[Tally, dict[str, SentFrame]]:
        """The books as they are now."""
        sent = {name: frame for log in self._logs for name, frame in log.read().items()}
        return tally(sent.values(), list(self.observer.outcomes), self._tolerance), sent


def score_tolerance(setup: Setup) -> float:
    """How far two scores of one frame may lie apart: batches of another size move them a little."""
    calibration = setup.obtained.model.calibrations.get(setup.load.category)
    if calibration is None:
        return 0.0
    median = calibration.image_scores[len(calibration.image_scores) // 2]
    return _SCORE_TOLERANCE * abs(calibration.image_threshold - median)


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds in which nothing moves: of outcomes, and of an explainer that loads its model."""

    outcomes_s: float
    explanations_s: float


def follow(
    stage: Stage, watch: Watch, view: View, patience: Patience, stop: StopSignal
) -> str | None:
    """Watch until all frames have outcomes and all defects explanations, or nothing moves.

    Returns what it gave up on, if it did: lost frames and processes that ended tell themselves.
    """
    moved_at, last, settled_at = time.monotonic(), -1, None
    while not stop.wait(_TICK_S):
        books, sent = watch.look()
        now = time.monotonic()
        explained = len(watch.observer.explanations)
        progress = books.sent + len(books.outcomes) + explained
        moved_at, last = (now, progress) if progress != last else (moved_at, last)
        sending = stage.children.sending
        verdicts = not sending and books.settled
        phase = "explaining" if verdicts else "sending" if sending else "finishing"
        view.update(books, sent, watch.observer, phase)
        done = verdicts and (explained >= books.defective or not stage.children.explaining)
        settled_at = (settled_at or now) if done else None
        if settled_at is not None and now - settled_at > _AFTERWARDS_S:
            return None
        if not stage.children.inspecting:
            return None
        limit_s = patience.explanations_s if verdicts else patience.outcomes_s
        if now - moved_at > limit_s:
            return _given_up(limit_s, books.defective - explained if verdicts else 0, sending)
    return None


def _given_up(limit_s: float, unexplained: int, sending: bool) -> str | None:
    if unexplained:
        why = f"no explanation came for {limit_s:g} s (setting demo.ready_s)"
        return f"{unexplained} defects have no pictures: {why}; logs/explainer.log may say why"
    if sending:
        return (
            f"cut short: nothing moved for {limit_s:g} s (setting demo.stall_s) while cameras sent"
        )
    return None
