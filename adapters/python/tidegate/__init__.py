"""Exact rate limits, shared by all processes of a host, and through Redis by all hosts.

    from tidegate.fastapi import RateLimitMiddleware, limit     # FastAPI and Starlette
    from tidegate import Limiter, RateLimitMiddleware           # any ASGI application

Everything is decided by the C++ engine; nothing here counts.
"""

from ._engine import (
    ClientIdentity,
    ConfigError,
    Decision,
    EndpointConfig,
    LimitConfig,
    Window,
    WindowConfig,
    normalize_ip,
)
from ._engine import version as _version
from .config import RateLimitConfig, load_config
from .errors import MultipleWindowsExceeded, RateLimitExceeded
from .limiter import Limiter
from .middleware import RateLimitMiddleware, install
from .operations import Operations

__version__ = _version()

__all__ = [
    "ClientIdentity",
    "ConfigError",
    "Decision",
    "EndpointConfig",
    "LimitConfig",
    "Limiter",
    "MultipleWindowsExceeded",
    "Operations",
    "RateLimitConfig",
    "RateLimitExceeded",
    "RateLimitMiddleware",
    "Window",
    "WindowConfig",
    "install",
    "load_config",
    "normalize_ip",
]
