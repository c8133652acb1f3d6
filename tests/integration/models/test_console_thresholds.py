"""From the console's page to a verdict: a real worker decides by thresholds that were set there."""

import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from line_model import good_parts, line_model

from schemas.outcome import Verdict
from stream_inspector.detector import Detector
from stream_inspector.image.pictures import encode_png
from stream_inspector.model.version import Model, save_model
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.production.recalibrate import Accepted, Reviewed, recalibrate
from stream_inspector.training.fit import calibrate
from tests.console.floor import Floor

pytestmark = [pytest.mark.integration, pytest.mark.slow]

STRICT, LOOSE = 0.1, 0.6  # shares of good parts that may alarm


def test_a_worker_decides_by_what_an_engineer_activated(stage: Any, tmp_path: Path) -> None:
    model = calibrate(line_model(), good_parts(28, 40), Budget(image_false_reject=LOOSE))
    picture, then = between(model)
    floor = Floor(tmp_path / "console", redis_url=stage.redis_url)
    made = save_model(model)
    store = floor.room.versions.changing()
    store.push(["bolts"], model.version, made.manifest, made.tensors)
    store.activate("bolts", model.version, by="ada", why="first")
    stage.worker(**{"models.store": floor.settings.models.store, "models.refresh_s": 60})
    stage.send(1, data=encode_png(picture))
    stage.until(lambda: not stage.lost())
    (before,) = stage.outcomes
    assert (before.verdict, before.model_version) == (Verdict.DEFECT, model.version)

    client = floor.browser("emil")
    form = fields(client.get("/thresholds/bolts", params={"false_alarms": 100 * STRICT}).text)
    answer = client.post("/thresholds/bolts", data=form | {"why": "too many false alarms"})
    assert answer.status_code == 303, answer.text

    def decided_by_another() -> bool:
        if not stage.lost():
            stage.send(1, data=encode_png(picture))
            time.sleep(0.2)
        return bool(stage.outcomes[-1].model_version != model.version)

    stage.until(decided_by_another)  # a notice tells the worker: it asks each minute only
    after, last = stage.outcomes[-1], floor.room.versions.store.last("bolts")
    assert last is not None
    assert (last.by, last.why) == ("emil", "too many false alarms")
    assert after.model_version == last.version
    assert after.verdict is not Verdict.DEFECT
    assert after.image_threshold == pytest.approx(then)
    assert after.calibration_id != before.calibration_id
    assert after.image_score == pytest.approx(before.image_score)  # the weights are the same
    floor.database.close()


def between(model: Model) -> tuple[Any, float]:
    """A good part that alarms now and would not by the stricter share, and that threshold."""
    old = model.calibrations["bolts"]
    then = recalibrate(old, Reviewed(), Accepted(STRICT)).calibration.image_threshold
    pictures = good_parts(40, 80)
    scores = np.array(Detector(model).score(pictures).image_scores)
    room = np.minimum(scores - old.image_threshold, then - scores)
    assert room.max() > 0.1, "no part lies between the thresholds: engines differ by 0.05"
    return pictures[int(room.argmax())], then


def fields(page: str) -> dict[str, str]:
    """What the form that calibrates carries."""
    form = page.partition('<form method="post" action="/thresholds')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
