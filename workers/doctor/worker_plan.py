"""What only a worker has: Redis, stores, models and the device. Needs the extra `worker`."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from workers.doctor.desks.redis import REACHABLE, RedisDesk
from workers.doctor.findings import Check, Finding
from workers.doctor.store_plan import models_store
from workers.inspector.settings import InspectorSettings
from workers.runtime.categories import Category
from workers.runtime.registry.registry import Registry
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis_survey import RedisSurvey

_LOAD_S = 120.0  # PyTorch alone takes some seconds to import on a busy machine
_PRESENT = "device: present"
_DEVICE = ("present", "engine", "threads", "memory")


def worker_plan(
    settings: InspectorSettings, categories: Mapping[str, Category], *, quick: bool
) -> tuple[list[Check], Check]:
    """Redis, store, device and models; and the clock of Redis."""
    models = settings.models
    required = models.require_redis and models.null_detector_ms is None
    redis = RedisDesk(RedisSurvey(settings.redis), required=required)
    clock = Check("clocks", "Redis", redis.clock, REACHABLE)
    return redis.checks() + _own_plan(settings, categories, quick=quick), clock


def _own_plan(
    settings: InspectorSettings, categories: Mapping[str, Category], *, quick: bool
) -> list[Check]:
    models = settings.models
    null = models.null_detector_ms is not None  # inspects nothing, and needs no models
    found = [] if null else [models_store(models.store)]
    found += [Check("device", name, partial(_device, name, settings)) for name in _DEVICE]
    if not quick:
        run = partial(_device, "precision", settings)
        found.append(Check("device", "precision", run, _PRESENT, 60.0))
    if not null:
        run = partial(_room, settings, tuple(categories))
        found.append(Check("models", "memory", run, ("stores: models", _PRESENT)))
    for category in () if null else categories.values():
        name = category.name
        found.append(Check("models", name, partial(_version, settings, category), "stores: models"))
        if not quick:
            run = partial(_on_device, settings, name)
            found.append(
                Check(
                    "models",
                    f"{name} on {models.device}",
                    run,
                    (_PRESENT, f"models: {name}"),
                    _LOAD_S,
                )
            )
    return found


def _device(name: str, settings: InspectorSettings) -> list[Finding]:
    from workers.doctor.checks import device as device_checks

    checks = {
        "present": partial(device_checks.check_present, settings.models),
        "engine": partial(device_checks.check_engine, settings.models),
        "precision": partial(device_checks.check_precision, settings.models),
        "threads": partial(device_checks.check_threads, settings),
        "memory": partial(device_checks.check_memory, settings),
    }
    return checks[name]()


def _version(settings: InspectorSettings, category: Category) -> list[Finding]:
    from workers.doctor.checks.models import check_version

    registry = Registry(open_blobs(settings.models.store))
    return check_version(registry, category, datetime.now(UTC))


def _room(settings: InspectorSettings, categories: Sequence[str]) -> list[Finding]:
    from workers.doctor.checks.models import check_room
    from workers.runtime.detectors.device import model_memory
    from workers.runtime.detectors.loading import ModelLoader

    models, registry = settings.models, Registry(open_blobs(settings.models.store))
    limit = model_memory(models.device, models.memory_mb)
    return check_room(registry, categories, ModelLoader(models).size, limit)


def _on_device(settings: InspectorSettings, category: str) -> list[Finding]:
    from workers.doctor.checks.models import check_on_device
    from workers.runtime.detectors.loading import ModelLoader

    registry = Registry(open_blobs(settings.models.store))
    return check_on_device(registry, category, ModelLoader(settings.models))
