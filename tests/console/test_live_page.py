"""The live page: what the cameras do, whatever they call themselves."""

import io
import json
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from floor import NOW, Floor, png
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from schemas.camera_state import CameraCondition, CameraState
from schemas.defect import CounterpartCheck, Evidence
from schemas.explanation import Explanation, ExplanationState
from schemas.outcome import Outcome, Verdict
from workers.console.history.writing import part_of
from workers.console.pages.live import LiveStream
from workers.console.pictures.frames import FramePictures
from workers.runtime.bus.ports import Partition, Record
from workers.runtime.errors import BusUnavailable
from workers.runtime.evidence.expiry import CHUNK

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "workers" / "console" / "templates"
STATIC = ROOT / "workers" / "console" / "static"


def test_each_camera_shows_its_last_outcome(floor: Floor) -> None:
    floor.part("line-1", 1)
    last = floor.part("line-1", 2, Verdict.DEFECT)
    floor.reject("line-2", 3)
    floor.read()
    page = floor.browser("vera").get("/live").text
    assert page.count('<li id="camera-') == 2
    assert f"/pictures/frame/{part_of(last)}" in page
    assert "score 1.50 of 1.00" in page
    assert "not inspected" in page
    assert "42 ms" in page


def test_a_silent_camera_is_told_and_a_planned_stop_too(floor: Floor) -> None:
    for camera in ("line-1", "line-2"):
        outcome = floor.part(camera, 1)
        old = outcome.model_copy(
            update={"decided_at": NOW - timedelta(minutes=30), "outcome_id": f"{camera[-1]:0>32}"}
        )
        floor.publish(floor.settings.topics.outcomes, old)
    pause = CameraState(
        state_id="0" * 32,
        camera="line-2",
        state=CameraCondition.PAUSED,
        until=NOW + timedelta(hours=1),
        by="olga",
        why="change of tools",
        announced_at=NOW,
    )
    floor.publish(floor.settings.topics.camera_states, pause)
    floor.read()
    page = floor.browser("vera").get("/live").text
    assert "announced: change of tools" in page


def test_the_wall_has_the_same_cameras_and_no_menu(floor: Floor) -> None:
    floor.part()
    floor.read()
    page = floor.browser("vera").get("/live?wall=1").text
    assert 'class="wall"' in page
    assert page.count('<li id="camera-') == 1


def test_what_a_camera_says_of_itself_is_text(floor: Floor) -> None:
    floor.part("<script>alert(1)</script>", 1, category='"><img src=x onerror=y>')
    floor.part("\u202eenil\u202c", 2)
    floor.read()
    page = floor.browser("vera").get("/live").text
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page


def test_topics_that_are_not_read_are_told_each_reason_once(floor: Floor) -> None:
    for feed in floor.feeds[:3]:
        feed.problem = f"{feed.topic}: the broker is <away>"
    for page in (
        floor.browser("vera").get("/live").text,
        floor.browser("vera").get("/search").text,
        LiveStream(1)._cameras(floor.room),  # a wall is never loaded again
    ):
        assert page.count("outcomes, shadows, defects: the broker is &lt;away&gt;") == 1


def test_a_camera_that_was_renamed_is_no_silent_one_for_ever(floor: Floor) -> None:
    floor.part("line-1", 1, aged=timedelta(days=3))
    for name in ("line-2", "line-3"):
        floor.part(name, 1, aged=timedelta(hours=23))
    floor.read()
    client = floor.browser("vera")
    for path in ("/live", "/lines"):
        page = client.get(path).text
        assert "No frame for more than a day: line-1 (3 d)." in page
    assert client.get("/live").text.count("silent for 23 h") == 2
    floor.part("line-1", 2)
    floor.read()
    assert "more than a day" not in client.get("/live").text


def test_a_wall_shows_when_it_was_renewed(floor: Floor) -> None:
    piece = LiveStream(1)._cameras(floor.room)
    assert re.search(r"As of \d\d:\d\d:\d\d UTC", piece)
    assert "data-stale hidden" in floor.browser("vera").get("/live?wall=1").text


