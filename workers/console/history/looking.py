"""What a database holds, for whoever must not change it."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL, Engine, create_engine, inspect, select
from sqlalchemy.exc import DatabaseError

from workers.console.history.database import parsed_url
from workers.console.history.tables import VERSION, meta, positions
from workers.runtime.errors import ServerUnreachable, SettingsError
from workers.runtime.secrets import conceal, mask_url

_PATIENCE_S = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A history. `version` None: there is none yet."""

    version: str | None = None
    positions: dict[str, dict[int, int]] = field(default_factory=dict)  # topic -> partition -> next

    @property
    def is_ours(self) -> bool:
        """Whether the console would go on with it."""
        return self.version in (None, str(VERSION))


def look(url: str, password: str | None = None) -> Held:
    """What is there; nothing is made. Raises SettingsError or ServerUnreachable."""
    parsed = parsed_url(url, password)
    if parsed.get_backend_name() == "sqlite":
        if not parsed.database or parsed.database == ":memory:":
            raise SettingsError("console.database: name a file: sqlite:///FILE")
        if not Path(parsed.database).exists():
            return Held()
        quoted = f"file:{quote(str(Path(parsed.database).absolute()))}"
        parsed = parsed.set(database=quoted, query={"mode": "ro", "uri": "true"})
    engine = _engine(parsed)
    try:
        return _held(engine)
    except DatabaseError as error:
        where = f"console.database: {mask_url(url)}"
        raise ServerUnreachable(f"{where}: {conceal(str(error.orig))[:300]}") from None
    finally:
        engine.dispose()


def _engine(url: URL) -> Engine:
    named = {"connect_timeout" if url.get_backend_name() == "postgresql" else "timeout"}
    try:
        return create_engine(url, connect_args=dict.fromkeys(named, _PATIENCE_S))
    except ModuleNotFoundError:
        raise SettingsError(
            "console.database: psycopg is not installed; install the extra `console-postgres`"
        ) from None


def _held(engine: Engine) -> Held:
    if not inspect(engine).has_table(meta.name):
        return Held()
    with engine.connect() as connection:
        version = connection.execute(select(meta.c.value).where(meta.c.name == "version")).scalar()
        found: dict[str, dict[int, int]] = defaultdict(dict)
        if version == str(VERSION):
            for topic, partition, following in connection.execute(select(positions)):
                found[topic][partition] = following
    return Held(version, dict(found))
