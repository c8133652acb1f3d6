"""The active model of each category: there, whole, calibrated, and right on this device."""

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from workers.doctor.findings import Finding, failed, ok, or_ok, warning
from workers.inspector.models.keeper import LoadModel
from workers.runtime.categories import Category, asks_for_another, trained_view
from workers.runtime.registry.registry import CorruptVersion, Registry, UnknownVersion

_OLD_DAYS = 365  # lamps age, suppliers change: good parts of a year ago may look different
_MIB = 2**20


def check_version(registry: Registry, category: Category, now: datetime) -> list[Finding]:
    """Digests, calibration and view of the active version."""
    from stream_inspector.errors import InspectorError
    from stream_inspector.model.version import ModelFiles, load_model

    history = registry.history(category.name)
    if not history:
        return [
            failed(
                "no active model: its frames wait, and the worker is unready",
                "push one: `stream-inspector model push FOLDER --activate`",
                "models.store",
            )
        ]
    version = history[-1].version
    try:
        manifest, tensors = registry.stored(version)
        model = load_model(ModelFiles(manifest=manifest, tensors=tensors))
    except (InspectorError, UnknownVersion, CorruptVersion) as error:
        return [failed(f"version {version}: {error}", _ACTIVATE_ANOTHER, "models.store")]
    age = _age_days(history[-1].at, now)
    return or_ok(
        (
            _uncalibrated(version, category.name, model.calibrations),
            _another_view(version, category, model.provenance),
            _old(version, age),
        ),
        f"version {version}, digests right, active for {age} days",
    )


_ACTIVATE_ANOTHER = (
    "activate another version (`stream-inspector model list CATEGORY`), or push again"
)


def check_on_device(registry: Registry, category: str, load: LoadModel) -> list[Finding]:
    """Load it as a worker does, which ends with a test of what it computes here."""
    version = registry.history(category)[-1].version
    manifest, tensors = registry.fetch(version)
    try:
        model = load(manifest, tensors)
    except Exception as error:  # whatever keeps a worker from using it
        says = f"version {version}: {type(error).__name__}: {error}"
        return [failed(says, _ACTIVATE_ANOTHER, "models.device")]
    if category not in json.loads(manifest).get("self_tests", {}):
        says = f"version {version} works, but has no self-test image: its scores were not compared"
        return [warning(says, "calibrate again, which stores one", "models.store")]
    return [ok(f"version {version} scores its self-test image as it should, {model.engine}")]


def check_room(
    registry: Registry, categories: Iterable[str], size: Callable[[bytes], int], limit: int
) -> list[Finding]:
    """Whether all active versions can stay on the device; `size` and `limit` are bytes."""
    found = {last.version for name in categories if (last := registry.last(name))}
    sizes = {version: size(registry.manifest(version)) for version in sorted(found)}
    return judge_room(sizes, limit)


def judge_room(sizes: Mapping[str, int], limit: int) -> list[Finding]:
    """Version -> bytes, and how many there may be in all."""
    needed = sum(sizes.values())
    says = f"{len(sizes)} versions take {needed / _MIB:.0f} of {limit / _MIB:.0f} MiB"
    largest = max(sizes, key=lambda version: sizes[version], default="")
    if largest and sizes[largest] > limit:
        advice = f"set it to {_mib(sizes[largest])} or more, or activate a smaller version"
        return [failed(f"version {largest} alone takes more: {says}", advice, "models.memory_mb")]
    if needed > limit:
        advice = f"set it to {_mib(needed)} if the device has it, or share the categories out"
        says += ": they take turns, and frames wait for that"
        return [warning(says, advice, "models.memory_mb")]
    return [ok(says)]


def _mib(count: int) -> int:
    return -(-count // _MIB)


def _uncalibrated(
    version: str, category: str, calibrations: Mapping[str, object]
) -> Finding | None:
    if category in calibrations:
        return None
    says = f"version {version} has no thresholds for {category}"
    return failed(says, "`stream-inspector calibrate`, then push and activate", "models.store")


def _another_view(
    version: str, category: Category, provenance: Mapping[str, Any]
) -> Finding | None:
    if not asks_for_another(category, trained_view(provenance, category.name)):
        return None
    return warning(
        f"the category's file asks for another view than version {version} was trained with; "
        "frames are inspected through the model's own",
        "train again with --categories, or put the file's view back",
        "categories.folder",
    )


def _old(version: str, days: int) -> Finding | None:
    if days <= _OLD_DAYS:
        return None
    says = f"version {version} has been active for {days} days"
    return warning(says, "calibrate again on recent good images, and compare", "models.store")


def _age_days(since: str, now: datetime) -> int:
    return (now - datetime.fromisoformat(since).astimezone(UTC)).days
