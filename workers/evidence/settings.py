"""What `stream-inspector evidence` can be told."""

from workers.runtime.evidence.settings import EvidenceSection
from workers.runtime.settings.operator import OperatorSettings


class EvidenceProcessSettings(OperatorSettings):
    """Everything that `stream-inspector evidence` can be told."""

    evidence: EvidenceSection = EvidenceSection()
