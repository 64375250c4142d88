"""A proxy between a server and its Redis, which does to replies what networks do."""

import contextlib
import queue
import socket
import threading
import time

CALL = b"\r\nEVAL"


class Proxy:
    """Listens on a port of its own. Its attributes may be set at any time.

    delay_s   each reply arrives so much later; what follows it is not held up any longer
    silent    takes connections and commands, passes nothing on and answers nothing
    instead   the next reply is replaced by these bytes, and the connection ends after them
    calls     of scripts that were passed on to Redis
    """

    def __init__(self, port: int):
        self.delay_s = 0.0
        self.silent = False
        self.instead: bytes | None = None
        self.calls = 0
        self._to = port
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def cut_all(self) -> None:
        """Ends every connection."""
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            self._end(connection)

    def close(self) -> None:
        # Whoever accepts has to be woken.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    @staticmethod
    def _start(work, *arguments) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    @staticmethod
    def _end(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.add(client)
            if self.silent:
                self._start(self._swallow, client)
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                self._end(client)
                continue
            with self._lock:
                self._connections.add(server)
            late: queue.SimpleQueue = queue.SimpleQueue()
            self._start(self._carry_commands, client, server)
            self._start(self._take_replies, server, late)
            self._start(self._carry_replies, client, server, late)

    @staticmethod
    def _swallow(client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while client.recv(65_536):
                pass

    def _carry_commands(self, client: socket.socket, server: socket.socket) -> None:
        tail = b""
        with contextlib.suppress(OSError):
            while data := client.recv(65_536):
                if self.silent:
                    continue
                self.calls += (tail + data).count(CALL)
                tail = data[-len(CALL) + 1:]
                server.sendall(data)
        self._end(server)

    def _take_replies(self, server: socket.socket, late: queue.SimpleQueue) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65_536):
                late.put((time.monotonic() + self.delay_s, data))
        late.put((time.monotonic(), b""))

    def _carry_replies(self, client: socket.socket, server: socket.socket,
                       late: queue.SimpleQueue) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = late.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not data:
                    break
                if self.instead is not None:
                    data, self.instead = self.instead, None
                    client.sendall(data)
                    break
                if not self.silent:
                    client.sendall(data)
        self._end(client)
        self._end(server)
