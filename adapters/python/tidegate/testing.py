"""Tests of applications with limits: a store of its own for each, and a clock to move by hand.

pytest finds this by itself where the package is installed:

    def test_search_is_limited(client, rate_limit_clock):
        for _ in range(20):
            assert client.get("/search").status_code == 200
        assert client.get("/search").status_code == 429
        rate_limit_clock.advance(60)
        assert client.get("/search").status_code == 200

For all tests of a folder: `pytestmark = pytest.mark.usefixtures("rate_limit_clock")`.
"""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator

import pytest

from . import _logging
from . import limiter as _limiter
from ._engine import Engine
from .config import RateLimitConfig

__all__ = ["Clock", "private_limits", "rate_limit_clock"]


class Clock:
    """The time of all limiters of the process. It stands still but for advance()."""

    def __init__(self) -> None:
        self._engines: list[Engine] = []
        self._moved_us = 0

    def advance(self, time: float | datetime.timedelta) -> None:
        """Moves on by seconds, at least 0, to the microsecond."""
        seconds = time.total_seconds() if isinstance(time, datetime.timedelta) else time
        if seconds < 0:
            raise ValueError(f"found {seconds} s, allowed: 0 or more; the clock does not go back")
        micros = round(seconds * 1_000_000)
        self._moved_us += micros
        for engine in self._engines:
            engine.advance(micros)

    def open(self, config: RateLimitConfig, _written: RateLimitConfig | None = None) -> Engine:
        """An engine that goes by this clock, and counts in memory for itself."""
        private = config.in_private()
        engine = Engine(private, _logging.write, private)
        engine.stop_clock()
        engine.advance(self._moved_us)
        self._engines.append(engine)
        return engine


@contextlib.contextmanager
def private_limits() -> Iterator[Clock]:
    """Meanwhile all limiters of the process, those that are there and those that come, count in
    memory that nobody shares, from nothing, by a clock that stands still; whatever their
    configuration names as segment or Redis is not touched."""
    clock = Clock()
    before = {limiter: limiter._engine for limiter in _limiter._open}
    open_engine = _limiter.open_engine
    _limiter.open_engine = clock.open  # type: ignore[assignment]
    try:
        for limiter in before:
            limiter._use(clock.open(limiter.config))
        yield clock
    finally:
        _limiter.open_engine = open_engine
        for limiter in list(_limiter._open):
            limiter._use(before.get(limiter) or open_engine(limiter.config, limiter._written))


@pytest.fixture
def rate_limit_clock() -> Iterator[Clock]:
    """Limits that are this test's own, and their clock."""
    with private_limits() as clock:
        yield clock
