"""What each process asks of the broker: topics with rights, a group, a transactional id."""

from dataclasses import dataclass, field

from workers.camera.settings import CameraProcessSettings
from workers.console.settings import ConsoleProcessSettings
from workers.explainer.settings import ExplainerSettings
from workers.gate.settings import GateProcessSettings
from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.kafka.client import EVENT_BYTES, HEADERS_ROOM, record_limit
from workers.runtime.settings.process import ProcessSettings

_NOTIFIER_READS = (
    *("outcomes", "defects", "explanations", "dead_letters", "camera_states", "reviews"),
)

CONSOLE_READS = (
    *("outcomes", "defects", "dead_letters", "resolutions", "alarms", "camera_states"),
    *("reviews", "explanations"),
)


@dataclass(frozen=True, slots=True)
class TopicNeed:
    """A topic, by its key in the section `topics`."""

    key: str
    right: str  # Read or Write
    largest: int  # bytes of a message that must fit; 0: small ones only


@dataclass(frozen=True, slots=True)
class Needs:
    """Of one process."""

    topics: tuple[TopicNeed, ...]
    group: str | None = None
    group_setting: str = ""
    reads: str = ""  # the topic whose lag matters, by its key
    transactional: bool = False
    exactly_once: bool = False  # asked for: without it the process does not start
    transactional_id: str | None = None  # None: random ones
    cameras: tuple[str, ...] = ()
    camera_partitions: dict[str, int] = field(default_factory=dict)


def needs_of(settings: ProcessSettings) -> Needs:
    """What the process with these settings needs. Raises TypeError for any other."""
    kafka = settings.kafka
    frame, letter = kafka.max_frame_bytes + HEADERS_ROOM, record_limit(kafka)
    if isinstance(settings, CameraProcessSettings):
        camera = settings.camera
        return Needs(
            (TopicNeed("frames", "Write", frame), TopicNeed("camera_states", "Write", 0)),
            cameras=camera.camera_ids,
            camera_partitions=dict(camera.partitions),
        )
    if isinstance(settings, InspectorSettings):
        worker = settings.worker
        written = (("outcomes", EVENT_BYTES), ("defects", EVENT_BYTES), ("dead_letters", letter))
        return Needs(
            (
                TopicNeed("frames", "Read", frame),
                *(TopicNeed(key, "Write", size) for key, size in written),
            ),
            worker.group,
            "worker.group",
            "frames",
            transactional=worker.delivery != "at-least-once",
            exactly_once=worker.delivery == "exactly-once",
            transactional_id=worker.transactional_id,
        )
    if isinstance(settings, ExplainerSettings):
        return _of_explainer(settings, frame)
    if isinstance(settings, GateProcessSettings):
        frames = ("frames",) if settings.gate.parts == "frames" else ()
        return Needs(
            tuple(TopicNeed(key, "Read", 0) for key in ("outcomes", *frames)),
            cameras=settings.gate.cameras,
        )
    if isinstance(settings, NotifierProcessSettings):
        notifier = settings.notifier
        read = tuple(TopicNeed(key, "Read", 0) for key in _NOTIFIER_READS)
        alarms = (TopicNeed("alarms", "Write", EVENT_BYTES),) if notifier.delivery.topic else ()
        return Needs(
            read + alarms,
            notifier.group,
            "notifier.group",
            "outcomes",
            cameras=tuple(notifier.watch.expected_cameras),
        )
    if isinstance(settings, ConsoleProcessSettings):
        read = tuple(TopicNeed(key, "Read", 0) for key in CONSOLE_READS)
        pictures = TopicNeed("frames", "Read", frame)
        return Needs((*read, pictures, TopicNeed("reviews", "Write", EVENT_BYTES)))
    raise TypeError(type(settings).__name__)


def _of_explainer(settings: ExplainerSettings, frame: int) -> Needs:
    own = settings.explainer
    near = (TopicNeed("outcomes", "Read", 0),) if own.near_misses else ()
    return Needs(
        (
            TopicNeed("defects", "Read", 0),
            *near,
            TopicNeed("frames", "Read", frame),
            TopicNeed("explanations", "Write", EVENT_BYTES),
        ),
        own.group,
        "explainer.group",
        "defects",
        transactional=own.delivery != "at-least-once",
        exactly_once=own.delivery == "exactly-once",
        transactional_id=own.transactional_id,
    )
