"""What somebody is told when nothing was done: on the page that they have, or on one of its own."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from markupsafe import escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from schemas.excerpt import plain
from workers.console.pages.shown import Shown

_LONGEST = 2000  # characters of an address that is gone back to
_IN_PLACE = {"HX-Retarget": "#told", "HX-Reswap": "innerHTML"}  # what was typed stays


def told(
    request: Request, text: str, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """Why nothing was done."""
    given = dict(headers or {})
    if "hx-request" in request.headers:
        return HTMLResponse(str(escape(plain(text))), status, given | _IN_PLACE)
    shown: Shown = request.app.state.room.shown
    answer = shown.page("told.html.j2", status, what=text, back=page_of(request))
    answer.headers.update(given)
    return answer


def to_login(request: Request) -> Response:
    """To the login, and from there to the page that somebody had; what they sent is not done."""
    lost = {} if request.method == "GET" else {"lost": "1"}
    address = f"/login?{urlencode({'next': page_of(request)} | lost)}"
    if "hx-request" in request.headers:
        return HTMLResponse("log in first", 401, {"HX-Redirect": address})
    return RedirectResponse(address, 303)


def page_of(request: Request) -> str:
    """The address of the page that somebody has, as far as the browser says."""
    if request.method == "GET" and "hx-request" not in request.headers:
        return own_page(f"{request.url.path}?{request.url.query}".rstrip("?"))
    came = urlsplit(request.headers.get("referer", ""))
    if came.netloc != request.headers.get("host"):
        return "/"
    return own_page(f"{came.path}?{came.query}".rstrip("?"))


def own_page(address: str) -> str:
    """The address where it is one of these pages, else the first one: nobody is led elsewhere."""
    parts = urlsplit(address)
    elsewhere = parts.scheme or parts.netloc or not address.startswith("/")
    odd = "\\" in address or not address.isprintable() or len(address) > _LONGEST
    return "/" if elsewhere or odd or parts.path in ("/login", "/logout") else address
