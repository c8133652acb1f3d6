"""Commands of operators take the file of any process: in a pod, its own, with its logins.

What they need of it they read as strictly as that process does; its other sections are passed over
by their names. A name that no process knows is refused, as everywhere.
"""

from collections.abc import Collection
from typing import Any

from pydantic import model_validator

from workers.runtime.settings.process import ProcessSettings

SECTIONS = frozenset(
    {
        *("breaker", "budget", "camera", "categories", "collect", "demo"),
        *("console", "gate"),
        *(
            "evidence",
            "explainer",
            "health",
            "images",
            "kafka",
            "log",
            "models",
            "notifier",
            "plan",
            "redis",
        ),
        *("topics", "tracing", "trainer", "worker"),
    }
)  # of all processes


class OperatorSettings(ProcessSettings):
    """The settings of such a command."""

    @model_validator(mode="before")
    @classmethod
    def _pass_over(cls, given: Any) -> Any:
        return without(given, SECTIONS - cls.model_fields.keys())


def without(given: Any, passed: Collection[str]) -> Any:
    """A mapping without some keys; anything else as it is."""
    if not isinstance(given, dict):
        return given
    return {name: value for name, value in given.items() if name not in passed}
