"""Alarms that are told link to where their picture opens."""

from pathlib import Path

from alarms import Ear, alarm, until

from workers.notifier.delivering.delivery import Delivery
from workers.notifier.settings import NotifierSettings
from workers.runtime.evidence.cases import picture_name
from workers.runtime.evidence.links import Links


def test_an_alarm_links_to_where_its_picture_opens(tmp_path: Path) -> None:
    name, ear = picture_name(b"outline", "png"), Ear("ear")
    links = Links("https://pictures.plant/evidence")
    notifier = NotifierSettings(folder=tmp_path)
    with Delivery([ear], notifier, links=links) as delivery:
        delivery.deliver(
            [alarm(1, evidence=f"file:///data/evidence/{name}"), alarm(2, evidence=None)]
        )
        until(lambda: len(ear.messages) == 2)
    told = [each.evidence for group in ear.heard for each in group]
    assert told == [f"https://pictures.plant/evidence/{name}", None]
