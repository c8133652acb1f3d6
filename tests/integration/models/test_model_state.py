"""A real model, through Redis and a folder, in a real worker: versions, swaps, evidence."""

from pathlib import Path
from typing import Any

import pytest
import redis
from line_model import good_parts, line_model

from schemas.explanation import Explanation, ExplanationState
from stream_inspector.image.pictures import encode_png
from stream_inspector.model.version import Model, save_model
from stream_inspector.synthetic import DEFECT_KINDS, render
from stream_inspector.threshold.budget import Budget
from stream_inspector.training.fit import calibrate
from workers.runtime.bus.kafka.connect import connect_consumer
from workers.runtime.registry.registry import Registry
from workers.runtime.settings.process import RedisSettings
from workers.runtime.store.files import open_blobs
from workers.runtime.store.redis import connect_store

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(scope="module")
def models() -> tuple[Model, Model]:
    """One barely trained model under two budgets: two versions."""
    model, more = line_model(), good_parts(28, 40)
    loose, strict = Budget(image_false_reject=0.4), Budget(image_false_reject=0.3)
    return calibrate(model, more, loose), calibrate(model, more, strict)


def activate(registry: Registry, model: Model) -> None:
    files = save_model(model)
    registry.push(["bolts"], model.version, files.manifest, files.tensors)
    registry.activate("bolts", model.version, by="test", why="test")


def assert_explained(stage: Any, evidence: Path) -> None:
    """Every defect has all its pictures, made by the version that judged it."""
    reader = connect_consumer(stage.kafka, "told-reader", ["explanations"], "told-reader")
    defects = {o.outcome_id: o for o in stage.outcomes if o.verdict.value == "defect"}
    told: dict[str, Explanation] = {}

    def read() -> bool:
        for record in reader.poll(0.2):
            each = Explanation.decode(record.headers, record.value)
            told[each.outcome_id] = each
        return told.keys() >= defects.keys()

    stage.until(read, 200)
    reader.close()
    for name, outcome in defects.items():
        each = told[name]
        assert each.model_version == outcome.model_version
        assert (each.state, each.reason) == (ExplanationState.EXPLAINED, None)
        assert each.counterpart.status != "skipped"
        links = each.evidence
        for link in (links.frame, links.heatmap, links.outline, links.counterpart):
            assert link is not None
            assert Path(link.removeprefix("file://")).is_relative_to(evidence)
            assert Path(link.removeprefix("file://")).read_bytes()[1:4] == b"PNG"


def test_a_worker_follows_the_active_version(
    stage: Any, models: tuple[Model, Model], tmp_path: Path
) -> None:
    first, second = models
    store, evidence = tmp_path / "store", tmp_path / "evidence"
    cache = connect_store(RedisSettings(url=stage.redis_url))
    registry = Registry(open_blobs(str(store)), cache)
    activate(registry, first)
    # so that the worker can only have it from Redis:
    (store / "models").rename(tmp_path / "hidden")
    settings = {"models.store": store}
    stage.worker(**settings, **{"models.refresh_s": 0.2})
    stage.explainer(**settings, **{"evidence.url": evidence})
    for index in range(4):
        kind = sorted(DEFECT_KINDS)[index % len(DEFECT_KINDS)]
        stage.send(1, data=encode_png(render(index, seed=2, defect=kind).image))
    stage.until(lambda: not stage.lost())
    assert {outcome.model_version for outcome in stage.outcomes} == {first.version}
    assert any(outcome.verdict.value == "defect" for outcome in stage.outcomes)
    assert_explained(stage, evidence)

    (tmp_path / "hidden").rename(store / "models")
    redis.Redis.from_url(stage.redis_url).flushall()
    activate(registry, second)

    def switched() -> bool:
        stage.send(1, data=encode_png(render(50, seed=2).image))
        return stage.outcomes[-1].model_version == second.version

    stage.until(switched)
    assert stage.outcomes[-1].calibration_id == second.calibrations["bolts"].id
