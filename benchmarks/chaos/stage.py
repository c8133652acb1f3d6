"""The stage under load: a camera process, two or more workers that are restarted, a notifier."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import psutil
from PIL import Image

from benchmarks.chaos.gate import GateSide
from benchmarks.chaos.observer import Findings, Observer
from benchmarks.chaos.surroundings import WallClock, small_disk
from benchmarks.chaos.webhook import Webhook
from benchmarks.chaos.worker import BRIGHT, DEADLY, ORDER
from schemas.frame import Frame, encode_frame, new_frame_id
from workers.demo.stage.processes import Child, flags
from workers.runtime.bus.kafka.connect import connect_producer, create_topics
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settings.process import KafkaSettings

ROOT = Path(__file__).parents[2]
PARTITIONS, CAMERAS, CATEGORY = 4, 7, "flange"
POISON_EVERY, DEFECT_EVERY = 20, 10  # files; 7 cameras take turns, so each gets its share
PATIENCE_S = 120.0
_SETTLE_S = 3.0  # what comes late would come twice
_DRAIN_S = 60.0


class Worker:
    """A worker that is started again whenever it ends, as an orchestrator would."""

    def __init__(
        self, name: str, folder: Path, settings: dict[str, Any], environment: Mapping[str, str]
    ) -> None:
        self.name, self._folder, self._settings = name, folder, settings
        self._environment = environment
        self._starts = 0
        self.wanted = True
        self.start()

    def start(self) -> None:
        """Start it."""
        self._starts += 1
        self.started_at = time.time()
        command = [sys.executable, "-m", "benchmarks.chaos.worker", "worker"]
        self._order = self._folder / f"{self.name}.order"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *flags(self._settings | {"worker.id": self.name})],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=os.environ
                | {ORDER: str(self._order), "OMP_NUM_THREADS": "1"}
                | dict(self._environment),
            )

    @property
    def log(self) -> Path:
        """Of the present process."""
        return self._folder / f"{self.name}-{self._starts}.log"

    def order(self, step: str, number: signal.Signals) -> None:
        """Have it send itself a signal at a step of its next transaction."""
        self._order.write_text(f"{step} {number.name}")
        self.process.send_signal(signal.SIGUSR1)

    @property
    def stopped(self) -> bool:
        """Whether it is frozen."""
        return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED


class Stage:
    """Everything that runs, on topics of its own. `watch` has to be called all the time."""

    def __init__(
        self,
        servers: str,
        redis_port: int,
        folder: Path,
        name: str,
        *,
        rate: float,
        kafka: KafkaSettings,
        stable_ids: bool = False,
        worker_servers: tuple[str, ...] = (),
        with_gate: bool = False,
        explains: bool = False,
    ) -> None:
        """`rate`: frames/s of each camera. `explains`: an explainer is part of it.

        `worker_servers`: how worker 0, 1 ... reach Kafka.
        """
        self._servers, self._redis_port, self._folder, self.name = (
            servers,
            redis_port,
            folder / name,
            name,
        )
        self._rate, self._kafka, self._stable_ids = rate, kafka, stable_ids
        self._worker_servers, self._with_gate, self._explains = worker_servers, with_gate, explains
        self.gate: GateSide | None = None
        kinds = ("frames", "outcomes", "defects", "explanations", "dead_letters", "resolutions")
        kinds = (*kinds, "alarms")
        self.topics = {kind: f"{name}-{kind.replace('_', '-')}" for kind in kinds}
        self.notifiers, self.partitions = f"{name}-notifiers", PARTITIONS
        self.workers: list[Worker] = []
        self.ends: Counter[int] = Counter()  # exit code -> how often, of workers
        self.surprises: list[str] = []  # workers that ended by themselves
        self.unsent = 0
        self._injected: list[str] = []
        self._closing = ExitStack()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        self.disk = self._closing.enter_context(small_disk(self._folder / "disk"))
        self.clock = WallClock(self._folder)
        self.webhook = self._closing.enter_context(Webhook())
        create_topics(self._kafka, dict.fromkeys(self.topics.values(), PARTITIONS))
        watched = {k: v for k, v in self.topics.items() if k != "resolutions"}
        self.observer = self._closing.enter_context(Observer(self._servers, watched, PARTITIONS))
        self._closing.callback(self._kill_workers)
        for _ in range(2):
            self.add_worker()
        self.start_notifier()
        self._closing.callback(self._stop_notifier)
        if self._with_gate:
            cameras = [f"cam-{number + 1}" for number in range(CAMERAS)]
            side = GateSide(self._folder, cameras, self._shared())
            self.gate = self._closing.enter_context(side)
        if self._explains:
            self.observer.explains = True
            self.start_explainer()
            self._closing.callback(self._stop_explainer)
        make_pictures(self._folder / "pictures")
        self.camera = Child("camera", ["camera", *flags(self._camera())], self._folder, _DRAIN_S)
        self._closing.callback(self.camera.stop)
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.close()

    # -- processes ------------------------------------------------------------------------------

    def add_worker(self) -> Worker:
        """One more."""
        number = len(self.workers)
        logs = self.disk.folder if number == 1 else self._folder
        environment = self.clock.environment
        worker = Worker(f"worker-{number}", logs, self._worker(number), environment)
        self.workers.append(worker)
        return worker

    def start_notifier(self) -> None:
        """Start it (again)."""
        given = self._shared() | {
            "notifier.folder": self.disk.folder / "notifier",
            "notifier.group": self.notifiers,
            "notifier.delivery.channels": {"hook": {"url": self.webhook.url, "digest": False}},
            "notifier.delivery.retry_max_s": 5,
            "notifier.delivery.console": False,
            "notifier.rules.window_s": 0.001,  # an alarm for each event: they can be counted
            "notifier.watch.silent_after_s": 0,
        }
        command = ["notifier", *flags(given)]
        self.notifier = Child("notifier", command, self.disk.folder, 10, self.clock.environment)

    def _stop_notifier(self) -> None:
        self.notifier.stop()  # the present one

    def start_explainer(self) -> None:
        """Start it (again). It knows no model: each explanation says so, once for each defect."""
        given = self._shared() | {
            "redis.url": f"redis://127.0.0.1:{self._redis_port}/0",
            "models.store": self._folder / "models",
            "evidence.url": self._folder / "evidence",
            "explainer.group": f"{self.name}-explainers",
            "explainer.counterparts": False,
            "explainer.delivery": "exactly-once",
        }
        self.explainer = Child("explainer", ["explainer", *flags(given)], self._folder, 10)

    def _stop_explainer(self) -> None:
        self.explainer.stop()  # the present one

    def _shared(self) -> dict[str, Any]:
        kafka = self._kafka
        names = {f"topics.{kind}": name for kind, name in self.topics.items()}
        return names | {
            "kafka.bootstrap_servers": self._servers,
            "kafka.session_timeout_ms": kafka.session_timeout_ms,
            "kafka.heartbeat_interval_ms": kafka.heartbeat_interval_ms,
            "kafka.transaction_timeout_ms": kafka.transaction_timeout_ms,
        }

    def _worker(self, number: int) -> dict[str, Any]:
        given = self._shared() | {
            "redis.url": f"redis://127.0.0.1:{self._redis_port}/0",
            "redis.timeout_s": 1,
            "categories.names": [CATEGORY],
            "models.null_detector_ms": 30,  # frames are in work when something dies
            "images.decode_timeout_s": 0.3,
            "worker.group": f"{self.name}-inspectors",
            "worker.delivery": "exactly-once",
            "worker.in_flight_frames": 32,
        }
        if self._stable_ids:
            given["worker.transactional_id"] = f"{self.name}-{number}"
        if number < len(self._worker_servers):
            given["kafka.bootstrap_servers"] = self._worker_servers[number]
        return given

    def _camera(self) -> dict[str, Any]:
        return self._shared() | {
            "camera.source": self._folder / "pictures",
            "camera.category": CATEGORY,
            "camera.loop": True,
            "camera.count": CAMERAS,
            "camera.rate": self._rate,
            "camera.sent_log": self._folder / "sent.jsonl",
            "camera.spool.drain_s": _DRAIN_S,
        }

    def _kill_workers(self) -> None:
        for worker in self.workers:
            worker.process.kill()
            worker.process.wait()

    # -- the run --------------------------------------------------------------------------------

    def inject_deadly_frame(self) -> str:
        """Send the frame that kills whoever inspects it; returns its id."""
        return self.inject(_png(DEADLY))

    def inject(
        self,
        data: bytes,
        headers: Sequence[tuple[str, bytes]] = (),
        key: bytes | None = None,
    ) -> str:
        """Send a frame of a camera of its own; returns its id."""
        frame = Frame(
            frame_id=new_frame_id(),
            camera_id=f"odd-{len(self._injected)}",
            category=CATEGORY,
            sequence=0,
            captured_at=datetime.now(UTC),
            content_type="image/png",
            data=data,
        )
        message = encode_frame(frame)
        message = replace(message, headers=(*message.headers, *headers), key=key or message.key)
        producer = connect_producer(self._kafka, "chaos")
        producer.publish([Outgoing(self.topics["frames"], message)])
        producer.close()
        self._injected.append(frame.frame_id)
        return frame.frame_id

    def watch(self, until: Callable[[], bool], seconds: float = PATIENCE_S) -> bool:
        """Restart what ends, until something is true. False: it did not come true in time."""
        deadline = time.monotonic() + seconds
        while not until():
            if time.monotonic() > deadline:
                return False
            for worker in self.workers:
                self._revive(worker)
            time.sleep(0.02)
        return True

    def rest(self, seconds: float) -> None:
        """Let it run."""
        end = time.monotonic() + seconds
        self.watch(lambda: time.monotonic() >= end, seconds + 1)

    def _revive(self, worker: Worker) -> None:
        code = worker.process.poll()
        if code is None or not worker.wanted:
            return
        self.ends[code] += 1
        if code not in (-signal.SIGKILL, -signal.SIGABRT):
            tail = "\n".join(worker.log.read_text(errors="replace").splitlines()[-15:])
            self.surprises.append(f"{worker.name} ended with {code}:\n{tail}")
        worker.start()

    def flows(self, since: float | None = None) -> bool:
        """Wait until every partition has outcomes of frames captured from now (or `since`) on."""
        start = time.time() if since is None else since
        return self.watch(lambda: self.observer.flowing(start))

    def settles(self) -> bool:
        """Wait until all is well: every partition flows, and every worker has its share."""
        wanted = [worker for worker in self.workers if worker.wanted]
        heard = self.observer.heard_of
        return self.flows() and self.watch(
            lambda: all(heard(worker.name, worker.started_at) for worker in wanted)
        )

    @property
    def answers(self) -> int:
        """How many the PLC was told; 0 without a gate."""
        return len(self.gate.plc.told) if self.gate else 0

    def sent(self) -> set[str]:
        """The frames that the camera says it sent, and ours."""
        lines = (self._folder / "sent.jsonl").read_text().splitlines()
        return {json.loads(line)["frame_id"] for line in lines} | set(self._injected)

    def findings(self, sent: Iterable[str]) -> Findings:
        """What went wrong, the last step of alarms included."""
        found = replace(self.observer.findings(sent), alarms_untold=self._untold())
        if self.gate is None:
            return found
        seen = self.observer.outcomes
        unanswered, wrong = self.gate.unanswered(seen), self.gate.wrong(seen)
        return replace(found, unanswered=unanswered, answered_wrong=wrong)

    def _untold(self) -> tuple[str, ...]:
        """Alarms on the topic that the webhook neither took nor refused."""
        hook = self.webhook
        return tuple(sorted(set(self.observer.alarm_ids) - set(hook.taken) - hook.refused))

    def conclude(self) -> bool:
        """Stop the camera, wait for every outcome and alarm. False: some did not come in time."""
        self.camera.ask_to_stop()
        self.watch(lambda: self.camera.code is not None, _DRAIN_S + 5)
        self.unsent = self.camera.stop()
        sent = self.sent()

        def complete() -> bool:
            seen = self.observer
            told = {*seen.letters, *seen.defects} <= seen.alarmed and not self._untold()
            told = told and (not self._explains or {*seen.defects} <= {*seen.explained})
            here = told and sent <= seen.answered() and sent <= set(seen.written)
            return here and not (self.gate and self.gate.unanswered(seen.outcomes))

        done = self.watch(complete)
        self.rest(_SETTLE_S)
        return done


def make_pictures(folder: Path) -> None:
    """The files that the cameras play in turns: good, defective, and one that is no image."""
    folder.mkdir()
    for number in range(POISON_EVERY):
        defective = number % DEFECT_EVERY == 3
        data = _png(BRIGHT + 20 if defective else 60 + number)
        if number == POISON_EVERY - 1:
            data = b"no image at all"
        (folder / f"{number:03}.png").write_bytes(data)


def _png(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (64, 64), grey).save(buffer, "PNG")
    return buffer.getvalue()
