"""Real servers: uvicorn with the example application, several workers, a real Redis."""

import asyncio
import collections
import http.server
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import chromium
import pytest
import servers
import websockets

EXAMPLE = pathlib.Path(__file__).parents[2] / "examples/fastapi"
WITHIN_S = 60


def get(port, path, **headers):
    """Status, headers and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=WITHIN_S) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.headers, refused.read().decode()


def wait_for(condition, what):
    end = time.monotonic() + WITHIN_S
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(what)


class Uvicorn:
    """uvicorn with the example application, on a segment of its own."""

    number = 0

    def command(self, folder):
        return ["-m", "uvicorn", "--app-dir", folder, "--port", str(self.port),
                "--no-proxy-headers"]

    def __init__(self, *options, app="main:app", folder=EXAMPLE, **environment):
        Uvicorn.number += 1
        self.port = servers.free_port()
        self.segment = f"uvicorn-{os.getpid()}-{Uvicorn.number}"
        self.log = tempfile.NamedTemporaryFile("w+")
        own = {name: value for name, value in os.environ.items()
               if not name.startswith("RATE_LIMIT_") and name != "REDIS_URL"}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error::ResourceWarning", *self.command(folder), *options, app],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT,
            env={**own, "RATE_LIMIT_MEMORY__SEGMENT": self.segment,
                 "RATE_LIMIT_MEMORY__CAPACITY": "10000", **environment})

    def ready(self):
        wait_for(self.answers, f"it does not answer: {self.text()}")
        return self

    def answers(self):
        assert self.process.poll() is None, self.text()
        try:
            return get(self.port, "/ops/health")[0] == 200
        except OSError:
            return False

    def text(self):
        return pathlib.Path(self.log.name).read_text()

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(WITHIN_S)
            finally:
                self.process.kill()
        return self.process.wait()

    def close(self):
        self.stop()
        for path in pathlib.Path("/dev/shm").glob(f"*{self.segment}*"):
            path.unlink()


class Gunicorn(Uvicorn):
    """The same, loaded once and forked."""

    def command(self, folder):
        return ["-m", "gunicorn", "--chdir", folder, "--bind", f"127.0.0.1:{self.port}",
                "--preload", "--worker-class", "uvicorn_worker.UvicornWorker"]


@pytest.fixture
def uvicorn():
    started = []

    def start(*options, server=Uvicorn, **environment):
        started.append(server(*options, **environment))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def redis():
    server = servers.Server()
    yield server
    server.close()


def count(ports, path, requests):
    """How often each status came, asking the ports in turn."""
    return collections.Counter(get(ports[i % len(ports)], path)[0] for i in range(requests))


def health(server):
    return json.loads(get(server.port, "/ops/health")[2])


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_workers_share_one_count_without_a_server(uvicorn, loop):
    server = uvicorn("--workers", "3", "--loop", loop).ready()
    assert count([server.port], "/search/x", 30) == {200: 20, 429: 10}
    status, headers, _ = get(server.port, "/hello")
    assert (status, headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == (200, "100", "99")
    assert count([server.port], "/reports", 7) == {200: 5, 429: 2}
    metrics = get(server.port, "/ops/metrics")[2]
    assert 'rate_limit_exceeded_total{endpoint="search",tier="anonymous",client_type="ip"} 10' in metrics
    assert 'endpoint="main.reports",tier="anonymous",status="denied"} 2' in metrics


LOADED = """
from fastapi import FastAPI
from tidegate.middleware import install

# The limiter is open before workers are forked, and has decided already, for somebody else.
app = FastAPI()
limiter = install(app, default_limit=20, default_window="1h", namespace="loaded", operations="/ops")
assert limiter.decide({"type": "http", "path": "/"}).remaining == 19


@app.get("/x")
async def x():
    return {}
