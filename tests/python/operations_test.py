"""Health, metrics and admin routes within an application. Contract 7, 8."""

import pytest
from fastapi import FastAPI
from tidegate import Limiter, RateLimitMiddleware
from tidegate.operations import Operations

TOKEN = {"authorization": "Bearer let-me-in-please-0123456789"}


@pytest.fixture(params=["operations=", "mount"])
def client(request, private, client_of, monkeypatch):
    monkeypatch.setenv("OPS_TOKEN", "let-me-in-please-0123456789")
    app = FastAPI()
    keys = {"default_limit": 3, "admin": {"token_env": "OPS_TOKEN"}, **private}
    if request.param == "mount":
        app.mount("/ops", Operations())
        app.add_middleware(RateLimitMiddleware, exempt_endpoints=["/ops/**"], **keys)
    else:
        app.add_middleware(RateLimitMiddleware, operations="/ops", **keys)

    @app.get("/x")
    async def x():
        return {}

    return client_of(app)


def test_shows_metrics_and_health(client):
    for _ in range(4):
        client.get("/x")
    metrics = client.get("/ops/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'rate_limit_exceeded_total{endpoint="default",tier="anonymous",client_type="ip"} 1' \
        in metrics.text
    health = client.get("/ops/health")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert client.head("/ops/health").content == b""
    assert client.get("/ops/nothing").status_code == 404
    assert client.post("/ops/metrics").status_code == 405


def test_asks_operators_for_the_token(client):
    refused = client.get("/ops/admin/rate-limit/status")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (
        401, 'Bearer realm="tidegate admin"')
    status = client.get("/ops/admin/rate-limit/status", headers=TOKEN)
    assert status.json()["admin_denied"] == 1
    page = client.get("/ops/admin/rate-limit", follow_redirects=True)
    assert page.status_code == 200 and "<html" in page.text
    assert str(page.url).endswith("/ops/admin/rate-limit/")


def test_forgets_and_reloads(client):
    for _ in range(4):
        last = client.get("/x")
    assert last.status_code == 429
    reset = client.post("/ops/admin/rate-limit/reset", json={"client": "ip:local"}, headers=TOKEN)
    assert (reset.status_code, reset.json()) == (200, {"status": "reset", "counts": 1})
    assert client.get("/x").status_code == 200
    reload = client.post("/ops/admin/rate-limit/reload", headers=TOKEN)
    assert reload.json() == {"status": "reloaded", "generation": 2}
    bad = client.post("/ops/admin/rate-limit/reset", content=b"{", headers=TOKEN)
    assert bad.status_code == 400
    assert client.post("/ops/admin/rate-limit/reset", content=b"x" * 70_000,
                       headers=TOKEN).status_code == 413


def test_admin_routes_do_not_exist_without_a_token(private, client_of):
    app = FastAPI()
    app.add_middleware(RateLimitMiddleware, operations="/ops", limiter=Limiter(**private))
    client = client_of(app)
    assert client.get("/ops/health").status_code == 200
    assert client.get("/ops/admin/rate-limit/status").status_code == 404
