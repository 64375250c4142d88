"""One limit by itself, for code that counts something else than requests.

    bucket = TokenBucketLimiter("10/minute", burst=20, segment="mails")
    if not (decision := await bucket.check_limit("user:42")):
        await asyncio.sleep(decision.retry_after)

Each is a Limiter with one rule: processes of a host that name the same segment count together, and
those of several hosts where it is given a Redis.
"""

from __future__ import annotations

from typing import Any

from ._engine import Decision
from .limiter import Limiter, endpoint_keys

__all__ = [
    "MemoryBackend",
    "MultiWindowChecker",
    "ProgressivePenalty",
    "RateLimitBackend",
    "RateLimiter",
    "RedisBackend",
    "SlidingWindowLimiter",
    "TokenBucketLimiter",
]

_SCOPE: dict[str, Any] = {"type": "http", "path": "/"}


class RateLimiter:
    """Counts for clients, which are texts, under one limit or several windows together.

    limits    "10/minute", "100/hour"
    segment   name of the memory to share; "": this process and its children alone
    keys      further keys of [rate_limiting], as namespace, failure_mode, redis={"url": ...}
    """

    algorithm = "sliding_window_counter"

    def __init__(self, *limits: str, segment: str = "", burst: int | None = None,
                 algorithm: str | None = None, capacity: int = 100_000, **keys: Any) -> None:
        rule = endpoint_keys(limits, {})
        self.limiter = Limiter(
            default_limit=rule["limit"], default_window=rule["window"],
            windows=rule.get("windows"), burst=burst, algorithm=algorithm or self.algorithm,
            memory={"segment": segment, "capacity": capacity}, exempt_endpoints=[], **keys)

    async def check_limit(self, client: str, cost: int = 1) -> Decision:
        """Takes `cost` units; true where they were there."""
        return await self.limiter.hit(_SCOPE, client=client, cost=cost)

    async def get_remaining(self, client: str) -> int:
        """Units that would be admitted now."""
        return (await self.check_limit(client, cost=0)).remaining or 0

    async def get_reset_time(self, client: str) -> float:
        """Seconds until the whole allowance is back."""
        return (await self.check_limit(client, cost=0)).reset_after or 0.0

    def reset(self, client: str) -> int:
        """Forgets a client. Blocks for Redis, as Limiter.reset()."""
        return self.limiter.reset(client)


class TokenBucketLimiter(RateLimiter):
    """At most burst + rate x t units in any time t; `burst` is the limit unless given."""

    algorithm = "token_bucket"


class SlidingWindowLimiter(RateLimiter):
    """At most `limit` units in any window, exactly; limits up to 10,000."""

    algorithm = "sliding_window"


class MultiWindowChecker(RateLimiter):
    """Several windows, all or nothing: what one of them refuses takes nothing from any."""


class ProgressivePenalty:
    """The cooldowns of clients that were refused again and again."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter

    async def cooldown(self, client: str) -> int:
        """Seconds that a client is still locked out; 0: it is not."""
        looked = await self.limiter.hit(_SCOPE, client=client, cost=0)
        return (looked.retry_after or 0) if looked.error == "penalty_active" else 0

    def reset(self, client: str) -> int:
        """Forgets the client's violations, its cooldown and its counts."""
        return self.limiter.reset(client)


class RateLimitBackend:
    """Counts by key within windows of the clock ([kW, (k+1)W) from the Unix epoch)."""

    def __init__(self, window: str = "60s", **keys: Any) -> None:
        self.limiter = Limiter(default_limit=_MOST, default_window=window, algorithm="fixed_window",
                               exempt_endpoints=[], **keys)

    async def increment(self, key: str, amount: int = 1) -> int:
        """Adds to a key, and returns its count in this window."""
        return self._count(await self.limiter.hit(_SCOPE, client=key, cost=amount))

    async def get_count(self, key: str) -> int:
        """The count of a key in this window."""
        return self._count(await self.limiter.hit(_SCOPE, client=key, cost=0))

    def reset(self, key: str) -> None:
        """Forgets a key. Blocks for Redis, as Limiter.reset()."""
        self.limiter.reset(key)

    @staticmethod
    def _count(decision: Decision) -> int:
        return _MOST - (decision.remaining or 0)


_MOST = 1_000_000


class MemoryBackend(RateLimitBackend):
    """Counts in memory; with a segment for all processes of the host that name it."""

    def __init__(self, window: str = "60s", segment: str = "", capacity: int = 100_000,
                 **keys: Any) -> None:
        super().__init__(window, backend="memory",
                         memory={"segment": segment, "capacity": capacity}, **keys)


class RedisBackend(RateLimitBackend):
    """Counts in Redis, for all hosts: RedisBackend("redis://localhost:6379/0")."""

    def __init__(self, url: str, window: str = "60s", **keys: Any) -> None:
        redis = {**keys.pop("redis", {}), "url": url}
        super().__init__(window, backend="redis", redis=redis,
                         memory={"segment": "", "capacity": 1000}, **keys)
