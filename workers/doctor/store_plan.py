"""The stores that workers and explainers name: models are read, pictures are written."""

from functools import partial

from workers.doctor.checks import store as store_checks
from workers.doctor.findings import Check, Finding, warning
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


def evidence_store(url: str | None) -> Check:
    """Whether pictures can be written."""
    run = partial(_evidence_writable, url) if url else _no_evidence
    return Check("stores", "evidence", run, do=_WRITE, setting="evidence.url")


def _models_readable(url: str) -> list[Finding]:
    return store_checks.check_models_readable(open_blobs(url), url)


def _evidence_writable(url: str) -> list[Finding]:
    return store_checks.check_evidence_writable(open_blobs(url), url)


def _no_evidence() -> list[Finding]:
    says = "no store is set: explanations go out without pictures"
    return [warning(says, "name a folder or a bucket", "evidence.url")]
