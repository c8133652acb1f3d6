"""Log in and out."""

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from workers.console.access.doors import TooManyAttempts
from workers.console.access.person import Person
from workers.console.pages.desk import (
    COOKIE,
    Asked,
    Room,
    address_of,
    person_of,
    read_form,
    room_of,
    same_site,
)


async def login_page(request: Request) -> Response:
    """The form, or what became of it."""
    room = room_of(request)
    if request.method == "GET":
        return await run_in_threadpool(_form, request, room)
    form = await read_form(request)
    if form is None or not same_site(request):
        return PlainTextResponse("log in from this page only", 403)
    return await run_in_threadpool(
        _log_in, room, form.get("name", ""), form.get("password", ""), address_of(request)
    )


def _form(request: Request, room: Room) -> Response:
    person = person_of(request, room)
    if person is not None and person.session:
        return RedirectResponse("/", 303)
    return _shown(room)


def _shown(room: Room, problem: str = "", status: int = 200) -> Response:
    return room.shown.page(
        "login.html.j2", status, problem=problem, takes_logins=room.doors.takes_logins
    )


def _log_in(room: Room, name: str, password: str, address: str) -> Response:
    try:
        token = room.doors.log_in(name, password, address)
    except TooManyAttempts as error:
        answer = _shown(room, str(error), 429)
        answer.headers["Retry-After"] = f"{error.wait_s:.0f}"
        return answer
    nobody = Person(name[:100], "viewer")
    if token is None:
        room.trail.note(nobody, address, "login refused", "")
        return _shown(room, "That name and password do not fit together.", 401)
    room.trail.note(nobody, address, "login", "")
    answer = RedirectResponse("/", 303)
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(room.settings.console.access.session_hours * 3600),
        httponly=True,
        samesite="strict",
        secure=room.settings.console.secure,
    )
    return answer


def log_out(asked: Asked) -> Response:
    """End the session."""
    asked.room.doors.log_out(asked.person)
    asked.note("logout", "")
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return answer
