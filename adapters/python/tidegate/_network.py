"""Redis on asyncio loops: a session for each, and its bytes carried by the loop's transports."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop, get_running_loop
from typing import Any

from ._engine import Engine, Session


class Sessions:
    """The sessions of one engine, each on the loop that has asked."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._known: dict[AbstractEventLoop, tuple[Session, list[Driver]]] = {}

    def of_running_loop(self) -> Session:
        known = self._known.get(get_running_loop())
        return self._open(get_running_loop()) if known is None else known[0]

    def _open(self, loop: AbstractEventLoop) -> Session:
        for other in [other for other in self._known if other.is_closed()]:
            self._close(other)
        drivers: list[Driver] = []

        def make_driver() -> Driver:
            drivers.append(Driver(loop))
            return drivers[-1]

        # One connection for each loop, which is all that a loop can fill: so whatever number of
        # workers there are keeps within pool_size.
        session = Session(self._engine, make_driver, loop.create_future, self._engine.pool_size)
        self._known[loop] = session, drivers
        return session

    def close(self) -> None:
        """Closes that of the running loop; where none is running, all."""
        try:
            self._close(get_running_loop())
        except RuntimeError:
            for loop in list(self._known):
                self._close(loop)

    def _close(self, loop: AbstractEventLoop) -> None:
        _, drivers = self._known.pop(loop, (None, []))
        for driver in drivers:
            driver.shut_down()

    def abandon(self) -> None:
        """In a child of fork: the sockets are left to the parent, without a word to Redis."""
        for _, drivers in self._known.values():
            for driver in drivers:
                driver.abandon()
        self._known = {}


class Driver:
    """Does what a native network asks on a loop, and tells it what became of that."""

    def __init__(self, loop: AbstractEventLoop):
        self.network: Any = None  # set by the native side
        self._loop = loop
        self._links: dict[int, _Link] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    # What the native network asks.

    def open(self, link: int, host: str, port: int, path: str) -> None:
        if self._closed:
            return
        self._links[link] = _Link(self, link, self._loop, host, port, path)

    def write(self, link: int, data: bytes) -> None:
        if (known := self._links.get(link)) is not None:
            known.write(data)

    def close(self, link: int) -> None:
        if (known := self._links.pop(link, None)) is not None:
            known.forget()

    def wake(self, seconds: float) -> None:
        if self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._woken)

    def end_turn(self) -> None:
        if not self._closed:
            self._loop.call_soon(self._turn_ended)

    # What happens.

    def _woken(self) -> None:
        self._timer = None
        if not self._closed:
            self.network.woken()

    def _turn_ended(self) -> None:
        if not self._closed:
            self.network.turn_ended()

    def opened(self, link: int) -> None:
        self.network.opened(link)

    def received(self, link: int, data: bytes) -> None:
        self.network.received(link, data)

    def lost(self, link: int, error: BaseException | None) -> None:
        if self._links.pop(link, None) is not None:
            message = str(error) if error else "the connection was closed"
            self.network.lost(link, isinstance(error, TimeoutError), message)

    def shut_down(self) -> None:
        """Closes everything; nothing is told from here on."""
        self._closed = True
        self.network = None  # it may be gone
        if self._timer is not None:
            self._timer.cancel()
        for link in list(self._links):
            self.close(link)

    def abandon(self) -> None:
        """In a child of fork: the connections, and what the loop has of them, are the parent's."""
        self._closed = True
        self.network = None
        self._timer = None
        self._links.clear()


class _Link(asyncio.Protocol):
    """One connection, or an attempt to have one."""

    def __init__(self, driver: Driver, number: int, loop: AbstractEventLoop, host: str,
                 port: int, path: str):
        self._driver: Driver | None = driver
        self._number = number
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        connecting = (loop.create_unix_connection(lambda: self, path) if path else
                      loop.create_connection(lambda: self, host, port))
        self._attempt = loop.create_task(connecting)
        self._attempt.add_done_callback(self._attempted)

    def _attempted(self, attempt: asyncio.Task[Any]) -> None:
        if not attempt.cancelled() and (error := attempt.exception()) is not None:
            if self._driver is not None:
                self._driver.lost(self._number, error)

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def forget(self) -> None:
        self._driver = None
        if self._loop.is_closed():  # it has dropped whatever it had
            return
        self._attempt.cancel()
        if self._transport is not None:
            self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self._driver is None:
            transport.abort()
        else:
            self._driver.opened(self._number)

    def data_received(self, data: bytes) -> None:
        if self._driver is not None:
            self._driver.received(self._number, data)

    def connection_lost(self, error: Exception | None) -> None:
        if self._driver is not None:
            self._driver.lost(self._number, error)
