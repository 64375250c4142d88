"""The limiter of a process."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Awaitable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import _logging
from ._engine import ConfigError, Decision, Engine, Window, rules_of
from .config import RateLimitConfig, read_config, to_toml

if TYPE_CHECKING:
    from ._network import Sessions

__all__ = ["Limiter", "limiter_of"]

_open: weakref.WeakSet[Limiter] = weakref.WeakSet()


def open_engine(config: RateLimitConfig, written: RateLimitConfig | None) -> Engine:
    return Engine(config, _logging.write, written)



def _after_fork() -> None:
    for limiter in list(_open):
        limiter._after_fork()


os.register_at_fork(after_in_child=_after_fork)


class Limiter:
    """Decides. One for each process, used by all its event loops.

        limiter = Limiter("tidegate.toml")
        limiter = Limiter(default_limit=20, default_window="1m", namespace="shop")
        limiter = Limiter()      # RATE_LIMIT_CONFIG, ./tidegate.toml, ./config.toml, the defaults

    Keywords are the keys of [rate_limiting]; tables are dicts, and arrays are lists. The environment
    (RATE_LIMIT_*, REDIS_URL) is laid over all of them. Processes of a host whose configurations name
    the same segment count together. Raises ConfigError with every fault, a line each.
    """

    def __init__(self, config: str | os.PathLike[str] | RateLimitConfig | None = None,
                 **keywords: Any) -> None:
        self.config: RateLimitConfig = read_config(config, keywords)
        # What a reload reads where there is no file.
        self._written = self.config if keywords or isinstance(config, RateLimitConfig) else None
        self._rules: dict[str, Mapping[str, Any]] = {}
        self._use(open_engine(self.config, self._written))
        _open.add(self)

    def _use(self, engine: Engine) -> None:
        """Decides with another engine from now on, with the rules there are."""
        if self._rules:
            engine.declare(rules_of(rules_as_toml(self._rules, engine.algorithm)))
        self._engine = engine
        self._sessions: Sessions | None = None
        if engine.uses_redis:
            from ._network import Sessions  # and asyncio, which others can do without

            self._sessions = Sessions(engine)

    # Deciding.

    def decide(self, scope: Mapping[str, Any], *, client: str | None = None,
               tier: str | None = None, cost: int | None = None,
               rule: str | None = None) -> Decision:
        """Decides a request by its ASGI scope.

        client   its text ("user:42"), where the caller knows it better than the configuration
        tier     name of its tier, likewise
        cost     units, instead of the rule's; 0 looks and takes nothing
        rule     name of the rule to decide by, instead of the one that the path meets

        With the backend "redis" it blocks until there is an answer, up to `decision_timeout`, and
        with it the interpreter: on an event loop, and beside other threads, use hit().
        """
        return self._engine.decide(scope, client=client, tier=tier, cost=cost, rule=rule)

    async def hit(self, connection: Any, *, client: str | None = None, tier: str | None = None,
                  cost: int | None = None, rule: str | None = None) -> Decision:
        """As decide(), without blocking the loop, for a request, a websocket or a scope.

            if not await limiter.hit(websocket, rule="messages"):
                await websocket.close(1013)
        """
        scope = getattr(connection, "scope", connection)
        if self._sessions is None:
            return self._engine.decide(scope, client=client, tier=tier, cost=cost, rule=rule)
        decision = self._sessions.of_running_loop().decide(scope, client=client, tier=tier,
                                                           cost=cost, rule=rule)
        return decision if isinstance(decision, Decision) else await decision

    def _begin(self, scope: Mapping[str, Any]) -> Decision | Awaitable[Decision]:
        """As hit() with nothing that is known better, where a coroutine would cost too much."""
        if self._sessions is None:
            return self._engine.decide(scope)
        return self._sessions.of_running_loop().decide(scope)

    # Rules of the program.

    def declare(self, name: str, *limits: str, **keys: Any) -> None:
        """Adds a rule that `decide` and `hit` name: limiter.declare("messages", "5/second").

        `keys` are those of an endpoint: burst, algorithm, cost, per, shadow, tiers. Declaring it
        again replaces it. Raises ConfigError.
        """
        self.declare_all({name: endpoint_keys(limits, keys)})

    def declare_all(self, rules: Mapping[str, Mapping[str, Any]]) -> None:
        """Several at once, by their names; each is the keys of an endpoint."""
        self._engine.declare(rules_of(rules_as_toml(rules, self._engine.algorithm)))
        self._rules |= rules

    def declared(self, name: str) -> bool:
        return name in self._rules

    # Operating.

    def peek(self, client: str, rule: str = "", tier: str = "anonymous") -> list[Window]:
        """What a client has left under a rule, or under all. Takes nothing.

        Raises RuntimeError where Redis does not answer; blocks for up to `socket_timeout`.
        """
        return self._engine.peek(client, rule, tier)

    def reset(self, client: str, rule: str = "") -> int:
        """Forgets a client under a rule, or under all. Returns how many counts were forgotten.

        Raises and blocks as peek().
        """
        return self._engine.reset(client, rule)

    def reset_rule(self, rule: str) -> bool:
        """Forgets all clients of a rule. False: there is none of that name."""
        return self._engine.reset_rule(rule)

    def reload(self, config: str | os.PathLike[str] | RateLimitConfig | None = None) -> int:
        """Puts another configuration in force, or the same file read anew, for all processes that
        share the segment; returns its number. Raises ConfigError, and then nothing has changed.
        Takes milliseconds: not on the thread of an event loop.
        """
        return self._engine.reload(None if config is None else read_config(config, {}))

    def metrics(self) -> str:
        """The text for Prometheus, with the counts of all processes that share the segment."""
        return self._engine.metrics()

    def status(self) -> dict[str, Any]:
        """How things stand, as /admin/rate-limit/status says it."""
        status: dict[str, Any] = json.loads(self._engine.status_json())
        return status

    def health(self) -> dict[str, Any]:
        """`status` is "ok", "degraded" or "failing"."""
        return self._engine.health()

    # Ending.

    def close(self) -> None:
        """Closes the connections to Redis of the running event loop, if there is one. Deciding opens
        them again."""
        if self._sessions is not None:
            self._sessions.close()

    def _after_fork(self) -> None:
        if self._sessions is not None:
            self._sessions.abandon()
        self._engine.after_fork()


_UNITS = {"second": "1s", "minute": "60s", "hour": "1h", "day": "1d"}


def endpoint_keys(limits: Iterable[str], keys: Mapping[str, Any]) -> dict[str, Any]:
    """ "10/minute", "100/hour" as the keys of an endpoint, which the engine checks."""
    windows: list[dict[str, Any]] = []
    for text in limits:
        count, _, unit = text.partition("/")
        if not (count.isascii() and count.isdigit() and unit):
            raise ConfigError(f'limit: found "{text}", allowed: units per time, as "10/minute" '
                              '(second, minute, hour, day, or as in "10/30s")')
        windows.append({"limit": int(count), "window": _UNITS.get(unit, unit)})
    if not windows:
        raise ConfigError('limit: found none, allowed: at least one, as "10/minute"')
    first, *further = windows
    return {**first, **({"windows": further} if further else {}), **keys}


def rules_as_toml(rules: Mapping[str, Mapping[str, Any]], algorithm: str) -> str:
    """Rules as the text of a configuration. Patterns are of no account: rules have names."""
    endpoints = [{"name": name, "pattern": f"/{i}", **keys}
                 for i, (name, keys) in enumerate(rules.items())]
    return to_toml({"algorithm": algorithm, "endpoints": endpoints})


def limiter_of(connection: Any) -> Limiter | None:
    """The limiter of the middleware that a request or websocket has come through."""
    exchange = getattr(connection, "scope", connection).get("tidegate")
    limiter: Limiter | None = getattr(exchange, "limiter", None)
    return limiter
