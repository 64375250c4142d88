"""Two requests through the middleware where one is allowed; prints what the client got as JSON."""

import asyncio
import json
import pathlib
import tempfile

import tidegate

CONFIG = """
[rate_limiting]
default_limit = 1
log = "/dev/null"
[rate_limiting.memory]
segment = ""
capacity = 1000
log_slots = 0
"""
SCOPE = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
         "headers": [], "client": ("203.0.113.7", 4711)}


async def application(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def ask(middleware) -> dict:
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)
    await middleware(dict(SCOPE), receive, send)
    fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return {"status": sent[0]["status"], "fields": fields, "body": sent[1]["body"].decode()}


async def main():
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "limits.toml")
        config.write_text(CONFIG)
        middleware = tidegate.RateLimitMiddleware(application, config)
        print(json.dumps([await ask(middleware) for _ in range(2)]))


asyncio.run(main())
