"""The thresholds page: what other limits would do, and a version with them, made the active one."""

import html
import re
import threading
import time
from typing import Any

import numpy as np
import pytest
from floor import NOW, Floor
from starlette.testclient import TestClient

from schemas.outcome import Outcome, Verdict
from schemas.review import Judgement, Review, Sample
from stream_inspector.model.version import Model, ModelFiles, load_model, save_model
from stream_inspector.presets import PRESETS
from stream_inspector.threshold.budget import Budget
from stream_inspector.threshold.calibrate import calibrate
from workers.console.history.writing import part_of
from workers.console.works import Works
from workers.runtime.datasets.reviewed import lineage


def model() -> Model:
    """Calibrated with 100 good images whose scores lie evenly between 0 and 1."""
    scores = np.linspace(0.01, 1.0, 100)
    maps = np.repeat(scores[:, None, None], 4, axis=1).astype(np.float32)
    plain = Model(
        categories=("bolts", "nuts"),
        preset=PRESETS["pixel-small"],
        tensors={"a": np.ones((2, 3), np.float32)},
        provenance={"seed": 1},
    )
    made = calibrate(maps, scores, Budget())
    return plain.with_calibration("bolts", made).with_calibration("nuts", made)


def put(floor: Floor) -> Model:
    """The model is the active version."""
    made = model()
    files = save_model(made)
    store = floor.room.versions.store
    store.push(made.categories, made.version, files.manifest, files.tensors)
    store.activate("bolts", made.version, "ada", "first")
    return made


@pytest.fixture
def line(floor: Floor) -> Floor:
    put(floor)
    return floor


def scored(floor: Floor, number: int, score: float, **more: Any) -> Outcome:
    last = floor.room.versions.store.last("bolts")
    assert last is not None
    verdict = Verdict.DEFECT if score > 0.96 else Verdict.PASS
    return floor.part("line-1", number, verdict, score=score, model_version=last.version, **more)


def say(floor: Floor, outcome: Outcome, judgement: Judgement, **more: Any) -> Review:
    word = Review.of(outcome, judgement, by="olga", at=NOW, **more)
    floor.publish(floor.settings.topics.reviews, word)
    return word


def page(floor: Floor, client: TestClient | None = None, **query: object) -> str:
    given = {name: str(value) for name, value in query.items()}
    answer = (client or floor.browser("emil")).get("/thresholds/bolts", params=given)
    assert answer.status_code == 200, answer.text
    return answer.text


