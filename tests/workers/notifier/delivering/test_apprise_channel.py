"""An Apprise URL on real servers: what arrives, how it fails, and that no secret leaks."""

import logging
import sys
import time
from pathlib import Path

import pytest
from alarms import Ear, alarm, critical, deliver_to, notice, until
from pydantic import SecretStr
from structlog.testing import capture_logs
from webhook import Hook

from schemas.documents import samples
from workers.notifier.delivering.channels.apprise import AppriseChannel, scrub
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused
from workers.runtime.errors import SettingsError

ALARM = samples.ALARM


def channel(hook: Hook, **options: object) -> AppriseChannel:
    return AppriseChannel(SecretStr(hook.url), **options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_webhook_gets_the_alarm_with_its_id(hook: Hook) -> None:
    channel(hook).send([ALARM])
    (message,) = hook.accepted
    assert message["title"] == "WARNING defect: line-1-cam-2"
    assert message["type"] == "warning"
    for part in (ALARM.message, "category fryum", "count 1", str(ALARM.evidence), ALARM.alarm_id):
        assert part in message["message"]


def test_a_critical_alarm_is_a_failure_for_the_service(hook: Hook) -> None:
    channel(hook).send([critical(ALARM)])
    assert hook.accepted[0]["type"] == "failure"


def test_many_alarms_are_one_message(hook: Hook) -> None:
    channel(hook).send([notice(1), critical(notice(2)), notice(3)])
    (message,) = hook.accepted
    assert message["title"] == "CRITICAL not inspected: 3 alarms of 3 cameras"
    assert message["type"] == "failure"
    assert "cam-1, cam-2, cam-3" in message["message"]


@pytest.mark.parametrize("status", [400, 406, 413, 414, 415, 422, 431])
def test_what_is_refused_for_its_content_is_refused(hook: Hook, status: int) -> None:
    hook.status = status
    with pytest.raises(Refused, match=f"HTTP {status}"):
        channel(hook).send([ALARM])


@pytest.mark.parametrize("status", [401, 403, 404, 405, 408, 410, 429, 500, 502, 503, 504])
def test_what_is_no_fault_of_the_alarm_is_tried_again(hook: Hook, status: int) -> None:
    hook.status = status
    with pytest.raises(DeliveryFailed, match=f"HTTP {status}"):
        channel(hook).send([ALARM])


def test_the_pause_that_a_service_asks_for_is_known(hook: Hook) -> None:
    hook.status, hook.headers = 429, {"Retry-After": "17"}
    with pytest.raises(DeliveryFailed) as caught:
        channel(hook).send([ALARM])
    assert caught.value.wait_s == 17


@pytest.mark.parametrize("status", [301, 302, 303])
@pytest.mark.parametrize("host", ["", "http://127.0.0.2:9", "http://user:pw@hooks.example"])
def test_a_redirect_that_loses_the_alarm_is_a_failure(hook: Hook, status: int, host: str) -> None:
    hook.status, hook.location = status, f"{host}/new?token=s3cret1"
    where = host.replace("user:pw@", "") or f"http://127.0.0.1:{hook.server_port}"
    with pytest.raises(DeliveryFailed) as caught:
        channel(hook).send([ALARM])
    assert f"HTTP {status}: moved to {where}/new, which would lose the alarm" in str(caught.value)
    assert "s3cret1" not in str(caught.value)
    assert "pw@" not in str(caught.value)
    assert [asked.method for asked in hook.requests] == ["POST"]


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_on_the_same_server_keeps_method_and_body(hook: Hook, status: int) -> None:
    hook.status, hook.location = status, "/new"
    channel(hook).send([ALARM])
    assert [(asked.method, asked.path) for asked in hook.requests] == [
        ("POST", "/hook-token"),
        ("POST", "/new"),
    ]
    assert ALARM.alarm_id in hook.accepted[0]["message"]


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.slow
def test_nobody_is_sent_to_another_server(hook: Hook, status: int) -> None:
    other = Hook()
    hook.status, hook.location = status, f"http://127.0.0.1:{other.server_port}/hook-token/new"
    with pytest.raises(DeliveryFailed) as caught:
        channel(hook).send([ALARM])
    assert f"moved to http://127.0.0.1:{other.server_port}/***/new;" in str(caught.value)
    assert other.asked == 0
    other.stop()


def test_a_ring_of_redirects_ends(hook: Hook) -> None:
    hook.status, hook.location = 308, "/hook-token"
    with pytest.raises(DeliveryFailed, match="HTTP 308"):
        channel(hook).send([ALARM])
    assert hook.asked == 4


@pytest.mark.parametrize("location", ["http://[", "//", "\\\\x", "http://h/\u202e"])
def test_a_redirect_to_nonsense_is_a_failure(hook: Hook, location: str) -> None:
    hook.status, hook.location = 302, location.encode().decode("latin-1")
    with pytest.raises(DeliveryFailed, match=r"HTTP 302|not accepted|InvalidURL"):
        channel(hook).send([ALARM])


@pytest.mark.slow
def test_an_answer_that_never_comes_is_bounded(hook: Hook) -> None:
    hook.hangs = True
    begun = time.monotonic()
    with pytest.raises(DeliveryFailed):
        channel(hook, timeout_s=6.5).send([ALARM])
    assert time.monotonic() - begun < 6


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        ({"Content-Length": "100"}, b"abc"),
        ({"Transfer-Encoding": "chunked"}, b"zz\r\n"),
        ({"Content-Encoding": "gzip"}, b"no gzip"),
    ],
    ids=["cut off", "bad chunk", "cannot be unpacked"],
)
def test_an_alarm_that_was_taken_is_taken_whatever_the_answer_says(
    hook: Hook, headers: dict[str, str], text: bytes
) -> None:
    hook.headers, hook.text = headers, text
    channel(hook, timeout_s=2).send([ALARM])
    assert hook.asked == 1


