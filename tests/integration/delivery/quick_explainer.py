"""`stream-inspector` whose explainer has a device of its own: a model of any version, in no time.

EXPLAINER_MS: how long a counterpart takes. DEADLY: the sequence of a frame that ends the process.
"""

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Verdict
from workers.cli import main
from workers.explainer import run
from workers.explainer.versions import Versions
from workers.runtime.detectors.loaded import LoadedModel

SIZE = (16, 16)
DEADLY_GREY = 7


class Part:
    """A counterpart."""

    image = np.full((*SIZE, 3), 200, np.uint8)
    examiner, score_before, score_after, normal_limit = "examiner", 4.0, 1.0, 2.0
    convincing = True


def inspect(images: Sequence[Image], *_: object) -> list[Verdict]:
    """Everything is a defect."""
    scores = np.full(SIZE, 3.0, np.float32)
    return [Verdict(Grade.DEFECT, 3.0, 1.0, 1.0, (), scores) for _ in images]


def explain(images: Sequence[Image], *_: object, on_round: Any = None) -> list[Part]:
    """Takes its time; dies of one grey."""
    if int(images[0][0, 0, 0]) == DEADLY_GREY:
        os.abort()
    time.sleep(float(os.environ.get("EXPLAINER_MS", "20")) / 1000)
    return [Part()]


def versions(settings: Any, cache: Any, metrics: Any) -> Versions:
    """Any version is there."""

    def load(manifest: bytes, tensors: bytes) -> LoadedModel:
        calibrations = {"bolts": "c1"}
        return LoadedModel(manifest.decode(), calibrations, {"bolts": View(SIZE)}, inspect, explain)

    return Versions(lambda version: (version.encode(), b""), load, lambda _: 1, 2**20, metrics)


if __name__ == "__main__":
    run._versions = versions
    main()
