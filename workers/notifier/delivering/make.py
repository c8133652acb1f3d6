"""The channels that the settings name."""

from typing import TypedDict

from workers.notifier.delivering.channels.apprise import AppriseChannel
from workers.notifier.delivering.channels.channel import Channel
from workers.notifier.delivering.channels.console import ConsoleChannel, StandardOutput
from workers.notifier.delivering.channels.file import FileChannel
from workers.notifier.delivering.pictures import Pictures, open_pictures
from workers.notifier.settings import ChannelSettings, DeliverySettings
from workers.runtime.errors import SettingsError
from workers.runtime.settings.base import read_secret

_OWN = ("console", "topic", "file")
_CHANNELS = "notifier.delivery.channels"


class More(TypedDict):
    """What all channels of Apprise are told."""

    timeout_s: float
    pictures: Pictures | None


def make_channels(delivery: DeliverySettings) -> list[Channel]:
    """The channels that need no broker. Raises SettingsError."""
    channels: list[Channel] = []
    if delivery.console:
        channels.append(ConsoleChannel(StandardOutput()))
    if delivery.file:
        channels.append(FileChannel(delivery.file))
    channels += apprise_channels(delivery)
    if not channels and not delivery.topic:
        raise SettingsError(
            "notifier.delivery: alarms go nowhere; set console, topic, file, apprise_urls or "
            "channels"
        )
    return channels


def apprise_channels(delivery: DeliverySettings) -> list[AppriseChannel]:
    """The channels of Apprise, named or not; a URL that is given twice is one. Nothing is sent."""
    more: More = {"timeout_s": delivery.timeout_s, "pictures": open_pictures(delivery.pictures)}
    plain = [AppriseChannel(url, **more) for url in delivery.apprise_urls]
    named = [_named(name, channel, more) for name, channel in delivery.channels.items()]
    return list({channel.name: channel for channel in (*plain, *named)}.values())


def _named(name: str, channel: ChannelSettings, more: More) -> AppriseChannel:
    from pydantic import SecretStr

    setting = f"{_CHANNELS}.{name}"
    if name in _OWN:
        raise SettingsError(f"{setting}: {', '.join(_OWN)} have a meaning; choose another name")
    url = read_secret(channel.url, channel.url_file, f"{setting}.url")
    if not url or not url.strip():
        raise SettingsError(f"{setting}: the URL is empty")
    return AppriseChannel(
        SecretStr(url.strip()), name, setting=setting, digests=channel.digest, **more
    )
