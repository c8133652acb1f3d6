"""A webhook on this machine, for the tests of delivery."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple


class Asked(NamedTuple):
    """A request as it arrived."""

    method: str
    path: str
    content: dict


class Hook(ThreadingHTTPServer):
    """A webhook that answers with `status` and keeps what it accepted.

    `refuses` makes it answer 400 to some, `delay_s` is how long it takes, `released` lets those
    go on that it keeps waiting while `hangs` is set, `drips` sends a byte of the answer at a time,
    `text` is the answer's.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        self.status, self.location, self.delay_s = 200, "", 0.0
        self.hangs = self.drips = False
        self.released = threading.Event()
        self.headers: dict[str, str] = {}
        self.text = b""
        self.refuses = lambda content: False
        self.accepted: list[dict] = []
        self.requests: list[Asked] = []
        super().__init__(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def asked(self) -> int:
        """How many requests there were."""
        return len(self.requests)

    @property
    def url(self) -> str:
        return f"json://operator:hunter22@127.0.0.1:{self.server_port}/hook-token"

    def stop(self) -> None:
        """Answer nobody any more."""
        self.released.set()
        self.shutdown()
        self.server_close()


def _handler(hook: Hook) -> type[BaseHTTPRequestHandler]:  # noqa: C901  (small methods)
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            hook.requests.append(Asked("POST", self.path, content))
            if hook.hangs:
                hook.released.wait(60)
            time.sleep(hook.delay_s)
            status = 400 if hook.refuses(content) else self._status()
            if status == 200:
                hook.accepted.append(content)
            self._answer(status)

        def do_GET(self) -> None:
            hook.requests.append(Asked("GET", self.path, {}))
            self._answer(200)

        def _status(self) -> int:
            return 200 if self.path == "/new" else hook.status

        def _answer(self, status: int) -> None:
            self.send_response(status)
            if hook.location:
                self.send_header("Location", hook.location)
            for name, value in hook.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(hook.text)
            while hook.drips and not hook.released.wait(0.05):
                self.wfile.write(b".")
                self.wfile.flush()

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler
