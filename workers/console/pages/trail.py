"""The trail of acts, for engineers: who did what, when and from where."""

from starlette.responses import Response

from workers.console.pages.desk import Asked

_MOST = 500


def trail_page(asked: Asked) -> Response:
    """The last acts, the newest first."""
    return asked.show("trail.html.j2", acts=asked.room.trail.newest(_MOST), most=_MOST)
