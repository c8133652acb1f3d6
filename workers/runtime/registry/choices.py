"""What was measured to score a version fastest, by kind of machine: it lies beside the version."""

import hashlib
from typing import Any

import structlog

from stream_inspector.engine.choice import Choice
from workers.runtime.errors import StoreUnavailable
from workers.runtime.registry.layout import choice_file, choices_folder, dump, now
from workers.runtime.registry.registry import Registry

_log = structlog.get_logger(__name__)


def note_choice(registry: Registry, version: str, machine: str, choice: Choice) -> None:
    """Store what is best on such machines; a later measurement takes the place of an earlier one.

    Raises StoreUnavailable.
    """
    entry = {**choice.to_dict(), "machine": machine, "measured_at": now()}
    registry.blobs.write(choice_file(version, _digest(machine)), dump(entry))


def noted_choice(registry: Registry, version: str, machine: str) -> Choice | None:
    """What is best on such machines; None: nobody measured, or it cannot be read now."""
    try:
        entry = registry.note(choice_file(version, _digest(machine)))
        return Choice.from_dict(entry) if entry else None
    except StoreUnavailable as error:
        _log.warning("what was measured for a version is not known", reason=str(error))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        _log.warning("what was measured for a version cannot be read", reason=repr(error))
    return None


def noted_choices(registry: Registry, version: str) -> list[dict[str, Any]]:
    """What is stored of all kinds of machines. Raises StoreUnavailable."""
    names = sorted(registry.blobs.names(choices_folder(version)))
    return [entry for entry in map(registry.note, names) if "machine" in entry]


def _digest(machine: str) -> str:
    return hashlib.sha256(machine.encode()).hexdigest()[:16]
