"""The detector of an offline command: a model on the device that the settings name."""

from stream_inspector.detector import Detector
from stream_inspector.model.version import Model
from workers.offline.settings import TrainerSettings


def make_detector(model: Model, settings: TrainerSettings) -> Detector:
    """A detector on the configured device."""
    return Detector(model, settings.device, settings.engine, settings.threads)
