"""A category's file: its name, which part of each frame is inspected and how, its own budget.

The trainer makes the view a part of the model; the worker looks through the model's own view and
says so when the file asks for another one. `docs/categories.md` explains every key.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from workers.runtime.errors import SettingsError
from workers.runtime.names import Name, OptionalName, check_name
from workers.runtime.settings.process import Section, read_section
from workers.runtime.settings.shares import AsShare, Rate, RateOrNone

MOST_TILES = 12
Coordinate = Annotated[float, Field(ge=0)]
Corner = tuple[Coordinate, Coordinate]


class FrameSize(Section):
    """The frames in whose pixels places are given."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)


class Rectangle(Section):
    """A part of the frame: shares of its sides, or pixels when `frame_size` is given."""

    left: Coordinate
    top: Coordinate
    width: float = Field(gt=0)
    height: float = Field(gt=0)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return self.left, self.top, self.left + self.width, self.top + self.height


class IgnoreSettings(Section):
    """What is never inspected."""

    rectangles: tuple[Rectangle, ...] = ()
    polygons: tuple[Annotated[tuple[Corner, ...], Field(min_length=3)], ...] = Field(
        default=(), description="corners [x, y]"
    )
    mask: str | None = Field(
        default=None,
        description="a picture of the whole frame, black where inspected; a file beside this one, "
        "or data:image/png;base64,...",
    )


class InputSize(Section):
    """What a network sees, in pixels; both sides divide by 16."""

    height: int = Field(ge=32, multiple_of=16)
    width: int = Field(ge=32, multiple_of=16)


class TileSettings(Section):
    """Overlapping tiles, each as large as the input size."""

    rows: int = Field(default=1, ge=1)
    columns: int = Field(default=1, ge=1)
    smallest_defect: float | None = Field(
        default=None,
        gt=0,
        description="its shorter side in pixels of frame_size, or of the frames: instead of rows "
        "and columns, the fewest tiles that still show it",
    )
    overlap: Annotated[float, AsShare] = Field(
        default=0.25, gt=0, le=0.5, description="share of a tile's side"
    )

    @model_validator(mode="after")
    def _few(self) -> Self:
        if self.rows * self.columns > MOST_TILES:
            raise ValueError(f"{self.rows} x {self.columns} tiles; at most {MOST_TILES} in all")
        if self.smallest_defect and (self.rows, self.columns) != (1, 1):
            raise ValueError("tiles: give rows and columns, or smallest_defect that chooses them")
        return self


class ViewSettings(Section):
    """Which part of a frame is inspected, and at which size."""

    frame_size: FrameSize | None = Field(
        default=None, description="given: places are pixels of such a frame; else shares (0 to 1)"
    )
    region: Rectangle | None = Field(default=None, description="region of interest; empty: all")
    ignore: IgnoreSettings = IgnoreSettings()
    input_size: InputSize | Literal["auto", "preset"] = Field(
        default="auto",
        description="preset: the preset's; auto: as many pixels in the shape of the region",
    )
    keep_aspect: bool = Field(default=False, description="pad instead of squeezing")
    orientation: Literal["upright", "stored"] = Field(
        default="upright",
        description="upright: pictures are turned as their EXIF data says; stored: never",
    )
    bits: Annotated[int, Field(ge=9, le=16)] | Literal["auto"] = Field(
        default="auto",
        description="of samples of 16 bits that count, e.g. 12; auto: as the file says, else all",
    )
    tiles: TileSettings = TileSettings()

    @model_validator(mode="after")
    def _inside(self) -> Self:
        width, height = self.sides
        boxes = [each.box for each in (self.region, *self.ignore.rectangles) if each]
        corners = [corner for polygon in self.ignore.polygons for corner in polygon]
        right = max([box[2] for box in boxes] + [x for x, _ in corners], default=0)
        bottom = max([box[3] for box in boxes] + [y for _, y in corners], default=0)
        if right > width * (1 + 1e-9) or bottom > height * (1 + 1e-9):
            unit = "pixels" if self.frame_size else "shares of it; give frame_size to mean pixels"
            raise ValueError(
                f"a place reaches to ({right:g}, {bottom:g}), beyond the frame's "
                f"({width:g}, {height:g}) in {unit}"
            )
        return self

    @property
    def sides(self) -> tuple[float, float]:
        """Width and height of the frame in the unit of the places."""
        size = self.frame_size
        return (float(size.width), float(size.height)) if size else (1.0, 1.0)


