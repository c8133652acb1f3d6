"""What must not be seen: secrets inside URLs, and every value that was given as a secret.

A URL is shown by its form: scheme, host and port where they are beyond doubt, and nothing that a
password or a token could be. No parser is asked, since a secret with `#`, `/`, `?` or `[` misleads
it. Texts that go out (errors, logs, pages) also lose the secrets that this process was told.
"""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

HIDDEN = "***"
_SHORT = 4  # shorter secrets would hide ordinary words

# schemes whose path is the name of a place; elsewhere a path may be a key (https://host/KEY)
_PLACES = {
    *(
        "file",
        "local",
        "memory",
        "unix",
        "sqlite",
        "s3",
        "s3a",
        "gs",
        "gcs",
        "abfs",
        "abfss",
        "az",
        "adl",
    ),
    *("sftp", "ssh", "ftp", "smb", "hdfs", "opc.tcp"),
}
_HOSTS = _PLACES | {
    "redis",
    "rediss",
    "http",
    "https",
    "rtsp",
    "rtsps",
    "postgresql",
}  # elsewhere a host may be a key, too
_PLAIN = {  # parts of a path without secrets
    *("v1", "v2", "api", "otlp", "traces", "metrics", "logs"),
    *("main", "live", "stream", "streaming", "video", "media", "channels", "h264", "h265"),
}

_CHAIN = re.compile(r"((?:[a-z0-9]+::)*)([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_AUTHORITY = re.compile(
    r"(?P<user>.*@)?(?P<host>[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})?", re.DOTALL
)
_INSIDE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]*[@?][^\s\"'<>]*")
_NAMED = re.compile(
    r"(?i)((?:(?:password|passwd|pwd|token|secret|credential|signature|access_?key|api_?key)[\w-]*"
    r"|\bsig)\s?=\s?)[^\s&\"',;)]+"
)
_SPLIT = re.compile(r"[/:@?&=+,#%\s\[\]]+")


def mask_url(url: str) -> str:
    """The URL as it may be shown. What is no URL comes back as it is, unless it has a login."""
    whole = _CHAIN.fullmatch(url)
    if whole is None:
        return HIDDEN if "://" in url or re.search(r":.*@", url, re.DOTALL) else conceal(url)
    chain, scheme, rest = whole.groups()
    authority, tail = _divide(rest)
    found = _AUTHORITY.fullmatch(authority)
    # an @ behind the host: what looks like host and path is the middle of a login
    if scheme.lower() not in _HOSTS or found is None or "@" in tail:
        return f"{chain}{scheme}://{HIDDEN}"
    if not found["host"] and not (tail.startswith("/") and scheme.lower() in _PLACES):
        return f"{chain}{scheme}://{HIDDEN}"
    user = f"{HIDDEN}@" if found["user"] else ""
    place = f"{user}{found['host']}{found['port'] or ''}"
    return f"{chain}{scheme}://{place}{_masked_tail(scheme.lower(), tail)}"


def _divide(rest: str) -> tuple[str, str]:
    """What stands behind `://`, before and from the first `/`, `?` or `#`."""
    end = re.search(r"[/?#]", rest)
    return (rest, "") if end is None else (rest[: end.start()], rest[end.start() :])


def _masked_tail(scheme: str, tail: str) -> str:
    path, query = re.fullmatch(r"([^?#]*)(.*)", tail, re.DOTALL).groups()  # type: ignore[union-attr]
    if scheme not in _PLACES:
        path = "/".join(part if _is_plain(part) else HIDDEN for part in path.split("/"))
    return path + (query[0] + HIDDEN if query[1:] else query)


def _is_plain(part: str) -> bool:
    return not part or part in _PLAIN or (part.isdigit() and len(part) < _SHORT)


class _Known:
    """The secrets that this process was told, in every form in which a text may have them."""

    def __init__(self) -> None:
        self._shown: dict[str, str] = {}  # what may stand in a text -> what is shown instead
        self._pattern: re.Pattern[str] | None = None

    def clear(self) -> None:
        self._shown, self._pattern = {}, None

    def add(self, secret: str, shown: str = HIDDEN) -> None:
        forms = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret)}
        forms |= {unquote(secret), json.dumps(secret)[1:-1], repr(secret)[1:-1]}
        news = {form: shown for form in forms if len(form) >= _SHORT and form not in self._shown}
        if news:
            known = self._shown | news
            longest_first = sorted(known, key=len, reverse=True)
            self._shown = known
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def hide(self, text: str) -> str:
        pattern, shown = self._pattern, self._shown
        return text if pattern is None else pattern.sub(lambda each: shown[each[0]], text)


_known = _Known()


def forget() -> None:
    """Know no secret any more. For tests, which share a process."""
    _known.clear()


def learn(secret: str) -> None:
    """From now on the secret is in no text that goes out. Three characters or less are too few."""
    _known.add(secret)
    if "://" in secret:
        learn_url(secret)


def learn_url(url: str) -> None:
    """The same for the secrets inside a URL."""
    masked = mask_url(url)
    if masked != url:
        _known.add(url, masked)
        for part in _secret_parts(url, masked):
            _known.add(part)


def _secret_parts(url: str, masked: str) -> Iterator[str]:
    """What a library may say of a URL: its password, its query, parts of what nobody can read."""
    whole = _CHAIN.fullmatch(url)
    if whole is None:
        return
    scheme, rest = whole[2].lower(), whole[3]
    user, at, _ = rest.rpartition("@")
    name, colon, password = user.partition(":")
    if at and (colon or not scheme.startswith("redis")):
        yield password if colon else name
    if masked.endswith(f"://{HIDDEN}"):
        yield from (part for part in _SPLIT.split(rest) if part not in (scheme, name))
        return
    tail = _divide(rest)[1]
    path, _, query = tail.partition("?")
    if HIDDEN in masked.rpartition("@")[2]:
        yield tail if len(tail) >= 2 * _SHORT else ""
    yield from (value for _, _, value in map(_pair, re.split(r"[&#]", query)) if value)
    if scheme not in _PLACES:
        yield from (part for part in path.split("/") if not part.isalpha() and part not in _PLAIN)


def _pair(item: str) -> tuple[str, str, str]:
    """A query's name and value; a short value counts only when its name says that it is secret."""
    name, equals, value = item.partition("=")
    telling = not equals or len(value) >= 2 * _SHORT or _NAMED.match(item)
    return name, equals, (value or name) if telling else ""


def conceal(text: str) -> str:
    """A text without the secrets that are known, logins in URLs and `password=...`."""
    text = _known.hide(text)
    text = _INSIDE.sub(lambda each: mask_url(each[0]), text)
    return _NAMED.sub(lambda each: f"{each[1]}{HIDDEN}", text)
