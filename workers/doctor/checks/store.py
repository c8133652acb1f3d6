"""The artefact store, which is only read, and the evidence store, which is written."""

from workers.doctor.findings import Finding, ok, warning
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
