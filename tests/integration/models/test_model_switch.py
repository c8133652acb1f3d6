"""Versions change under load, on real servers and in a real worker process: none lost or mixed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from line_model import SIZE, good_parts, line_model

from benchmarks.model_line import another
from stream_inspector.detector import Detector
from stream_inspector.image.pictures import encode_png
from stream_inspector.model.version import Model, save_model
from stream_inspector.synthetic import render
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate
from workers.runtime.registry.registry import Registry
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import connect_store

pytestmark = [pytest.mark.integration, pytest.mark.slow]

FRAMES = 4  # in work at the same time


@pytest.fixture(scope="module")
def model() -> Model:
    return calibrate(line_model(), good_parts(28, 40), Budget(image_false_reject=0.4))


def score(model: Model, picture: Any) -> float:
    return float(Detector(model).score([picture]).image_scores[0])


def damaged(tensors: bytes) -> bytes:
    """The same with one bit turned."""
    return tensors[:-1] + bytes([tensors[-1] ^ 1])


def test_a_switch_under_load_loses_and_mixes_nothing(
    stage: Any, model: Model, tmp_path: Path
) -> None:
    picture = render(50, seed=2, size=SIZE).image
    versions = (model, another(model))
    expected = {each.version: score(each, picture) for each in versions}
    broken = another(versions[1])
    registry = Registry(
        open_blobs(str(tmp_path / "store")), connect_store(RedisSettings(url=stage.redis_url))
    )
    for each in (*versions, broken):
        made = save_model(each)
        tensors = made.tensors if each is not broken else damaged(made.tensors)
        registry.push(["bolts"], each.version, made.manifest, tensors)

    def activate(wanted: Model) -> None:
        registry.activate("bolts", wanted.version, by="test", why="test")

    def flowing(condition: Callable[[], bool]) -> Callable[[], bool]:
        def check() -> bool:
            if len(stage.lost()) < FRAMES:
                stage.send(1, data=encode_png(picture))
            return condition()

        return check

    def last_is(wanted: Model) -> bool:
        return bool(stage.outcomes) and stage.outcomes[-1].model_version == wanted.version

    activate(versions[0])
    settings = {"models.store": tmp_path / "store"}
    worker = stage.worker(**settings, **{"models.refresh_s": 60})  # notices must do it
    stage.until(flowing(lambda: last_is(versions[0])))
    for turn in range(1, 3):
        activate(versions[turn % 2])
        stage.until(flowing(lambda wanted=versions[turn % 2]: last_is(wanted)))
    activate(broken)
    stage.until(flowing(lambda: "model version refused" in stage.log_of(worker)))
    redis.Redis.from_url(stage.redis_url).flushall()
    before = len(stage.outcomes)
    stage.until(flowing(lambda: len(stage.outcomes) > before))
    stage.until(lambda: not stage.lost())

    assert not stage.duplicated()
    assert {o.model_version for o in stage.outcomes} == {each.version for each in versions}
    assert last_is(versions[0])
    for outcome in stage.outcomes:
        assert outcome.image_score == pytest.approx(expected[outcome.model_version], abs=0.05)
    assert abs(expected[versions[0].version] - expected[versions[1].version]) > 1
