"""The middleware, in FastAPI, Starlette and without either. Contract 3, 5."""

import asyncio
import json
import logging

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.requests import Request
from tidegate import ConfigError, Limiter, RateLimitExceeded, RateLimitMiddleware
from tidegate.middleware import install

FIELDS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")


def api(**options):
    app = FastAPI(**options)

    @app.get("/hello")
    async def hello():
        return {"hello": "world"}

    @app.get("/stream")
    async def stream():
        async def pieces():
            for i in range(3):
                yield f"piece {i}\n"
        return StreamingResponse(pieces(), media_type="text/plain")

    @app.get("/broken")
    async def broken():
        raise RuntimeError("the handler is broken")

    @app.get("/health")
    async def health():
        return {}

    return app


def has_fields(response):
    return all(field in response.headers for field in FIELDS)


@pytest.fixture(params=["add_middleware", "install"])
def limited(request, private):
    """Both ways to limit an application."""
    def limited(app, **options):
        if request.param == "install":
            install(app, **private, **options)
        else:
            app.add_middleware(RateLimitMiddleware, **private, **options)
        return app
    return limited


def test_marks_and_rejects(limited, client_of):
    client = client_of(limited(api(), default_limit=2))
    first, second, third = (client.get("/hello") for _ in range(3))
    assert [first.status_code, second.status_code, third.status_code] == [200, 200, 429]
    assert first.headers["x-ratelimit-limit"] == "2"
    assert first.headers["x-ratelimit-remaining"] == "1"
    assert first.json() == {"hello": "world"}
    assert third.headers["content-type"] == "application/json"
    assert third.headers["cache-control"] == "no-store"
    assert int(third.headers["retry-after"]) >= 1
    body = third.json()
    assert body == {
        "error": "rate_limit_exceeded",
        "message": "Rate limit of 2 requests per 60 seconds exceeded for endpoint /hello",
        "retry_after_seconds": int(third.headers["retry-after"]), "limit": 2, "window_seconds": 60}


def test_marks_every_status(limited, client_of):
    client = client_of(limited(api()))
    for path, status in (("/hello", 200), ("/stream", 200), ("/nowhere", 404), ("/broken", 500)):
        response = client.get(path)
        assert (response.status_code, has_fields(response)) == (status, True), path
    assert client.post("/hello").status_code == 405
    assert client.get("/stream").text == "piece 0\npiece 1\npiece 2\n"
    exempt = client.get("/health")
    assert exempt.status_code == 200 and not has_fields(exempt)


def test_answers_a_head_request_without_a_body(limited, client_of):
    client = client_of(limited(api(), default_limit=0))
    response = client.head("/hello")
    assert (response.status_code, response.content) == (429, b"")
    assert int(response.headers["content-length"]) > 0


def test_unhandled_exceptions_are_raised_and_answered_by_the_applications_handler(limited, client_of):
    app = limited(api())

    @app.exception_handler(Exception)
    async def sorry(request, exception):
        return JSONResponse({"sorry": str(exception)}, 500)

    response = client_of(app).get("/broken")
    assert (response.status_code, response.json()) == (500, {"sorry": "the handler is broken"})
    assert has_fields(response)
    with pytest.raises(RuntimeError, match="the handler is broken"):
        client_of(app, raise_server_exceptions=True).get("/broken")


def test_shows_the_debug_page_with_fields(limited, client_of):
    response = client_of(limited(api(debug=True))).get("/broken", headers={"accept": "text/html"})
    assert response.status_code == 500 and "the handler is broken" in response.text
    assert has_fields(response)


def test_a_handler_of_the_application_may_replace_the_body(limited, client_of):
    app = limited(api(), default_limit=0)

    @app.exception_handler(RateLimitExceeded)
    async def slow_down(request: Request, exception: RateLimitExceeded):
        return JSONResponse({"slow": "down", "why": exception.error,
                             "path": request.url.path}, exception.status_code)

    response = client_of(app).get("/hello")
    assert (response.status_code, response.json()) == (
        429, {"slow": "down", "why": "maintenance", "path": "/hello"})
    assert has_fields(response) and "retry-after" in response.headers


