"""What only an explainer has: stores, the device, and Redis where there is one."""

from functools import partial

from workers.doctor.desks.redis import RedisDesk
from workers.doctor.findings import Check, Finding
from workers.doctor.store_plan import evidence_stores, models_store
from workers.explainer.settings import ExplainerSettings
from workers.runtime.bus.kafka.admin.survey import Survey
from workers.runtime.store.redis_survey import RedisSurvey


def explainer_plan(settings: ExplainerSettings, asked: Survey) -> list[Check]:
    """Redis, stores and device. Versions are loaded when verdicts name them."""
    redis = RedisDesk(RedisSurvey(settings.redis), required=False)
    evidence = evidence_stores(settings.evidence, settings.topics.defects, asked)
    stores = [models_store(settings.models.store), *evidence]
    device = [
        Check("device", name, partial(_device, name, settings)) for name in ("present", "engine")
    ]
    return [*redis.checks(), *stores, *device]


def _device(name: str, settings: ExplainerSettings) -> list[Finding]:
    from workers.doctor.checks import device as device_checks

    if name == "present":
        return device_checks.check_present(settings.models)
    return device_checks.check_engine(settings.models)
