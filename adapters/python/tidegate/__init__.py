"""Exact rate limits, shared by all processes of a host, and through Redis by all hosts.

    from tidegate.fastapi import RateLimitMiddleware, limit     # FastAPI and Starlette
    from tidegate import Limiter, RateLimitMiddleware           # any ASGI application

Everything is decided by the C++ engine; nothing here counts.
"""

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
from ._engine import version as _version
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

__all__ = [
    "ClientIdentificationConfig",
    "ClientIdentity",
    "ConfigError",
    "Decision",
    "EndpointConfig",
    "EndpointMatcher",
    "ExemptionConfig",
    "LimitConfig",
    "Limiter",
    "MemoryBackend",
    "MultiWindowChecker",
    "MultipleWindowsExceeded",
    "Operations",
    "ProgressivePenaltiesConfig",
    "ProgressivePenalty",
    "RateLimitBackend",
    "RateLimitConfig",
    "RateLimitExceeded",
    "RateLimitMiddleware",
    "RateLimiter",
    "RedisBackend",
    "RedisConfig",
    "SlidingWindowLimiter",
    "TierConfig",
    "TokenBucketLimiter",
    "Window",
    "WindowConfig",
    "add_rate_limit_headers",
    "calculate_retry_after",
    "extract_user_from_jwt",
    "get_applicable_limit",
    "get_client_ip",
    "install",
    "integrate_metrics",
    "load_config",
    "log_rate_limit_event",
    "normalize_ip",
    "register_metrics",
]