def test_a_handler_of_the_status_may_replace_the_body_too(limited, client_of):
    app = limited(api(), default_limit=0)

    @app.exception_handler(429)
    def slow_down(request, exception):
        return JSONResponse({"limit": exception.limit}, 429)

    assert client_of(app).get("/hello").json() == {"limit": 0}


def test_replaces_fields_of_the_application(limited, client_of):
    app = limited(api())

    @app.get("/own")
    async def own():
        return JSONResponse({}, headers={"X-RateLimit-Limit": "7", "X-Other": "1"})

    headers = client_of(app).get("/own").headers
    assert headers.get_list("x-ratelimit-limit") == ["100"]
    assert headers["x-other"] == "1"


def test_runs_background_tasks_of_admitted_requests_alone(limited, client_of):
    app = limited(api(), default_limit=1)
    done = []

    @app.get("/task")
    async def task(tasks: BackgroundTasks):
        tasks.add_task(done.append, 1)
        return {}

    client = client_of(app)
    assert [client.get("/task").status_code for _ in range(2)] == [200, 429]
    assert done == [1]


def test_limits_mounted_applications_by_the_whole_path(limited, client_of):
    app = limited(api(), endpoints=[{"pattern": "/sub/hello", "limit": 1, "window": "1m"}])
    app.mount("/sub", api())
    client = client_of(app)
    assert [client.get("/sub/hello").status_code for _ in range(2)] == [200, 429]
    assert client.get("/hello").status_code == 200


def test_limits_included_routers(limited, client_of):
    from fastapi import APIRouter

    outer, inner = APIRouter(prefix="/v1"), APIRouter(prefix="/things")

    @inner.get("/{thing}")
    async def thing(thing: str):
        return thing

    outer.include_router(inner)
    app = limited(api(), endpoints=[{"pattern": "/v1/things/*", "limit": 1, "window": "1m"}])
    app.include_router(outer)
    client = client_of(app)
    assert client.get("/v1/things/a").status_code == 200
    assert client.get("/v1/%74hings//b").status_code == 429, "no spelling dodges the rule"


def test_decides_once_where_it_was_added_twice(private, client_of):
    limiter = Limiter(default_limit=4, **private)
    app = api()
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    app.add_middleware(RateLimitMiddleware, limiter=limiter)
    response = client_of(app).get("/hello")
    assert response.headers["x-ratelimit-remaining"] == "3"
    assert response.headers.get_list("x-ratelimit-limit") == ["4"]


@pytest.mark.parametrize("order", ["limits outside", "cors outside"])
def test_scripts_of_other_origins_may_read_fields(private, client_of, order):
    app = api()
    limits = (RateLimitMiddleware, {"default_limit": 1, **private})
    cors = (CORSMiddleware, {"allow_origins": ["https://shop.example"]})
    for middleware, options in ((cors, limits) if order == "limits outside" else (limits, cors)):
        app.add_middleware(middleware, **options)
    client = client_of(app)
    for status in (200, 429):
        headers = client.get("/hello", headers={"origin": "https://shop.example"})
        assert headers.status_code == status
        assert headers.headers["access-control-allow-origin"] in ("https://shop.example", "*")
        exposed = headers.headers["access-control-expose-headers"].split(", ")
        assert "X-RateLimit-Remaining" in exposed and "Retry-After" in exposed
    assert "access-control-expose-headers" not in client.get("/hello").headers


def test_keeps_what_the_application_exposes_itself(private, client_of):
    app = api()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], expose_headers=["X-Mine"])
    app.add_middleware(RateLimitMiddleware, **private)
    headers = client_of(app).get("/hello", headers={"origin": "https://shop.example"}).headers
    exposed = headers.get_list("access-control-expose-headers")
    assert len(exposed) == 1
    assert exposed[0].split(", ")[0] == "X-Mine" and "X-RateLimit-Limit" in exposed[0]


def test_counts_preflights_under_a_rule_of_their_own(private, client_of):
    app = api()
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    app.add_middleware(RateLimitMiddleware, default_limit=1, **private)
    client = client_of(app)
    preflight = {"origin": "https://shop.example", "access-control-request-method": "GET"}
    assert [client.options("/hello", headers=preflight).status_code for _ in range(2)] == [200, 429]
    assert client.get("/hello").status_code == 200


