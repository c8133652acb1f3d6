"""Rows into tables: those that are new, or newer."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Table, and_, or_

from workers.console.history import tables
from workers.console.history.database import insert
from workers.console.history.fitting import fitted

Rows = Sequence[dict[str, Any]]


def add_new(connection: Connection, rows: Rows) -> list[dict[str, Any]]:
    """Add outcomes; those that were not there yet, each once."""
    if not rows:
        return []
    made = insert(connection)(tables.outcomes).on_conflict_do_nothing()
    found = connection.execute(made.returning(tables.outcomes.c.part), rows)
    new = {part for (part,) in found}
    return [row for part, row in {row["part"]: row for row in rows}.items() if part in new]


def add(connection: Connection, table: Table, rows: Rows) -> None:
    """Those that are not there yet."""
    if rows:
        connection.execute(insert(connection)(table).on_conflict_do_nothing(), rows)


def add_newest(
    connection: Connection, table: Table, rows: Iterable[dict[str, Any]], *order: str
) -> None:
    """Add rows, or replace older ones; `order`: the columns that say which is newer."""
    key = [column.name for column in table.primary_key]
    latest: dict[Any, dict[str, Any]] = {}
    for row in (fitted(table, each) for each in rows):
        known = latest.get(row[key[0]])
        if known is None or _rank(row, order) >= _rank(known, order):
            latest[row[key[0]]] = row
    if not latest:
        return
    made = insert(connection)(table)
    newer = [
        and_(
            *(made.excluded[before] == table.c[before] for before in order[:index]),
            made.excluded[name] > table.c[name],
        )
        for index, name in enumerate(order)
    ]
    changed = {name: made.excluded[name] for name in next(iter(latest.values())) if name not in key}
    statement = made.on_conflict_do_update(index_elements=key, set_=changed, where=or_(*newer))
    connection.execute(statement, list(latest.values()))


def _rank(row: dict[str, Any], order: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in order)
