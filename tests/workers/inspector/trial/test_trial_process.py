"""A frame that kills is seen to kill, by a process that lives on."""

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from schemas.frame import Frame, encode_frame
from stream_inspector.model.version import Model, save_model
from workers.inspector.guard.triage import TrialImpossible
from workers.inspector.models.source import FixedModels
from workers.inspector.settings import InspectorSettings
from workers.inspector.trial.process import COMMAND, TrialProcess
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.detectors.loading import ModelLoader, null_model
from workers.runtime.settling.results import Ticket

pytestmark = pytest.mark.integration

NOW = datetime(2026, 1, 1, tzinfo=UTC)

# Dies of a white frame, hangs of a black one, raises on a grey one.
DEADLY = """
import os, signal, sys, time
from dataclasses import replace
from workers.inspector.trial import child
made = child.null_model

def deadly(*args):
    model = made(*args)
    def inspect(images, *rest):
        grey = int(images[0].min())
        if grey == 255:
            os.abort()
        if grey == 0:
            time.sleep(60)
        if grey == 128:
            raise RuntimeError("grey")
        if grey == 64:
            os.kill(os.getpid(), signal.SIGTERM)
        print("libraries print")
        return model.inspect(images, *rest)
    return replace(model, inspect=inspect)

child.null_model = deadly
child.main()
"""


def ticket(tmp_path: Path, grey: int, **changes: Any) -> Ticket:
    path = tmp_path / "frame.png"
    Image.fromarray(np.full((32, 32, 3), grey, np.uint8)).save(path)
    data = path.read_bytes()
    frame = Frame("f1", "line-1", "bolts", 0, NOW, "image/png", data)
    message = encode_frame(replace(frame, **changes))
    record = Record(Partition("frames", 0), 0, message.key, message.value, message.headers, 0)
    return Ticket(record, 1, NOW, 1)


def settings(**changes: Any) -> InspectorSettings:
    given = {"models.null_detector_ms": 0, "worker.frame_deadline_s": 1.0}
    return InspectorSettings.load(None, given | changes)


@pytest.fixture
def trials() -> Iterator[TrialProcess]:
    models = FixedModels({"bolts": null_model(0, ["bolts"])})
    made = TrialProcess(
        settings(), models, lambda version: (b"", b""), (sys.executable, "-c", DEADLY)
    )
    yield made
    made.close()


def test_deaths_are_seen_and_cost_the_next_frame_nothing(
    trials: TrialProcess, tmp_path: Path
) -> None:
    assert trials.survives(ticket(tmp_path, 200))
    first = trials._child
    assert trials.survives(ticket(tmp_path, 128))  # a worker rejects what raises
    assert trials.survives(ticket(tmp_path, 200, data=b"no image"))
    assert trials._child is first
    assert not trials.survives(ticket(tmp_path, 255))
    assert not trials.survives(ticket(tmp_path, 0))  # within three times worker.frame_deadline_s
    assert trials.survives(ticket(tmp_path, 200))


def test_what_comes_to_no_decoder_is_not_tried(trials: TrialProcess, tmp_path: Path) -> None:
    assert trials.survives(ticket(tmp_path, 255, category="nuts"))
    bad = ticket(tmp_path, 255)
    assert trials.survives(replace(bad, record=replace(bad.record, headers=())))
    assert trials._child is None


def test_a_process_that_was_asked_to_end_proves_nothing(
    trials: TrialProcess, tmp_path: Path
) -> None:
    with pytest.raises(TrialImpossible, match="asked to end"):
        trials.survives(ticket(tmp_path, 64))
    assert trials.survives(ticket(tmp_path, 200))


def test_a_worker_that_ends_learns_nothing(trials: TrialProcess, tmp_path: Path) -> None:
    assert trials.survives(ticket(tmp_path, 200))
    threading.Timer(0.5, trials.close).start()
    begun = time.monotonic()
    with pytest.raises(TrialImpossible):
        trials.survives(ticket(tmp_path, 0))
    assert time.monotonic() - begun < 2.5
    with pytest.raises(TrialImpossible):
        trials.survives(ticket(tmp_path, 200))


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("/nowhere/python",), "No such file"),
        ((sys.executable, "-c", "raise SystemExit"), "EOFError"),
        (COMMAND, "no model there"),
    ],
)
def test_a_process_that_cannot_start_proves_nothing(
    tmp_path: Path, command: tuple[str, ...], words: str
) -> None:
    models = FixedModels({"bolts": null_model(0, ["bolts"])})
    given = settings(**{"models.null_detector_ms": None})
    made = TrialProcess(given, models, lambda version: (b"{}", b""), command)
    with pytest.raises(TrialImpossible, match=words):
        made.survives(ticket(tmp_path, 200))
    made.close()


def test_it_runs_the_model_that_inspects(tiny_model: Model, tmp_path: Path) -> None:
    given = settings(
        **{
            "models.null_detector_ms": None,
            "worker.frame_deadline_s": 120,
        }
    )
    files = save_model(tiny_model)
    pair = (files.manifest, files.tensors)
    loaded = ModelLoader(given.models)(*pair)
    made = TrialProcess(given, FixedModels({"flanges": loaded}), lambda version: pair)
    assert made.survives(ticket(tmp_path, 200, category="flanges"))
    made.close()
