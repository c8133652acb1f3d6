"""What `stream-inspector model` does, on a registry."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from stream_inspector.errors import InspectorError
from stream_inspector.threshold.production.versions import Advice
from workers.offline.model import tables, trials
from workers.offline.progress import work_bar
from workers.offline.settings import TrainerProcessSettings
from workers.runtime.errors import StoreUnavailable
from workers.runtime.host.operator import operator
from workers.runtime.host.terminal import plain, text
from workers.runtime.lifecycle import StopSignal
from workers.runtime.listing import Form
from workers.runtime.registry import switching
from workers.runtime.registry.care import (
    Retention,
    collect,
    histories_of,
    holdings,
    kept_because,
    problems,
    set_aside,
)
from workers.runtime.registry.choices import noted_choices
from workers.runtime.registry.registry import Registry, UnknownVersion
from workers.runtime.registry.trial import Trial
from workers.runtime.settings.process import redact
from workers.runtime.store.files import open_blobs
from workers.runtime.store.ports import BlobUnreadable
from workers.runtime.store.redis import RedisStore

_UNREADABLE = {"preset": {"name": "not readable: see `model verify`"}}


class NotCalibrated(InspectorError):
    """A model without thresholds judges nothing."""


class NoSuchVersion(InspectorError):
    """A name that fits no version, or several."""


class StoreDamaged(InspectorError):
    """`model verify` found something."""


def open_registry(settings: TrainerProcessSettings, console: Console, *, changes: bool) -> Registry:
    """The registry; for `changes` with its cache when Redis answers: the store is the truth."""
    blobs = open_blobs(settings.models.store)
    if not changes:
        return Registry(blobs)
    cache = RedisStore(settings.redis)
    if not blobs.exclusive:
        console.print(
            text(
                (
                    f"{redact(settings.models.store)} (models.store) cannot create a file "
                    "exclusively: let only one operator at a time push, activate or collect.",
                    "yellow",
                )
            )
        )
    try:
        cache.ping()
    except StoreUnavailable:
        console.print(
            text(
                (
                    f"No Redis at {redact(settings.redis.url)} (redis.url): workers will see this "
                    "within a minute instead of at once.",
                    "yellow",
                )
            )
        )
        return Registry(blobs)
    return Registry(blobs, cache, settings.redis.cache_bytes)


class Desk:
    """Where operators deal with model versions."""

    def __init__(self, registry: Registry, console: Console, stop: StopSignal, place: str):
        self._registry, self._console, self._stop = registry, console, stop
        self._place = redact(place)  # of the store

    def push(
        self, folder: Path, activate_now: bool, by: str | None, why: str, *, measured: bool = True
    ) -> None:
        """Verify and store the model in a folder, and what scores it fastest here."""
        from workers.offline.model.speed import measure_version
        from workers.offline.model_folder import read_files, read_model

        verified = read_model(folder)
        lacking = [name for name in verified.categories if name not in verified.calibrations]
        if lacking:
            names = ", ".join(lacking)
            raise NotCalibrated(
                f"{folder}: no thresholds for {names}; run `stream-inspector calibrate`"
            )
        seen = {name: self._number(name) for name in verified.categories}
        files = read_files(folder)
        version = self._registry.push(
            verified.categories, verified.version, files.manifest, files.tensors
        )
        names = ", ".join(verified.categories)
        self._console.print(text(f"{names}: stored version ", (version, "bold")))
        if measured:
            measure_version(self._registry, verified, self._console)
        if activate_now:
            for category in verified.categories:
                self._activate(category, version, by, why, seen[category])

    def measure(self, name: str) -> None:
        """Measure what scores a version fastest on this machine, and store it."""
        from stream_inspector.model.version import ModelFiles, load_model
        from workers.offline.model.speed import measure_version

        files = self._registry.fetch(self._resolve(name))
        model = load_model(ModelFiles(manifest=files[0], tensors=files[1]))
        measure_version(self._registry, model, self._console)

    def overview(self, category: str | None, form: Form, activations: bool) -> None:
        """List the categories, or one category's versions and activations.

        Programs get one list: the versions, or with `activations` these.
        """
        if category is None:
            names = self._registry.categories()
            newest = self._registry.activations.newest
            rows = [(n, len(self._registry.versions(n)), newest(n)) for n in names]
            few = {
                last.version
                for *_, last in rows
                if last and tables.is_provisional(self._known_manifest(last.version))
            }
            tables.list_categories(rows, self._console, form, few, place=self._place)
            return
        history = self._registry.history(category)
        if not activations:
            current = history[-1].version if history else None
            manifests = {v: self._known_manifest(v) for v in self._registry.versions(category)}
            tables.list_versions(category, manifests, current, self._console, form)
        if activations or form is Form.TABLE:
            tables.list_activations({category: history}, self._console, form)

    def show(self, name: str, form: Form) -> None:
        """Show one version; JSON has its whole manifest, CSV its values."""
        version = self._resolve(name)
        noted = self._registry.digests(version)
        manifest = self._manifest(version)
        if form is Form.JSON:
            engines = noted_choices(self._registry, version)
            typer.echo(json.dumps({**manifest, "noted": dict(noted), "engines": engines}))
        elif form is Form.CSV:
            tables.list_values(manifest, self._console, form)
        else:
            from workers.offline.model.speed import tell_choices

            tables.tell_version(manifest, noted, self._console)
            self._console.print()
            tell_choices(self._registry, version, self._console)
            self._console.print()
            tables.list_activations(histories_of(self._registry), self._console, form, version)

    def diff(self, first: str, second: str, everything: bool, form: Form) -> None:
        """Show what differs between two versions."""
        old, new = (self._manifest(self._resolve(name)) for name in (first, second))
        tables.list_differences(old, new, self._console, form, everything=everything)

    def activate(
        self, category: str, name: str, by: str | None, why: str, expect: int | None
    ) -> None:
        """Switch a category to a version."""
        seen = self._number(category) if expect is None else expect
        self._activate(category, self._resolve(name), by, why, seen)

    def rollback(self, category: str, by: str | None, why: str, expect: int | None) -> None:
        """Switch a category back to the version before the active one."""
        number, version = switching.roll_back(
            self._registry, category, by=by or operator(), why=why, expect=expect
        )
        self._tell_active(category, version, number)

    def begin_trial(
        self,
        category: str,
        name: str,
        trial: Trial,
        *,
        by: str | None,
        why: str,
        expect: int | None,
    ) -> None:
        """Put a version on trial beside the active one."""
        wanted = replace(trial, version=self._resolve(name))
        number = switching.begin_trial(
            self._registry, category, wanted, by=by or operator(), why=why, expect=expect
        )
        self._console.print(text(f"{category}: {wanted} (activation {number})"))

    def end_trial(
        self, category: str, *, by: str | None, why: str, expect: int | None, promote: bool
    ) -> None:
        """End a trial, or make its version the active one."""
        number, version = switching.end_trial(
            self._registry,
            category,
            by=by or operator(),
            why=why,
            expect=expect,
            promote=promote,
        )
        self._tell_active(category, version, number)

    def compare_trial(
        self,
        category: str,
        heard: trials.Heard,
        confidence: float,
        form: Form,
        *,
        decide: bool,
        by: str | None,
    ) -> None:
        """Show how a version on trial fares; `decide`: do what its guard says."""
        last = switching.active(self._registry, category)
        trial = switching.trial_of(last, category)
        if decide and trial.most_alarms is None:
            raise switching.NoTrial(
                f"{category}: the trial has no guard; `model try --most-alarms`"
            )
        compared = heard.compare(category, last, trial, confidence)
        advice = trials.tell(last, trial, compared, self._console, form)
        for line in heard.passed.lines():
            self._say(line, form)
        if decide and advice in {Advice.PROMOTE, Advice.END}:
            promote, why = advice is Advice.PROMOTE, f"by its guard, {compared.new_frames} frames"
            self.end_trial(category, by=by, why=why, expect=last.number, promote=promote)

    def collect(
        self, retention: Retention, by: str | None, apply: bool, form: Form = Form.TABLE
    ) -> None:
        """Show what may go, and remove it if that is wanted."""
        now, histories = datetime.now(UTC), histories_of(self._registry)
        fates = [(h, kept_because(h, histories, retention, now)) for h in holdings(self._registry)]
        tables.list_fates(fates, self._console, form, self._place)
        going = [holding for holding, kept in fates if kept is None]
        size = tables.megabytes(sum(holding.size or 0 for holding in going))
        if not apply:
            said = f"{len(going)} of {len(fates)} versions would be removed ({size})"
            self._say(f"{said}; --apply does it", form)
            return
        removed = 0
        for holding in going:
            kept = collect(self._registry, holding.version, retention, by or operator(), now)
            removed += kept is None
            if kept is not None:
                self._say(f"{holding.version} stays: {kept}", form)
        self._say(f"{removed} versions removed", form)

    def _say(self, words: str, form: Form) -> None:
        if form is Form.TABLE:
            self._console.print(text(words))
        else:
            typer.echo(plain(words), err=True)  # the other stream is for programs

    def verify(self, repair: bool = False) -> None:
        """Check everything; `repair`: move broken activations aside before.

        Raises StoreDamaged with the names of what is wrong.
        """
        for moved in set_aside(self._registry) if repair else ():
            self._console.print(text(f"moved aside: {moved}"))
        total, done = len(self._registry.every_version()), 0
        with work_bar(self._console, self._stop) as on_work:

            def looked_at(_: str) -> None:
                nonlocal done
                done += 1
                on_work("versions", done, total)

            found = list(problems(self._registry, looked_at))
        if found:
            raise StoreDamaged("\n  ".join(["the model store is damaged:", *found]))
        activations = sum(len(each) for each in histories_of(self._registry).values())
        said = f": {total} versions, {activations} activations"
        self._console.print(text(("ok", "green"), said))

    def _activate(self, category: str, version: str, by: str | None, why: str, expect: int) -> None:
        number = self._registry.activate(category, version, by or operator(), why, expect)
        self._tell_active(category, version, number)

    def _tell_active(self, category: str, version: str, number: int) -> None:
        place = f" is active (activation {number})"
        self._console.print(text(f"{category}: version ", (version, "bold"), place))

    def _number(self, category: str) -> int:
        last = self._registry.activations.newest(category)
        return last.number if last else 0

    def _manifest(self, version: str) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads(self._registry.manifest(version))
        return manifest

    def _known_manifest(self, version: str) -> dict[str, Any]:
        """For a list, which one broken version must not keep from being shown."""
        try:
            manifest = self._manifest(version)
        except (UnknownVersion, BlobUnreadable, ValueError):
            manifest = {}
        return manifest if isinstance(manifest, dict) and manifest else dict(_UNREADABLE)

    def _resolve(self, name: str) -> str:
        """The version that is meant: whole, by its first characters, or a category's active one."""
        versions = self._registry.every_version()
        found = [version for version in versions if version.startswith(name)]
        if name in found:
            return name
        if len(found) > 1:
            raise NoSuchVersion(f"{name} may be any of {', '.join(found)}: give more characters")
        if found:
            return found[0]
        known = name in self._registry.categories()
        last = self._registry.activations.newest(name) if known else None
        if last is None:
            raise NoSuchVersion(
                f"{name}: no version begins so, and no category of that name has an active one; "
                "see `stream-inspector model list`"
            )
        return last.version