def words(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


def fields(text: str) -> dict[str, str]:
    form = text.partition('<form method="post" action="/thresholds')[2].partition("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))


def finished(floor: Floor, client: TestClient) -> str:
    for _ in range(200):
        text = client.get("/thresholds/bolts/work").text
        if "hx-trigger" not in text:
            return words(text)
        time.sleep(0.02)
    pytest.fail("it does not end")


def test_a_limit_shows_what_would_have_alarmed(line: Floor) -> None:
    parts = {score: scored(line, n, score) for n, score in enumerate((0.3, 0.85, 0.93, 0.97, 2.0))}
    say(line, parts[2.0], Judgement.RIGHT)
    say(line, parts[0.97], Judgement.FALSE_ALARM)
    line.read()
    text = page(line, false_alarms=20)
    assert "threshold 0.810 instead of 0.960" in words(text)
    assert "Of 5 scored parts" in words(text)
    assert "at the present threshold 2 1 1 0 at the new one 4 1 1 2" in words(text)
    tiles = re.findall(r"/pictures/frame/([0-9a-f-]+)", text.partition("Would alarm, too")[2])
    assert tiles == [part_of(parts[0.93]), part_of(parts[0.85])]
    less = words(page(line, false_alarms=1))
    assert "at the new one 1 1 0 0" in less and "Would alarm no more" in less
    assert "That is what holds now." in words(page(line))


def test_a_confirmed_defect_that_would_pass_is_said_loudly(line: Floor) -> None:
    say(line, scored(line, 1, 0.97), Judgement.RIGHT)
    line.read()
    assert "1 confirmed defects would have passed" in words(page(line, false_alarms=0.5))
    both = words(page(line, false_alarms=1, escapes=10, decides="escapes"))
    assert "At most 10.0% of defective images may pass: the threshold was lowered" in both


def test_high_scores_alone_are_shown_and_refused(line: Floor) -> None:
    for number in range(10):
        say(line, scored(line, number, 3.0 + number), Judgement.FALSE_ALARM)
    line.read()
    text = words(page(line))
    assert "10 good parts were looked at because of their score" in text
    assert "would go from 0.960 to 8.000 and promise nothing of others: refused" in text
    assert "threshold 0.960 instead of 0.960" in text
    for number in range(20, 22):
        alarm = scored(line, number, 2.0)
        say(line, alarm, Judgement.FALSE_ALARM, sample=Sample.AUDIT)
    line.read()
    refused = page(line)
    assert "review the sample's passes too" in words(refused)
    assert "Calibrate and activate" not in refused


def test_a_version_of_the_random_sample_becomes_the_active_one(line: Floor) -> None:
    before = line.room.versions.store.last("bolts")
    assert before is not None
    said = [
        say(line, scored(line, n, 0.5 + n / 40), Judgement.RIGHT, sample=Sample.AUDIT)
        for n in range(18)
    ]
    said.append(say(line, scored(line, 30, 1.4), Judgement.FALSE_ALARM, sample=Sample.AUDIT))
    say(line, scored(line, 40, 5.0), Judgement.FALSE_ALARM)  # chosen: takes no part
    line.read()
    client = line.browser("emil")
    form = fields(page(line, client, false_alarms=3)) | {"why": "oil on the belt"}
    answer = client.post("/thresholds/bolts", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/thresholds/bolts")
    assert "done: version" in finished(line, client)
    last = line.room.versions.store.last("bolts")
    assert last is not None
    assert (last.number, last.by, last.why) == (2, "emil", "oil on the belt")
    made = load_model(ModelFiles(*line.room.versions.store.fetch(last.version)))
    calibration = made.calibrations["bolts"]
    assert calibration.id == form["candidate"]
    assert (calibration.n_images, calibration.budget.image_false_reject) == (119, 0.03)
    assert made.calibrations["nuts"] == model().calibrations["nuts"]
    told = {k.removeprefix("bolts/"): v for k, v in made.provenance.items() if "/" in k}
    assert told == {
        **lineage(said),
        "calibrated_from": before.version,
        "calibrated_by": "emil",
    }
    assert last.version in line.room.versions.store.versions("nuts")
    assert line.room.versions.store.last("nuts") is None  # not activated: nobody asked for it
    acts = [(act.act, act.name) for act in line.room.trail.newest()]
    assert ("thresholds", "emil") in acts


def test_reviews_of_an_earlier_calibration_of_the_same_weights_still_count(line: Floor) -> None:
    say(line, scored(line, 1, 0.2), Judgement.RIGHT, sample=Sample.AUDIT)
    line.read()
    client = line.browser("emil")
    form = fields(page(line, client, false_alarms=10)) | {"why": "more"}
    client.post("/thresholds/bolts", data=form)
    finished(line, client)
    scored(line, 2, 0.4)
    line.read()
    text = words(page(line, client))
    assert "Of 2 scored parts" in text
    assert "1 reviewed good parts" in text


def test_what_has_changed_since_it_was_shown_is_shown_again(line: Floor) -> None:
    say(line, scored(line, 1, 0.2), Judgement.RIGHT, sample=Sample.AUDIT)
    line.read()
    client = line.browser("emil")
    form = fields(page(line, client, false_alarms=10)) | {"why": "more"}
    say(line, scored(line, 2, 0.3), Judgement.RIGHT, sample=Sample.AUDIT)
    line.read()
    answer = client.post("/thresholds/bolts", data=form)
    assert answer.status_code == 409
    assert "look again" in answer.text
    last = line.room.versions.store.last("bolts")
    assert last is not None and last.number == 1
    assert client.post("/thresholds/bolts", data=form | {"why": " "}).status_code == 422


def test_only_engineers_see_and_move_thresholds(line: Floor) -> None:
    client = line.browser("olga")
    assert client.get("/thresholds/bolts").status_code == 403
    token = line.token(client)
    assert client.post("/thresholds/bolts", data={"token": token}).status_code == 403
    assert client.get("/thresholds/bolts/work").status_code == 403


@pytest.mark.parametrize("name", ["nuts", "rings", "a%20b", "%3Cb%3E"])
def test_a_category_without_an_active_version_is_no_error(line: Floor, name: str) -> None:
    assert line.browser("emil").get(f"/thresholds/{name}").status_code == 404


@pytest.mark.parametrize("given", ["nan", "-5", "1e9", "x", ""])
def test_any_number_of_a_form_is_a_share(line: Floor, given: str) -> None:
    text = page(line, false_alarms=given, escapes=given, days=given)
    assert "nan" not in words(text)


def test_an_act_that_fails_says_why_and_blocks_nobody(
    line: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(line, scored(line, 1, 0.2), Judgement.RIGHT, sample=Sample.AUDIT)
    line.read()
    client = line.browser("emil")
    hold = threading.Event()
    versions = line.room.versions

    def slow() -> Any:
        hold.wait(10)
        raise OSError("the disk is full")

    monkeypatch.setattr(type(versions), "changing", lambda _: slow())
    form = fields(page(line, client, false_alarms=10)) | {"why": "more"}
    assert client.post("/thresholds/bolts", data=form).status_code == 303
    assert "begins" in words(client.get("/thresholds/bolts").text)  # answered meanwhile
    assert client.post("/thresholds/bolts", data=form).status_code == 409
    hold.set()
    assert "not done: the disk is full" in finished(line, client)


def test_one_act_of_a_name_at_a_time_and_the_last_is_remembered() -> None:
    works, hold = Works(), threading.Event()
    assert works.begin("a", "emil", lambda say: (say("waits"), hold.wait(10), "done")[2])  # type: ignore[func-returns-value]
    assert not works.begin("a", "ada", lambda _: "")
    assert works.begin("b", "ada", lambda _: "at once")
    hold.set()
    for _ in range(200):
        last = works.last("a")
        if last is not None and last.over:
            break
        time.sleep(0.02)
    assert last is not None and (last.said, last.failed, last.by) == ("done", False, "emil")
