from pathlib import Path

import configs
from workers.demo.settings import DemoProcessSettings

FILE = Path(configs.__file__).parent / "demo.yaml"


def test_the_shipped_file_holds_the_defaults() -> None:
    loaded, plain = DemoProcessSettings.load(FILE), DemoProcessSettings.load()

    assert loaded.model_dump() == plain.model_dump()