"""


@pytest.mark.parametrize("store", ["memory", "redis"])
def test_workers_forked_from_a_loaded_application_share_its_count(uvicorn, redis, tmp_path, store):
    (tmp_path / "main.py").write_text(LOADED)
    server = uvicorn("--workers", "3", server=Gunicorn, folder=tmp_path,
                     **({"REDIS_URL": redis.url} if store == "redis" else {})).ready()
    assert count([server.port], "/x", 30) == {200: 20, 429: 10}
    assert "Traceback" not in server.text(), server.text()


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_hosts_share_one_count_through_redis(uvicorn, redis, loop):
    hosts = [uvicorn("--loop", loop, REDIS_URL=redis.url) for _ in range(3)]
    ports = [host.ready().port for host in hosts]
    assert health(hosts[0])["backend"] == "redis"
    assert count(ports, "/search/x", 60) == {200: 20, 429: 40}
    assert count(ports, "/reports", 9) == {200: 5, 429: 4}
    for host in hosts:
        assert host.stop() in (0, -signal.SIGTERM)  # uvicorn raises it again when it is done
        assert "Warning" not in host.text() and "Traceback" not in host.text(), host.text()
    wait_for(lambda: not [line for line in redis("CLIENT", "LIST").splitlines()
                          if "tidegate" in line or "cmd=evalsha" in line], "connections stay")


def test_redis_may_go_and_come(uvicorn, redis):
    server = uvicorn(REDIS_URL=redis.url, RATE_LIMIT_REDIS__CIRCUIT_BREAKER_TIMEOUT="500ms").ready()
    assert get(server.port, "/search/x")[1]["x-ratelimit-remaining"] == "19"
    redis.kill()
    assert count([server.port], "/search/x", 50) == {200: 50}, "it fails open"
    assert health(server)["status"] == "degraded"
    redis.start()
    wait_for(lambda: get(server.port, "/search/x")[1]["x-ratelimit-remaining"] != "20",
             "it does not count again")
    assert "Traceback" not in server.text(), server.text()


def test_a_reload_may_name_another_redis(uvicorn, redis, tmp_path):
    other = servers.Server()
    try:
        (tmp_path / "main.py").write_text((EXAMPLE / "main.py").read_text())
        file = tmp_path / "tidegate.toml"
        text = (EXAMPLE / "tidegate.toml").read_text()
        file.write_text(text + f'[rate_limiting.redis]\nurl = "{redis.url}"\n')
        server = uvicorn(folder=tmp_path).ready()
        assert count([server.port], "/search/x", 25) == {200: 20, 429: 5}
        file.write_text(text + f'[rate_limiting.redis]\nurl = "{other.url}"\n')
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: health(server)["generation"] == 2, "not reloaded")
        assert count([server.port], "/search/x", 25) == {200: 20, 429: 5}
        assert [key for key in other("KEYS", "*") if "search" in key]
        wait_for(lambda: "evalsha" not in redis("CLIENT", "LIST"), "the old connection stays")
        assert "Traceback" not in server.text(), server.text()
    finally:
        other.close()


def test_a_reload_by_sighup_reaches_all_workers(uvicorn, tmp_path):
    for name in ("main.py", "tidegate.toml"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    server = uvicorn(folder=tmp_path).ready()
    assert get(server.port, "/hello")[1]["x-ratelimit-limit"] == "100"
    file = tmp_path / "tidegate.toml"
    file.write_text(file.read_text().replace("default_limit = 100", "default_limit = 7"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: get(server.port, "/hello")[1]["x-ratelimit-limit"] == "7", "not reloaded")
    file.write_text(file.read_text().replace("default_limit = 7", "default_limit = -7"))
    server.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "default_limit" in (health(server)["reload_error"] or ""), "it is not told")
    assert get(server.port, "/hello")[1]["x-ratelimit-limit"] == "7"
    assert server.process.poll() is None


@pytest.mark.parametrize("options", [(), ("--lifespan", "off")])
def test_a_server_with_a_faulty_configuration_does_not_serve(uvicorn, tmp_path, options):
    (tmp_path / "main.py").write_text((EXAMPLE / "main.py").read_text())
    (tmp_path / "tidegate.toml").write_text("[rate_limiting]\ndefault_limt = 5\n")
    server = uvicorn(*options, folder=tmp_path)
    if options:  # nobody is told before the first request
        wait_for(lambda: "Uvicorn running" in server.text(), "not started")
        wait_for(lambda: get(server.port, "/hello")[0] == 500, "it does not answer")
        wait_for(lambda: 'unknown key, did you mean "default_limit"?' in server.text(), "not said")
        return
    assert server.process.wait(WITHIN_S) != 0
    assert 'tidegate.toml:2:1: rate_limiting.default_limt: unknown key, did you mean' in server.text()


def test_websockets_of_a_real_server(uvicorn):
    server = uvicorn().ready()

    async def talk():
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/chat") as socket:
            assert socket.response.headers["x-ratelimit-limit"] == "100"
            answers = []
            for i in range(7):
                await socket.send(str(i))
                answers.append(await socket.recv())
            return answers

    answers = asyncio.run(talk())
    assert answers[:5] == ["0", "1", "2", "3", "4"]
    assert all(answer.startswith("wait ") for answer in answers[5:])


class EmptyPage(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()

    def log_message(self, *_):
        pass


def test_a_script_of_another_origin_reads_what_is_refused(uvicorn):
    server = uvicorn().ready()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), EmptyPage) as pages, \
            chromium.Chromium() as browser:
        threading.Thread(target=pages.serve_forever, daemon=True).start()
        page = browser.open(f"http://127.0.0.1:{pages.server_port}/")
        ask = """
            fetch("http://127.0.0.1:%d/search/x").then(async answer => ({
                status: answer.status, body: await answer.text(),
                fields: Object.fromEntries(answer.headers)}))""" % server.port
        first = page.evaluate(ask)
        assert (first["status"], first["fields"]["x-ratelimit-remaining"]) == (200, "19")
        last = [page.evaluate(ask) for _ in range(20)][-1]
        pages.shutdown()
    assert last["status"] == 429 and "rate_limit_exceeded" in last["body"]
    assert last["fields"]["x-ratelimit-remaining"] == "0"
    assert int(last["fields"]["retry-after"]) >= 1
