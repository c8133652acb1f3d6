"""`stream-inspector servers`: flags and help. Nothing heavy is imported before it runs."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from workers.runtime.host.terminal import Terminal


class Broker(StrEnum):
    """The brokers that can be started."""

    EMBEDDED = "embedded"
    KAFKA = "kafka"


Kind = Annotated[
    Broker,
    typer.Option(
        help="embedded: starts at once, keeps its records in memory; kafka: Apache Kafka, needs "
        "Java 17 and Maven, keeps them in --folder"
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(help="keep the state here, and settings.env; default: forget it at the end"),
]
KafkaPort = Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")]
RedisPort = Annotated[int, typer.Option(min=0, max=65535, help="0: a free one")]


def servers(
    *,
    broker: Kind = Broker.EMBEDDED,
    folder: Folder = None,
    kafka_port: KafkaPort = 9092,
    redis_port: RedisPort = 6379,
) -> None:
    """Start a Kafka-compatible broker and a Redis-compatible store for a trial; Ctrl-C stops both.

    Examples:

      stream-inspector servers

      stream-inspector servers --folder trial --broker kafka

    At the usual ports the other commands find them without any setting; at others the lines that
    are printed tell them. Both listen on this machine only, and anybody on it may use them.
    docs/first-hour.md goes on from here.
    """
    from workers.runtime.lifecycle import run_process
    from workers.runtime.settings.process import LogSettings
    from workers.servers.run import Trial, keep_servers

    trial = Trial(broker.value, folder, kafka_port, redis_port)
    log = LogSettings(level="warning")
    code = run_process("servers", log, lambda stop: keep_servers(trial, Terminal(), stop))
    raise typer.Exit(code)
