"""What is raised where a request is over its limit."""

from __future__ import annotations

import json
from typing import Any

from ._engine import Decision

try:
    from starlette.exceptions import HTTPException as _Base
except ImportError:  # the package works without Starlette
    class _Base(Exception):  # type: ignore[no-redef]
        def __init__(self, status_code: int, detail: Any = None, headers: Any = None) -> None:
            super().__init__(status_code, detail)
            self.status_code = status_code
            self.detail = detail
            self.headers = headers

__all__ = ["MultipleWindowsExceeded", "RateLimitExceeded", "exceeded"]


class RateLimitExceeded(_Base):
    """A request is over its limit (429), or nobody can say and the failure mode refuses it (503).

    Under Starlette it is an HTTPException, so a handler for those, or for its status, sees it.
    """

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.body: bytes = decision.body
        headers = {name.decode(): value.decode() for name, value in decision.fields}
        self._members: dict[str, Any] = json.loads(self.body)
        super().__init__(decision.status, detail=self._members, headers=headers)

    @property
    def error(self) -> str:
        """"rate_limit_exceeded" and so on: the member `error` of the body."""
        return self.decision.error

    @property
    def message(self) -> str:
        return str(self._members["message"])

    @property
    def retry_after(self) -> int | None:
        """Seconds, at least 1; None where waiting does not help."""
        return self.decision.retry_after

    @property
    def limit(self) -> int | None:
        """Units per window."""
        return self.decision.limit

    @property
    def window(self) -> float | None:
        """Length of the window in seconds."""
        return self._members.get("window_seconds")

    def __str__(self) -> str:
        return self.message


class MultipleWindowsExceeded(RateLimitExceeded):
    """A request is over several windows of its limit."""

    @property
    def windows(self) -> list[dict[str, Any]]:
        """Of each window exceeded: limit, window_seconds and retry_after_seconds."""
        return list(self._members["windows"])


def exceeded(decision: Decision) -> RateLimitExceeded:
    """The exception for a decision that refuses."""
    several = decision.error == "multiple_windows_exceeded"
    return (MultipleWindowsExceeded if several else RateLimitExceeded)(decision)
