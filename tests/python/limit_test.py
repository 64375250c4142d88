"""Limits beside handlers: Depends(limit(...)), OpenAPI, websockets."""

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from fastapi.responses import JSONResponse
from starlette.websockets import WebSocketDisconnect
from tidegate import ConfigError, Decision, Limiter, RateLimitExceeded
from tidegate.fastapi import RateLimitMiddleware, limit, limiter_of


def statuses(client, path, count, **options):
    return [client.get(path, **options).status_code for _ in range(count)]


def api(**options):
    app = FastAPI(**options)

    @app.get("/reports", dependencies=[Depends(limit("6/minute", cost=2))])
    async def reports():
        return {}

    @app.get("/other")
    async def other():
        return {}

    return app


@pytest.fixture
def limited(private, client_of):
    def limited(app, **options):
        app.add_middleware(RateLimitMiddleware, **private, **options)
        return client_of(app)
    return limited


def test_counts_beside_the_middleware(limited):
    client = limited(api(), default_limit=5)
    assert client.get("/other").headers["x-ratelimit-remaining"] == "4"
    first = client.get("/reports")
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("5", "3")
    second = client.get("/reports")
    assert (second.headers["x-ratelimit-limit"], second.headers["x-ratelimit-remaining"]) == ("6", "2")
    assert statuses(client, "/reports", 1) == [200]
    denied = client.get("/reports")
    assert denied.status_code == 429
    assert denied.headers["x-ratelimit-limit"] == "6"
    assert denied.headers.get_list("x-ratelimit-limit") == ["6"]
    assert "requests per 60 seconds exceeded for endpoint /reports" in denied.json()["message"]
    assert statuses(client, "/other", 1) == [429], "four of the five went to reports"


def test_limits_without_the_middleware(client_of, monkeypatch, rate_limit_clock):
    client = client_of(api())
    first = client.get("/reports")
    assert first.headers["x-ratelimit-remaining"] == "4"
    assert statuses(client, "/reports", 3) == [200, 200, 429]
    denied = client.get("/reports")
    assert denied.json()["error"] == "rate_limit_exceeded"
    assert int(denied.headers["retry-after"]) >= 1
    assert statuses(client, "/other", 200) == [200] * 200
    rate_limit_clock.advance(120)
    assert client.get("/reports").status_code == 200


def test_counts_each_handler_for_itself_unless_limits_have_a_name(limited):
    app = FastAPI()
    own, shared = limit("1/minute"), limit("1/minute", name="shared")
    for path, dependency in (("/a", own), ("/b", own), ("/c", shared), ("/d", shared)):
        def handler():
            return {}
        handler.__qualname__ = f"handler_{path[1]}"
        app.get(path, dependencies=[Depends(dependency)])(handler)
    client = limited(app)
    assert statuses(client, "/a", 2) == [200, 429]
    assert statuses(client, "/b", 2) == [200, 429]
    assert statuses(client, "/c", 1) + statuses(client, "/d", 1) == [200, 429]


def test_two_limits_of_a_handler_both_hold(limited):
    app = FastAPI(dependencies=[Depends(limit("3/minute"))])

    @app.get("/x", dependencies=[Depends(limit("2/minute"))])
    async def x():
        return {}

    @app.get("/y")
    async def y():
        return {}

    client = limited(app)
    assert statuses(client, "/x", 3) == [200, 200, 429]
    assert statuses(client, "/y", 4) == [200, 200, 200, 429]


def test_enforces_several_windows_together(limited):
    app = FastAPI()

    @app.get("/x", dependencies=[Depends(limit("2/second", "3/hour", algorithm="fixed_window"))])
    async def x():
        return {}

    client = limited(app)
    codes = statuses(client, "/x", 20)
    assert codes.count(200) in (2, 3) and 429 in codes


def test_gives_the_decision_to_the_handler(limited):
    app = FastAPI()

    @app.get("/x")
    async def x(decision: Decision = Depends(limit("3/minute", name="x"))):
        return {"left": decision.remaining, "client": decision.client.client_id,
                "rule": decision.endpoint}

    assert limited(app).get("/x").json() == {"left": 2, "client": "ip:local", "rule": "x"}


def test_counts_for_whomever_the_program_says(limited):
    app = FastAPI()
    by_plan = limit("1/minute", client=lambda request: request.headers.get("x-plan"))

    @app.get("/x", dependencies=[Depends(by_plan)])
    async def x():
        return {}

    client = limited(app)
    for plan in ("a", "b"):
        assert statuses(client, "/x", 2, headers={"x-plan": plan}) == [200, 429]
    assert statuses(client, "/x", 2) == [200, 429]


