"""What the middleware does where the application around it is Starlette's or FastAPI's."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request

from ._engine import Decision
from .errors import exceeded
from .limiter import Limiter

App = Callable[..., Any]


async def answer_error(error: Exception, scope: Any, receive: Any, send: Any) -> None:
    """Answers an exception that nobody has handled as the application does: with its handler, or
    its page for debugging. Its own answer would come from further out. Raises it again."""

    async def fail(*_: Any) -> None:
        raise error

    application = scope["app"]
    handlers = application.exception_handlers
    await ServerErrorMiddleware(fail, handler=handlers.get(500) or handlers.get(Exception),
                                debug=application.debug)(scope, receive, send)


def cors_around(own: type, application: Any) -> tuple[Callable[[App], App], bool]:
    """What gives our answers the CORS headers of middleware that is further in than ours, and
    whether there is such middleware further out."""
    places = [place for place, entry in enumerate(application.user_middleware)
              if inspect.isclass(entry.cls) and issubclass(entry.cls, own)]
    place = places[0] if places else -1
    cors = [(i, entry) for i, entry in enumerate(application.user_middleware)
            if inspect.isclass(entry.cls) and issubclass(entry.cls, CORSMiddleware)]
    inside = [entry for i, entry in cors if i > place]

    def wrap(app: App) -> App:
        for entry in reversed(inside):
            app = entry.cls(app, *entry.args, **entry.kwargs)
        return app

    return wrap, any(i < place for i, _ in cors)


async def handled(decision: Decision, scope: Any, receive: Any, send: Any) -> bool:
    """Answers with the application's own handler for the exception or its status, if it has one."""
    exception = exceeded(decision)
    handlers = scope["app"].exception_handlers
    handler = handlers.get(decision.status)
    for kind in type(exception).__mro__:
        if handler is not None or kind.__module__.partition(".")[0] != "tidegate":
            break
        handler = handlers.get(kind)
    if handler is None:
        return False
    request = Request(scope, receive)
    if inspect.iscoroutinefunction(handler):
        response = await handler(request, exception)
    else:
        response = await run_in_threadpool(handler, request, exception)
    await response(scope, receive, send)
    return True


def routes_with_dependants(application: Any) -> Iterator[Any]:
    """The routes of an application and of what it includes that have dependencies."""
    try:
        from fastapi import routing
    except ImportError:
        return
    # From 0.137 on included routers stay whole.
    contexts = getattr(routing, "iter_route_contexts", iter)(application.routes)
    for route in contexts:
        if getattr(route, "dependant", None) is not None:
            yield route


def limits_of(dependant: Any) -> Iterator[Any]:
    """The limits among the dependencies of a route, in the order they are asked."""
    from .fastapi import Limit

    for dependency in dependant.dependencies:
        yield from limits_of(dependency)
        if isinstance(dependency.call, Limit):
            yield dependency.call


def declare_limits(limiter: Limiter, application: Any) -> None:
    """Makes the rules of all limits that routes depend on ahead of their first request."""
    import sys

    if "tidegate.fastapi" not in sys.modules:  # then there are no limits
        return
    rules = {}
    for route in routes_with_dependants(application):
        for limit in limits_of(route.dependant):
            rules[limit.name_for(route.endpoint)] = limit.keys
    if rules:
        limiter.declare_all(rules)
