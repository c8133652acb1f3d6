"""Text is text: in mails, and in what chat services are sent."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from alarms import MailServer, alarm, notice
from pydantic import SecretStr

from schemas.documents import samples
from workers.notifier.delivering.channels.apprise import AppriseChannel
from workers.notifier.delivering.channels.channel import DeliveryFailed, Refused
from workers.notifier.delivering.pictures import Pictures
from workers.runtime.store.files import FolderBlobs

HTML = '<a href="http://evil.example"><img src="http://evil.example/x.png">'
NASTY = f"{HTML}\x1b[2J\u202e\nBcc: all@plant.example"


def test_a_mail_is_plain_text_with_its_lines(mail_server: MailServer) -> None:
    AppriseChannel(SecretStr(mail_server.url)).send([alarm(1, camera_id=NASTY, message=NASTY)])
    (mail,) = mail_server.mails
    assert [part.get_content_type() for part in mail.walk()] == ["text/plain"]
    lines = mail.get_content().splitlines()
    assert lines[0] == HTML + r"\x1b[2J\u202e\nBcc: all@plant.example"
    assert lines[-1] == f"alarm {1:032x}"
    assert len(lines) == 6
    assert mail["Subject"] == "WARNING defect: " + lines[0]
    assert mail["Bcc"] is None


def test_a_mail_that_is_to_be_html_shows_the_text(mail_server: MailServer) -> None:
    url = SecretStr(f"{mail_server.url}&format=html")
    AppriseChannel(url).send([alarm(1, camera_id=NASTY, message=NASTY)])
    (mail,) = mail_server.mails
    page = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert not re.search(r"<(?!/?br\b|/?(html|body|head|p)\b)", page)
    assert "&lt;img" in page
    assert page.count("<br") >= 4


def test_a_digest_mail_keeps_its_lines(mail_server: MailServer) -> None:
    AppriseChannel(SecretStr(mail_server.url)).send([notice(n, message=NASTY) for n in range(9)])
    (mail,) = mail_server.mails
    assert mail.get_content_type() == "text/plain"
    assert len(mail.get_content().splitlines()) == 3 + 9


@pytest.mark.parametrize("answer", ["552 too large", "554 no", "550 spam"])
def test_a_mail_that_is_refused_for_its_content(mail_server: MailServer, answer: str) -> None:
    mail_server.answer = answer
    with pytest.raises(Refused, match=f"SMTP {answer[:3]}"):
        AppriseChannel(SecretStr(mail_server.url)).send([alarm(1)])


@pytest.mark.parametrize("answer", ["451 later", "421 closing", "452 full"])
def test_a_mail_server_that_is_busy_is_asked_again(mail_server: MailServer, answer: str) -> None:
    mail_server.answer = answer
    with pytest.raises(DeliveryFailed, match=f"SMTP {answer[:3]}"):
        AppriseChannel(SecretStr(mail_server.url)).send([alarm(1)])


def test_a_mail_server_that_is_away_is_asked_again() -> None:
    server = MailServer()
    server.stop()
    with pytest.raises(DeliveryFailed, match="not accepted"):
        AppriseChannel(SecretStr(server.url)).send([alarm(1)])


CALLS = "@everyone @here <!channel> <@U123> <at>x</at> [x](http://evil) **b** `c` " + HTML
CHATS = {
    "discord": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    "discord-markdown": "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?format=markdown",
    "slack": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#line",
    "slack-blocks": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#line?blocks=yes",
    "telegram": "tgram://123456789:abcdefg_hijklmnop/12315544/",
    "mattermost": "mmost://chat.example/3ccdd113474722377935511fc85d3dd4",
    "teams": "workflows://host.example/workflow1a/signature1/",
    "rocket": "rockets://user:pass@chat.example/#line",
}

MARKDOWN = {"discord", "discord-markdown", "mattermost", "teams", "rocket"}  # the others: HTML, own


@pytest.fixture
def bodies(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What would go to the services, which nobody calls from a test: any answer is `ok`."""
    import requests

    found: list[bytes] = []

    def answer(session: object, request: requests.PreparedRequest, **options: object) -> Any:
        body = request.body or b""
        found.append(body if isinstance(body, bytes) else body.encode())
        made = requests.Response()
        made.status_code, made.request, made.url = 200, request, request.url or ""
        answers = {"hooks.slack.com": b"ok"}
        host = (request.url or "").split("/")[2]
        made._content = answers.get(host, b'{"ok": true, "status": "success", "data": {}}')
        return made

    monkeypatch.setattr("requests.Session.send", answer)
    return found


