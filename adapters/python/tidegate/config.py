"""Where a configuration comes from: a file, keywords, or what the environment and the defaults say."""

from __future__ import annotations

import datetime
import enum
import json
import os
from collections.abc import Mapping
from typing import Any

from ._engine import Config as RateLimitConfig
from ._engine import EndpointMatcher, LimitConfig

__all__ = ["RateLimitConfig", "get_applicable_limit", "load_config", "read_config", "to_toml"]


def load_config(path: str | os.PathLike[str] | None = None) -> RateLimitConfig:
    """Reads a file; without a path RATE_LIMIT_CONFIG, ./tidegate.toml, ./config.toml or the defaults.

    The environment (RATE_LIMIT_*, REDIS_URL) is laid over it. Raises ConfigError with every fault,
    a line each.
    """
    return RateLimitConfig.load(None if path is None else os.fspath(path))


def get_applicable_limit(config: RateLimitConfig, method: str, target: str,
                         tier: str = "anonymous") -> LimitConfig | None:
    """What a configuration enforces for a request; None: it is unlimited."""
    return EndpointMatcher(config).limit(method, target, tier)


def read_config(config: str | os.PathLike[str] | RateLimitConfig | None,
                keywords: Mapping[str, Any]) -> RateLimitConfig:
    """A configuration from whichever of the three was given. Raises ConfigError."""
    if not keywords:
        return config if isinstance(config, RateLimitConfig) else load_config(config)
    if config is not None:
        raise TypeError("give either a configuration or its keys as keywords, not both; found "
                        f"config and {', '.join(keywords)}")
    return RateLimitConfig.of_keywords(to_toml(keywords))


def to_toml(keys: Mapping[str, Any]) -> str:
    """Keys of [rate_limiting] as the text of a file. What is None is left out."""
    lines = [f"{_key(key)} = {_value(value, key)}\n" for key, value in keys.items()
             if value is not None]
    return "[rate_limiting]\n" + "".join(lines)


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _text(key)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any, path: str) -> str:
    if isinstance(value, enum.Enum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, datetime.timedelta):
        return _text(f"{round(value / datetime.timedelta(milliseconds=1))}ms")
    if isinstance(value, (str, os.PathLike)):
        return _text(os.fspath(value))
    if isinstance(value, Mapping):
        members = (f"{_key(str(key))} = {_value(member, f'{path}.{key}')}"
                   for key, member in value.items() if member is not None)
        return "{ " + ", ".join(members) + " }"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "[" + ", ".join(_value(item, f"{path}[{i}]") for i, item in enumerate(value)) + "]"
    raise TypeError(f"{path}: found a value of type {type(value).__name__}, allowed: a number, a "
                    "text, a timedelta, a list or a dict")
