"""What a run works with, once its model is there."""

from dataclasses import dataclass

from stream_inspector.detector import Detector
from workers.demo.folder import RunFolder
from workers.demo.model_source import Obtained
from workers.demo.plan import Load
from workers.demo.settings import DemoSettings


@dataclass(frozen=True, slots=True)
class Setup:
    """Settings, plan, folder and model of one run."""

    settings: DemoSettings
    load: Load
    folder: RunFolder
    obtained: Obtained
    detector: Detector
