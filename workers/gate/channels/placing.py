"""Names in which a camera has its place."""

from collections.abc import Mapping


def placed(pattern: str, camera: str, lanes: Mapping[str, int], **more: object) -> str:
    """A pattern with what its placeholders stand for; other braces stay as they are."""
    known = {"camera": camera, "lane": lanes[camera], **more}
    for name, value in known.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern
