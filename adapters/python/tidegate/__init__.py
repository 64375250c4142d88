"""Exact rate limits, shared by all processes of a host, and through Redis by all hosts."""

from ._engine import ConfigError, Decision
from .asgi import RateLimitMiddleware

__all__ = ["ConfigError", "Decision", "RateLimitMiddleware"]
