"""A version beside the active one: a shadow decides nothing, a canary alone; none is lost."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.frame import Frame
from schemas.outcome import Outcome
from stream_inspector.image.view.canvas import View
from stream_inspector.verdict import Grade, Image, Verdict
from workers.inspector.work import LoadedModel
from workers.runtime.registry.trial import Mode, Trial

OTHER = View((16, 16))  # what the second version wants to see


def load(manifest: bytes, tensors: bytes) -> LoadedModel:
    """bolts-v1 passes everything; bolts-v2 has another view, and fails on white pictures."""
    version = manifest.decode()
    new = version == "bolts-v2"
    size = (16, 16) if new else (32, 32)

    def inspect(images: Sequence[Image], *_: Any) -> list[Verdict]:
        if new and any(image.min() == 255 for image in images):
            raise RuntimeError("overexposed")
        assert all(image.shape[:2] == size for image in images)
        score = 2.0 if new else 1.0
        empty = np.zeros(size, np.float32)
        return [Verdict(Grade.PASS, score, 9.0, 9.0, (), empty)] * len(images)

    view = OTHER if new else View((32, 32))
    names = ("bolts", "nuts")
    return LoadedModel(version, dict.fromkeys(names, "c"), dict.fromkeys(names, view), inspect)


def begin(stage: Any, trial: Trial | None) -> None:
    stage.registry.push(["bolts"], "bolts-v2", b"bolts-v2", b"weights")
    stage.registry.activate("bolts", "bolts-v1", by="test", why="trial", trial=trial)


def until_on_trial(stage: Any, there: bool = True) -> None:
    stage.until(lambda: bool(stage.inspectors[0]._keeper.models.trials) is there)


def shadows(stage: Any) -> list[Outcome]:
    return [Outcome.decode(r.headers, r.value) for r in stage.broker.records("shadows")]


def send(stage: Any, make_frame: Callable[..., Frame], data: bytes, count: int) -> list[Frame]:
    frames = [make_frame(data, number, frame_id=f"f{number}") for number in range(count)]
    stage.send(*frames)
    return frames


def test_a_shadow_scores_its_share_and_decides_nothing(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    trial = Trial("bolts-v2", Mode.SHADOW, 0.5)
    begin(stage, trial)
    stage.start(load)
    until_on_trial(stage)
    frames = send(stage, make_frame, picture(200), 40)
    taken = {f.frame_id for f in frames if trial.takes(f.camera_id, f.frame_id)}
    assert {o.model_version for o in stage.outcomes_of(40)} == {"bolts-v1"}
    stage.until(lambda: len(shadows(stage)) >= len(taken))
    told = shadows(stage)
    assert {o.frame.frame_id for o in told if o.frame} == taken
    assert {(o.model_version, o.image_score) for o in told} == {("bolts-v2", 2.0)}
    decided = {o.outcome_id for o in stage.outcomes()}
    assert {o.outcome_id for o in told} <= decided  # the same ids: they can be compared


def test_a_shadow_that_fails_costs_nothing(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    begin(stage, Trial("bolts-v2", Mode.SHADOW))
    stage.start(load)
    until_on_trial(stage)
    send(stage, make_frame, picture(255), 6)
    assert {o.model_version for o in stage.outcomes_of(6)} == {"bolts-v1"}
    assert not shadows(stage)
    assert not stage.dead_letters()


def test_a_canary_decides_about_its_cameras_and_every_frame_has_one_outcome(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    begin(stage, Trial("bolts-v2", Mode.CANARY, 1.0, ("line-2",)))
    stage.start(load)
    until_on_trial(stage)
    cameras = ["line-1", "line-2", "line-3"]
    for number in range(30):
        camera = cameras[number % 3]
        stage.send(make_frame(picture(200), number, camera_id=camera))
    outcomes = stage.outcomes_of(30)
    by = {o.frame.camera_id: set[str]() for o in outcomes if o.frame}
    for outcome in outcomes:
        by[outcome.frame.camera_id].add(outcome.model_version)
    assert by == {"line-1": {"bolts-v1"}, "line-2": {"bolts-v2"}, "line-3": {"bolts-v1"}}
    assert len(outcomes) == len({o.outcome_id for o in outcomes}) == 30
    assert not shadows(stage)


def test_where_a_canary_fails_the_active_version_decides(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    begin(stage, Trial("bolts-v2", Mode.CANARY))
    stage.start(load)
    until_on_trial(stage)
    send(stage, make_frame, picture(255), 5)
    assert {(o.rejected, o.model_version) for o in stage.outcomes_of(5)} == {(None, "bolts-v1")}


def test_a_trial_ends_and_a_version_is_promoted_while_frames_flow(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    begin(stage, Trial("bolts-v2", Mode.CANARY, 0.5))
    stage.start(load)
    until_on_trial(stage)
    data, sent = picture(200), 0

    def some(count: int) -> None:
        nonlocal sent
        stage.send(*(make_frame(data, sent + n) for n in range(count)))
        sent += count

    some(20)
    stage.outcomes_of(sent)
    some(20)
    stage.registry.activate("bolts", "bolts-v1", by="test", why="ended")
    until_on_trial(stage, there=False)
    some(10)
    assert {o.model_version for o in stage.outcomes_of(sent)[-10:]} == {"bolts-v1"}
    begin(stage, Trial("bolts-v2", Mode.CANARY, 0.5))
    until_on_trial(stage)
    stage.registry.activate("bolts", "bolts-v2", by="test", why="promoted")
    stage.until(lambda: stage.inspectors[0]._keeper.models.versions()["bolts"] == "bolts-v2")
    some(10)
    assert {o.model_version for o in stage.outcomes_of(sent)[-10:]} == {"bolts-v2"}
    assert len(stage.distinct_outcomes()) == sent  # none lost, none twice


def test_a_version_that_cannot_be_loaded_is_not_tried_and_costs_nothing(
    stage: Any, make_frame: Callable[..., Frame], picture: Callable[..., bytes]
) -> None:
    begin(stage, Trial("bolts-v2", Mode.CANARY))

    def refuse(manifest: bytes, tensors: bytes) -> LoadedModel:
        if manifest == b"bolts-v2":
            raise ValueError("of another make")
        return load(manifest, tensors)

    stage.start(refuse)
    send(stage, make_frame, picture(200), 8)
    stage.until(lambda: len(stage.outcomes()) >= 8, 60)
    assert {o.model_version for o in stage.outcomes()} == {"bolts-v1"}
