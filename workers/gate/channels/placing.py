"""Names in which a camera has its place."""

import re
from collections.abc import Mapping

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


def placed(pattern: str, camera: str, lanes: Mapping[str, int], **more: object) -> str:
    """A pattern with what its placeholders stand for; other braces stay as they are.

    What a part is called is text, whatever stands in it.
    """
    known = {"camera": camera, "lane": lanes[camera], **more}
    return _PLACEHOLDER.sub(lambda found: str(known.get(found[1], found[0])), pattern)
