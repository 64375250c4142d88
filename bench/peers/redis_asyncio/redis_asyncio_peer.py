"""redis-py's asyncio client with tidegate's script. See ../README.md for what it is asked."""

import asyncio
import hashlib
import json
import pathlib
import resource
import sys

import msgpack
import redis.asyncio

CLIENTS = 10_000
DECISIONS = 32_000
CALLS_AT_ONCE = 16


def spent_us() -> float:
    """Processor time of this process, that of the kernel for it too."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return (usage.ru_utime + usage.ru_stime) * 1e6


async def main() -> None:
    way, url, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
    folder = pathlib.Path(sys.argv[4])
    script, argument = ((folder / name).read_bytes() for name in ("script", "argument"))
    server = redis.asyncio.from_url(url)
    sha1 = hashlib.sha1(script).hexdigest()
    assert await server.script_load(script) == sha1

    def evalsha(client: redis.asyncio.Redis, first: int):
        keys = [f"ratelimit:{{bench:{client % CLIENTS:022d}}}:default:token_bucket:60000"
                for client in range(first, first + batch)]
        return client.evalsha(sha1, batch, *keys, argument, "")

    async def ask(decisions: int) -> None:
        for turn in range(0, decisions, CALLS_AT_ONCE * batch):
            calls = range(turn, turn + CALLS_AT_ONCE * batch, batch)
            if way == "pipeline":
                pipeline = server.pipeline(transaction=False)
                for first in calls:
                    evalsha(pipeline, first)
                replies = await pipeline.execute()
            else:
                replies = await asyncio.gather(*(evalsha(server, first) for first in calls))
            for reply in replies:
                assert len(msgpack.unpackb(reply)) > 3 * batch

    await ask(CALLS_AT_ONCE * batch)
    before = spent_us()
    await ask(DECISIONS)
    print(json.dumps({"cpu_us": (spent_us() - before) / DECISIONS}))
    await server.aclose()


asyncio.run(main())
