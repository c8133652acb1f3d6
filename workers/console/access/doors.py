"""From a request to the person behind it: a trusted proxy's word, a session, or nobody."""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from ipaddress import ip_address

from workers.console.access.attempts import Attempts
from workers.console.access.passwords import NOBODY, fits
from workers.console.access.person import ANYBODY, Person, greatest
from workers.console.access.sessions import Sessions, digest
from workers.console.settings import AccessSettings, ProxySettings

LONGEST_NAME = 100  # characters


class TooManyAttempts(Exception):
    """Wait before the next login."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"too many failed logins: wait {wait_s:.0f} s")
        self.wait_s = wait_s


class Doors:
    """Knows people."""

    def __init__(self, settings: AccessSettings, sessions: Sessions, secret: bytes):
        self._settings, self._sessions, self._secret = settings, sessions, secret
        self._attempts = Attempts(settings.attempts)

    @property
    def takes_logins(self) -> bool:
        """Whether there is anybody who could log in here."""
        return bool(self._settings.users)

    def person(self, address: str, headers: Mapping[str, str], token: str) -> Person | None:
        """Who asks; None: somebody who has to log in first."""
        found = _by_proxy(self._settings.proxy, address, headers) or self._by_session(token)
        if found is None and self._settings.read_without_login:
            return Person(ANYBODY, "viewer")
        return found

    def _by_session(self, token: str) -> Person | None:
        name = self._sessions.name(token) if token else None
        user = self._settings.users.get(name) if name else None
        return Person(name, user.role, digest(token)) if name and user else None

    def role_of(self, name: str) -> str:
        """Of one of our users."""
        return self._settings.users[name].role

    def log_in(self, name: str, password: str, address: str) -> str | None:
        """A token, or None for a wrong name or password. Raises TooManyAttempts."""
        name = name[:LONGEST_NAME]
        who = (f"name {name}", f"address {address}")
        wait_s = self._attempts.wait_s(who)
        if wait_s > 0:
            raise TooManyAttempts(wait_s)
        user = self._settings.users.get(name)
        stored = user.password_hash.get_secret_value() if user else NOBODY
        if not fits(password, stored) or user is None:
            self._attempts.failed(who)
            return None
        self._attempts.passed(who[0])
        return self._sessions.begin(name)

    def log_out(self, person: Person) -> None:
        """End the session."""
        if person.session:
            self._sessions.end(person.session)

    def token(self, person: Person) -> str:
        """What a form of this person carries, so that no other site can send one for them."""
        said = f"{person.name}\x1f{person.session}".encode()
        return hmac.new(self._secret, said, hashlib.sha256).hexdigest()

    def is_token(self, person: Person, given: str) -> bool:
        """Whether a form is theirs."""
        return hmac.compare_digest(self.token(person).encode(), given.encode("utf-8", "replace"))


def _by_proxy(proxy: ProxySettings, address: str, headers: Mapping[str, str]) -> Person | None:
    """Only the proxy's own address is believed: anybody can send these headers."""
    if not _trusted(proxy, address):
        return None
    name = _text(headers.get(proxy.user_header.lower(), "")).strip()[:LONGEST_NAME]
    said = _text(headers.get(proxy.groups_header.lower(), ""))
    groups = {each.strip() for each in said.split(",")}
    roles = [
        ("viewer", proxy.viewers),
        ("operator", proxy.operators),
        ("engineer", proxy.engineers),
    ]
    role = greatest([role for role, wanted in roles if _in(groups, wanted)])
    return Person(name, role) if name and name.isprintable() and role else None


def _text(header: str) -> str:
    """Proxies send UTF-8; servers read headers as Latin-1."""
    try:
        return header.encode("latin-1").decode()
    except UnicodeError:
        return header


def _in(groups: set[str], wanted: Iterable[str]) -> bool:
    return "*" in wanted or bool(groups.intersection(wanted) - {""})


def _trusted(proxy: ProxySettings, address: str) -> bool:
    try:
        found = ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in proxy.trusted)
