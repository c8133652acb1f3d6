"""What the registry says is active for each category, as far as was heard."""

from collections.abc import Iterable, Mapping

from workers.runtime.registry.registry import Registry
from workers.runtime.registry.trial import Trial

TRUST_S = 60.0  # Redis may say for so long that nothing has changed, then the store is asked
_AGAIN_S = 15.0  # ... and again, when it did not answer


class Switchboard:
    """The active versions. What is known stays known while the stores are away.

    Whoever may write to Redis can make it say anything, so it only spares questions to the store.
    """

    def __init__(self, registry: Registry, categories: Iterable[str]):
        self._registry = registry
        self.categories = sorted(categories)
        self.active: dict[str, str] = {}  # category -> version
        self.trials: dict[str, Trial] = {}  # category -> another version beside it
        self.since: dict[str, float] = {}  # category -> when that was noticed (seconds)
        self.unknown = dict.fromkeys(self.categories, "not looked for yet")  # category -> why
        self._due: dict[str, float] = {}  # category -> when the store is asked whatever Redis says

    def look(self, category: str, now: float, *, doubt: bool = False) -> None:
        """Ask for a category's active version. Never raises: one must not stop the others.

        The store is asked at the first look, after a change, now and then, and in `doubt`: after
        an outage Redis may name a version from before it.
        """
        known = self.active.get(category)
        if (
            known is not None
            and not doubt
            and now < self._due.get(category, now)
            and self._registry.mirrored(category) == known
        ):
            return
        try:
            entry = self._registry.confirmed(category)
            version = entry.version if entry else None
            self._hear(category, entry.trial if entry else None)
            self._due[category] = now + TRUST_S
        except Exception as error:
            self._due[category] = now + _AGAIN_S
            version = self._registry.mirrored(category)
            if version is None or known not in (None, version):
                self.unknown[category] = f"{type(error).__name__}: {error}"
                return
        if version is None:
            self.unknown[category] = (
                f"{category} has no active model: `stream-inspector model push runs/{category} "
                "--activate` after training, or `model activate` one that the store has"
            )
            return
        self.unknown.pop(category, None)
        if self.active.get(category) != version:
            self.active[category], self.since[category] = version, now

    def _hear(self, category: str, trial: Trial | None) -> None:
        if trial is None:
            self.trials.pop(category, None)
        else:
            self.trials[category] = trial

    def earlier(self, category: str) -> list[str]:
        """Versions that were active before, the latest first. Never raises."""
        try:
            return self._registry.activations.earlier(category)
        except Exception:
            return []

    def trouble(self, category: str, refused: Mapping[tuple[str, str], str]) -> str | None:
        """Why a category is not inspected with its active version, if it is not."""
        version = self.active.get(category)
        if version is None or category in self.unknown:
            return self.unknown.get(category)
        reason = refused.get((category, version))
        return None if reason is None else f"version {version} is refused: {reason}"
