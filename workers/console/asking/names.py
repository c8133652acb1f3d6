"""Names that forms offer: nobody knows the id of a camera by heart."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from workers.console.history.tables import cameras, outcomes

_CAMERAS, _CATEGORIES = 200, 200


@dataclass(frozen=True, slots=True)
class Names:
    """What the history knows, by name."""

    cameras: tuple[str, ...]
    categories: tuple[str, ...]


def known_names(connection: Connection) -> Names:
    """As many as a form has room for."""
    found = select(cameras.c.camera).order_by(cameras.c.camera).limit(_CAMERAS)
    return Names(
        tuple(connection.execute(found).scalars()), tuple(connection.execute(_NAMES).scalars())
    )


# From each category straight to the next one: an index is asked once a name, not once a part.
_least = func.min(outcomes.c.category)
_names = select(_least.label("name")).cte("names", recursive=True)
_next = select(_least).where(outcomes.c.category > _names.c.name).scalar_subquery()
_every = _names.union_all(select(_next).where(_names.c.name.is_not(None)))
_NAMES = select(_every.c.name).where(_every.c.name != "").limit(_CATEGORIES)
