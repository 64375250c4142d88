"""Health, metrics and what operators may do, as an ASGI application to mount."""

from __future__ import annotations

from typing import Any

from . import _engine
from ._asgi import Receive, Scope, Send
from .limiter import Limiter, limiter_of

__all__ = ["Operations"]

MAX_BODY_BYTES = 64 << 10


class Operations:
    """Answers /health, /metrics and, where the configuration names a token for them,
    /admin/rate-limit/ (status, reset, reload and a page), as the server `tidegate serve` does.

        app.mount("/ops", Operations())

    limiter   whose; None: that of the middleware around it
    prefix    what its paths begin with where it is not mounted

    What is mounted is limited as the rest of the application: exempt it in the configuration
    (exempt_endpoints = ["/ops/**"]), or have the middleware answer it (operations="/ops").
    """

    def __init__(self, limiter: Limiter | None = None, prefix: str = "") -> None:
        self._limiter = limiter
        self._prefix = prefix.rstrip("/")
        self._native: tuple[Any, Any] | None = None

    def has(self, scope: Scope) -> bool:
        path: str = scope.get("path", "")
        return scope["type"] == "http" and path.startswith(self._prefix + "/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"only http is answered here, found {scope['type']}")
        limiter = self._limiter or limiter_of(scope)
        if limiter is None:
            raise RuntimeError("no limiter: give one, or mount this below RateLimitMiddleware")
        await self.answer(limiter, scope, receive, send)

    async def answer(self, limiter: Limiter, scope: Scope, receive: Receive, send: Send) -> None:
        engine = limiter._engine
        if self._native is None or self._native[0] is not engine:
            self._native = engine, _engine.Operations(engine)
        native = self._native[1]
        root = scope.get("root_path", "") + self._prefix
        path = scope["path"].removeprefix(scope.get("root_path", "")).removeprefix(self._prefix)
        posts = scope["method"] == "POST"
        body = await _body(receive) if posts else b""
        if body is None:
            status, headers, content = 413, [], b""
        elif posts:  # a reload or a reset may take long
            from asyncio import to_thread

            status, headers, content = await to_thread(native.answer, scope, path, body)
        else:
            status, headers, content = native.answer(scope, path, body)
        headers = [(name, root.encode() + value if name == b"location" else value)
                   for name, value in headers]
        headers.append((b"content-length", b"%d" % len(content)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body",
                    "body": b"" if scope["method"] == "HEAD" else content})


async def _body(receive: Receive) -> bytes | None:
    """None: it is too long."""
    body: bytes = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body"):
            return body