def test_an_endpoint_of_the_configuration_takes_its_place(limited):
    app = FastAPI()

    @app.get("/x", dependencies=[Depends(limit("1/minute", name="x"))])
    async def x():
        return {}

    client = limited(app, endpoints=[{"name": "x", "pattern": "/-", "limit": 3, "window": "1m"}])
    assert statuses(client, "/x", 4) == [200, 200, 200, 429]


def test_a_handler_of_the_application_answers(limited):
    app = api()

    @app.exception_handler(RateLimitExceeded)
    async def slow_down(request, exception):
        return JSONResponse({"wait": exception.retry_after, "window": exception.window}, 429,
                            exception.headers)

    client = limited(app)
    denied = [client.get("/reports") for _ in range(4)][-1]
    assert denied.status_code == 429
    assert denied.json() == {"wait": int(denied.headers["retry-after"]), "window": 60}


def test_appears_in_openapi():
    app = api()
    router = APIRouter(prefix="/v1", dependencies=[Depends(limit("5/hour"))])

    @router.get("/things/{thing}")
    async def thing(thing: str, decision=Depends(limit("2/second"))):
        return {}

    app.include_router(router, prefix="/api")
    paths = app.openapi()["paths"]
    assert "429" not in paths["/other"]["get"]["responses"]
    reports = paths["/reports"]["get"]["responses"]["429"]
    assert reports["description"] == "Over the rate limit of 6/minute"
    assert "Retry-After" in reports["headers"]
    thing = paths["/api/v1/things/{thing}"]["get"]["responses"]
    assert {"200", "422", "429"} <= set(thing)
    assert "5/hour" in thing["429"]["description"] and "2/second" in thing["429"]["description"]


@pytest.mark.parametrize("text, part", [
    ("10/fortnight", 'window: found the string "fortnight"'),
    ("ten/minute", 'found "ten/minute", allowed: units per time, as "10/minute"'),
    ("10", 'found "10", allowed: units per time'),
    ("2000000000/minute", "limit: found the integer 2000000000"),
])
def test_a_limit_that_cannot_be_is_refused_where_it_is_written(text, part):
    with pytest.raises(ConfigError) as fault:
        limit(text)
    assert part in str(fault.value)


def test_a_wrong_key_is_refused_where_it_is_written():
    with pytest.raises(ConfigError, match='unknown key, did you mean "cost"'):
        limit("10/minute", costs=2)
    with pytest.raises(ConfigError, match="found none"):
        limit()


# --- websockets -----------------------------------------------------------------------------------


def chat():
    app = FastAPI()
    messages = limit("2/minute", name="messages")

    @app.websocket("/chat")
    async def talk(websocket: WebSocket):
        await websocket.accept()
        async for text in websocket.iter_text():
            decision = await messages.hit(websocket)
            await websocket.send_text(text if decision else f"wait {decision.retry_after} s")

    @app.websocket("/limited")
    async def limited(websocket: WebSocket, decision=Depends(limit("1/minute"))):
        await websocket.accept()
        await websocket.close()

    @app.websocket("/hit")
    async def hit(websocket: WebSocket):
        await websocket.accept()
        decision = await limiter_of(websocket).hit(websocket, cost=0)
        await websocket.send_json({"left": decision.remaining})

    return app


def test_charges_the_handshake_of_a_websocket(limited):
    client = limited(chat(), default_limit=2)
    with client.websocket_connect("/hit") as socket:
        assert socket.receive_json() == {"left": 1}
        assert dict(socket.extra_headers)[b"x-ratelimit-remaining"] == b"1"
    with client.websocket_connect("/hit"):
        pass
    with pytest.raises(WebSocketDisconnect) as refused, client.websocket_connect("/hit"):
        pass
    assert refused.value.status_code == 429
    assert int(refused.value.headers["retry-after"]) >= 1


def test_charges_messages_of_a_websocket(limited):
    client = limited(chat())
    with client.websocket_connect("/chat") as socket:
        answers = []
        for text in ("a", "b", "c"):
            socket.send_text(text)
            answers.append(socket.receive_text())
    assert answers[:2] == ["a", "b"]
    assert answers[2].startswith("wait ")


def test_a_limit_refuses_a_websocket(limited):
    client = limited(chat())
    with client.websocket_connect("/limited"):
        pass
    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/limited"):
        pass
