"""Sessions: the browser has a random token, the database its digest."""

import hashlib
import secrets
import time

from sqlalchemy import delete, select

from workers.console.history.database import Database
from workers.console.history.tables import sessions

_TOKEN = 64  # characters of a token, at most


def digest(token: str) -> str:
    """What the database has of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


class Sessions:
    """Who is logged in."""

    def __init__(self, database: Database, hours: float):
        self._database, self._seconds = database, hours * 3600

    def begin(self, name: str) -> str:
        """A new token for somebody."""
        token = secrets.token_urlsafe(32)
        until = int((time.time() + self._seconds) * 1000)
        with self._database.write() as connection:
            row = {"digest": digest(token), "name": name, "until_ms": until}
            connection.execute(sessions.insert().values(row))
        return token

    def name(self, token: str) -> str | None:
        """Whose session it is; None: nobody's, or over."""
        if len(token) > _TOKEN:
            return None
        now = int(time.time() * 1000)
        found = select(sessions.c.name).where(
            sessions.c.digest == digest(token), sessions.c.until_ms > now
        )
        with self._database.read() as connection:
            return connection.execute(found).scalar()

    def end(self, session: str) -> None:
        """Log out."""
        with self._database.write() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == session))
