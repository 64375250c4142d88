"""What the package offers to tests of applications."""

import datetime
import os
import pathlib

import pytest
from fastapi import Depends, FastAPI
from tidegate import Limiter
from tidegate.fastapi import RateLimitMiddleware, limit
from tidegate.testing import private_limits

NAMESPACE = f"testing-{os.getpid()}"
app = FastAPI()  # as applications have it: made once, used by all tests
app.add_middleware(RateLimitMiddleware, default_limit=9, namespace=NAMESPACE,
                   backend="redis", redis={"url": "redis://127.0.0.1:1/0"})


@pytest.fixture(scope="module", autouse=True)
def leave_no_segment():
    yield
    pathlib.Path(f"/dev/shm/tidegate.tidegate@{NAMESPACE}").unlink(missing_ok=True)


@app.get("/x", dependencies=[Depends(limit("2/minute", name="x"))])
async def x():
    return {}


@app.get("/y")
async def y():
    return {}


@pytest.mark.parametrize("time", ["first", "second"])
def test_each_test_counts_from_nothing(client_of, rate_limit_clock, time):
    client = client_of(app)
    assert [client.get("/y").status_code for _ in range(10)] == [200] * 9 + [429]


def test_the_clock_moves_by_hand(client_of, rate_limit_clock):
    client = client_of(app)
    assert [client.get("/x").status_code for _ in range(3)] == [200, 200, 429]
    wait = int(client.get("/x").headers["retry-after"])
    rate_limit_clock.advance(wait)
    assert client.get("/x").status_code == 200
    reset = int(client.get("/y").headers["x-ratelimit-reset"])
    rate_limit_clock.advance(datetime.timedelta(days=1))
    assert int(client.get("/y").headers["x-ratelimit-reset"]) > reset + 86_000
    with pytest.raises(ValueError, match="does not go back"):
        rate_limit_clock.advance(-1)


def test_nothing_shared_is_touched(tmp_path):
    segment = f"untouched-{os.getpid()}"
    with private_limits():
        limiter = Limiter(default_limit=1, memory={"segment": segment, "capacity": 1000})
        assert [limiter.decide({}).admitted for _ in range(2)] == [True, False]
        assert not [name for name in os.listdir("/dev/shm") if segment in name]
        del limiter
