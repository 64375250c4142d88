"""Metrics and log of a limiter, for applications that have their own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import _logging
from ._engine import Decision, log_line
from .limiter import Limiter, limiter_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["integrate_metrics", "log_rate_limit_event", "register_metrics"]


def integrate_metrics(app: Any, limiter: Limiter | None = None, path: str = "/metrics") -> None:
    """Adds a route with the metrics to a Starlette or FastAPI application.

    limiter   whose; None: that of the middleware
    """
    from starlette.responses import PlainTextResponse

    async def metrics(request: Request) -> Response:
        found = limiter or limiter_of(request)
        if found is None:
            raise RuntimeError("no limiter: give one, or add RateLimitMiddleware")
        return PlainTextResponse(found.metrics(), media_type="text/plain; version=0.0.4")

    app.add_route(path, metrics, include_in_schema=False)


def register_metrics(limiter: Limiter, registry: Any) -> None:
    """Lets a registry of prometheus_client show the limiter's metrics beside its own."""
    from prometheus_client.parser import text_string_to_metric_families

    class Collector:
        def collect(self) -> Iterable[Any]:
            return text_string_to_metric_families(limiter.metrics())

    registry.register(Collector())


def log_rate_limit_event(decision: Decision, request_id: str = "") -> None:
    """Writes the line of a decision to the log, as the limiter does of itself for those that refuse:
    INFO where it refuses, else DEBUG. Nothing for what no window was asked about."""
    line = log_line(decision, request_id)
    if line:
        _logging.write(0 if decision else 1, line)
