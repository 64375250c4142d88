"""What the tests of the Python package share."""

import itertools
import pathlib
import sys
import warnings

import pytest

warnings.filterwarnings("ignore", message="Using `httpx`")  # of Starlette's own test client
from starlette.testclient import TestClient  # noqa: E402

sys.path += [str(pathlib.Path(__file__).parents[1] / folder) for folder in ("redis", "browser")]

pytest_plugins = ["tidegate.testing"]

_numbers = itertools.count()


@pytest.fixture
def private():
    """Keywords for a limiter that shares nothing."""
    return {"memory": {"segment": "", "capacity": 1000}}


@pytest.fixture
def client_of():
    """Makes clients of applications, whose lifespan runs, and which answer 500s as servers do."""
    opened = []

    def client(app, **options):
        one = TestClient(app, **{"raise_server_exceptions": False, **options})
        one.__enter__()
        opened.append(one)
        return one

    yield client
    for one in opened:
        one.__exit__(None, None, None)
