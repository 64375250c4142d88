"""The API behind nginx: answers as a test says, and remembers what it was asked."""

import dataclasses
import email.message
import http.server
import sys
import threading

import harness


@dataclasses.dataclass
class Request:
    method: str
    target: str
    fields: email.message.Message
    body: bytes


@dataclasses.dataclass
class Reply:
    """Nothing is sent before `before` is set, and no piece but the first before `between` is."""
    status: int = 200
    fields: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = (b"upstream\n",)
    before: threading.Event | None = None
    between: threading.Event | None = None


class Upstream:
    def __init__(self):
        self.requests: list[Request] = []
        self.replies: dict[str, Reply] = {}  # by path; all others are answered by a plain Reply
        self._held: list[threading.Event] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.upstream = self
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def hold(self) -> threading.Event:
        """An event for a reply, set when the test ends if not before."""
        self._held.append(threading.Event())
        return self._held[-1]

    def targets(self) -> list[str]:
        return [request.target for request in self.requests]

    def close(self) -> None:
        for event in self._held:
            event.set()
        self._server.shutdown()
        self._server.server_close()


class _Server(http.server.ThreadingHTTPServer):
    request_queue_size = 1_024
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # nginx lets go of who has left
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        self.close_connection = True
        upstream = self.server.upstream
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = upstream.replies.get(self.path.partition("?")[0], Reply())
        upstream.requests.append(Request(self.command, self.path, self.headers, body))
        if reply.before:
            reply.before.wait(harness.WITHIN_S)
        if self.headers.get("Upgrade"):
            self._echo()
            return
        self.send_response_only(reply.status)
        for name, value in (*reply.fields, ("Connection", "close")):
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD" or reply.status in (204, 304):
            return
        for number, piece in enumerate(reply.pieces):
            if number and reply.between:
                reply.between.wait(harness.WITHIN_S)
            self.wfile.write(piece)

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = answer

    def _echo(self) -> None:
        self.send_response_only(101)
        self.send_header("Upgrade", self.headers["Upgrade"])
        self.send_header("Connection", "upgrade")
        self.end_headers()
        while data := self.connection.recv(1_024):
            self.connection.sendall(data)

    def log_message(self, *_) -> None:
        pass
