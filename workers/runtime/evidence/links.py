"""The links of events, as URLs that open where people read alarms."""

from collections.abc import Callable

import structlog

from workers.runtime.errors import SettingsError
from workers.runtime.evidence.cases import picture_in
from workers.runtime.evidence.settings import EvidenceSection

_log = structlog.get_logger(__name__)
_LONGEST = 2000  # characters that an alarm, a mail or a chat carries unbroken

Sign = Callable[[str], str | None]  # a picture's name -> a URL


class Links:
    """Makes a link of an event one that opens; leaves it as it is where no setting says how.

    Only what a setting names is signed, whatever an event says: a link counts by its last part,
    the name of a picture, which is looked for in our store.
    """

    def __init__(self, served_url: str | None = None, sign: Sign | None = None):
        self._served, self._sign = served_url, sign

    def opening(self, link: str | None) -> str | None:
        """The link to tell people."""
        name = picture_in(link) if link else None
        if name is None:
            return link
        if self._served:
            return f"{self._served.rstrip('/')}/{name}"
        return self._signed(name) or link

    def _signed(self, name: str) -> str | None:
        if self._sign is None:
            return None
        try:
            made = self._sign(name)
        except Exception as error:  # a login that is missing costs the link, not the alarm
            _log.warning("a link cannot be signed", reason=f"{type(error).__name__}: {error}")
            return None
        return made if made and len(made) <= _LONGEST else None


def links_of(section: EvidenceSection) -> Links:
    """As the settings say. Raises SettingsError where the store cannot be opened."""
    if section.served_url or section.signed_hours is None or section.url is None:
        return Links(section.served_url)
    try:
        from workers.runtime.store.files import open_blobs  # fsspec: a notifier may do without
    except ModuleNotFoundError as error:
        why = f"evidence.signed_hours needs the extra `s3` ({error.name} is not installed)"
        raise SettingsError(why) from None
    blobs, seconds = open_blobs(section.url), round(section.signed_hours * 3600)
    return Links(None, lambda name: blobs.signed(name, seconds))
