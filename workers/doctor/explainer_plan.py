"""What only an explainer has: stores, the device, and Redis where there is one."""

from functools import partial

from workers.doctor.desks.redis import RedisDesk
from workers.doctor.findings import Check, Finding
from workers.doctor.store_plan import evidence_store, models_store
from workers.explainer.settings import ExplainerSettings
from workers.runtime.store.redis_survey import RedisSurvey


def explainer_plan(settings: ExplainerSettings) -> list[Check]:
    """Redis, stores and device. Versions are loaded when verdicts name them."""
    redis = RedisDesk(RedisSurvey(settings.redis), required=False)
    stores = [models_store(settings.models.store), evidence_store(settings.evidence.url)]
    device = [
        Check("device", name, partial(_device, name, settings)) for name in ("present", "engine")
    ]
    return [*redis.checks(), *stores, *device]


def _device(name: str, settings: ExplainerSettings) -> list[Finding]:
    from workers.doctor.checks import device as device_checks

    if name == "present":
        return device_checks.check_present(settings.models)
    return device_checks.check_engine(settings.models)
