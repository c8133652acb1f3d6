"""Counterparts within their share of the device's time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Verdict
from workers.inspector.pipeline.explain import Explainer, TimeShare
from workers.runtime.detectors.loaded import LoadedModel

IMAGE = np.zeros((2, 2, 3), np.uint8)
VERDICT = Verdict(Grade.DEFECT, 2.0, 1.0, 1.0, (), np.zeros((2, 2), np.float32))


@dataclass
class Normal:
    image: Any = None
    score_before: float = 2.0
    score_after: float = 0.5
    normal_limit: float = 1.0
    examiner: str = "another network"
    convincing: bool = True


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def model(clock: Clock, seconds: float = 4.0) -> LoadedModel:
    def explain(*_: Any) -> list[Normal]:
        clock.now += seconds
        return [Normal()]

    return LoadedModel("v", {"bolts": "c"}, {"bolts": View((2, 2))}, lambda *_: [], explain)


def test_the_share_is_spent_and_earned_again() -> None:
    share = TimeShare(0.5, burst_s=3.0, now=0.0)
    assert share.allows(0.0)
    share.spend(5.0)  # overdrawn by 2 s: 4 s of waiting at a share of one half
    assert not share.allows(4.0)
    assert share.allows(4.1)


def test_what_is_saved_up_is_bounded() -> None:
    share = TimeShare(1.0, burst_s=3.0, now=0.0)
    assert share.allows(1000.0)
    share.spend(3.0)
    assert not share.allows(1000.0)


def test_no_share_means_no_counterpart() -> None:
    assert not TimeShare(0.0, burst_s=3.0, now=0.0).allows(100.0)


def test_a_counterpart_says_how_it_fared() -> None:
    clock = Clock()
    found = Explainer(True, TimeShare(0.5, 3.0, 0.0), clock).explain(
        model(clock), IMAGE, VERDICT, "bolts"
    )
    assert found.check.status == "convincing"
    assert (found.check.score_before, found.check.score_after) == (2.0, 0.5)
    assert (found.check.normal_limit, found.check.examiner) == (1.0, "another network")


def test_beyond_the_share_it_says_budget() -> None:
    clock = Clock()
    explainer = Explainer(True, TimeShare(0.5, 3.0, 0.0), clock)
    explainer.explain(model(clock, 10.0), IMAGE, VERDICT, "bolts")
    second = explainer.explain(model(clock), IMAGE, VERDICT, "bolts")
    assert (second.check.status, second.check.reason) == ("skipped", "budget")
    clock.now += 100
    assert explainer.explain(model(clock), IMAGE, VERDICT, "bolts").check.status == "convincing"


def test_a_failing_explanation_does_not_cost_the_event() -> None:
    def explain(*_: Any) -> list[Normal]:
        raise RuntimeError("no gradient")

    broken = LoadedModel("v", {"bolts": "c"}, {"bolts": View((2, 2))}, lambda *_: [], explain)
    found = Explainer(True, TimeShare(0.5, 3.0, 0.0), Clock()).explain(
        broken, IMAGE, VERDICT, "bolts"
    )
    assert found.check.reason == "failed: RuntimeError: no gradient"


def test_switched_off() -> None:
    clock = Clock()
    found = Explainer(False, TimeShare(0.5, 3.0, 0.0), clock).explain(
        model(clock), IMAGE, VERDICT, "bolts"
    )
    assert found.check.reason == "disabled"
