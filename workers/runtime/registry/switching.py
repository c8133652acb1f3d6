"""What people do with a category's activations beyond the next one: roll back, try, promote."""

from collections.abc import Sequence

from stream_inspector.errors import InspectorError
from workers.runtime.registry.activations import ROLLBACK
from workers.runtime.registry.registry import Activation, Registry
from workers.runtime.registry.trial import Trial


class NothingToRollBack(InspectorError):
    """Only one version was ever active."""


class NoTrial(InspectorError):
    """Nothing is active, or nothing is on trial."""


def version_before(history: Sequence[Activation]) -> str | None:
    """The version that was active before the present one: after a rollback, the one it left."""
    earlier = (each.version for each in reversed(history) if each.version != history[-1].version)
    return next(earlier, None)


def roll_back(
    registry: Registry, category: str, *, by: str, why: str, expect: int | None
) -> tuple[int, str]:
    """Activate the version before the present one; the number and the version.

    Raises NothingToRollBack, Superseded.
    """
    history = registry.history(category)
    version = version_before(history)
    if version is None:
        raise NothingToRollBack(
            f"{category}: nothing to go back to, {len(history)} activations of one version; "
            f"see `stream-inspector model list {category}`"
        )
    seen = history[-1].number if expect is None else expect
    return registry.activate(category, version, by, f"{ROLLBACK}{why}", seen), version


def begin_trial(
    registry: Registry, category: str, trial: Trial, *, by: str, why: str, expect: int | None
) -> int:
    """Put a version on trial beside the active one; its number. Raises NoTrial, Superseded."""
    last = active(registry, category)
    if trial.version == last.version:
        raise NoTrial(f"{category}: version {trial.version} is the active one; try another")
    told = f"{trial}: {why}" if why else str(trial)
    seen = last.number if expect is None else expect
    return registry.activate(category, last.version, by, told, seen, trial=trial)


def end_trial(
    registry: Registry, category: str, *, by: str, why: str, expect: int | None, promote: bool
) -> tuple[int, str]:
    """End a trial, or make its version the active one; the number and the version that holds now.

    Raises NoTrial, Superseded.
    """
    last = active(registry, category)
    trial = trial_of(last, category)
    version = trial.version if promote else last.version
    told = f"{'promoted after' if promote else 'ended'} {trial}: {why}"
    seen = last.number if expect is None else expect
    return registry.activate(category, version, by, told, seen), version


def active(registry: Registry, category: str) -> Activation:
    """The activation that holds. Raises NoTrial."""
    last = registry.last(category)
    if last is None:
        raise NoTrial(f"{category}: nothing is active; `stream-inspector model activate` first")
    return last


def trial_of(last: Activation, category: str) -> Trial:
    """What is on trial. Raises NoTrial."""
    if last.trial is None:
        raise NoTrial(
            f"{category}: no version is on trial; `stream-inspector model try` begins one"
        )
    return last.trial
