"""The models page: where versions come from, and changes that nobody makes unseen."""

import json
from datetime import datetime, timedelta

import pytest
from floor import Floor
from starlette.responses import Response
from starlette.testclient import TestClient

from schemas.outcome import Verdict
from schemas.review import Judgement, Review
from workers.runtime.registry.registry import Registry
from workers.runtime.registry.trial import Mode, Trial

OLD, NEW = "1" * 16, "2" * 16


def manifest(version: str, reviews: int = 0) -> bytes:
    learnt = {"bolts/reviews": reviews, "bolts/reviews_from": "2026-01-01T00:00:00Z"}
    calibration = {"image_threshold": 1.25, "promise": "At most 5% of good parts alarm."}
    return json.dumps(
        {
            "version": version,
            "preset": {"name": "feature-fast"},
            "provenance": {"code_version": "0.1.0", "seed": 7} | (learnt if reviews else {}),
            "calibrations": {"bolts": calibration | {"image_scores": [0.123456] * 1000}},
            "categories": ["bolts"],
        }
    ).encode()


@pytest.fixture
def store(floor: Floor) -> Registry:
    """Two versions, the first active."""
    registry = floor.room.versions.store
    registry.push(["bolts"], OLD, manifest(OLD), b"x")
    registry.push(["bolts"], NEW, manifest(NEW, 12), b"y")
    registry.activate("bolts", OLD, "ada", "first")
    return registry


def post(floor: Floor, client: TestClient, act: str, **form: object) -> Response:
    given = {"act": act, "why": "new lens", "seen": 1, "token": floor.token(client), **form}
    return client.post("/models/bolts", data={name: str(text) for name, text in given.items()})


def last(registry: Registry) -> tuple[str, str, str]:
    found = registry.last("bolts")
    assert found is not None
    return found.version, found.by, found.why


def test_versions_say_where_they_come_from(floor: Floor, store: Registry) -> None:
    client = floor.browser("vera")
    assert OLD in client.get("/models").text
    text = client.get("/models/bolts").text
    for said in ("feature-fast", "At most 5% of good parts alarm.", "seed", "SHA-256", "1.250"):
        assert said in text
    assert "reviews 12" in text
    assert text.index(OLD) < text.index(NEW)  # the active one first
    assert "0.123456" not in text
    assert "<button name" not in text  # a viewer changes nothing
    assert store.digests(NEW)["manifest"] in text


def test_an_engineer_activates_and_rolls_back(floor: Floor, store: Registry) -> None:
    client = floor.browser("emil")
    assert post(floor, client, "activate", version=NEW).status_code == 303
    assert last(store) == (NEW, "emil", "new lens")
    assert post(floor, client, "rollback", why="rejects all", seen=2).status_code == 303
    assert last(store) == (OLD, "emil", "rollback: rejects all")
    acts = [(act.name, act.act, act.what) for act in floor.room.trail.newest()[:2]]
    assert acts == [
        ("emil", "model rollback", f"bolts: activation 3, version {OLD}; rejects all"),
        ("emil", "model activate", f"bolts: activation 2, version {NEW}; new lens"),
    ]


@pytest.mark.parametrize("name", ["vera", "olga"])
def test_others_change_nothing(floor: Floor, store: Registry, name: str) -> None:
    assert post(floor, floor.browser(name), "activate", version=NEW).status_code == 403
    assert last(store)[0] == OLD


NONSENSE = [
    ({"act": "activate", "version": NEW, "why": " "}, 422, "Say why"),
    ({"act": "activate", "version": NEW, "token": "x"}, 403, "too old"),
    ({"act": "activate", "version": NEW, "seen": "many"}, 422, "many"),
    ({"act": "activate", "version": NEW, "seen": 0}, 409, "ada made version"),
    ({"act": "activate", "version": "f" * 16}, 409, "has no version"),
    ({"act": "activate", "version": "../../x"}, 422, "use letters"),
    ({"act": "rollback"}, 409, "nothing to go back to"),
    ({"act": "promote"}, 409, "no version is on trial"),
    ({"act": "end"}, 409, "no version is on trial"),
    ({"act": "try", "version": OLD, "share": "5%"}, 409, "is the active one"),
    ({"act": "try", "version": NEW, "share": "many"}, 422, "percentage"),
    ({"act": "try", "version": NEW, "share": "0"}, 422, "not those of a trial"),
    ({"act": "try", "version": NEW, "share": "5%", "mode": "x"}, 422, "&#39;x&#39;"),
    ({"act": "remove", "version": NEW}, 422, "no such act"),
]


