"""What the registry says is active for each category, as far as was heard."""

from collections.abc import Iterable, Mapping

from workers.runtime.registry.registry import Registry


class Switchboard:
    """The active versions. What is known stays known while the stores are away."""

    def __init__(self, registry: Registry, categories: Iterable[str]):
        self._registry = registry
        self.categories = sorted(categories)
        self.active: dict[str, str] = {}  # category -> version
        self.since: dict[str, float] = {}  # category -> when that was noticed (seconds)
        self.unknown = dict.fromkeys(self.categories, "not looked for yet")  # category -> why

    def look(self, category: str, now: float, *, doubt: bool = False) -> None:
        """Ask for a category's active version. Never raises: one must not stop the others.

        A change is believed from the store only, and in `doubt` the store is asked at once: after
        an outage Redis may name a version from before it.
        """
        try:
            version = None if doubt else self._registry.active(category)
            if version is None or version != self.active.get(category, version):
                last = self._registry.last(category)
                version = last.version if last else None
        except Exception as error:
            self.unknown[category] = f"{type(error).__name__}: {error}"
            return
        if version is None:
            self.unknown[category] = (
                f"{category} has no active model: train and calibrate one, then "
                f"`stream-inspector model push` and `model activate`"
            )
            return
        self.unknown.pop(category, None)
        if self.active.get(category) != version:
            self.active[category], self.since[category] = version, now

    def trouble(self, category: str, refused: Mapping[tuple[str, str], str]) -> str | None:
        """Why a category is not inspected with its active version, if it is not."""
        version = self.active.get(category)
        if version is None or category in self.unknown:
            return self.unknown.get(category)
        reason = refused.get((category, version))
        return None if reason is None else f"version {version} is refused: {reason}"
