"""Decisions through a real Redis on event loops: waiting, giving up, ending."""

import asyncio
import gc
import os
import signal
import sys

import pytest
import servers
import uvloop
from tidegate import Limiter

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


def scope(client="203.0.113.7"):
    return {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "headers": [],
            "client": (client, 1234)}


@pytest.fixture
def redis():
    server = servers.Server()
    yield server
    server.process.send_signal(signal.SIGCONT)
    server.close()


@pytest.fixture(params=LOOPS)
def loop(request):
    loop = LOOPS[request.param]()
    yield loop
    loop.close()


@pytest.fixture
def limiter(redis, private):
    return Limiter(default_limit=10, failure_mode="fail_closed",
                   redis={"url": redis.url, "decision_timeout": "300ms"}, **private)


async def connect(limiter):
    while (await limiter.hit(scope(), cost=0)).outcome != "allowed":
        await asyncio.sleep(0.01)


def test_tasks_of_one_loop_are_counted_exactly(loop, limiter):
    async def ask():
        await connect(limiter)
        decisions = await asyncio.gather(*(limiter.hit(scope()) for _ in range(50)))
        limiter.close()
        return [decision.admitted for decision in decisions].count(True)

    assert loop.run_until_complete(ask()) == 10


def test_a_silent_redis_is_waited_for_until_the_deadline(loop, limiter, redis):
    async def ask():
        await connect(limiter)
        redis.process.send_signal(signal.SIGSTOP)
        began = loop.time()
        decision = await limiter.hit(scope())
        return decision, loop.time() - began

    decision, took = loop.run_until_complete(ask())
    assert (decision.outcome, decision.status) == ("failed_closed", 503)
    assert took >= 0.25


def test_a_task_may_give_up(loop, limiter, redis):
    async def ask():
        await connect(limiter)
        redis.process.send_signal(signal.SIGSTOP)
        waiting = [loop.create_task(limiter.hit(scope(f"203.0.113.{i}"))) for i in range(4)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[2].cancel()
        await asyncio.sleep(0)
        redis.process.send_signal(signal.SIGCONT)
        return await asyncio.gather(*waiting, return_exceptions=True)

    given_up, first, also, second = loop.run_until_complete(ask())
    assert isinstance(given_up, asyncio.CancelledError) and isinstance(also, asyncio.CancelledError)
    assert (first.outcome, first.remaining, second.outcome) == ("allowed", 9, "allowed")


def test_closing_answers_those_that_wait(loop, limiter, redis):
    async def ask():
        await connect(limiter)
        redis.process.send_signal(signal.SIGSTOP)
        sent = loop.create_task(limiter.hit(scope()))
        await asyncio.sleep(0.01)
        queued = loop.create_task(limiter.hit(scope()))
        await asyncio.sleep(0)
        limiter.close()
        return [(await waiting).outcome for waiting in (sent, queued)]

    assert loop.run_until_complete(ask()) == ["failed_closed"] * 2


def test_a_loop_may_end_before_its_answers(loop, limiter, redis, capfd):
    async def begin():
        await connect(limiter)
        redis.process.send_signal(signal.SIGSTOP)
        waiting = limiter.hit(scope())
        assert not waiting.send(None).done()  # as a task does, and then is never run again
        await asyncio.sleep(0.01)
        waiting.close()

    loop.run_until_complete(begin())
    loop.close()
    redis.process.send_signal(signal.SIGCONT)

    async def go_on():  # the next loop closes what the one before has left
        await connect(limiter)
        limiter.close()

    asyncio.run(go_on())
    gc.collect()
    assert capfd.readouterr().err == ""


def test_answers_leak_nothing(loop, limiter):
    held = scope()

    async def ask():
        await connect(limiter)
        for _ in range(10):
            await asyncio.gather(*(limiter.hit(held) for _ in range(20)))

    loop.run_until_complete(ask())
    before = sys.getrefcount(held)
    loop.run_until_complete(ask())
    assert sys.getrefcount(held) == before
    descriptors = len(os.listdir("/proc/self/fd"))
    loop.run_until_complete(ask())
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_redis_may_go_and_come(loop, limiter, redis):
    async def ask():
        await connect(limiter)
        redis.kill()
        assert (await limiter.hit(scope())).outcome == "failed_closed"
        redis.start()
        await asyncio.wait_for(connect(limiter), servers.WITHIN_S)
        return await limiter.hit(scope())

    assert loop.run_until_complete(ask()).remaining == 9


def test_a_child_leaves_the_connection_to_its_parent(loop, limiter):
    async def ask():
        await connect(limiter)
        child = os.fork()
        if child == 0:  # it closes nothing of the parent's and counts on, in a loop of its own
            asyncio.events._set_running_loop(None)
            own = asyncio.new_event_loop()
            own.run_until_complete(connect(limiter))
            os._exit(own.run_until_complete(limiter.hit(scope())).remaining)
        remaining = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return remaining, (await limiter.hit(scope())).remaining

    assert loop.run_until_complete(ask()) == (9, 8)


def test_closes_all_where_no_loop_is_running(loop, limiter, redis):
    loop.run_until_complete(connect(limiter))
    limiter.close()
    loop.run_until_complete(asyncio.sleep(0.01))
    assert "evalsha" not in redis("CLIENT", "LIST")
    assert loop.run_until_complete(limiter.hit(scope(), cost=0)).remaining == 10
