"""One worker of uvicorn with an application behind a limiter. See ../README.md for what it is."""

import argparse
import asyncio
import socket
import tempfile
import time

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

HELLO = "/api/v1/hello"
NO_LIMIT = 1_000_000_000
SLEEP_S = 0.001


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def starlette(*middleware: Middleware) -> Starlette:
    return Starlette(routes=[Route(HELLO, hello)], middleware=middleware)


def plain_starlette(*_) -> Starlette:
    return starlette()


def plain_fastapi(*_):
    from fastapi import FastAPI

    app = FastAPI()
    app.get(HELLO)(hello)
    return app


class ThreeFields:
    """Adds to each response what ours adds, and decides nothing."""

    FIELDS = ((b"x-ratelimit-limit", b"1000000000"), (b"x-ratelimit-remaining", b"999999999"),
              (b"x-ratelimit-reset", b"1767225600"))

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send) -> None:
        def send_with_fields(message):
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *self.FIELDS]
            return send(message)
        await self.app(scope, receive, send_with_fields)


def three_fields(*_) -> Starlette:
    return starlette(Middleware(ThreeFields))


def tidegate(toml: str, _: int) -> Starlette:
    from tidegate import Limiter, RateLimitMiddleware

    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(toml)
        file.flush()
        return starlette(Middleware(RateLimitMiddleware, limiter=Limiter(file.name)))


def slowapi(storage: str, limit: int) -> Starlette:
    from slowapi import Limiter
    from slowapi.middleware import SlowAPIASGIMiddleware
    from slowapi.util import get_remote_address

    app = starlette(Middleware(SlowAPIASGIMiddleware))
    app.state.limiter = Limiter(get_remote_address, default_limits=[f"{limit}/hour"],
                                storage_uri=storage)
    return app


class LimitsMiddleware:
    """What somebody would write by hand around limits."""

    def __init__(self, app, storage: str, limit: int):
        from limits import RateLimitItemPerHour
        from limits.aio.storage import MemoryStorage, RedisStorage
        from limits.aio.strategies import FixedWindowRateLimiter

        self.app = app
        self.item = RateLimitItemPerHour(limit)
        store = (MemoryStorage() if storage == "memory://" else
                 RedisStorage(f"async+{storage}", implementation="redispy"))
        self.limiter = FixedWindowRateLimiter(store)

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http" or await self.limiter.hit(self.item, scope["client"][0]):
            return await self.app(scope, receive, send)
        await PlainTextResponse("too many requests", 429)(scope, receive, send)


def limits(storage: str, limit: int) -> Starlette:
    return starlette(Middleware(LimitsMiddleware, storage=storage, limit=limit))


def fastapi_limiter(storage: str, limit: int):
    import redis.asyncio
    from fastapi import Depends, FastAPI
    from fastapi_limiter.depends import RateLimiter
    from pyrate_limiter import (BucketFactory, Duration, InMemoryBucket, Limiter, Rate, RateItem,
                                RedisBucket)

    # It keeps each request for as long as the window: those of an hour would be a burden.
    rates = [Rate(limit, Duration.SECOND)]
    server = None if storage == "memory://" else redis.asyncio.from_url(storage)

    class BucketOfEachClient(BucketFactory):
        """Without one, all clients would share a bucket."""

        def __init__(self):
            self.buckets = {}

        def wrap_item(self, name: str, weight: int = 1) -> RateItem:
            return RateItem(name, time.time_ns() // 1_000_000, weight=weight)

        async def get(self, item: RateItem):
            if (bucket := self.buckets.get(item.name)) is None:
                bucket = (InMemoryBucket(rates) if server is None else
                          await RedisBucket.init(rates, server, item.name))
                self.buckets[item.name] = bucket
                self.schedule_leak(bucket)
            return bucket

    app = FastAPI()
    limited = Depends(RateLimiter(Limiter(BucketOfEachClient())))
    app.get(HELLO, dependencies=[limited])(hello)
    return app


class Watched:
    """Tells at /late, in milliseconds, how late the loop was at worst since it was asked last."""

    def __init__(self, app):
        self.app = app
        self.watching: asyncio.Task | None = None
        self.late_s = 0.0

    async def watch(self) -> None:
        while True:
            due = time.perf_counter() + SLEEP_S
            await asyncio.sleep(SLEEP_S)
            self.late_s = max(self.late_s, time.perf_counter() - due)

    async def __call__(self, scope, receive, send) -> None:
        if scope.get("path") != "/late":
            return await self.app(scope, receive, send)
        if self.watching is None:
            self.watching = asyncio.create_task(self.watch())
        late_s, self.late_s = self.late_s, 0.0
        await PlainTextResponse(f"{late_s * 1000:.3f}")(scope, receive, send)


APPLICATIONS = {"starlette": plain_starlette, "fastapi": plain_fastapi,
                "three_fields": three_fields, "tidegate": tidegate, "slowapi": slowapi,
                "limits": limits, "fastapi_limiter": fastapi_limiter}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("application", choices=APPLICATIONS)
    parser.add_argument("setting", nargs="?", default="memory://",
                        help="where it counts: a URL; for tidegate, a configuration")
    parser.add_argument("--limit", type=int, default=NO_LIMIT, help="where the setting has none")
    parser.add_argument("--watched", action="store_true", help="tell at /late how late the loop is")
    arguments = parser.parse_args()
    app = APPLICATIONS[arguments.application](arguments.setting, arguments.limit)
    port = socket.create_server(("127.0.0.1", 0))
    print("http://127.0.0.1:%d" % port.getsockname()[1], flush=True)
    config = uvicorn.Config(Watched(app) if arguments.watched else app, loop="uvloop",
                            http="httptools", access_log=False, log_level="warning")
    uvicorn.Server(config).run(sockets=[port])


if __name__ == "__main__":
    main()
