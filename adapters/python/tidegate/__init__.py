"""Exact rate limits, shared by all processes of a host, and through Redis by all hosts.

    from tidegate.fastapi import RateLimitMiddleware, limit     # FastAPI and Starlette
    from tidegate import Limiter, RateLimitMiddleware           # any ASGI application

Everything is decided by the C++ engine; nothing here counts. What a program does not use is not
loaded.
"""

import importlib
from typing import TYPE_CHECKING, Any

from ._engine import version as _version

if TYPE_CHECKING:
    from ._engine import (
        ClientIdentificationConfig,
        ClientIdentity,
        ConfigError,
        Decision,
        EndpointConfig,
        EndpointMatcher,
        ExemptionConfig,
        LimitConfig,
        ProgressivePenaltiesConfig,
        RedisConfig,
        TierConfig,
        Window,
        WindowConfig,
        extract_user_from_jwt,
        get_client_ip,
        normalize_ip,
    )
    from .config import RateLimitConfig, get_applicable_limit, load_config
    from .errors import MultipleWindowsExceeded, RateLimitExceeded
    from .headers import add_rate_limit_headers, calculate_retry_after
    from .limiter import Limiter
    from .limiters import (
        MemoryBackend,
        MultiWindowChecker,
        ProgressivePenalty,
        RateLimitBackend,
        RateLimiter,
        RedisBackend,
        SlidingWindowLimiter,
        TokenBucketLimiter,
    )
    from .middleware import RateLimitMiddleware, install
    from .observability import integrate_metrics, log_rate_limit_event, register_metrics
    from .operations import Operations

__version__ = _version()

_WHERE = {
    "_engine": ("ClientIdentificationConfig", "ClientIdentity", "ConfigError", "Decision",
                "EndpointConfig", "EndpointMatcher", "ExemptionConfig", "LimitConfig",
                "ProgressivePenaltiesConfig", "RedisConfig", "TierConfig", "Window",
                "WindowConfig", "extract_user_from_jwt", "get_client_ip", "normalize_ip"),
    "config": ("RateLimitConfig", "get_applicable_limit", "load_config"),
    "errors": ("MultipleWindowsExceeded", "RateLimitExceeded"),
    "headers": ("add_rate_limit_headers", "calculate_retry_after"),
    "limiter": ("Limiter",),
    "limiters": ("MemoryBackend", "MultiWindowChecker", "ProgressivePenalty", "RateLimitBackend",
                 "RateLimiter", "RedisBackend", "SlidingWindowLimiter", "TokenBucketLimiter"),
    "middleware": ("RateLimitMiddleware", "install"),
    "observability": ("integrate_metrics", "log_rate_limit_event", "register_metrics"),
    "operations": ("Operations",),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{module}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
