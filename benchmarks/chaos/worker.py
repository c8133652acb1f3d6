"""`stream-inspector worker` with a null detector, and with places where it can be made to die.

SIGUSR1 makes it read its order, the file that CHAOS_ORDER names: "<step> <signal>". At that step of
its next transaction it sends itself the signal. A bright picture is a defect to this detector; a
pure white one aborts the process, as a bug in native code would.
"""

import ctypes
import os
import random
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from stream_inspector.verdict import Grade, Image, Region, Verdict
from workers.cli import main
from workers.inspector import run
from workers.inspector.trial import child
from workers.runtime.bus.kafka import delivery as kafka_delivery
from workers.runtime.bus.kafka.faults import BoundedProducer
from workers.runtime.detectors import loading as detectors
from workers.runtime.detectors.loaded import LoadedModel

STEPS = ("after-sends", "after-offsets", "inside-commit", "after-commit")
ORDER = "CHAOS_ORDER"  # environment variable: path of the order
BRIGHT, DEADLY = 200, 255  # least grey value of a defect, of a frame that kills
_COMMIT_S = 0.01  # a commit takes a few milliseconds
_PR_SET_PDEATHSIG = 1

_order: list[tuple[str, signal.Signals]] = []


def _take_order(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
    step, name = Path(os.environ[ORDER]).read_text().split()
    _order[:] = [(step, signal.Signals[name])]


def _pass_step(step: str) -> None:
    if _order and _order[0][0] == step:
        os.kill(os.getpid(), _order.pop()[1])


class Struck(BoundedProducer):
    """The transactional producer of the product, with the steps at which it may be struck."""

    def send_offsets_to_transaction(self, offsets: Mapping[Any, Any], group_metadata: Any) -> None:
        """Every acknowledgement was checked before."""
        _pass_step("after-sends")
        super().send_offsets_to_transaction(offsets, group_metadata)
        _pass_step("after-offsets")

    def commit_transaction(self) -> None:
        """Inside: the request is made, its answer is not there yet."""
        if _order and _order[0][0] == "inside-commit":
            self._transaction_manager.begin_commit()
            self._sender.wakeup()
            time.sleep(random.uniform(0, _COMMIT_S))  # noqa: S311  (no secret)
            _pass_step("inside-commit")
        super().commit_transaction()
        _pass_step("after-commit")


def marking_model(*arguments: Any) -> LoadedModel:
    """The null detector, which sees defects in bright pictures and dies of white ones."""
    model = detectors.null_model(*arguments)

    def inspect(images: Sequence[Image], *rest: Any) -> list[Verdict]:
        if any(image.min() == DEADLY for image in images):
            os.abort()
        verdicts = model.inspect(images, *rest)
        return [_judge(*pair) for pair in zip(images, verdicts, strict=True)]

    return replace(model, inspect=inspect)


def _judge(image: Image, verdict: Verdict) -> Verdict:
    if image.min() < BRIGHT:
        return verdict
    region = Region(0, 0, 8, 8, ((0, 0), (8, 0), (8, 8), (0, 8)), 64, 2.0)
    return replace(verdict, grade=Grade.DEFECT, image_score=2.0, regions=(region,))


if __name__ == "__main__":
    if sys.platform == "linux":  # do not outlive whoever makes the chaos
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGUSR1, _take_order)
    kafka_delivery.BoundedProducer = Struck  # type: ignore[misc]
    run.null_model = child.null_model = marking_model  # type: ignore[assignment]
    if sys.argv[1:] == ["trial"]:
        child.main()
    else:
        run.TRIAL = (sys.executable, "-m", "benchmarks.chaos.worker", "trial")
        main()
