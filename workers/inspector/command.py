"""`stream-inspector worker`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.settings.process import parse_assignments


def worker(
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file, e.g. configs/worker.yaml")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, repeatable")
    ] = None,
    categories: Annotated[
        list[str] | None,
        typer.Option("--category", help="inspect this category, repeatable; no folder is read"),
    ] = None,
    group: Annotated[str | None, typer.Option("--group", help="Kafka consumer group")] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="model store: a folder or an fsspec URL")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1")] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option("--bootstrap-servers", help="Kafka, host:port")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option("--redis-url", help="Redis or Valkey, redis://host:port/0")
    ] = None,
) -> None:
    """Inspect frames: read them from Kafka, score them, publish outcomes, defects, dead letters.

    Examples:

      stream-inspector worker --config configs/worker.yaml

      stream-inspector worker --category flange --store models

    Start as many as there are partitions; they share the work. SIGTERM finishes what is in work,
    publishes, commits and leaves; a second one gives up what is in work. A category without an
    active model waits; it is never rejected.

    Exit codes: 0 ended as asked, 69 a server is not reachable, 70 internal error, 75 decoder,
    device or broker client hangs (restart), 77 login or right refused, 78 wrong setting.
    """
    flags: dict[str, Any] = {
        "categories.names": categories or None,
        "categories.folder": "" if categories else None,
        "worker.group": group,
        "models.store": store,
        "models.device": device,
        "kafka.bootstrap_servers": bootstrap_servers,
        "redis.url": redis_url,
    }
    given = {path: value for path, value in flags.items() if value is not None}
    raise typer.Exit(_run(config, assignments or [], given))


def _run(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> int:
    from workers.inspector.settings import InspectorSettings, known_categories

    try:
        settings = InspectorSettings.load(config, parse_assignments(assignments) | flags)
        categories = known_categories(settings.categories)
    except SettingsError as error:
        complain(error)
        return SettingsError.exit_code

    from workers.inspector.run import run_worker
    from workers.runtime.lifecycle import leave, run_process

    ids = {"worker": settings.worker_id}
    code = run_process(
        "worker", settings.log, lambda stop: run_worker(settings, categories, stop), ids
    )
    leave(code)
    return code