def test_lets_the_program_say_who_is_asking(private, client_of):
    def identify(scope):
        plan = dict(scope["headers"]).get(b"x-plan")
        return {"client": "plan:" + plan.decode(), "tier": "gold"} if plan else None

    app = api()
    app.add_middleware(RateLimitMiddleware, default_limit=1, identify=identify,
                       tiers=[{"name": "gold", "limit": 3, "window": "1m"}], **private)
    client = client_of(app)
    plan = [client.get("/hello", headers={"x-plan": "a"}) for _ in range(4)]
    assert [response.status_code for response in plan] == [200, 200, 200, 429]
    assert [client.get("/hello").status_code for _ in range(2)] == [200, 429]


def test_a_faulty_configuration_says_where_and_what(private, tmp_path):
    with pytest.raises(ConfigError) as unknown:
        RateLimitMiddleware(api(), default_limt=1, default_window="1 fortnight")
    assert str(unknown.value).splitlines()[0] == (
        'rate_limiting.default_limt: unknown key, did you mean "default_limit"?')
    assert "default_window" in str(unknown.value).splitlines()[1]
    path = tmp_path / "limits.toml"
    path.write_text("[rate_limiting]\ndefault_limit = -1\n")
    with pytest.raises(ConfigError, match=r"limits\.toml:2:17: rate_limiting\.default_limit: "):
        install(api(), path)
    with pytest.raises(ConfigError, match="missing.toml: cannot be read"):
        install(api(), tmp_path / "missing.toml")
    with pytest.raises(TypeError, match="not both; found config and default_limit"):
        RateLimitMiddleware(api(), path, default_limit=1)
    with pytest.raises(TypeError, match="default_limit: found a value of type object"):
        RateLimitMiddleware(api(), default_limit=object())


def test_a_faulty_configuration_fails_the_start_of_a_server(private):
    """A server builds middleware late, and must not go on without."""
    app = api()
    app.add_middleware(RateLimitMiddleware, default_limit=-1, **private)
    sent = []

    async def start():
        async def receive():
            return {"type": "lifespan.startup"}

        async def send(message):
            sent.append(message)
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)

    asyncio.run(start())
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert "default_limit" in sent[0]["message"]


def test_installing_after_the_start_is_refused(private, client_of):
    app = api()
    client_of(app).get("/hello")
    with pytest.raises(RuntimeError, match="before it starts"):
        install(app, **private)


def test_logs_through_logging(limited, client_of, caplog):
    client = client_of(limited(api(), default_limit=1))
    with caplog.at_level(logging.INFO, logger="tidegate"):
        for _ in range(3):
            client.get("/hello", headers={"x-request-id": "abc"})
    records = [record for record in caplog.records if record.name == "tidegate"]
    assert [record.levelno for record in records] == [logging.INFO]
    line = json.loads(records[0].getMessage())
    assert (line["status"], line["request_id"], line["endpoint"]) == ("denied", "abc", "default")


def test_warns_where_the_server_has_rewritten_the_peer(private, caplog):
    limiter = Limiter(**private)
    scope = {"type": "http", "method": "GET", "path": "/", "client": ["203.0.113.7", 0],
             "headers": [(b"x-forwarded-for", b"203.0.113.7")]}
    with caplog.at_level(logging.WARNING, logger="tidegate"):
        for _ in range(3):
            limiter.decide(scope)
    assert [json.loads(record.getMessage())["event"] for record in caplog.records] == [
        "peer_rewritten"]
    assert 'rate_limit_identity_warnings_total{reason="peer_rewritten"} 1' in limiter.metrics()


def test_works_without_a_framework(private):
    async def app(scope, receive, send):
        if scope["path"] == "/broken":
            raise ValueError("broken")
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    limited = RateLimitMiddleware(app, default_limit=2, **private)

    async def get(path):
        sent = []

        async def send(message):
            sent.append(message)
        try:
            await limited({"type": "http", "method": "GET", "path": path, "headers": []}, None, send)
        except ValueError:
            sent[0]["raised"] = True
        return sent[0]

    answers = [asyncio.run(get(path)) for path in ("/broken", "/x", "/x")]
    assert [answer["status"] for answer in answers] == [500, 204, 429]
    assert answers[0].get("raised")
    assert all(b"x-ratelimit-limit" in dict(answer["headers"]) for answer in answers)
