"""What a run works with, once its model is there."""

from dataclasses import dataclass

from stream_inspector.detector import Detector
from workers.demo.settings import DemoSettings
from workers.demo.stage.folder import RunFolder
from workers.demo.stage.model_source import Obtained
from workers.demo.stage.plan import Load


@dataclass(frozen=True, slots=True)
class Setup:
    """Settings, plan, folder and model of one run."""

    settings: DemoSettings
    load: Load
    folder: RunFolder
    obtained: Obtained
    detector: Detector
