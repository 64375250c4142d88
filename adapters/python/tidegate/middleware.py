"""Rate limits for any ASGI application."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import Any

from ._asgi import App, Message, Receive, Scope, Send
from ._engine import ConfigError, Decision
from ._reload import handle_hangup
from .config import RateLimitConfig
from .limiter import Limiter
from .operations import Operations

__all__ = ["Exchange", "RateLimitMiddleware", "install", "reject"]


class Exchange:
    """A request on its way, in the scope as "tidegate": whose decision it had, and which. A limit
    further in may put a tighter one in its place.

    It holds nothing that leads back to the scope, so that requests are no garbage to collect."""

    __slots__ = ("limiter", "decision")

    limiter: Limiter
    decision: Decision

    def tighten(self, decision: Decision) -> None:
        """The response tells of a refusal, else of the least that is left; where both have the
        same left, of what is whole again later."""
        if not decision.admitted or _tightness(decision) < _tightness(self.decision):
            self.decision = decision


def _tightness(decision: Decision) -> tuple[float, float]:
    remaining = decision.remaining
    if remaining is None:
        return float("inf"), 0.0
    return remaining, -(decision.reset_after or 0.0)


_STARTS = frozenset(("http.response.start", "websocket.accept", "websocket.http.response.start"))


class RateLimitMiddleware:
    """Decides each request, marks its response, and answers those that are over their limit.

        app.add_middleware(RateLimitMiddleware, config="tidegate.toml")     # Starlette, FastAPI
        app = RateLimitMiddleware(app, default_limit=20)                    # any ASGI application

    config     a file, or what load_config() gave; or the keys of [rate_limiting] as keywords; or
               nothing: RATE_LIMIT_CONFIG, ./tidegate.toml, ./config.toml, the defaults
    limiter    a Limiter instead
    operations where the middleware itself answers health, metrics and the admin routes, unlimited:
               with "/ops" /ops/health, /ops/metrics and /ops/admin/rate-limit/...
    identify   called with the scope; returns None, or a dict with what the program knows better
               than the configuration: client, tier, cost

    A faulty configuration raises ConfigError; in a server that is running already, which builds its
    middleware late, it fails the start instead (lifespan), so that the server ends with the faults.
    """

    def __init__(self, app: App, config: str | os.PathLike[str] | RateLimitConfig | None = None, *,
                 limiter: Limiter | None = None, operations: str | None = None,
                 identify: Callable[[Scope], dict[str, Any] | None] | None = None,
                 **keywords: Any) -> None:
        self.app = app
        self._identify = identify
        self._operations = Operations(limiter, operations) if operations is not None else None
        self._fault: ConfigError | None = None
        self._ready = False
        self._answer_error: Callable[..., Awaitable[None]] = _answer_error
        self._reject: App = reject
        self._exposed_further_out = False
        try:
            self._limiter = _limiter_of(limiter, config, keywords)
        except ConfigError as fault:
            if not _loop_is_running():
                raise
            self._fault = fault

    @property
    def limiter(self) -> Limiter:
        if self._fault is not None:
            raise self._fault
        return self._limiter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind != "http" and kind != "websocket":
            live = self._live if kind == "lifespan" else self.app
            return await live(scope, receive, send)
        if self._fault is not None:
            raise self._fault
        limiter = self._limiter
        outer: Exchange | None = scope.get("tidegate")
        if outer is not None and outer.limiter is limiter:  # an outer middleware has decided it
            return await self.app(scope, receive, send)
        if not self._ready:
            self._get_ready(scope)
        if self._operations is not None and self._operations.has(scope):
            return await self._operations.answer(limiter, scope, receive, send)
        known = self._identify(scope) if self._identify is not None else None
        begun = limiter._begin(scope) if known is None else limiter.hit(scope, **known)
        decision = begun if isinstance(begun, Decision) else await begun
        exchange = scope["tidegate"] = Exchange()
        exchange.limiter = limiter
        exchange.decision = decision
        exposed = self._exposed_further_out and _has_origin(scope)
        started = False

        # It hands on what is to be awaited: a coroutine of its own would cost more than deciding.
        def send_marked(message: Message) -> Awaitable[None]:
            nonlocal started
            if message["type"] in _STARTS:
                started = True
                message["headers"] = exchange.decision.mark(message.get("headers", ()), exposed)
            return send(message)

        if decision:
            try:
                await self.app(scope, receive, send_marked)
            except Exception as error:
                # Whoever answers it further out does so without our fields.
                if not started and kind == "http":
                    await self._answer_error(error, scope, receive, send_marked)
                raise
        elif scope.get("method") == "OPTIONS":  # CORS further in would answer it without us
            await reject(scope, receive, send_marked)
        else:
            await self._reject(scope, receive, send_marked)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._fault is not None:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": str(self._fault)})
            return
        self._get_ready(scope)

        async def send_and_close(message: Message) -> None:
            if message["type"].startswith("lifespan.shutdown."):
                self._limiter.close()
            await send(message)

        await self.app(scope, receive, send_and_close)

    def _get_ready(self, scope: Scope) -> None:
        """Once, when the application around us can be seen."""
        self._ready = True
        handle_hangup(self.limiter)
        application = scope.get("app")
        if hasattr(application, "user_middleware"):
            from . import _starlette

            self._answer_error = _starlette.answer_error
            inside, outside = _starlette.cors_around(type(self), application)
            self._reject = inside(reject)
            self._exposed_further_out = outside
            _starlette.declare_limits(self.limiter, application)


def install(app: Any, config: str | os.PathLike[str] | RateLimitConfig | None = None,
            **keywords: Any) -> Limiter:
    """Puts the middleware around everything that a Starlette or FastAPI application has, its error
    handling included, and returns its limiter. Takes what RateLimitMiddleware takes; to be called
    before the application serves. Raises ConfigError."""
    if getattr(app, "middleware_stack", None) is not None:
        raise RuntimeError("the application serves already: install limits before it starts")
    own = {key: keywords.pop(key) for key in ("identify", "operations") if key in keywords}
    limiter = _limiter_of(keywords.pop("limiter", None), config, keywords)
    build = app.build_middleware_stack

    def build_limited() -> RateLimitMiddleware:
        return RateLimitMiddleware(build(), limiter=limiter, **own)

    app.build_middleware_stack = build_limited
    return limiter


def _limiter_of(limiter: Limiter | None,
                config: str | os.PathLike[str] | RateLimitConfig | None,
                keywords: dict[str, Any]) -> Limiter:
    """The limiter given, or one of the configuration given."""
    if limiter is None:
        return Limiter(config, **keywords)
    if config is not None or keywords:
        raise TypeError("give either a limiter or its configuration, not both")
    return limiter


async def reject(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers a request whose decision refuses it: by the application's handler for
    RateLimitExceeded, if it has one, else with the body of the decision."""
    decision: Decision = scope["tidegate"].decision
    application = scope.get("app")
    if scope["type"] == "http" and getattr(application, "exception_handlers", None):
        from . import _starlette

        if await _starlette.handled(decision, scope, receive, send):
            return
    body = decision.body
    headers = [(b"content-length", b"%d" % len(body))]
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        await receive()
        start, rest = "websocket.http.response.start", "websocket.http.response.body"
    else:
        start, rest = "http.response.start", "http.response.body"
    await send({"type": start, "status": decision.status, "headers": headers})
    await send({"type": rest, "body": b"" if scope.get("method") == "HEAD" else body})


TRY_AGAIN_LATER = 1013
"""The code that a websocket is closed with: RFC 6455's registry calls it so."""


async def _answer_error(_error: Exception, _scope: Scope, _receive: Receive, send: Send) -> None:
    body = b"Internal Server Error"
    await send({"type": "http.response.start", "status": 500,
                "headers": [(b"content-type", b"text/plain; charset=utf-8"),
                            (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


def _has_origin(scope: Scope) -> bool:
    return any(name == b"origin" for name, _ in scope.get("headers", ()))


def _loop_is_running() -> bool:
    from asyncio import get_running_loop

    try:
        get_running_loop()
    except RuntimeError:
        return False
    return True
