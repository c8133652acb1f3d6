"""The light at one camera goes down: the metric, the page and the log say which, and in what."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from schemas.frame import Frame
from stream_inspector.image.appearance import ASPECTS, Appearance
from stream_inspector.image.view.canvas import View
from stream_inspector.threshold.production.drift import Reference
from stream_inspector.verdict import Grade, Image, Verdict
from workers.runtime.detectors.loaded import LoadedModel

MakeFrame = Callable[..., Frame]
Picture = Callable[..., bytes]


def inspect(images: Sequence[Image], *_: object) -> list[Verdict]:
    """Passes everything, with the score of any good image."""
    return [Verdict(Grade.PASS, 2.0, 9.0, 9.0, (), np.zeros((32, 32), np.float32)) for _ in images]


def load(manifest: bytes, tensors: bytes) -> LoadedModel:
    """A model that knows what 40 good images look like: between 190 and 210 grey levels."""
    looks = [Appearance(light, 0.0, 0.5, 0.5) for light in np.linspace(190, 210, 40)]
    numbers = dict(zip(ASPECTS, np.array([each.values for each in looks]).T, strict=True))
    known = {"bolts": Reference.of([1.0, 2.0, 3.0, 4.0, 5.0], numbers)}
    view = {"bolts": View((32, 32))}
    return LoadedModel(manifest.decode(), {"bolts": "c"}, view, inspect, references=known)


def told(stage: Any, what: str) -> float:
    labels = {"category": "bolts", "what": what}
    return stage.metrics.registry.get_sample_value("inspector_drifted_cameras", labels) or 0.0


def test_a_camera_in_dimmer_light_is_told_and_the_others_are_not(
    stage: Any, make_frame: MakeFrame, picture: Picture
) -> None:
    stage.activate("bolts", "model-2")
    stage.start(load, **{"categories.names": ["bolts"]})
    greys = np.random.default_rng(0).permutation(np.repeat(np.arange(190, 210), 3))
    for number, grey in enumerate(greys.tolist()):
        stage.send(make_frame(picture(grey), number, camera_id="north"), partition=0)
        stage.send(make_frame(picture(grey - 40), number, camera_id="south"), partition=1)

    stage.until(lambda: told(stage, "light") == 1.0)

    assert [told(stage, what) for what in ("score", "focus", "across", "down")] == [0.0] * 4
    notes = stage.inspectors[0].vitals.notes()
    assert "1 cameras no longer look like the good images: south (bolts): darker than" in notes
    assert stage.inspectors[0].vitals.ready() is None
