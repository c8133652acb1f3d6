"""`stream-inspector worker` with a null detector that a pure white frame kills, as a bug would."""

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stream_inspector.verdict import Image, Verdict
from workers.cli import main
from workers.inspector import run
from workers.inspector.trial import child
from workers.runtime.detectors import loading as detectors
from workers.runtime.detectors.loaded import LoadedModel


def deadly(*args: Any) -> LoadedModel:
    model = detectors.null_model(*args)

    def inspect(images: Sequence[Image], *rest: Any) -> list[Verdict]:
        if any(image.min() == 255 for image in images):
            os.abort()
        return model.inspect(images, *rest)

    return replace(model, inspect=inspect)


if __name__ == "__main__":
    run.null_model = child.null_model = deadly  # type: ignore[assignment]
    if sys.argv[1:] == ["trial"]:
        child.main()
    else:
        run.TRIAL = (sys.executable, __file__, "trial")
        main()
