"""Links in alarms open where people read them, and nothing else is ever signed."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from workers.runtime.errors import SettingsError
from workers.runtime.evidence.cases import picture_name
from workers.runtime.evidence.links import Links, links_of
from workers.runtime.evidence.settings import EvidenceSection

PICTURE = picture_name(b"x", "png")


def test_as_they_are_without_a_setting(tmp_path: Path) -> None:
    link = (tmp_path / PICTURE).as_uri()
    assert links_of(EvidenceSection()).opening(link) == link
    assert links_of(EvidenceSection()).opening(None) is None


@pytest.mark.parametrize("stored", [f"file:///data/evidence/{PICTURE}", f"s3://plant/e/{PICTURE}"])
def test_where_a_server_of_ours_has_them(stored: str) -> None:
    links = links_of(EvidenceSection(served_url="https://pictures.plant/evidence/"))
    assert links.opening(stored) == f"https://pictures.plant/evidence/{PICTURE}"


@pytest.mark.parametrize(
    "link",
    ["s3://plant/e/secrets.txt", "javascript:alert(1)", f"https://evil/{PICTURE}/../x", "ab"],
)
def test_what_names_no_picture_of_ours_stays(link: str) -> None:
    assert links_of(EvidenceSection(served_url="https://pictures.plant")).opening(link) == link


def test_only_names_within_our_store_are_signed() -> None:
    asked: list[str] = []

    def sign(name: str) -> str:
        asked.append(name)
        return f"https://signed/{name}"

    links = Links(sign=sign)
    assert links.opening(f"s3://another/bucket/{PICTURE}") == f"https://signed/{PICTURE}"
    assert links.opening("s3://another/models/secret.bin") == "s3://another/models/secret.bin"
    assert asked == [PICTURE]


def test_a_link_that_cannot_be_signed_stays_as_it_is() -> None:
    def fails(name: str) -> str:
        raise RuntimeError("no login")

    link = f"s3://plant/{PICTURE}"
    assert Links(sign=fails).opening(link) == link
    assert Links(sign=lambda name: "x" * 5000).opening(link) == link


def test_signing_needs_the_store() -> None:
    with pytest.raises(ValidationError, match=r"evidence\.signed_hours needs evidence\.url"):
        EvidenceSection(signed_hours=1)
    with pytest.raises(ValidationError, match="less than or equal to 168"):
        EvidenceSection(signed_hours=169, url="s3://plant")


def test_a_notifier_that_misses_the_extra_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    monkeypatch.delitem(sys.modules, "workers.runtime.store.files", raising=False)
    with pytest.raises(SettingsError, match="needs the extra `s3`"):
        links_of(EvidenceSection(url="s3://plant/e", signed_hours=1))