def test_more_cameras_than_have_room_are_counted(floor: Floor) -> None:
    for number in range(203):
        floor.part(f"line-{number:03}", 1)
    floor.read()
    page = floor.browser("vera").get("/live").text
    assert "3 more cameras" in page


def test_pictures_come_from_the_topic_of_frames_while_it_has_them(floor: Floor) -> None:
    data = png(7)
    outcome = floor.part(sequence=1, data=data)
    floor.read()
    client = floor.browser("vera")
    answer = client.get(f"/pictures/frame/{part_of(outcome)}")
    assert (answer.content, answer.headers["content-type"]) == (data, "image/png")
    assert "sandbox" in answer.headers["content-security-policy"]
    missing = client.get(f"/pictures/heatmap/{part_of(outcome)}")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "image/svg+xml")
    assert "none was stored" in missing.text
    assert "sandbox" in missing.headers["content-security-policy"]


def reason(floor: Floor, outcome: Outcome) -> str:
    page = floor.browser("vera").get(f"/pictures/frame/{part_of(outcome)}").text
    return page.partition('font-size="13">')[2].partition("<")[0]


def test_a_picture_that_is_not_there_says_why(floor: Floor) -> None:
    kept, odd = floor.part(sequence=1), floor.part(sequence=2, data=b"II*\x00 a TIFF")
    gone = kept.model_copy(
        update={"record": kept.record.model_copy(update={"offset": 999}), "outcome_id": "9" * 32}
    )
    floor.publish(floor.settings.topics.outcomes, gone)
    floor.read()
    assert reason(floor, odd) == "no browser shows this format"
    assert reason(floor, gone) == "the frame is not kept any more"


def test_a_picture_that_expired_says_when_and_by_which_rule(floor: Floor) -> None:
    outcome = floor.part(sequence=1, verdict=Verdict.DEFECT)
    floor.read()
    facts, buffer = PngInfo(), io.BytesIO()
    facts.add_text(CHUNK, json.dumps({"case": "x", "at": "2026-01-31T04:00Z", "rule": "90 days"}))
    Image.new("1", (9, 9)).save(buffer, "PNG", pnginfo=facts)
    event = floor.defect(outcome, png(41))
    for link in (event.evidence.heatmap, event.evidence.outline):
        name = "/".join(str(link).split("/")[-2:])
        floor.blobs.write(name, buffer.getvalue() if link == event.evidence.heatmap else b"junk")
    client = floor.browser("vera")
    for kind, why in (
        ("heatmap", "expired 2026-01-31: 90 days"),
        ("outline", "the store has something else there"),
    ):
        answer = client.get(f"/pictures/{kind}/{part_of(outcome)}")
        assert (answer.status_code, why in answer.text) == (404, True), answer.text


def test_a_broker_that_is_away_is_asked_once_and_leaves_threads_for_pages() -> None:
    asked, answer = list[int](), threading.Event()

    def fetch(partition: Partition, offset: int) -> Record | None:
        asked.append(offset)
        answer.wait(90)
        raise BusUnavailable("away")

    pictures = FramePictures("frames", fetch, 2**20)
    with ThreadPoolExecutor(40) as threads:
        told = [
            threads.submit(pictures.read, "frames", 0, number, "x", None) for number in range(40)
        ]
        deadline = time.monotonic() + 60
        while sum(each.done() for each in told) < 24 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert sum(each.done() for each in told) == 24  # those that still wait are few
        answer.set()
    assert {each.result() for each in told} == {
        "the broker does not answer",
        "many are asked for: load the page again",
    }
    assert len(asked) == 1


def test_a_picture_of_another_frame_at_that_place_is_not_shown(floor: Floor) -> None:
    outcome = floor.part(sequence=1)
    floor.part(sequence=2)
    moved = outcome.model_copy(
        update={"record": outcome.record.model_copy(update={"offset": 1}), "outcome_id": "a" * 32}
    )
    elsewhere = outcome.model_copy(
        update={
            "record": outcome.record.model_copy(update={"topic": "__consumer_offsets"}),
            "outcome_id": "b" * 32,
        }
    )
    for each in (moved, elsewhere):
        floor.publish(floor.settings.topics.outcomes, each)
    floor.read()
    client = floor.browser("vera")
    for each in (moved, elsewhere):
        assert client.get(f"/pictures/frame/{part_of(each)}").status_code == 404