@pytest.mark.parametrize("chat", CHATS)
def test_a_chat_is_sent_nothing_that_calls_people_or_is_markup(
    bodies: list[bytes], chat: str
) -> None:
    made = AppriseChannel(SecretStr(CHATS[chat]), timeout_s=5)
    made.send([alarm(1, camera_id=CALLS, message=CALLS, category=CALLS)])
    texts = [body.decode() for body in bodies]
    sent = [json.loads(text) if text.startswith(("{", "[")) else text for text in texts]
    text = json.dumps(sent, ensure_ascii=False)
    assert "everyone" in text
    for live in ("@everyone", "@here", "<!channel", "<@U123", "<at>", "<a href", "<img"):
        assert live not in text, live
    if chat in MARKDOWN:
        assert "](http" not in text
        assert "**b**" not in text


def stored(folder: Path) -> tuple[Pictures, str, bytes]:
    """A store with a picture, and the link that an explanation has to it."""
    blobs, data = FolderBlobs(folder), samples.PNG
    digest = hashlib.sha256(data).hexdigest()
    link = blobs.write(f"{digest[:2]}/{digest}.png", data)
    return Pictures(blobs), link, data


def test_a_mail_has_the_picture_of_its_alarm(mail_server: MailServer, tmp_path: Path) -> None:
    pictures, link, data = stored(tmp_path)
    channel = AppriseChannel(SecretStr(mail_server.url), pictures=pictures)
    channel.send([alarm(1, evidence=link)])
    (mail,) = mail_server.mails
    (picture,) = mail.iter_attachments()
    assert picture.get_content_type() == "image/png"
    assert picture.get_content() == data


@pytest.mark.parametrize("chat", ["discord", "telegram"])
def test_a_chat_has_the_picture_of_its_alarm(
    bodies: list[bytes], chat: str, tmp_path: Path
) -> None:
    pictures, link, data = stored(tmp_path)
    channel = AppriseChannel(SecretStr(CHATS[chat]), timeout_s=5, pictures=pictures)
    channel.send([alarm(1, evidence=link)])
    assert sum(data in body for body in bodies) == 1


@pytest.mark.parametrize("chat", ["slack", "mattermost", "teams"])
def test_a_chat_that_takes_no_files_gets_the_text(
    bodies: list[bytes], chat: str, tmp_path: Path
) -> None:
    pictures, link, data = stored(tmp_path)
    channel = AppriseChannel(SecretStr(CHATS[chat]), timeout_s=5, pictures=pictures)
    channel.send([alarm(1, evidence=link)])
    assert any(b"defect" in body for body in bodies)
    assert not any(data in body for body in bodies)


@pytest.mark.parametrize("evidence", [None, "s3://elsewhere/x.png", "file:///etc/passwd", "gone"])
def test_a_picture_that_cannot_be_had_costs_the_picture(
    mail_server: MailServer, tmp_path: Path, evidence: str | None
) -> None:
    pictures, link, _ = stored(tmp_path)
    told = link.replace("a", "b").replace("c", "d") if evidence == "gone" else evidence
    channel = AppriseChannel(SecretStr(mail_server.url), pictures=pictures)
    channel.send([alarm(1, evidence=told)])
    (mail,) = mail_server.mails
    assert list(mail.iter_attachments()) == []


def test_a_picture_that_is_not_what_its_name_says_is_not_sent(tmp_path: Path) -> None:
    pictures, link, _ = stored(tmp_path)
    Path(link.removeprefix("file://")).write_bytes(b"another")
    assert pictures.of([alarm(1, evidence=link)]) is None
