"""Real Redis servers for tests: one, a master with replicas and sentinels, a cluster.

Each on a free port of loopback, in a folder of its own, without anything kept on disk; stopped by
pid, and with the test whatever ends that.
"""

import ctypes
import datetime
import ipaddress
import itertools
import pathlib
import signal
import socket
import ssl
import subprocess
import tempfile
import time

WITHIN_S = 30  # for what should come at once, however busy the machine is
_libc = ctypes.CDLL(None)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    # A cluster node takes the port 10,000 above for its bus.
    return port if port < 55_000 else free_port()


def _die_with_parent() -> None:
    _libc.prctl(1, signal.SIGKILL)


class RedisError(Exception):
    pass


class Client:
    """Just enough of RESP2 to look and to configure."""

    def __init__(self, port: int, password: str = "", tls: "Certificates | None" = None):
        self.socket = socket.create_connection(("127.0.0.1", port), WITHIN_S)
        if tls:
            context = ssl.create_default_context(cafile=tls.ca)
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.file = self.socket.makefile("rb")
        if password:
            self("AUTH", password)

    def __call__(self, *words):
        encoded = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(encoded) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))
        return self._reply()

    def _reply(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the connection was closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"+":
            return rest.decode()
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode("latin-1")
        return None if rest == b"-1" else [self._reply() for _ in range(int(rest))]

    def close(self) -> None:
        self.file.close()
        self.socket.close()


class Certificates:
    """A CA of its own, and a certificate of it for `address`, as files of a folder."""

    def __init__(self, address: str = "127.0.0.1"):
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        self.folder = tempfile.TemporaryDirectory()
        now = datetime.datetime.now(datetime.timezone.utc)

        def certificate(name: str, key, issuer: str, signer, *extensions):
            def named(text):
                return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
            builder = (x509.CertificateBuilder().subject_name(named(name))
                       .issuer_name(named(issuer)).public_key(key.public_key())
                       .serial_number(x509.random_serial_number())
                       .not_valid_before(now - datetime.timedelta(hours=1))
                       .not_valid_after(now + datetime.timedelta(hours=1)))
            for extension in extensions:
                builder = builder.add_extension(extension, critical=False)
            return builder.sign(signer, hashes.SHA256())

        def write(name: str, data: bytes) -> str:
            path = pathlib.Path(self.folder.name) / name
            path.write_bytes(data)
            return str(path)

        ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        ca = certificate("test CA", ca_key, "test CA", ca_key,
                         x509.BasicConstraints(ca=True, path_length=None))
        own = certificate("redis", key, "test CA", ca_key, x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address(address))]))
        pem = serialization.Encoding.PEM
        self.ca = write("ca.pem", ca.public_bytes(pem))
        self.certificate = write("cert.pem", own.public_bytes(pem))
        self.key = write("key.pem", key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))

    def close(self) -> None:
        self.folder.cleanup()


class Server:
    """One redis-server. `more` are its arguments, by their names with _ for -."""

    def __init__(self, password: str = "", sentinel: str = "", tls: "Certificates | None" = None,
                 **more):
        """`sentinel`: it is none but a sentinel, with these lines."""
        self.tls = tls
        self.folder = tempfile.TemporaryDirectory()
        self.port = free_port()
        self.password = password
        settings = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder.name}
        if not sentinel:
            settings |= {"save": '""', "appendonly": "no", "repl_diskless_sync_delay": 0} | more
        if tls:
            settings |= {"port": 0, "tls_port": self.port, "tls_cert_file": tls.certificate,
                         "tls_key_file": tls.key, "tls_ca_cert_file": tls.ca,
                         "tls_auth_clients": "no"} | more
        if password:
            settings |= {"requirepass": password, "masterauth": password}
        self.config = pathlib.Path(self.folder.name) / "redis.conf"
        self.config.write_text("".join(f'{name.replace("_", "-")} {value}\n'
                                       for name, value in settings.items()) + sentinel)
        self.arguments = ["--sentinel"] if sentinel else []
        self.process = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(["redis-server", self.config, *self.arguments],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        preexec_fn=_die_with_parent)
        self.wait_until(lambda client: client("PING"))

    def client(self) -> Client:
        return Client(self.port, self.password, self.tls)

    def __call__(self, *words):
        client = self.client()
        try:
            return client(*words)
        finally:
            client.close()

    def wait_until(self, condition, within_s: float = WITHIN_S):
        """What `condition(client)` gives, once that is true."""
        end = time.monotonic() + within_s
        while True:
            try:
                client = self.client()
                try:
                    if found := condition(client):
                        return found
                finally:
                    client.close()
            except (OSError, RedisError):
                pass
            if time.monotonic() > end:
                raise AssertionError(f"the server on port {self.port} is not as it should be")
            time.sleep(0.02)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def close(self) -> None:
        self.kill()
        self.folder.cleanup()

    @property
    def url(self) -> str:
        login = f":{self.password}@" if self.password else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}127.0.0.1:{self.port}/0"


