"""`stream-inspector topics`: flags and help. Nothing heavy is imported before it runs."""

from pathlib import Path
from typing import Annotated

import typer

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import Terminal, complain
from workers.runtime.listing import AsCsv, AsJson, Column, Listing, form
from workers.runtime.settings.process import parse_assignments

topics = typer.Typer(no_args_is_help=True, help="The stage's topics on Kafka.")


@topics.callback()
def _group() -> None:
    """A group, so that its only command keeps its name."""


@topics.command()
def create(
    *,
    config: Annotated[
        Path | None, typer.Option("--config", help="YAML file, e.g. configs/topics.yaml")
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", help="key.path=value, repeatable")
    ] = None,
    bootstrap_servers: Annotated[
        str | None, typer.Option("--bootstrap-servers", help="Kafka, host:port")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only say what is missing or different")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Create the topics that are missing; say where existing ones differ.

    Partitions, replicas, retention and the largest message follow from the settings. A topic that
    exists is never changed: more partitions would move cameras between workers, out of order.

    Examples:

      stream-inspector topics create --config configs/topics.yaml

      stream-inspector topics create --set topics.partitions=12 --set plan.replication_factor=3

    Exit codes: 0 all topics are there, 69 no broker, 77 login or right refused, 78 wrong setting.
    """
    how = form(as_json, as_csv)
    from workers.topics.settings import TopicsProcessSettings

    overrides = {"kafka.bootstrap_servers": bootstrap_servers} if bootstrap_servers else {}
    try:
        settings = TopicsProcessSettings.load(
            config, parse_assignments(assignments or []) | overrides
        )
    except SettingsError as error:
        complain(error)
        raise typer.Exit(SettingsError.exit_code) from None

    from workers.runtime.bus.kafka.admin.topics import TopicState, ensure_topics
    from workers.runtime.lifecycle import run_process

    states: list[TopicState] = []

    def body(_: object) -> None:
        states.extend(ensure_topics(settings.kafka, settings.plans(), dry_run=dry_run))

    code = run_process("topics", settings.log, body)
    columns = (Column("topic"), Column("state"), Column("differs"))
    listing = Listing(Terminal(), *columns, form=how)
    for state in states:
        word = ("missing" if dry_run else "created") if state.created else "there"
        listing.add(state.name, word, "; ".join(state.differences) or None)
    listing.close()
    raise typer.Exit(code)
