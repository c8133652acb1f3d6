"""Log in and out."""

from collections.abc import Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from workers.console.access.doors import LONGEST_NAME, TooManyAttempts
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
from workers.console.pages.told import own_page, told

_LOST = "You were logged out, so what you did last was not done. Log in, and do it again."


async def login_page(request: Request) -> Response:
    """The form, or what became of it."""
    room = room_of(request)
    if request.method == "GET":
        return await run_in_threadpool(_form, request, room)
    form = await read_form(request)
    if form is None or not same_site(request):
        return told(request, "log in from this page only", 403)
    return await run_in_threadpool(_log_in, room, form, address_of(request))


def _form(request: Request, room: Room) -> Response:
    person, back = person_of(request, room), own_page(request.query_params.get("next", "/"))
    if person is not None and person.session:
        return RedirectResponse(back, 303)
    return _shown(room, back, _LOST if "lost" in request.query_params else "")


def _shown(room: Room, back: str, problem: str = "", status: int = 200) -> Response:
    return room.shown.page(
        "login.html.j2",
        status,
        back=back,
        problem=problem,
        takes_logins=room.doors.takes_logins,
    )


def _log_in(room: Room, form: Mapping[str, str], address: str) -> Response:
    name, back = form.get("name", "")[:LONGEST_NAME], own_page(form.get("next", "/"))
    try:
        token = room.doors.log_in(name, form.get("password", ""), address)
    except TooManyAttempts as error:
        answer = _shown(room, back, str(error), 429)
        answer.headers["Retry-After"] = f"{error.wait_s:.0f}"
        return answer
    if token is None:
        room.trail.note(Person(name, "viewer"), address, "login refused", "")
        return _shown(room, back, "That name and password do not fit together.", 401)
    room.trail.note(Person(name, room.doors.role_of(name)), address, "login", "")
    answer = RedirectResponse(back, 303)
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
