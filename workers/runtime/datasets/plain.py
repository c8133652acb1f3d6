"""A plain folder of good images: enough to train and to calibrate."""

from pathlib import Path

from stream_inspector.errors import DataError
from workers.runtime.datasets.files import good_images_in, is_hidden, is_image
from workers.runtime.datasets.layout import LabelledFile


class PlainFolder:
    """Images directly in the folder."""

    name = "plain"

    def fits(self, folder: Path) -> bool:
        """Any image directly inside."""
        return any(is_image(path) and not is_hidden(path.name) for path in folder.iterdir())

    def good(self, folder: Path) -> list[Path]:
        """All of them."""
        return good_images_in(folder)

    def labelled(self, folder: Path) -> list[LabelledFile]:
        """There are none."""
        raise DataError(
            f"{folder}: no folder test/ with one sub-folder for each kind (good, ...); a plain "
            "folder of good images can be trained on, not evaluated"
        )


PLAIN = PlainFolder()