class Sentinels:
    """A master, its replicas, and sentinels that watch them."""

    def __init__(self, replicas: int = 2, sentinels: int = 3, down_after_ms: int = 500, **more):
        self.master = Server(**more)
        self.replicas = [Server(replicaof=f"127.0.0.1 {self.master.port}", **more)
                         for _ in range(replicas)]
        for replica in self.replicas:
            replica.wait_until(lambda client: "master_link_status:up" in client("INFO"))
        self.sentinels = [self._sentinel(down_after_ms) for _ in range(sentinels)]
        for sentinel in self.sentinels:
            sentinel.wait_until(lambda client: self._knows(client, replicas, sentinels))

    def _sentinel(self, down_after_ms: int) -> Server:
        return Server(sentinel=f"sentinel monitor mymaster 127.0.0.1 {self.master.port} 2\n"
                               f"sentinel down-after-milliseconds mymaster {down_after_ms}\n"
                               "sentinel failover-timeout mymaster 3000\n"
                               "sentinel parallel-syncs mymaster 1\n")

    @staticmethod
    def _knows(client: Client, replicas: int, sentinels: int) -> bool:
        fields = client("SENTINEL", "MASTER", "mymaster")
        known = dict(zip(fields[::2], fields[1::2]))
        return (int(known["num-slaves"]) >= replicas and
                int(known["num-other-sentinels"]) >= sentinels - 1 and known["flags"] == "master")

    def servers(self) -> list[Server]:
        return [self.master, *self.replicas]

    def wait_for_another_master(self, within_s: float = WITHIN_S) -> Server:
        """Once one of the replicas says that it is the master."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            for replica in self.replicas:
                try:
                    if replica("ROLE")[0] == "master":
                        return replica
                except (OSError, RedisError):
                    pass
            time.sleep(0.02)
        raise AssertionError("no replica was elected")

    @property
    def addresses(self) -> str:
        return ", ".join(f'{{ host = "127.0.0.1", port = {sentinel.port} }}'
                         for sentinel in self.sentinels)

    def close(self) -> None:
        for server in [*self.sentinels, *self.servers()]:
            server.close()


class Cluster:
    """Masters, each with a third of the slots, and a replica for each."""

    def __init__(self, masters: int = 3, replicas: int = 1):
        self.nodes = [Server(cluster_enabled="yes", cluster_node_timeout=1_000,
                             cluster_config_file="nodes.conf")
                      for _ in range(masters * (1 + replicas))]
        self.masters = self.nodes[:masters]
        share = 16_384 // masters
        for number, master in enumerate(self.masters):
            first = number * share
            last = 16_383 if number == masters - 1 else first + share - 1
            master("CLUSTER", "ADDSLOTSRANGE", first, last)
            master("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in self.nodes[1:]:
            node("CLUSTER", "MEET", "127.0.0.1", self.nodes[0].port)
        for node in self.nodes:
            node.wait_until(lambda client: len(self._known(client)) == len(self.nodes))
        for replica, master in zip(self.nodes[masters:], itertools.cycle(self.masters)):
            replica.wait_until(lambda client, master=master: client(
                "CLUSTER", "REPLICATE", self.id_of(master)))
        for node in self.nodes:
            node.wait_until(lambda client: "cluster_state:ok" in client("CLUSTER", "INFO"))
        for replica in self.nodes[masters:]:
            replica.wait_until(lambda client: "master_link_status:up" in client("INFO"))

    @staticmethod
    def _known(client: Client) -> list[str]:
        lines = client("CLUSTER", "NODES").splitlines()
        return [line for line in lines if "handshake" not in line]

    @staticmethod
    def id_of(server: Server) -> str:
        return server("CLUSTER", "MYID")

    def owner(self, slot: int) -> Server:
        for first, last, master, *_ in self.nodes_that_live()[0]("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == master[1])
        raise AssertionError(f"nobody has the slot {slot}")

    def nodes_that_live(self) -> list[Server]:
        return [node for node in self.nodes if node.process.poll() is None]

    def move(self, slot: int, to: Server) -> None:
        """Moves a slot with its keys while it serves, as redis-cli does."""
        source = self.owner(slot)
        to("CLUSTER", "SETSLOT", slot, "IMPORTING", self.id_of(source))
        source("CLUSTER", "SETSLOT", slot, "MIGRATING", self.id_of(to))
        while keys := source("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", *keys)
        for node in [to, source, *self.nodes]:
            try:
                node("CLUSTER", "SETSLOT", slot, "NODE", self.id_of(to))
            except RedisError:
                pass  # a replica hears of it

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.nodes[0].port}"

    def close(self) -> None:
        for node in self.nodes:
            node.close()
