"""VisA as it is published. Which good images train is said by its one-class split file.

split_csv/1cls.csv    <category>/Data/Images/{Normal,Anomaly}/*.JPG    .../Data/Masks/Anomaly/*
"""

import codecs
import csv
import io
from pathlib import Path

from stream_inspector.errors import DataError
from workers.runtime.datasets.files import shown
from workers.runtime.datasets.layout import LabelledFile

SPLIT = Path("split_csv") / "1cls.csv"
_COLUMNS = {"object", "split", "label", "image", "mask"}
_KINDS = {"normal": "good", "anomaly": "bad"}  # as VisA's own script names the folders

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Row = dict[str, str]


class VisaLayout:
    """The published folders, read through the split file beside the categories."""

    name = "visa"

    def fits(self, folder: Path) -> bool:
        """The folder that only VisA has."""
        return (folder / "Data" / "Images").is_dir()

    def good(self, folder: Path) -> list[Path]:
        """The normal images of the split's train part."""
        root = folder.resolve().parent
        return sorted(root / row["image"] for row in _rows(folder, "train"))

    def labelled(self, folder: Path) -> list[LabelledFile]:
        """The images of the split's test part."""
        root = folder.resolve().parent
        files = [
            LabelledFile(
                root / row["image"],
                _KINDS[row["label"]],
                defective=row["label"] == "anomaly",
                mask=root / row["mask"] if row["mask"] else None,
            )
            for row in _rows(folder, "test")
        ]
        return sorted(files, key=lambda file: (file.kind, file.path.name))


def _rows(folder: Path, part: str) -> list[Row]:
    """The split file's rows of one category and part, each with its files in place."""
    category, root = folder.resolve().name, folder.resolve().parent
    rows = [
        row for row in _read(root / SPLIT) if row["object"] == category and row["split"] == part
    ]
    if not rows:
        raise DataError(
            f"{root / SPLIT}: lists no {part} images of {category!r}; has the folder been renamed?"
        )
    odd = {row["label"] for row in rows} - _KINDS.keys()
    if odd or (part == "train" and any(row["label"] != "normal" for row in rows)):
        raise DataError(f"{root / SPLIT}: unexpected label in the {part} part of {category!r}")
    named = (row[column] for row in rows for column in ("image", "mask") if row[column])
    gone = [name for name in named if not (root / name).is_file()]
    if gone:
        raise DataError(f"{root / SPLIT}: lists files that are not there: {shown(gone)}")
    return rows


def _read(path: Path) -> list[Row]:
    if not path.is_file():
        raise DataError(
            f"{path}: not found; VisA's own layout needs it, for it says which good images train "
            "(it comes with the dataset)"
        )
    reader = csv.DictReader(io.StringIO(_text(path)))
    columns = [name.strip() for name in reader.fieldnames or ()]
    if not set(columns) >= _COLUMNS:
        raise DataError(
            f"{path}: needs the columns {', '.join(sorted(_COLUMNS))}, separated by commas; it "
            f"begins with {', '.join(columns) or 'nothing'}"
        )
    reader.fieldnames = columns
    return [{name: (row[name] or "").strip() for name in _COLUMNS} for row in reader]


def _text(path: Path) -> str:
    """With or without a byte order mark, as spreadsheets write it."""
    data = path.read_bytes()
    try:
        return data.decode("utf-16" if data[:2] in _UTF16_MARKS else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no text in UTF-8: {error.reason}") from None


VISA = VisaLayout()
