"""RateLimitSettings, for applications that configure themselves with pydantic-settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from .config import RateLimitConfig, load_config, read_config

__all__ = ["RateLimitSettings"]


class RateLimitSettings(BaseSettings):
    """What applications mostly set, from the environment, .env or code; the engine checks it.

        settings = RateLimitSettings(default_limit=20)
        app.add_middleware(RateLimitMiddleware, config=settings.load())

    The variables are those of the engine. With `config` the file says everything, but for variables
    that are set.
    """

    model_config = SettingsConfigDict(env_prefix="RATE_LIMIT_", env_file=".env", extra="ignore",
                                      populate_by_name=True)

    config: Path | None = Field(None, description="path of a TOML file")
    enabled: bool = True
    namespace: str = "default"
    default_limit: int | str = Field(100, description='units per window, or "unlimited"')
    default_window: int | str = Field("60s", description='seconds, or as "5m"')
    algorithm: str = "sliding_window_counter"
    failure_mode: str = "fail_open"
    redis_url: str | None = Field(
        None, validation_alias=AliasChoices("redis_url", "RATE_LIMIT_REDIS__URL", "REDIS_URL"),
        description="where to count for all hosts; none: in memory")

    def load(self) -> RateLimitConfig:
        """The configuration. Raises ConfigError with every fault, a line each."""
        if self.config is not None:
            return load_config(self.config)
        return read_config(None, self.keywords())

    def keywords(self) -> dict[str, Any]:
        """The keys of [rate_limiting]."""
        keys: dict[str, Any] = self.model_dump(exclude={"config", "redis_url"})
        if self.redis_url:
            keys["redis"] = {"url": self.redis_url}
        return keys
