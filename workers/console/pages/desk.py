"""What every page stands on: who asks, what they may, what they sent, and how it is shown.

A page is `(Asked) -> Response`, called on a thread. `looking` and `acting` make an endpoint of it:
the role is checked before anything else, and a form carries its person's token.
"""

import threading
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from workers.console.access.doors import Doors
from workers.console.access.person import ANYBODY, Person
from workers.console.access.trail import Trail
from workers.console.calibrations import Calibrations
from workers.console.history.database import Database
from workers.console.pages.shown import Shown
from workers.console.pages.told import to_login, told
from workers.console.pictures.evidence import EvidencePictures
from workers.console.pictures.frames import FramePictures
from workers.console.reports.making import Reports
from workers.console.settings import ConsoleProcessSettings
from workers.console.versions import ModelVersions
from workers.console.works import Works
from workers.runtime.bus.ports import Outgoing
from workers.runtime.errors import WorkerError

log = structlog.get_logger(__name__)

COOKIE = "stream-inspector-session"
TOKEN = "token"  # noqa: S105  the name of a form's field
_FORM_BYTES, _FIELDS = 64 * 1024, 100

Publish = Callable[[Outgoing], None]


@dataclass(frozen=True, slots=True)
class Room:
    """Everything that pages use."""

    settings: ConsoleProcessSettings
    database: Database
    doors: Doors
    trail: Trail
    shown: Shown
    evidence: EvidencePictures
    frames: FramePictures
    calibrations: Calibrations
    versions: ModelVersions
    reports: Reports
    publish: Publish
    problems: Callable[[], list[str]]  # topics that are not read, and why
    works: Works = field(default_factory=Works)
    stopping: threading.Event = field(default_factory=threading.Event)  # streams end


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, its person and its form."""

    request: Request
    room: Room
    person: Person
    form: Mapping[str, str]

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the address; of those given twice the last."""
        return dict(self.request.query_params)

    @property
    def address(self) -> str:
        """Where the request comes from."""
        return address_of(self.request)

    @property
    def is_part_of_page(self) -> bool:
        """Whether htmx asks for a piece of a page."""
        return "hx-request" in self.request.headers

    def show(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page."""
        common = {
            "person": self.person,
            "token": self.room.doors.token(self.person),
            "path": self.request.url.path,
            "problems": self.room.problems(),
        }
        return self.room.shown.page(template, status, **common, **values)

    def tell(self, text: str, status: int) -> Response:
        """Why nothing was done."""
        return told(self.request, text, status)

    def note(self, act: str, what: str) -> None:
        """Put an act on the trail."""
        self.room.trail.note(self.person, self.address, act, what)


Page = Callable[[Asked], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def room_of(request: Request) -> Room:
    """The room that the application was made with."""
    found: Room = request.app.state.room
    return found


def address_of(request: Request) -> str:
    """The address at the other end of the connection."""
    return request.client.host if request.client else ""


def looking(page: Page, role: str = "viewer") -> Endpoint:
    """An endpoint that changes nothing."""

    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(_guarded, request, page, role, {})

    return endpoint


def acting(page: Page, role: str) -> Endpoint:
    """An endpoint that changes something: a form of ours, sent by its own person."""

    async def endpoint(request: Request) -> Response:
        form = await read_form(request)
        if form is None:
            return told(request, "the form is too large", 413)
        if not same_site(request):
            return told(request, "forms are taken from these pages only", 403)
        return await run_in_threadpool(_guarded, request, page, role, form)

    return endpoint


def _guarded(request: Request, page: Page, role: str, form: Mapping[str, str]) -> Response:
    room = room_of(request)
    try:
        person = person_of(request, room)
        if person is None:
            return to_login(request)
        asked = Asked(request, room, person, form)
        if not person.may(role):
            return _refused(asked, role)
        if request.method == "POST" and not room.doors.is_token(person, form.get(TOKEN, "")):
            return told(request, "the form is too old: load the page again", 403)
        return page(asked)
    except WorkerError as error:
        log.warning("page not shown", path=request.url.path, reason=str(error)[:500])
        return told(request, f"not now: {error}", 503, {"Retry-After": "5"})
    except Exception:  # a fault of one page costs nobody what they typed
        log.exception("page not shown", path=request.url.path)
        return told(request, "a fault of the console: its log tells which", 500)


def _refused(asked: Asked, role: str) -> Response:
    """Who may only look because nobody has to log in may log in."""
    if asked.person.name == ANYBODY and not asked.person.session:
        return to_login(asked.request)
    if asked.is_part_of_page:
        return asked.tell(f"this needs the role {role}; you are {asked.person.role}", 403)
    return asked.show("refused.html.j2", 403, wanted=role)


def person_of(request: Request, room: Room) -> Person | None:
    """Who asks; None: nobody that is known."""
    headers = dict(request.headers)
    return room.doors.person(address_of(request), headers, request.cookies.get(COOKIE, ""))


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form, of fields given twice the last; None: it is too large."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _FORM_BYTES:
            return None
    try:
        pairs = parse_qsl(
            body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=_FIELDS
        )
    except ValueError:
        return None
    return dict(pairs)


def same_site(request: Request) -> bool:
    """Whether the browser sends this from a page of ours, as far as it says."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")
