"""Runs an example of a subscriber, and what its tests publish."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from schemas.documents.samples import DEFECT, EXPLANATION
from schemas.envelope import WireMessage
from workers.runtime.bus.kafka.writing.producer import producer_options, write_all
from workers.runtime.bus.ports import Outgoing
from workers.runtime.settings.process import KafkaSettings

PATIENCE_S = 60.0


class Subscriber:
    """A program that prints one JSON line for each defect."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self.process, self._errors = process, errors

    def line(self) -> dict[str, Any]:
        """The next one; fails with what the program said when it prints none."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.errors()
        found: dict[str, Any] = json.loads(text)
        return found

    def errors(self) -> str:
        """What it has said on standard error, in this run and the ones before."""
        return self._errors.read_text()


@contextmanager
def subscriber(command: Sequence[str], folder: Path, **settings: str) -> Iterator[Subscriber]:
    """The program, running in a folder, with settings in its environment."""
    log = folder / "errors.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | settings,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        killer = threading.Timer(PATIENCE_S, process.kill)  # a line that never comes ends as ""
        killer.start()
        try:
            yield Subscriber(process, log)
        finally:
            killer.cancel()
            process.kill()
            process.wait()


def event(number: int, sequence: int | None = None) -> WireMessage:
    """A defect with an id of its own; with `sequence` another frame under that id."""
    sequence = number if sequence is None else sequence
    frame = DEFECT.frame.model_copy(update={"sequence": sequence})
    return DEFECT.model_copy(update={"outcome_id": f"{number:032x}", "frame": frame}).encode()


def pictures(number: int) -> WireMessage:
    """The explanation of that defect."""
    frame = DEFECT.frame.model_copy(update={"sequence": number})
    return EXPLANATION.model_copy(update={"outcome_id": f"{number:032x}", "frame": frame}).encode()


def check_pictures(line: dict[str, Any], number: int) -> None:
    """What an example tells of an explanation."""
    assert line == {
        "id": f"{number:032x}",
        "camera": DEFECT.frame.camera_id,
        "sequence": number,
        "state": "explained",
        "reason": None,
        "picture": EXPLANATION.evidence.outline,
        "counterpart": EXPLANATION.evidence.counterpart,
    }
    assert line["picture"]


def abort(kafka: KafkaSettings, prefix: str, message: Outgoing) -> None:
    """Write a record that a reader of uncommitted ones would see."""
    producer = KafkaProducer(**producer_options(kafka, "test"), transactional_id=f"{prefix}aborted")
    producer.init_transactions()
    producer.begin_transaction()
    write_all(producer, [message], 30.0)
    producer.abort_transaction()
    producer.close()
