"""`model push | list | activate`: between model folders and the registry."""

import getpass
import json
import socket
from pathlib import Path

from rich.console import Console
from rich.table import Table

from stream_inspector.errors import InspectorError
from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry import Registry
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import RedisStore
from workers.trainer.model_folder import read_files, read_model
from workers.trainer.settings import TrainerProcessSettings


class NotCalibrated(InspectorError):
    """A model without thresholds judges nothing."""


def open_registry(settings: TrainerProcessSettings, console: Console) -> Registry:
    """The registry, with its cache when Redis answers: the store alone is the truth."""
    cache = RedisStore(settings.redis)
    blobs = open_blobs(settings.models.store)
    try:
        cache.ping()
    except StoreUnavailable:
        console.print(
            f"[yellow]No Redis at {settings.redis.url} (redis.url): workers will see this within "
            "a minute instead of at once.[/]"
        )
        return Registry(blobs)
    return Registry(blobs, cache)


def push(
    settings: TrainerProcessSettings, folder: Path, activate_now: bool, console: Console
) -> None:
    """Verify and store the model in a folder."""
    verified = read_model(folder)
    lacking = [name for name in verified.categories if name not in verified.calibrations]
    if lacking:
        names = ", ".join(lacking)
        raise NotCalibrated(
            f"{folder}: no thresholds for {names}; run `stream-inspector calibrate`"
        )
    registry, files = open_registry(settings, console), read_files(folder)
    version = registry.push(verified.categories, verified.version, files.manifest, files.tensors)
    console.print(f"{', '.join(verified.categories)}: stored version [bold]{version}[/]")
    if activate_now:
        for category in verified.categories:
            _activate(registry, category, version, "pushed", console)


def show(settings: TrainerProcessSettings, category: str, console: Console) -> None:
    """List versions and activations."""
    registry = open_registry(settings, console)
    history = registry.history(category)
    current = history[-1].version if history else None
    table = Table("version", "", "preset", "calibration", title=f"{category} in the model store")
    for version in registry.versions(category):
        manifest = json.loads(registry.fetch(version)[0])
        calibration = manifest.get("calibrations", {}).get(category, {})
        table.add_row(
            version,
            "[green]active[/]" if version == current else "",
            manifest["preset"]["name"],
            calibration.get("promise", "none"),
        )
    console.print(table)
    for entry in history:
        console.print(f"{entry.number:>4}  {entry.at}  {entry.version}  {entry.by}  {entry.why}")


def activate(
    settings: TrainerProcessSettings, category: str, version: str, why: str, console: Console
) -> None:
    """Switch a category to a version."""
    _activate(open_registry(settings, console), category, version, why, console)


def _activate(registry: Registry, category: str, version: str, why: str, console: Console) -> None:
    number = registry.activate(category, version, _who(), why)
    console.print(f"{category}: version [bold]{version}[/] is active (activation {number})")


def _who() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):  # a container's user may have no name
        return socket.gethostname()
