"""`stream-inspector explainer`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import complain
from workers.runtime.settings.process import parse_assignments


def explainer(
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file, e.g. configs/explainer.yaml")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, repeatable")
    ] = None,
    near_misses: Annotated[
        bool | None, typer.Option("--near-misses/--no-near-misses", help="explain these too")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="model store: a folder or an fsspec URL")
    ] = None,
    evidence: Annotated[
        str | None, typer.Option("--evidence", help="where pictures go: a folder or an fsspec URL")
    ] = None,
    device: Annotated[str | None, typer.Option("--device", help="cpu, cuda, cuda:1")] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option("--bootstrap-servers", help="Kafka, host:port")
    ] = None,
    redis_url: Annotated[
        str | None, typer.Option("--redis-url", help="Redis or Valkey, redis://host:port/0")
    ] = None,
) -> None:
    """Explain defects: fetch their frames, make and store heatmap, outline and counterpart.

    Examples:

      stream-inspector explainer --config configs/explainer.yaml

      stream-inspector explainer --store models --evidence evidence --near-misses

    Start as many as the defects topic has partitions, on any device; verdicts never wait for them.
    Each defect gets one explanation on the topic `explanations`: explained, skipped with the
    reason, or expired, when retention took its frame before.

    Exit codes: 0 ended as asked, 69 a server is not reachable, 70 internal error, 75 device or
    broker client hangs (restart), 77 login or right refused, 78 wrong setting.
    """
    flags: dict[str, Any] = {
        "explainer.near_misses": near_misses,
        "models.store": store,
        "evidence.url": evidence,
        "models.device": device,
        "kafka.bootstrap_servers": bootstrap_servers,
        "redis.url": redis_url,
    }
    given = {path: value for path, value in flags.items() if value is not None}
    raise typer.Exit(_run(config, assignments or [], given))


def _run(config: Path | None, assignments: list[str], flags: dict[str, Any]) -> int:
    from workers.explainer.settings import ExplainerSettings

    try:
        settings = ExplainerSettings.load(config, parse_assignments(assignments) | flags)
    except SettingsError as error:
        complain(error)
        return SettingsError.exit_code

    from workers.explainer.run import run_explainer
    from workers.runtime.lifecycle import leave, run_process

    ids = {"explainer": settings.explainer_id}
    code = run_process("explainer", settings.log, lambda stop: run_explainer(settings, stop), ids)
    leave(code)
    return code