def test_what_makes_no_sense_changes_nothing_and_is_said(floor: Floor, store: Registry) -> None:
    client = floor.browser("emil")
    token = floor.token(client)
    for form, status, said in NONSENSE:
        given = {"act": "", "why": "new lens", "seen": 1, "token": token, **form}
        answer = client.post("/models/bolts", data={k: str(v) for k, v in given.items()})
        assert (answer.status_code, said in answer.text) == (status, True), form
    assert len(store.history("bolts")) == 1


def test_a_category_that_is_none_is_said(floor: Floor, store: Registry) -> None:
    client = floor.browser("emil")
    for name in ("nuts", "%2e%2e%2e", "a%00b", "-"):
        assert client.get(f"/models/{name}").status_code == 404
        assert client.get(f"/models/{name}/comparison").status_code == 404


def test_a_version_that_cannot_be_read_is_shown_as_such(floor: Floor, store: Registry) -> None:
    store.push(["bolts"], "3" * 16, b"{broken", b"z")
    text = floor.browser("vera").get("/models/bolts").text
    assert "not readable" in text


def test_a_trial_is_begun_compared_and_promoted(floor: Floor, store: Registry) -> None:
    client = floor.browser("emil")
    given = {"version": NEW, "share": "20%", "most_alarms": "1%", "cameras": "line-*, other"}
    assert post(floor, client, "try", mode="shadow", **given).status_code == 303
    begun = store.last("bolts")
    assert begun is not None
    assert begun.trial == Trial(NEW, Mode.SHADOW, 0.2, ("line-*", "other"), 0.01)
    page = client.get("/models/bolts").text
    assert "on trial" in page
    assert "Promote" in page
    assert post(floor, client, "promote", seen=2).status_code == 303
    assert last(store)[:2] == (NEW, "emil")


def test_a_shadow_is_compared_frame_by_frame(floor: Floor, store: Registry) -> None:
    """Frames that both scored: 2 of them only the active one finds, 1 only the other."""
    trial = Trial(NEW, Mode.SHADOW, most_alarms=0.5, least_frames=5)
    store.activate("bolts", OLD, "ada", "", trial=trial)
    begun = store.last("bolts")
    assert begun is not None
    finds = {3: (True, False), 4: (True, False), 5: (False, True)}
    for number in range(10):
        old, new = finds.get(number, (False, False))
        verdict = Verdict.DEFECT if old else Verdict.PASS
        outcome = floor.part("line-1", number + 100, Verdict.PASS).model_copy(
            update={
                "outcome_id": f"{number:032x}",
                "verdict": verdict,
                "model_version": OLD,
                "decided_at": _after(begun.at),
            }
        )
        floor.publish(floor.settings.topics.outcomes, outcome)
        told = {"model_version": NEW, "verdict": Verdict.DEFECT if new else Verdict.PASS}
        shadow = outcome.model_copy(update=told)
        if number != 9:
            floor.publish(floor.settings.topics.shadows, shadow)
            floor.publish(floor.settings.topics.shadows, shadow)  # delivered twice
        if number == 3:
            word = Review.of(outcome, Judgement.RIGHT, by="olga", at=_after(begun.at))
            floor.publish(floor.settings.topics.reviews, word)
    floor.read()
    client = floor.browser("vera")
    text = client.get("/models/bolts/comparison", headers={"HX-Request": "true"}).text
    assert "<html" not in text
    assert text.count("<td>9</td>") == 2
    assert "alarms on 1 frames, only the active one on 2" in text
    assert "defective 0 and 1" in text
    assert "<strong>end</strong>" in text  # a confirmed defect that it misses
    assert "<html" in client.get("/models/bolts/comparison").text


def test_a_canary_is_compared_with_the_active_version(floor: Floor, store: Registry) -> None:
    store.activate("bolts", OLD, "ada", "", trial=Trial(NEW, Mode.CANARY, 0.5, ("line-1",)))
    begun = store.last("bolts")
    assert begun is not None
    for number in range(12):
        camera = "line-2" if number >= 10 else "line-1"  # not one of its
        changes = {
            "outcome_id": f"{number:032x}",
            "model_version": (OLD, NEW)[number % 2],
            "verdict": Verdict.DEFECT if number == 1 else Verdict.PASS,
            "decided_at": _after(begun.at),
        }
        outcome = floor.part(camera, number + 100).model_copy(update=changes)
        floor.publish(floor.settings.topics.outcomes, outcome)
    floor.read()
    text = floor.browser("vera").get("/models/bolts/comparison").text
    assert text.count("<td>5</td>") == 2
    assert "20.00 %" in text
    assert "no guard" in text


def _after(moment: str) -> datetime:
    return datetime.fromisoformat(moment) + timedelta(seconds=1)