@pytest.mark.slow
def test_an_answer_that_never_ends_is_one_after_all(hook: Hook) -> None:
    hook.drips = True
    begun = time.monotonic()
    channel(hook, timeout_s=1).send([ALARM])
    assert time.monotonic() - begun < 6
    hook.status = 503
    with pytest.raises(DeliveryFailed, match="HTTP 503"):
        channel(hook, timeout_s=1).send([ALARM])
    assert hook.asked == 2


@pytest.mark.parametrize(
    ("status", "perhaps"), [(500, True), (504, True), (503, False), (401, False)]
)
def test_a_server_that_fails_may_do_so_for_this_alarm(
    hook: Hook, status: int, perhaps: bool
) -> None:
    hook.status = status
    with pytest.raises(DeliveryFailed, match=f"HTTP {status}") as found:
        channel(hook).send([ALARM])
    assert found.value.perhaps_alarm is perhaps


@pytest.mark.slow
def test_an_unreachable_webhook_is_a_failure(hook: Hook) -> None:
    url = SecretStr(hook.url)
    hook.stop()
    with pytest.raises(DeliveryFailed, match="refused"):
        AppriseChannel(url).send([ALARM])


def test_others_who_use_the_same_library_are_left_alone(hook: Hook) -> None:
    import requests

    channel(hook).send([ALARM])
    hook.status, hook.location = 302, "/new"
    answer = requests.post(f"http://127.0.0.1:{hook.server_port}/x", json={}, timeout=5)
    assert (answer.status_code, len(answer.history)) == (200, 1)


def test_a_failure_shows_no_secret(hook: Hook, caplog: pytest.LogCaptureFixture) -> None:
    hook.status = 503
    url = hook.url.replace("hunter22", "hunter%2322") + "?+X-Token=t0k3n99&-key=qu3ry77"
    made = AppriseChannel(SecretStr(url))
    with caplog.at_level(logging.DEBUG), pytest.raises(DeliveryFailed) as caught:
        made.send([ALARM])
    for text in (str(caught.value), made.name, caplog.text):
        for secret in ("hunter", "hook-token", "t0k3n99", "qu3ry77"):
            assert secret not in text


@pytest.mark.parametrize("url", ["nosuch://token-4711/x", "token-4711", "json://"])
def test_a_url_that_apprise_does_not_know_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(SettingsError, match=r"notifier\.delivery\.apprise_urls") as caught:
        AppriseChannel(SecretStr(url))
    assert "4711" not in str(caught.value)


def test_channels_are_told_apart_by_their_name() -> None:
    names = [AppriseChannel(SecretStr(f"json://host{number}/")).name for number in (1, 2, 1)]
    assert names[0] == names[2] != names[1]
    assert names[0].startswith("json-")


def test_scrubbing_hides_every_part_of_a_url_but_its_scheme() -> None:
    said = "json to hooks.example failed: /abcd-token?key=s3cret1 by operator, p@ss#w"
    url = "json://operator:p%40ss%23w@hooks.example/abcd-token?key=s3cret1"
    assert scrub(said, url) == ": json to *** failed: /***?key=*** by ***, ***"


def test_without_apprise_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SettingsError, match=r"stream-inspector\[notifier\]"):
        AppriseChannel(SecretStr("json://host/"))


def test_one_alarm_that_a_webhook_refuses_does_not_stop_the_others(
    hook: Hook, tmp_path: Path
) -> None:
    hook.refuses = lambda content: "m2" in content["message"]
    with deliver_to(tmp_path, channel(hook)) as delivery:
        delivery.deliver([alarm(1), alarm(2), alarm(3)])
        until(lambda: delivery.couriers[0].waiting == 0)
        assert (delivery.couriers[0].counts.sent, delivery.couriers[0].counts.refused) == (2, 1)
    assert [message["message"].splitlines()[0] for message in hook.accepted] == ["m1", "m3"]


def test_a_webhook_for_machines_gets_every_alarm(hook: Hook, tmp_path: Path) -> None:
    with deliver_to(tmp_path, channel(hook, digests=False)) as delivery:
        delivery.deliver([notice(number) for number in range(20)])
        until(lambda: len(hook.accepted) == 20)
    assert all("alarm 0000" in message["message"] for message in hook.accepted)


@pytest.mark.slow
def test_a_webhook_that_never_answers_costs_only_itself(hook: Hook, tmp_path: Path) -> None:
    hook.hangs = True
    ear = Ear()
    made = deliver_to(tmp_path, channel(hook), ear, timeout_s=0.3, drain_s=0)
    with capture_logs() as logs, made as delivery:
        for number in range(20):
            delivery.deliver([alarm(number)])
        until(lambda: len(ear.messages) == 20)
        until(lambda: delivery.couriers[0].counts.failed)
        hook.released.set()
        hook.hangs = False
        until(lambda: delivery.couriers[0].waiting == 0)
    assert any(e.get("reason") == "no answer within 0.3 s" for e in logs)


def test_a_webhook_that_recovers_gets_everything_in_order(hook: Hook, tmp_path: Path) -> None:
    hook.status = 500
    with deliver_to(tmp_path, channel(hook)) as delivery:
        delivery.deliver([alarm(1), alarm(2)])
        until(lambda: delivery.couriers[0].counts.failed)
        assert delivery.couriers[0].waiting == 2
        hook.status = 200
        until(lambda: delivery.couriers[0].waiting == 0)
        delivery.deliver([alarm(3)])
    assert [message["message"].splitlines()[0] for message in hook.accepted] == ["m1", "m2", "m3"]