class BudgetOverride(Section):
    """What is accepted of this category and differs from the trainer's budget."""

    image_false_reject: RateOrNone | None = Field(
        default=None, description="share of good images that may alarm"
    )
    pixel_false_positive: RateOrNone | None = Field(
        default=None, description="share of good pixels that may be outlined"
    )
    confidence: Rate | None = None
    strict: bool | None = Field(default=None, description="refuse what cannot be certified")


class CategorySettings(Section):
    """configs/categories/<category>.yaml."""

    name: OptionalName = Field(default="", description="empty: the file's name")
    description: str = ""
    view: ViewSettings | None = None
    budget: BudgetOverride = BudgetOverride()


@dataclass(frozen=True, slots=True)
class Category:
    """A category as it is configured."""

    name: str
    view: ViewSettings | None = None
    mask: Path | bytes | None = None  # of view.ignore.mask: its file, or itself
    budget: BudgetOverride = field(default_factory=BudgetOverride)

    @property
    def fingerprint(self) -> str | None:
        """What tells this view from another: of the settings, and of the mask if it is there."""
        if self.view is None:
            return None
        plain = self.view.model_dump(mode="json", exclude_defaults=True)
        return f"{_digest(json.dumps(plain, sort_keys=True).encode())}:{self._mask_digest()}"

    def _mask_digest(self) -> str:
        if isinstance(self.mask, bytes):
            return _digest(self.mask)
        if self.mask is None or not self.mask.is_file():
            return ""
        return _digest(self.mask.read_bytes())


class CategoriesSection(Section):
    """The categories that are known. A frame of any other category is a dead letter."""

    folder: Path | None = Field(
        default=None, description="one <category>.yaml per category; empty: none"
    )
    names: tuple[Name, ...] = Field(default=(), description="categories without a file")

    @field_validator("folder", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return None if value == "" else value


def read_category(file: Path) -> Category:
    """A category's file. Raises SettingsError naming the file and the key."""
    settings = read_section(CategorySettings, file)
    name = settings.name or file.stem
    _check(name, str(file))
    return Category(name, settings.view, _mask(settings.view, file), settings.budget)


def read_categories(section: CategoriesSection) -> dict[str, Category]:
    """The categories of the folder and of the list, by name. Raises SettingsError."""
    found = {name: Category(name) for name in section.names}
    if section.folder is not None:
        if not section.folder.is_dir():
            raise SettingsError(f"categories.folder: {section.folder} is not a folder")
        read = dict[str, Path]()
        for file in sorted(each for each in section.folder.iterdir() if _is_category(each)):
            category = read_category(file)
            if category.name in read:
                raise SettingsError(f"{file}: {read[category.name]} is for {category.name}, too")
            found[category.name], read[category.name] = category, file
    return found


def _is_category(file: Path) -> bool:
    return file.suffix.lower() in {".yaml", ".yml"} and not file.name.startswith(".")


def _mask(view: ViewSettings | None, file: Path) -> Path | bytes | None:
    """Of view.ignore.mask. Raises SettingsError naming the category's file."""
    mask = view.ignore.mask if view else None
    if mask is None or not mask.startswith("data:"):
        return None if mask is None else file.parent / mask
    head, _, body = mask.partition(",")
    if not head.endswith(";base64"):
        raise SettingsError(f"{file}: view.ignore.mask: begin it with data:image/png;base64,")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except ValueError as error:
        raise SettingsError(f"{file}: view.ignore.mask: {error}") from None


def asks_for_another(category: Category, trained: str | None) -> bool:
    """Whether a category's file wants another view than the one a model was `trained` with.

    A file without a view leaves it to the model. A mask that is not at hand is not compared.
    """
    if category.fingerprint is None:
        return False
    (wanted, mask), (settings, of_mask) = _parts(category.fingerprint), _parts(trained)
    return wanted != settings or bool(mask and mask != of_mask)


def view_key(name: str) -> str:
    """Where a model's provenance keeps the fingerprint of a category's view."""
    return f"{name}/view_settings"


def trained_view(provenance: Mapping[str, Any], name: str) -> str | None:
    """The fingerprint of the view settings that a model was trained with."""
    found = provenance.get(view_key(name))
    return found if isinstance(found, str) else None


def _parts(fingerprint: str | None) -> tuple[str, str]:
    settings, _, mask = (fingerprint or "").partition(":")
    return settings, mask


def _check(name: str, origin: str) -> None:
    try:
        check_name(name)
    except ValueError as error:
        raise SettingsError(f"{origin}: category {error}") from None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
