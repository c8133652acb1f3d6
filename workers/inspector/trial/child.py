"""The trial process: loads one model version, then tries one frame after another until it dies.

It is told everything on standard input, so it needs no server, no login and no settings.
"""

import contextlib
import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import IO, Any

from stream_inspector.image.decode import decode
from stream_inspector.image.formats.limits import DecodeLimits
from workers.inspector.trial.pipes import hear, say
from workers.runtime.detectors.loaded import LoadedModel
from workers.runtime.detectors.loading import ModelLoader, null_model
from workers.runtime.detectors.settings import ModelsSection

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the worker is gone."""
    _prepare()
    with os.fdopen(os.dup(1), "wb") as out:
        os.dup2(2, 1)  # what libraries print must not look like an answer
        with contextlib.suppress(EOFError, BrokenPipeError):
            _serve(sys.stdin.buffer, out)


def _prepare() -> None:
    """Linux: end with the worker even when a frame hangs, and before it when memory is short."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")


def _serve(pipe: IO[bytes], out: IO[bytes]) -> None:
    words, files = hear(pipe)
    limits = DecodeLimits(*words["limits"])
    try:
        model = _load(words, files)
    except Exception as error:
        say(out, {"fault": f"{type(error).__name__}: {error}"[:1000]})
        return
    say(out, {"ready": True})
    while True:
        frame, (data,) = hear(pipe)
        with contextlib.suppress(Exception):  # what raises does not kill: the worker rejects it
            _try(model, frame, data, limits)
        say(out, {"lived": True})


def _load(words: dict[str, Any], files: list[bytes]) -> LoadedModel:
    settings = ModelsSection.model_validate(words["models"])
    if settings.null_detector_ms is not None:
        return null_model(settings.null_detector_ms, words["categories"])
    manifest, tensors = files
    return ModelLoader(settings)(manifest, tensors)


def _try(model: LoadedModel, frame: dict[str, Any], data: bytes, limits: DecodeLimits) -> None:
    """All that a worker does with a frame in other people's code."""
    category = frame["category"]
    view = model.views[category]
    size = frame["width"], frame["height"]
    decoded = decode(data, frame["content_type"], view, limits, *size)
    place = view.place(decoded.original_size)
    model.inspect([decoded.image], [place.frame], [category])


if __name__ == "__main__":
    main()
