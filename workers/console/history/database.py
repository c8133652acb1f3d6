"""The database of the history: SQLite by default, PostgreSQL by URL."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError

from workers.console.history.tables import VERSION, meta, metadata
from workers.runtime.errors import ServerUnreachable, SettingsError, StoreUnavailable
from workers.runtime.secrets import conceal, mask_url

_log = structlog.get_logger(__name__)

_BUSY_S = 15  # another writer of a SQLite file
_CONNECTIONS = 8  # that read at a time
_ANSWER_MS = 15_000  # of PostgreSQL, for one statement
_WRITER = 0x73692D636F6E73  # the lock of PostgreSQL that a writing console holds
_SETTING = "console.database"
_DRIVERS = {"postgresql": "postgresql+psycopg", "sqlite": "sqlite+pysqlite"}


class Database:
    """Reads beside each other, writes one after the other."""

    def __init__(self, reading: Engine, writing: Engine):
        self._reading, self._writing = reading, writing

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state. Raises StoreUnavailable."""
        with _told(), self._reading.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of it, or nothing. Raises StoreUnavailable."""
        with _told(), self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":  # SQLite has one writer anyway
                connection.execute(select(func.pg_advisory_xact_lock(_WRITER)))
            yield connection

    def secret(self) -> bytes:
        """A key that all consoles on this database share; made when there is none."""
        with self.write() as connection:
            made = {"name": "secret", "value": secrets.token_hex(32)}
            connection.execute(insert(connection)(meta).values(made).on_conflict_do_nothing())
            found = select(meta.c.value).where(meta.c.name == "secret")
            return bytes.fromhex(connection.execute(found).scalar_one())

    def close(self) -> None:
        """Give the connections back."""
        self._reading.dispose()
        self._writing.dispose()


def insert(connection: Connection) -> Callable[..., Any]:
    """INSERT with ON CONFLICT, which each database spells in its own way."""
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise StoreUnavailable(f"{_SETTING}: {conceal(str(error.orig))[:300]}") from error


def open_database(url: str, password: str | None = None) -> Database:
    """The database at a URL, with its tables.

    A file that is damaged, or of another version, is set aside: the topics hold what was in it.
    Raises SettingsError or ServerUnreachable.
    """
    parsed = parsed_url(url, password)
    if parsed.get_backend_name() == "postgresql":
        return _prepared(_postgresql(parsed), url)
    file = _file(parsed)
    try:
        return _prepared(_sqlite(parsed), url)
    except DatabaseError as error:
        if file is None or isinstance(error, OperationalError):
            raise SettingsError(f"{_SETTING}: {mask_url(url)}: {error.orig}") from None
        _set_aside(file, str(error.orig))
        return _prepared(_sqlite(parsed), url)


def parsed_url(url: str, password: str | None) -> URL:
    """The URL with driver and password. Raises SettingsError."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsError(
            f"{_SETTING}: {mask_url(url)} is no URL of a database: sqlite:///FILE or "
            "postgresql://USER@HOST/NAME"
        ) from None
    backend = parsed.drivername.partition("+")[0]
    if backend not in _DRIVERS:
        raise SettingsError(f"{_SETTING}: {backend} is not known; sqlite or postgresql")
    return parsed.set(drivername=_DRIVERS[backend], password=password or parsed.password)


def _file(url: URL) -> Path | None:
    if not url.database or url.database == ":memory:":
        return None
    file = Path(url.database)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"{_SETTING}: {file.parent} cannot be made: {error}") from None
    return file


def _set_aside(file: Path, why: str) -> None:
    kept = file.with_name(f"{file.name}.broken-{int(time.time())}")
    file.rename(kept)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    _log.error(
        "the history cannot be used: made anew from the topics", kept=str(kept), reason=why[:300]
    )


def _sqlite(url: URL) -> Database:
    memory = not url.database or url.database == ":memory:"
    if memory:  # one connection, or each would see a database of its own
        raise SettingsError(f"{_SETTING}: name a file: sqlite:///FILE")
    options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_S, "check_same_thread": False}}
    reading = create_engine(url, pool_size=_CONNECTIONS, max_overflow=_CONNECTIONS, **options)
    writing = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=_BUSY_S * 2, **options)
    for engine, begin in ((reading, "BEGIN"), (writing, "BEGIN IMMEDIATE")):
        event.listen(engine, "connect", _on_connect)
        event.listen(engine, "begin", lambda c, word=begin: c.exec_driver_sql(word))
    return Database(reading, writing)


def _on_connect(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins no transaction of its own
    cursor = connection.cursor()
    # WAL: readers and the writer do not wait for each other. NORMAL: a power cut may cost the last
    # transactions, rows and positions alike, and they are read again.
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-32000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _postgresql(url: URL) -> Database:
    options = f"-c statement_timeout={_ANSWER_MS}"
    arguments = {"connect_timeout": _BUSY_S, "options": options}
    try:
        engine = create_engine(
            url,
            pool_size=_CONNECTIONS,
            max_overflow=_CONNECTIONS,
            pool_pre_ping=True,
            connect_args=arguments,
        )
    except ModuleNotFoundError:
        raise SettingsError(
            f"{_SETTING}: psycopg is not installed; install the extra `console-postgres`"
        ) from None
    return Database(engine, engine)


def _prepared(database: Database, url: str) -> Database:
    """With its tables, all of them of this version."""
    try:
        with database._writing.begin() as connection:
            meta.create(connection, checkfirst=True)
            found = connection.execute(select(meta.c.value).where(meta.c.name == "version"))
            known = found.scalar()
            if known not in (None, str(VERSION)):
                _log.warning("the history is of another version: made anew", version=known)
                metadata.drop_all(connection)
            metadata.create_all(connection)
            row = {"name": "version", "value": str(VERSION)}
            connection.execute(insert(connection)(meta).values(row).on_conflict_do_nothing())
    except OperationalError as error:
        database.close()
        where = f"{_SETTING}: {mask_url(url)}"
        raise ServerUnreachable(f"{where}: {conceal(str(error.orig))[:300]}") from None
    except SQLAlchemyError:
        database.close()
        raise
    return database
