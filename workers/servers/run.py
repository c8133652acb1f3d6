"""Keeps broker and store until somebody stops the command, or one of them ends."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from workers.runtime.errors import SettingsError
from workers.runtime.host.terminal import text
from workers.runtime.lifecycle import StopSignal
from workers.runtime.servers.apache_kafka import ApacheKafka
from workers.runtime.servers.embedded import EmbeddedBroker, EmbeddedStore
from workers.runtime.servers.process import ServerFailed

_LOOK_EVERY_S = 0.5
_ENV = "settings.env"
_MEMORY = "in memory: its records are gone when it stops"


@dataclass(frozen=True, slots=True)
class Trial:
    """What to start."""

    broker: str
    folder: Path | None  # of the state; None: it is forgotten
    kafka_port: int  # 0: a free one
    redis_port: int


def keep_servers(trial: Trial, console: Console, stop: StopSignal) -> None:
    """Start both, say how to reach them, and wait. Raises ServerFailed when one of them ends."""
    broker, store = _broker(trial), _store(trial)
    with ExitStack() as running:
        with stop.at_once():
            running.enter_context(store)
            running.enter_context(broker)
        _tell(trial, broker.bootstrap_servers, store.url, console)
        while not stop.wait(_LOOK_EVERY_S):
            for name, server in (("broker", broker), ("store", store)):
                if not server.running:
                    raise ServerFailed(f"the {name} ended by itself: {server.last_words()}")
    console.print("Both are stopped.")


def _broker(trial: Trial) -> EmbeddedBroker | ApacheKafka:
    if trial.broker == "embedded":
        return EmbeddedBroker(trial.kafka_port)
    return ApacheKafka(port=trial.kafka_port, folder=_folder(trial, "kafka"))


def _store(trial: Trial) -> EmbeddedStore:
    return EmbeddedStore(trial.redis_port, _folder(trial, "store"))


def _folder(trial: Trial, name: str) -> Path | None:
    if trial.folder is None:
        return None
    folder = (trial.folder / name).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--folder: {folder}: {error.strerror}") from None
    return folder


def _tell(trial: Trial, bootstrap: str, url: str, console: Console) -> None:
    kept = trial.folder is not None
    kafka = f"kept in {trial.folder}" if kept and trial.broker == "kafka" else _MEMORY
    console.print(text(("broker  ", "bold"), f"{bootstrap}  ({trial.broker}, {kafka})"))
    store = f"kept in {trial.folder}" if kept else _MEMORY
    console.print(text(("store   ", "bold"), f"{url}  ({store})"))
    variables = {
        "STREAM_INSPECTOR_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "STREAM_INSPECTOR_REDIS__URL": url,
    }
    if (trial.kafka_port, trial.redis_port) == (9092, 6379):
        console.print("All commands on this machine find them without any setting.")
    else:
        console.print("Tell the other commands, in each of their terminals:")
        for name, value in variables.items():
            console.print(text(f"export {name}={value}"), soft_wrap=True)
    if trial.folder is not None:
        _write(trial.folder / _ENV, variables)
        console.print(text(f"Or: set -a; . {trial.folder / _ENV}; set +a"), soft_wrap=True)
    console.print("Ready. Ctrl-C stops both.")


def _write(file: Path, variables: Mapping[str, str]) -> None:
    try:
        file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    except OSError as error:
        raise SettingsError(f"--folder: {file}: {error.strerror}") from None
