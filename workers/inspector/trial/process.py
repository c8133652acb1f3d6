"""Tries frames in a process of its own, and sees it die: the only proof that a frame kills."""

import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import astuple
from typing import Any

import structlog

from schemas.errors import SchemaError
from schemas.frame import Frame, decode_frame
from workers.inspector.guard.triage import TrialImpossible
from workers.inspector.models.source import ModelSource
from workers.inspector.settings import InspectorSettings
from workers.inspector.trial.pipes import Child
from workers.runtime.errors import WorkerError
from workers.runtime.settling.results import Ticket

_log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-m", "workers.inspector.trial.child")
_START_S = 300.0  # to load a model
_STEPS = 2  # decoding, inspecting: a worker gives each of them the deadline
_ASKED_TO_END = (-signal.SIGTERM, -signal.SIGINT)  # by somebody, not by a frame

FetchModel = Callable[[str], tuple[bytes, bytes]]  # version -> manifest, tensors


class TrialProcess:
    """One trial process at a time, started when it is needed. One thread, but for `close`."""

    def __init__(
        self,
        settings: InspectorSettings,
        keeper: ModelSource,
        fetch: FetchModel,
        command: Sequence[str] = COMMAND,
    ):
        """`fetch` is asked for the version that inspects the frame's category."""
        self._settings, self._keeper, self._fetch = settings, keeper, fetch
        self._command = command
        self._child: Child | None = None
        self._version: str | None = None  # that the child has loaded
        self._closed = False

    def survives(self, ticket: Ticket) -> bool:
        """Whether the process outlives the frame. Raises TrialImpossible."""
        try:
            frame = decode_frame(ticket.record.headers, ticket.record.value)
        except SchemaError:
            return True  # it comes to no decoder
        model = self._keeper.models.loaded.get(frame.category)
        if model is None:
            return True  # it comes to no decoder now
        child = self._ready(model.version)
        try:
            child.ask(_words(frame), frame.data, within_s=self._patience_s)
        except (EOFError, OSError):
            self._bury(child)
            return False
        return True

    def close(self) -> None:
        """End the process. Any thread."""
        self._closed = True
        if self._child is not None:
            self._child.kill()

    @property
    def _patience_s(self) -> float:
        return _STEPS * self._settings.worker.frame_deadline_s

    def _bury(self, child: Child) -> None:
        """It died with a frame in hand. Raises TrialImpossible when somebody asked it to end."""
        code = child.end()
        if self._closed or code in _ASKED_TO_END:
            raise TrialImpossible("the trial process was asked to end")
        _log.warning("a frame ended its trial process", exit_code=code)

    def _ready(self, version: str) -> Child:
        """A process that has loaded the version, and with that inspected its self-test images."""
        child = self._child
        if child is not None:
            if child.alive and self._version == version:
                return child
            child.end()
        if self._closed:
            raise TrialImpossible("the worker ends")
        try:
            self._child, answer = self._start(version)
        except (EOFError, OSError, WorkerError) as error:
            raise TrialImpossible(f"no trial process: {type(error).__name__}: {error}") from error
        if "ready" not in answer:
            raise TrialImpossible(f"no trial process: no model there: {answer.get('fault')}")
        self._version = version
        return self._child

    def _start(self, version: str) -> tuple[Child, dict[str, Any]]:
        """A process and its answer to the model. Raises EOFError, OSError or WorkerError."""
        null = self._settings.models.null_detector_ms is not None
        files = () if null else self._fetch(version)
        self._version = None
        self._child = child = Child(self._command)  # from here on `close` ends it
        return child, child.ask(self._introduction(), *files, within_s=_START_S)

    def _introduction(self) -> dict[str, Any]:
        """All that a trial needs to know; no address and no secret."""
        settings = self._settings
        return {
            "models": settings.models.model_dump(mode="json", exclude={"store"}),
            "limits": astuple(settings.images.rules(settings.kafka.max_frame_bytes).limits),
            "categories": sorted(self._keeper.models.loaded),
        }


def _words(frame: Frame) -> dict[str, Any]:
    return {
        "category": frame.category,
        "content_type": frame.content_type,
        "width": frame.width,
        "height": frame.height,
    }
