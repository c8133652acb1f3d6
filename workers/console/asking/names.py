"""Names that forms offer: nobody types an id of a camera by heart."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, select

from workers.console.asking.category import HOUR_MS, PERIODS, category_names
from workers.console.history.tables import cameras

_CAMERAS = 200


@dataclass(frozen=True, slots=True)
class Names:
    """By name: cameras of the history, and categories of the last week."""

    cameras: tuple[str, ...]
    categories: tuple[str, ...]


def known_names(connection: Connection) -> Names:
    """As many as a form has room for."""
    since_ms = int(time.time() * 1000) - PERIODS["week"].hours * HOUR_MS
    found = select(cameras.c.camera).order_by(cameras.c.camera).limit(_CAMERAS)
    return Names(
        tuple(connection.execute(found).scalars()),
        tuple(name for name, *_ in category_names(connection, since_ms)),
    )
