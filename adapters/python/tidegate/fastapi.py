"""Rate limits in FastAPI, in one line.

    app.add_middleware(RateLimitMiddleware, config="tidegate.toml")

    @app.get("/reports", dependencies=[Depends(limit("10/minute", cost=2))])
    async def reports(): ...
"""

# No annotations as texts: FastAPI reads those of a dependency.

import functools
import threading
import weakref
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Response
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from ._engine import ConfigError, Decision, rules_of
from ._starlette import limits_of, routes_with_dependants
from .config import RateLimitConfig, load_config
from .errors import MultipleWindowsExceeded, RateLimitExceeded, exceeded
from .limiter import Limiter, endpoint_keys, limiter_of, rules_as_toml
from .middleware import TRY_AGAIN_LATER, RateLimitMiddleware, install

__all__ = [
    "Limit",
    "Limiter",
    "MultipleWindowsExceeded",
    "RateLimitConfig",
    "RateLimitExceeded",
    "RateLimitMiddleware",
    "install",
    "limit",
    "limiter_of",
    "load_config",
    "rate_limit_exception_handler",
]

MAX_NAME = 64


class Limit:
    """A limit to depend on; see limit()."""

    def __init__(self, limits: tuple[str, ...], name: str | None,
                 client: Callable[[HTTPConnection], str | None] | None,
                 keys: dict[str, Any]) -> None:
        self.keys = endpoint_keys(limits, keys)
        self._client = client
        self._name = name
        self._text = ", ".join(limits)
        # Faults show where the limit is written, not with the first request.
        try:
            rules_of(rules_as_toml({name or "limit": self.keys}, "sliding_window_counter"))
        except ConfigError as fault:
            text = str(fault).replace("rate_limiting.endpoints[0].", "")
            raise ConfigError(f"limit({self._text!r}): {text}") from None

    def name_for(self, endpoint: Any) -> str:
        """Name of the rule that counts for a handler: that of the limit, else the handler's, with a
        number behind it from its second limit on."""
        if self._name is not None:
            return self._name
        if endpoint is None:
            return self._text
        limits = _limits.setdefault(endpoint, [])
        if self not in limits:
            limits.append(self)
        return _name_of(endpoint, limits.index(self) + 1)

    @property
    def description(self) -> str:
        return f"Over the rate limit of {self._text}"

    async def hit(self, connection: HTTPConnection, cost: int | None = None) -> Decision:
        """Takes from the limit without raising: for the messages of a websocket."""
        limiter = limiter_of(connection) or default_limiter()
        scope = connection.scope
        name = self.name_for(scope.get("endpoint"))
        if not limiter.declared(name):
            limiter.declare_all({name: self.keys})
        client = self._client(connection) if self._client is not None else None
        return await limiter.hit(scope, rule=name, cost=cost, client=client)

    async def __call__(self, connection: HTTPConnection, response: Response) -> Decision:
        decision = await self.hit(connection)
        exchange = connection.scope.get("tidegate")
        if exchange is not None:
            exchange.tighten(decision)
        if decision:
            if exchange is None:
                for field, value in decision.fields:
                    response.headers[field.decode()] = value.decode()
            return decision
        # Its answer needs no registration; a handler of the application's own comes before it.
        handlers = connection.scope.get("starlette.exception_handlers")
        if handlers is not None:
            handlers[0].setdefault(RateLimitExceeded, rate_limit_exception_handler)
        raise exceeded(decision)


def limit(*limits: str, name: str | None = None,
          client: Callable[[HTTPConnection], str | None] | None = None, **keys: Any) -> Limit:
    """A limit beside a handler: Depends(limit("10/minute", "100/hour", cost=2)).

    limits   units per second, minute, hour, day or a time ("10/30s"); all are enforced together
    name     of the rule, for logs, metrics and commands; default: the handler's. Handlers whose
             limits have one name share its count. An endpoint that the configuration names so
             takes the place of the limit
    client   called with the request; returns the text to count for ("plan:7"), or None for the
             client that the configuration identifies
    keys     of an endpoint of the configuration: burst, algorithm, cost, per, shadow, tiers

    Over the limit it raises RateLimitExceeded, which is answered with 429. With the middleware the
    response carries the fields of whichever of its decisions is tightest, and both count. Without
    it the limit counts by a limiter with the default configuration (RATE_LIMIT_CONFIG and so on),
    and a Response that a handler makes itself carries no fields. The value of the dependency is
    the Decision. Raises ConfigError at once for a limit that cannot be.
    """
    return Limit(limits, name, client, keys)


