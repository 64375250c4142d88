"""A small API with limits. Run it as README.md says."""

import pathlib

from fastapi import Depends, FastAPI, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from tidegate.fastapi import RateLimitMiddleware, limit

app = FastAPI(title="Reports")

# The last one added is the outermost. Limits come first, so that what is refused costs nothing.
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example", "http://127.0.0.1"],
                   allow_origin_regex=r"http://127\.0\.0\.1:\d+")
app.add_middleware(RateLimitMiddleware, config=pathlib.Path(__file__).with_name("tidegate.toml"),
                   operations="/ops")

messages = limit("5/10s", name="messages")


@app.get("/hello")
async def hello():
    """Limited by the default of tidegate.toml alone."""
    return {"message": "Hello, world"}


@app.get("/search/{text}")
async def search(text: str):
    """Limited by the endpoint `search` of tidegate.toml."""
    return {"query": text, "results": []}


@app.get("/reports", dependencies=[Depends(limit("10/minute", "100/day", cost=2))])
async def reports():
    """Expensive, so it has a limit beside it: five of them fill a minute."""
    return {"reports": []}


@app.websocket("/chat")
async def chat(websocket: WebSocket):
    """The handshake was counted as any request; each message takes from a limit of its own."""
    await websocket.accept()
    async for text in websocket.iter_text():
        decision = await messages.hit(websocket)
        await websocket.send_text(text if decision else f"wait {decision.retry_after} s")
