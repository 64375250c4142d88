"""A decision on a response, for code that does without the middleware."""

from __future__ import annotations

from collections.abc import MutableMapping

from ._engine import Decision

__all__ = ["add_rate_limit_headers", "calculate_retry_after"]


def add_rate_limit_headers(headers: MutableMapping[str, str], decision: Decision) -> None:
    """Writes the fields of a decision into the headers of a response."""
    for name, value in decision.fields:
        headers[name.decode()] = value.decode()


def calculate_retry_after(decision: Decision) -> int | None:
    """Seconds for Retry-After, at least 1; None where waiting does not help."""
    return decision.retry_after