# The limits of handlers without a name of their own, in the order they are asked.
_limits: weakref.WeakKeyDictionary[Any, list[Limit]] = weakref.WeakKeyDictionary()


def _name_of(endpoint: Any, number: int) -> str:
    kind = endpoint if hasattr(endpoint, "__qualname__") else type(endpoint)
    name = f"{kind.__module__}.{kind.__qualname__}" + (f"#{number}" if number > 1 else "")
    return name.encode("ascii", "replace").decode()[-MAX_NAME:]


async def rate_limit_exception_handler(connection: HTTPConnection,
                                       exception: RateLimitExceeded) -> Response:
    """The answer to a request that is over its limit: status, fields and body of the decision."""
    response = Response(exception.body, exception.status_code, headers=exception.headers)
    if isinstance(connection, WebSocket):
        if "websocket.http.response" in connection.scope.get("extensions", {}):
            await connection.send_denial_response(response)
        else:
            await connection.close(TRY_AGAIN_LATER, exception.message)
    return response


_default_lock = threading.Lock()


@functools.cache
def _open_default() -> Limiter:
    return Limiter()


def default_limiter() -> Limiter:
    """That of limits in an application without the middleware."""
    with _default_lock:
        return _open_default()


# --- OpenAPI --------------------------------------------------------------------------------------


def add_to_openapi(app: FastAPI, schema: dict[str, Any]) -> dict[str, Any]:
    """Adds the 429 of each operation that depends on a limit. FastAPI.openapi() does it by itself;
    this is for schemas that an application makes otherwise. Returns `schema`."""
    for route in routes_with_dependants(app):
        limits = list(limits_of(route.dependant))
        if not limits:
            continue
        operations = schema.get("paths", {}).get(getattr(route, "path_format", route.path), {})
        for method in route.methods or ():
            operation = operations.get(method.lower())
            if operation is not None:
                operation.setdefault("responses", {}).setdefault("429", _response(limits))
    return schema


def _response(limits: list[Limit]) -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 0}
    return {
        "description": "; ".join(limit.description for limit in limits),
        "headers": {
            "Retry-After": {"description": "Seconds until the request would be admitted",
                            "schema": {"type": "integer", "minimum": 1}},
            "X-RateLimit-Limit": {"description": "Units per window", "schema": whole},
            "X-RateLimit-Remaining": {"description": "Units left", "schema": whole},
            "X-RateLimit-Reset": {"description": "Unix time at which all of them are back",
                                  "schema": whole},
        },
        "content": {"application/json": {"schema": {
            "title": "RateLimitExceeded",
            "type": "object",
            "required": ["error", "message", "retry_after_seconds", "limit", "window_seconds"],
            "properties": {
                "error": {"type": "string", "examples": ["rate_limit_exceeded"]},
                "message": {"type": "string"},
                "retry_after_seconds": {"type": ["integer", "null"]},
                "limit": whole,
                "window_seconds": {"type": "number"},
            },
        }}},
    }


def _with_limits(openapi: Callable[[FastAPI], dict[str, Any]]) -> Callable[[FastAPI], dict[str, Any]]:
    @functools.wraps(openapi)
    def described(self: FastAPI) -> dict[str, Any]:
        return add_to_openapi(self, openapi(self))

    return described


# FastAPI asks dependencies for parameters and security only, not for responses.
FastAPI.openapi = _with_limits(FastAPI.openapi)  # type: ignore[method-assign, assignment]
