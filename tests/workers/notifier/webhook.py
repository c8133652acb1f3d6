"""A webhook on this machine, for the tests of delivery."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hook(ThreadingHTTPServer):
    """A webhook that answers with `status` and keeps what it accepted."""

    def __init__(self) -> None:
        self.status = 200
        self.accepted: list[dict] = []
        self.asked = 0
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                hook.asked += 1
                if hook.status == 200:
                    hook.accepted.append(json.loads(content))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                return

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"json://operator:hunter22@127.0.0.1:{self.server_port}/hook-token"
