"""`inspect --show-view`: what the detector sees of image files, as pictures; nothing is scored."""

from collections.abc import Callable, Sequence
from pathlib import Path

from stream_inspector.image.pictures import encode_png, side_by_side
from stream_inspector.image.view.canvas import View
from stream_inspector.image.view.cutting import cut
from stream_inspector.image.view.picture import draw_view
from stream_inspector.presets import Preset
from stream_inspector.verdict import Image
from workers.offline.images.reader import read_image
from workers.offline.images.views import is_upright, usual_frame, view_for
from workers.offline.inspect.names import result_names
from workers.runtime.categories import Category
from workers.runtime.host.whole_file import write_whole

_HEIGHT = 480  # of the panels, pixels

FindView = Callable[[Path], View]


def planned_view(category: Category, preset: Preset) -> FindView:
    """The view that training would give a category's frames."""
    upright = is_upright(category.view)
    return lambda path: view_for(
        category, preset.input_size, usual_frame([path], upright), preset.multiple
    )


def write_view_pictures(paths: Sequence[Path], find_view: FindView, out: Path) -> None:
    """One <file>-view.png an image: the frame with its view drawn in, and what networks see."""
    for path, name in zip(paths, result_names(paths), strict=True):
        picture = side_by_side(_panels(path, find_view(path)), _HEIGHT)
        write_whole(out / f"{name}-view.png", encode_png(picture))


def _panels(path: Path, view: View) -> list[tuple[str, Image]]:
    width, height = usual_frame([path], view.upright)
    as_drawn = View((_HEIGHT, max(1, round(width * _HEIGHT / height))), **view.reading)
    frame = draw_view(read_image(path, as_drawn).image, view)
    canvas = view.prepare(read_image(path, view).image)
    rows, columns = view.canvas
    panels = [(f"{width} x {height}", frame), (f"networks see {columns} x {rows}", canvas)]
    tiles = cut(view, [canvas]) if len(view.corners) > 1 else []
    return panels + [(f"tile {number}", tile) for number, tile in enumerate(tiles, 1)]
