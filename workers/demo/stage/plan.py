"""What a run will send, and the flags of each process. Pure, so that it can be tested."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workers.camera.sources import list_files
from workers.demo.settings import SYNTHETIC_CATEGORY, DemoSettings
from workers.demo.stage.brokers import BROKERS
from workers.demo.stage.folder import RunFolder
from workers.offline.images.datasets import test_files
from workers.runtime.datasets.files import name_of
from workers.runtime.errors import SettingsError
from workers.runtime.host.control_group import whole_processors
from workers.runtime.names import check_name
from workers.runtime.settings.process import KafkaSettings, RedisSettings, TopicSettings

_SYNTHETIC_BYTES = 256 * 256 * 3  # a rendered frame's PNG is never larger than its pixels, nearly
_SYNTHETIC_FRAMES = 120


@dataclass(frozen=True, slots=True)
class Load:
    """What the cameras will send."""

    category: str
    source: str
    frames: int
    loop: bool
    note: str  # why there are fewer frames than asked for, if so


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the servers are."""

    kafka: KafkaSettings
    redis: RedisSettings
    topics: TopicSettings

    def flags(self) -> dict[str, Any]:
        """For every process."""
        return {
            "kafka.bootstrap_servers": self.kafka.bootstrap_servers,
            "kafka.max_frame_bytes": self.kafka.max_frame_bytes,
            "kafka.session_timeout_ms": self.kafka.session_timeout_ms,
            "kafka.heartbeat_interval_ms": self.kafka.heartbeat_interval_ms,
            "redis.url": self.redis.url,
            "topics.partitions": self.topics.partitions,
        }


def plan_load(settings: DemoSettings) -> Load:
    """Decide what is sent, within what a broker may keep in memory."""
    if settings.data is None:
        category, source = settings.category or SYNTHETIC_CATEGORY, "synthetic"
        available, size = 10**9, _SYNTHETIC_BYTES
        wanted = settings.frames or _SYNTHETIC_FRAMES
    else:
        test_files(settings.data)  # says what is missing
        category = settings.category or check_category(name_of(settings.data))
        source = str(settings.data.absolute())
        files = list_files(source).files
        available = len(files)
        size = max(1, sum(path.stat().st_size for path in files) // available)
        wanted = settings.frames or available
    in_memory = BROKERS[settings.broker].in_memory
    most = max(1, settings.broker_bytes // size) if in_memory else wanted
    note = "" if wanted <= most else f"{most} frames instead of {wanted}: the embedded broker keeps"
    note += f" all in memory (demo.broker_bytes = {settings.broker_bytes})" if note else ""
    return Load(category, source, min(wanted, most), min(wanted, most) > available, note)


def check_category(name: str) -> str:
    """The data folder's name as a category's. Raises SettingsError."""
    try:
        return check_name(name)
    except ValueError as error:
        raise SettingsError(
            f"--data: the folder's name is the category: {error}; or give --category"
        ) from None


def camera_flags(settings: DemoSettings, load: Load, run: RunFolder) -> dict[str, Any]:
    """The cameras that play good and defective parts."""
    ids = [f"cam-{number + 1}" for number in range(settings.cameras)]
    return {
        "camera.source": load.source,
        "camera.category": load.category,
        "camera.ids": ids,
        "camera.rate": settings.rate,
        "camera.frames": load.frames,
        "camera.loop": load.loop,
        "camera.shuffle": True,
        "camera.sent_log": run.books[0],
        # an even spread: hashing three cameras onto four partitions may put two on one
        "camera.partitions": {name: number for number, name in enumerate(ids)},
        "camera.synthetic.seed": settings.seed,
    }


def poison_flags(settings: DemoSettings, load: Load, run: RunFolder, files: Path) -> dict[str, Any]:
    """A camera whose pictures cannot be decoded."""
    return {
        "camera.source": files,
        "camera.category": load.category,
        "camera.ids": ["cam-broken"],
        "camera.rate": 0.5,
        "camera.frames": settings.poison,
        "camera.sent_log": run.books[1],
    }


def worker_flags(
    number: int, settings: DemoSettings, load: Load, run: RunFolder, *, engine: str, port: int
) -> dict[str, Any]:
    """One inspection worker. The processor's cores are shared out."""
    return {
        "worker.id": f"worker-{number + 1}",
        "worker.delivery": BROKERS[settings.broker].delivery,
        "models.store": run.folder("models"),
        "models.engine": engine,
        "models.threads": max(1, whole_processors() // settings.workers),
        "categories.names": [load.category],
        "health.port": port,
    }


def explainer_flags(settings: DemoSettings, run: RunFolder) -> dict[str, Any]:
    """What makes the pictures, beside the verdicts."""
    return {
        "explainer.id": "explainer",
        "explainer.delivery": BROKERS[settings.broker].delivery,
        "models.store": run.folder("models"),
        "evidence.url": run.folder("evidence"),
    }


def notifier_flags(run: RunFolder) -> dict[str, Any]:
    """The alarm service, delivering to a topic and a file."""
    return {
        "notifier.folder": run.folder("notifier"),
        "notifier.delivery.file": run.alarms,
        "notifier.rules.window_s": 5,  # short, so that grouped alarms come while one watches
        "notifier.watch.silent_after_s": 0,  # the demo's cameras fall silent because it ends
    }
