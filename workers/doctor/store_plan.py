"""The stores that workers and explainers name: models are read, pictures are written."""

from functools import partial

from workers.doctor.checks import store as store_checks
from workers.doctor.desks import broker as broker_desk
from workers.doctor.findings import Check, Finding, warning
from workers.runtime.bus.kafka.admin.survey import Survey, TopicFacts
from workers.runtime.evidence.settings import EvidenceSection
from workers.runtime.store.files import open_blobs

_READ = "let this user read there (mount it; give the right to list and get), or name another store"
_WRITE = (
    "let this user write there (mount a volume; create the bucket, give the right to put), or "
    "name another place"
)


def models_store(url: str) -> Check:
    """Whether model versions can be read."""
    run = partial(_models_readable, url)
    return Check("stores", "models", run, do=_READ, setting="models.store")


def evidence_stores(section: EvidenceSection, defects: str, asked: Survey) -> list[Check]:
    """Whether pictures are stored, stay as long as their events, and do not fill the store."""
    url = section.url
    run = partial(_evidence_writable, url) if url else _no_evidence
    writable = Check("stores", "evidence", run, do=_WRITE, setting="evidence.url")
    if not url:
        return [writable]
    life = partial(_evidence_life, section, defects, asked)
    room = partial(_evidence_room, section)
    return [
        writable,
        Check("stores", "evidence life", life, broker_desk.REACHABLE),
        Check("stores", "evidence room", room, "stores: evidence"),
    ]


def _models_readable(url: str) -> list[Finding]:
    return store_checks.check_models_readable(open_blobs(url), url)


def _evidence_writable(url: str) -> list[Finding]:
    return store_checks.check_evidence_writable(open_blobs(url), url)


def _evidence_life(section: EvidenceSection, defects: str, asked: Survey) -> list[Finding]:
    found = asked.topic(defects)
    kept = (found.configs or {}).get("retention.ms") if isinstance(found, TopicFacts) else None
    hours = None if kept is None or int(kept) < 0 else int(kept) / 3_600_000
    return store_checks.judge_evidence_life(section.keep, hours)


def _evidence_room(section: EvidenceSection) -> list[Finding]:
    return store_checks.check_evidence_room(open_blobs(section.url or ""), section)


def _no_evidence() -> list[Finding]:
    says = "no store is set: explanations go out without pictures"
    return [warning(says, "name a folder or a bucket", "evidence.url")]
