"""What tests of a server on a real Redis have in common."""

import collections
import json
import pathlib
import re
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "server")]
import harness
import servers
from harness import ServerTest


def rules(redis, more: str = "", limit: int = 5, **settings) -> str:
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in
                    ({"circuit_breaker_timeout": "500ms"} | settings).items())
    return (f'default_limit = {limit}\ndefault_window = "1h"\n{more}\n'
            f'[rate_limiting.redis]\nurl = "{redis.url}"\n{lines}')


class RedisTest(ServerTest):
    def redis(self, **more) -> servers.Server:
        server = servers.Server(**more)
        self.addCleanup(server.close)
        return server

    def statuses(self, server, count: int) -> collections.Counter:
        with harness.Connection(server.port) as connection:
            return collections.Counter(connection.ask().status for _ in range(count))

    def health(self, server) -> dict:
        return json.loads(self.ask(server, "/health").body)

    def wait_for(self, condition, what: str):
        end = time.monotonic() + harness.WITHIN_S
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.02)
        self.fail(what)

    def events(self, server) -> list[str]:
        return re.findall(r'"event":"(redis_[a-z_]+)"', server.log())
