"""Which checks a process has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from workers.camera.settings import SYNTHETIC, CameraProcessSettings
from workers.camera.sources import list_files
from workers.doctor import broker_desk, clock_checks, redis_desk, settings_checks, store_checks
from workers.doctor.broker_desk import BrokerDesk
from workers.doctor.findings import Check, Finding, ok
from workers.doctor.redis_desk import RedisDesk
from workers.inspector.settings import InspectorSettings
from workers.notifier.settings import NotifierProcessSettings
from workers.runtime.bus.kafka_survey import survey
from workers.runtime.categories import Category
from workers.runtime.registry import Registry
from workers.runtime.settings import ProcessSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis_survey import RedisSurvey

_LOAD_S = 300.0  # a model that this device has not seen is exported and timed first
_DEVICE = ("present", "engine", "threads", "memory")


@contextmanager
def planned(
    settings: ProcessSettings,
    file: Path | None,
    categories: Mapping[str, Category],
    cameras: Sequence[str] = (),
    *,
    quick: bool = False,
) -> Iterator[list[Check]]:
    """All checks of the process with these settings; connections are closed at the end."""
    with survey(settings.kafka) as asked:
        broker, redis = BrokerDesk(asked, settings, cameras), None
        checks = settings_plan(settings, file, categories) + broker.checks()
        if isinstance(settings, InspectorSettings):
            redis = RedisDesk(RedisSurvey(settings.redis), required=settings.models.require_redis)
            checks += redis.checks() + worker_plan(settings, categories, quick=quick)
        yield checks + clock_plan(broker, redis)


def settings_plan(
    settings: ProcessSettings, file: Path | None, categories: Mapping[str, Category]
) -> list[Check]:
    """Files, secrets and folders."""
    found = [
        Check("settings", "read", partial(settings_checks.check_read, settings, file)),
        Check("settings", "files", partial(settings_checks.check_files, settings)),
        Check("settings", "secrets", partial(settings_checks.check_secrets, settings, file)),
    ]
    if isinstance(settings, InspectorSettings):
        run = partial(settings_checks.check_masks, categories)
        found.append(Check("settings", "categories", run))
    if isinstance(settings, NotifierProcessSettings):
        folder = partial(settings_checks.check_folder, settings.notifier.folder, "notifier.folder")
        found.append(Check("settings", "folder", folder))
        found.append(Check("settings", "channels", partial(_channels, settings)))
    if isinstance(settings, CameraProcessSettings):
        found.append(Check("settings", "source", partial(_source, settings)))
    return found


def worker_plan(
    settings: InspectorSettings, categories: Mapping[str, Category], *, quick: bool
) -> list[Check]:
    """Stores, models and the device: what only a worker has."""
    models, evidence = settings.models, settings.evidence
    null = models.null_detector_ms is not None  # inspects nothing, and needs no models
    found = [] if null else [_store("models", partial(_models_store, models.store), "models.store")]
    if evidence.url:
        found.append(_store("evidence", partial(_evidence_store, evidence.url), "evidence.url"))
    found += [Check("device", name, partial(_device, name, settings)) for name in _DEVICE]
    if not quick:
        run = partial(_device, "precision", settings)
        found.append(Check("device", "precision", run, "device: present", 60.0))
    if not null:
        run = partial(_room, settings, tuple(categories))
        found.append(Check("models", "memory", run, "stores: models"))
    for category in () if null else categories.values():
        name = category.name
        found.append(Check("models", name, partial(_version, settings, category), "stores: models"))
        if not quick:
            run = partial(_on_device, settings, name)
            found.append(
                Check("models", f"{name} on {models.device}", run, f"models: {name}", _LOAD_S)
            )
    return found


def _store(name: str, run: Callable[[], list[Finding]], setting: str) -> Check:
    return Check("stores", name, run, do="name one that this user may use", setting=setting)


def clock_plan(broker: BrokerDesk, redis: RedisDesk | None) -> list[Check]:
    """This machine's clock, and the others that it is compared with."""
    kernel = Check(
        "clocks", "this machine", lambda: clock_checks.judge_kernel(clock_checks.kernel_state())
    )
    newest = Check("clocks", "cameras", broker.newest_frame, broker_desk.REACHABLE)
    beside = [Check("clocks", "Redis", redis.clock, redis_desk.REACHABLE)] if redis else []
    return [kernel, *beside, newest]


def _channels(settings: NotifierProcessSettings) -> list[Finding]:
    from workers.notifier.channels import AppriseChannel

    urls = settings.notifier.delivery.apprise_urls
    names = [AppriseChannel(url).name for url in urls]  # raises when Apprise does not know it
    return [ok(f"{len(names)} Apprise URLs understood; nothing is sent")]


def _source(settings: CameraProcessSettings) -> list[Finding]:
    source = settings.camera.source
    if source == SYNTHETIC:
        return [ok("rendered pictures")]
    listing = list_files(source)
    return [ok(f"{len(listing.files)} images, {len(listing.skipped)} other files are skipped")]


def _models_store(url: str) -> list[Finding]:
    return store_checks.check_models_readable(open_blobs(url), url)


def _evidence_store(url: str) -> list[Finding]:
    return store_checks.check_evidence_writable(open_blobs(url), url)


def _device(name: str, settings: InspectorSettings) -> list[Finding]:
    from workers.doctor import device_checks

    checks = {
        "present": partial(device_checks.check_present, settings.models),
        "engine": partial(device_checks.check_engine, settings.models),
        "precision": partial(device_checks.check_precision, settings.models),
        "threads": partial(device_checks.check_threads, settings),
        "memory": partial(device_checks.check_memory, settings),
    }
    return checks[name]()


def _version(settings: InspectorSettings, category: Category) -> list[Finding]:
    from workers.doctor.model_checks import check_version

    registry = Registry(open_blobs(settings.models.store))
    return check_version(registry, category, datetime.now(UTC))


def _room(settings: InspectorSettings, categories: Sequence[str]) -> list[Finding]:
    from workers.doctor.model_checks import check_room
    from workers.inspector.detectors import ModelLoader
    from workers.inspector.device import model_memory

    models, registry = settings.models, Registry(open_blobs(settings.models.store))
    limit = model_memory(models.device, models.memory_mb)
    return check_room(registry, categories, ModelLoader(models).size, limit)


def _on_device(settings: InspectorSettings, category: str) -> list[Finding]:
    from workers.doctor.model_checks import check_on_device
    from workers.inspector.detectors import ModelLoader

    registry = Registry(open_blobs(settings.models.store))
    return check_on_device(registry, category, ModelLoader(settings.models))