def test_a_defects_pictures_come_from_the_evidence_store(floor: Floor) -> None:
    outcome = floor.part(verdict=Verdict.DEFECT, data=png(99))
    floor.read()
    client = floor.browser("vera")
    for kind, data in (("heatmap", png(10)), ("outline", png(20)), ("counterpart", png(30))):
        assert client.get(f"/pictures/{kind}/{part_of(outcome)}").content == data


def test_pictures_that_were_made_later_are_shown(floor: Floor) -> None:
    outcome = floor.part(sequence=4, verdict=Verdict.NEAR_MISS)
    made = Explanation(
        outcome_id=outcome.outcome_id,
        frame=outcome.frame,
        record=outcome.record,
        worker_id=outcome.worker_id,
        verdict="near_miss",
        state=ExplanationState.SKIPPED,
        reason="it took too long",
        model_version=None,
        evidence=Evidence(heatmap=floor.store(png(11)), notes={"counterpart": "skipped"}),
        counterpart=CounterpartCheck(status="skipped"),
        verdict_record="outcomes/0/0",
        took_ms=1.0,
        explainer_id="explainer-1",
        explained_at=NOW,
    )
    floor.publish(floor.settings.topics.explanations, made)
    floor.read()
    client, part = floor.browser("olga"), part_of(outcome)
    assert client.get(f"/pictures/heatmap/{part}").content == png(11)
    assert f"/pictures/heatmap/{part}" in client.get("/review/near-misses").text
    assert "No counterpart: skipped" in client.get(f"/parts/{part}").text


@pytest.mark.parametrize(
    "link",
    [
        "file:///etc/passwd",
        "http://evil.example/ab/" + "ab" * 32 + ".svg",
        "../../secret/" + "cd/" + "cd" * 32 + ".png",
    ],
)
def test_links_that_are_not_ours_are_not_followed(floor: Floor, link: str) -> None:
    outcome = floor.part(sequence=5)
    event = floor.defect(outcome, png(1))
    bad = event.evidence.model_copy(update={"heatmap": link})
    floor.publish(floor.settings.topics.defects, event.model_copy(update={"evidence": bad}))
    floor.read()
    found = floor.browser("vera").get(f"/pictures/heatmap/{part_of(outcome)}")
    assert found.status_code == 404


def test_bytes_that_are_not_what_their_name_says_are_not_shown(floor: Floor) -> None:
    name = "ab" * 32
    floor.blobs.write(f"ab/{name}.png", b"<svg onload=alert(1)>")
    outcome = floor.part(sequence=5)
    event = floor.defect(outcome, png(1))
    bad = event.evidence.model_copy(update={"heatmap": f"s3://b/ab/{name}.png"})
    floor.publish(floor.settings.topics.defects, event.model_copy(update={"evidence": bad}))
    floor.read()
    found = floor.browser("vera").get(f"/pictures/heatmap/{part_of(outcome)}")
    assert found.status_code == 404


def test_a_part_has_a_page_with_all_that_is_known(floor: Floor) -> None:
    outcome = floor.part(verdict=Verdict.DEFECT)
    rejected = floor.reject(sequence=2, error="<b>cut</b> short")
    floor.read()
    client = floor.browser("vera")
    page = client.get(f"/parts/{part_of(outcome)}").text
    assert page.count("<figure>") == 4
    assert outcome.outcome_id in page
    assert "&lt;b&gt;cut&lt;/b&gt; short" in client.get(f"/parts/{part_of(rejected)}").text
    assert client.get("/parts/nothing").status_code == 404


def test_pages_run_no_script_of_their_own_and_ask_nobody_else() -> None:
    for template in TEMPLATES.glob("*.j2"):
        text = template.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), template
        assert not re.search(r"\son\w+=|\sstyle=|javascript:|\|\s*safe", text), template
        assert not re.search(r"(?:src|href|action)=\"(?:https?:)?//", text), template


def test_files_of_others_have_their_licence_beside_them() -> None:
    names = {path.name for path in (STATIC / "vendor").iterdir()}
    for library in ("htmx", "uPlot", "pico"):
        assert f"{library}.LICENSE.txt" in names
