"""Rate limits for any ASGI application."""

from __future__ import annotations

import asyncio
import os
import weakref
from typing import Any

from ._engine import Decision, Limiter, Session, Ticket
from ._network import Driver


class Engine:
    """The engine of a process, and its session on each loop with which it reaches Redis."""

    def __init__(self, config: str | os.PathLike | None = None, toml: str | None = None):
        path = None if config is None else os.fspath(config)
        self.native = Limiter.open(path, toml, dict(os.environ) if toml is not None else {})
        self._redis = self.native.uses_redis
        self._sessions: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        self._pid = os.getpid()
        os.register_at_fork(after_in_child=weakref.WeakMethod(self._after_fork))

    def _after_fork(self) -> None:
        self._sessions = weakref.WeakKeyDictionary()
        self.native.after_fork()

    def _session(self, loop: asyncio.AbstractEventLoop) -> Session:
        session = self._sessions.get(loop)
        if session is None:
            session = self._sessions[loop] = Session(self.native, Driver(loop), 1)
        return session

    async def decide(self, scope: dict, **known: Any) -> Decision:
        if not self._redis:
            return self.native.decide(scope, **known)
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def done(decision: Decision) -> None:
            if not answer.done():
                answer.set_result(decision)
        decision = self._session(loop).decide(scope, done, **known)
        if type(decision) is not Ticket:
            return decision
        try:
            return await answer
        finally:
            decision.cancel()


class RateLimitMiddleware:
    """Decides each request, marks its response, and answers those that are over their limit.

    config   path of a TOML file; None: RATE_LIMIT_CONFIG, ./tidegate.toml, or the defaults
    toml     the text of one instead
    """

    def __init__(self, app, config: str | os.PathLike | None = None, *, toml: str | None = None):
        self.app = app
        self.engine = Engine(config, toml)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        decision = await self.engine.decide(scope)
        fields = decision.fields
        if not decision.admitted:
            return await reject(scope, receive, send, decision, fields)
        if not fields:
            return await self.app(scope, receive, send)

        async def send_with_fields(message):
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [*message.get("headers", ()), *fields]}
            await send(message)
        await self.app(scope, receive, send_with_fields)


async def reject(scope, receive, send, decision: Decision, fields) -> None:
    body = decision.body
    headers = [*fields, (b"content-length", b"%d" % len(body))]
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await receive()
            await send({"type": "websocket.close", "code": 1013})
            return
        start, rest = "websocket.http.response.start", "websocket.http.response.body"
    else:
        start, rest = "http.response.start", "http.response.body"
    await send({"type": start, "status": decision.status, "headers": headers})
    await send({"type": rest, "body": b"" if scope.get("method") == "HEAD" else body})
