"""The artefact store, which is only read, and the evidence store, which is written."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from workers.doctor.findings import Finding, ok, or_ok, warning
from workers.runtime.evidence.cases import CASES, GC_CLOCK
from workers.runtime.evidence.settings import DEFECT, EvidenceSection, KeepSection
from workers.runtime.settings.process import redact
from workers.runtime.store.ports import BlobStore

_PROBE = "doctor.txt"  # always the same one; nothing links to it


def check_models_readable(blobs: BlobStore, url: str) -> list[Finding]:
    """Whether it can be listed, and holds anything."""
    names = blobs.names("categories/")
    if not names:
        says = f"{redact(url)} holds no model of any category"
        advice = (
            "push one: `stream-inspector model push FOLDER --activate`; or name the right store"
        )
        return [warning(says, advice, "models.store")]
    return [ok(f"{redact(url)} is readable")]


def check_evidence_writable(blobs: BlobStore, url: str) -> list[Finding]:
    """Whether a picture could be written, and read again."""
    blobs.write(_PROBE, b"written by stream-inspector doctor\n")
    blobs.read(_PROBE)
    return [ok(f"{redact(url)} can be written")]


def judge_evidence_life(keep: KeepSection, event_hours: float | None) -> list[Finding]:
    """Whether pictures stay as long as the events that link to them."""
    if event_hours is None:
        return [ok("the broker does not say how long it keeps defects")]
    days = keep.limits(None, DEFECT).days
    says = f"defects {days:g} days, their events {event_hours / 24:g}" if days else "by size alone"
    return or_ok(_shorter(keep, event_hours), says)


def _shorter(keep: KeepSection, event_hours: float) -> Iterator[Finding | None]:
    for category in (None, *keep.categories):
        days = keep.limits(category, DEFECT).days
        own = category is not None and keep.categories[category].defect.days is not None
        if days is None or days * 24 >= event_hours or not (own or category is None):
            continue
        setting = f"evidence.keep.{f'categories.{category}.' if category else ''}defect.days"
        yield warning(
            f"pictures of defects{f' of {category}' if category else ''} go after {days:g} days, "
            f"their events after {event_hours / 24:g}: links of the last events open a notice",
            f"raise {setting}, or shorten the retention of the topic of defects",
            setting,
        )


def check_evidence_room(blobs: BlobStore, section: EvidenceSection) -> list[Finding]:
    """Whether somebody collects, and whether the bound is below what the disk has."""
    url = section.url or ""
    problems = (_uncollected(blobs), _small_disk(Path(url), section.keep.max_gb))
    return or_ok(problems, f"at most {section.keep.max_gb:g} GB, and somebody collects")


_ABANDONED_S = 2 * 86_400.0
_COLLECT = (
    "run `stream-inspector evidence gc --apply` every hour or day (compose.yaml and the chart do)"
)


def _uncollected(blobs: BlobStore) -> Finding | None:
    last = next((blob.at for blob in blobs.listed(GC_CLOCK)), None)
    if last is None:  # a new store has nothing to collect
        last = min((blob.at for blob in blobs.listed(CASES)), default=time.time())
    since_s = time.time() - last
    if since_s < _ABANDONED_S:
        return None
    says = f"nobody has collected for {since_s / 86_400:.0f} days: nothing expires meanwhile"
    return warning(says, _COLLECT, "evidence.keep")


def _small_disk(folder: Path, max_gb: float) -> Finding | None:
    if not folder.is_dir():  # an object store
        return None
    size = shutil.disk_usage(folder).total / 1e9
    if size >= max_gb:
        return None
    says = f"evidence may take {max_gb:g} GB, and its disk has {size:.0f}"
    return warning(says, "lower evidence.keep.max_gb, or give it more room", "evidence.keep.max_gb")
