"""What operators configure, ask for and read in the logs (contract 1, 7 and 8)."""

import json
import pathlib
import subprocess

import gateway
from gateway import ADMIN, API, ENVIRONMENT, OPERATIONS, TOKEN, GatewayTest
import harness

HOUR = 'default_window = "1h"\n'
RELOAD = "/ops/admin/rate-limit/reload"
RESET = "/ops/admin/rate-limit/reset"
STATUS = "/ops/admin/rate-limit/status"


def rules(limit: int, more: str = "") -> str:
    return f"default_limit = {limit}\n{HOUR}{more}"


class OperateTest(GatewayTest):
    def setUp(self):
        self.api = self.upstream()

    def serve_api(self, toml: str, server: str = API + OPERATIONS, **more):
        return self.gateway(toml, server, upstream=self.api, **more)


class Configuration(OperateTest):
    def test_a_fault_is_told_as_the_command_tells_it(self):
        server = self.serve_api(rules(5))
        server.write('default_limit = -1\ndefault_window = "fortnight"\nbackend = "disk"')
        told = subprocess.run([harness.COMMAND, "check", server.config], capture_output=True,
                              text=True, timeout=harness.WITHIN_S, env=server.variables())
        faults = [line for line in (told.stdout + told.stderr).splitlines()
                  if line.startswith(f"{server.config}:")]
        self.assertEqual(len(faults), 3, told)
        done = server.nginx("-t")
        self.assertEqual(done.returncode, 1)
        for fault in faults:
            self.assertIn(fault, done.stderr)
        server.config.unlink()
        done = server.nginx("-t")
        self.assertEqual(done.returncode, 1)
        self.assertIn(str(server.config), done.stderr)
        self.assertEqual(self.ask(server, "/hello").limits(), ("5", "4"))

    def test_is_named_once(self):
        server = self.serve_api(rules(5))
        text = server.nginx_config.read_text()
        server.nginx_config.write_text(text.replace("http {", "http {\ntidegate_config other.toml;"))
        done = server.nginx("-t")
        self.assertEqual(done.returncode, 1)
        self.assertIn("duplicate", done.stderr)

    def test_is_not_put_in_force_by_a_test_of_it(self):
        server = self.serve_api(rules(5))
        server.write(rules(6))
        done = server.nginx("-t")
        self.assertEqual(done.returncode, 0, done.stderr)
        for left in (4, 3):
            self.assertEqual(self.ask(server, "/hello").limits(), ("5", str(left)))
        self.assertEqual(json.loads(self.ask(server, "/ops/health").body)["generation"], 1)

    def test_is_tested_without_making_a_segment(self):
        server = self.serve_api(rules(5))
        self.assertEqual(server.stop(), 0)
        remove = [harness.COMMAND, "segment", "remove", f"{server.segment}@test"]
        subprocess.run(remove, check=True, capture_output=True, timeout=harness.WITHIN_S)
        self.assertEqual(server.nginx("-t").returncode, 0)
        self.assertEqual(list(pathlib.Path("/dev/shm").glob(f"*{server.segment}*")), [])


class Logs(OperateTest):
    def events(self, text: str) -> list[tuple[str, str, str]]:
        found = [json.loads(line[line.index("{"):]) for line in text.splitlines()
                 if '"event":"rate_limit_exceeded"' in line]
        return [(event["client_id"], event["endpoint"], event["status"]) for event in found]

    def test_are_those_of_nginx(self):
        server = self.serve_api(rules(1))
        self.assertEqual(self.statuses(server, 3), [200, 429, 429])
        self.eventually(lambda: self.events(server.log()))
        self.assertEqual(self.events(server.log()), [("ip:127.0.0.1", "default", "denied")])

    def test_may_be_a_file_that_is_opened_again_when_told(self):
        server = self.serve_api(rules(1_000), workers=2, user="nobody nogroup")
        log = server.prefix / "limits.log"
        server.write(rules(1_000, f'log = "{log}"\nlog_level = "debug"'))
        server.reload()
        self.eventually(lambda: self.statuses(server, 1) and log.read_text())
        log.rename(f"{log}.1")
        self.assertEqual(server.nginx("-s", "reopen").returncode, 0)
        self.eventually(log.exists)
        self.eventually(lambda: self.statuses(server, 1) and log.read_text())
        for line in log.read_text().splitlines():
            self.assertEqual(json.loads(line)["client_id"], "ip:127.0.0.1")
        self.assertNotIn("rate_limit_checked", server.log())


class Operations(OperateTest):
    def operated(self, toml: str = "default_limit = 3\n" + HOUR, server: str = API + OPERATIONS,
                 **more):
        return self.serve_api(toml + ADMIN, server, environment=ENVIRONMENT, **more)

    def admin(self, server, target, method="GET", body="", token=TOKEN) -> harness.Answer:
        return self.ask(server, target, method, body, Authorization=f"Bearer {token}")

    def test_are_never_limited_and_tell_of_all_workers(self):
        server = self.operated(workers=2)
        self.assertEqual(self.statuses(server, 5), [200, 200, 200, 429, 429])
        for _ in range(10):
            for target in ("/ops/health", "/ops/metrics", STATUS):
                answer = self.admin(server, target)
                self.assertEqual((answer.status, answer.limits()), (200, (None, None)))
        self.assertTrue(self.ask(server, "/ops/metrics")["Content-Type"].startswith("text/plain"))
        labels = 'rate_limit_requests_total{endpoint="default",tier="anonymous"'
        self.assertEqual([self.sample(server, f'{labels},status="{status}"}}')
                          for status in ("allowed", "denied")], [3, 2])
        health = json.loads(self.ask(server, "/ops/health").body)
        self.assertEqual((health["status"], health["backend"]), ("ok", "memory"))
        status = json.loads(self.admin(server, STATUS).body)
        self.assertEqual(status["totals"][0]["requests"]["allowed"], 3)
        self.assertEqual(self.api.targets(), ["/hello"] * 3)

    def test_may_have_any_location(self):
        server = self.operated(server=API + "location /status { tidegate_operations; }\n"
                               "location = /metrics { tidegate_operations; }\n"
                               "location /closed/ { deny all; tidegate_operations; }\n")
        for target, status in (("/status/health?x", 200), ("/metrics", 200), ("/closed/health", 403),
                               ("/status/nothing", 404), ("/status", 404)):
            self.assertEqual(self.ask(server, target).status, status, target)
        self.assertEqual(self.ask(server, "/hello").limits(), ("3", "2"))

    def test_may_be_a_server_of_their_own(self):
        server = self.operated(server="tidegate on;\nlocation / { tidegate_operations; }\n")
        for target in ("/health", "/metrics", "/admin/rate-limit/", "/admin/rate-limit/status"):
            self.assertEqual(self.admin(server, target).status, 200, target)
        answer = self.ask(server, "/health", "HEAD")
        self.assertEqual((answer.status, answer.body), (200, b""))
        self.assertEqual(self.ask(server, "/nothing").status, 404)
        answer = self.ask(server, "/health", "POST", "x")
        self.assertEqual((answer.status, answer["Allow"]), (405, "GET, HEAD"))
        self.assertEqual(self.ask(server, "/health").status, 200)

    def test_need_the_token(self):
        server = self.operated()
        for target, method in ((STATUS, "GET"), (RESET, "POST"), (RELOAD, "POST")):
            for token in ("", "wrong", TOKEN + "x"):
                answer = self.admin(server, target, method, "{}" if method == "POST" else "", token)
                self.assertEqual(answer.status, 401)
                self.assertIn("Bearer", answer["WWW-Authenticate"])
                self.assertEqual(answer["Cache-Control"], "no-store")
        closed = self.serve_api(rules(3))
        self.assertEqual(self.admin(closed, STATUS).status, 404)
        self.assertEqual(self.admin(closed, RESET, "POST", "{}").status, 404)

    def test_forget_a_client(self):
        server = self.operated()
        self.assertEqual(self.statuses(server, 4), [200, 200, 200, 429])
        body = '{"client":"ip:127.0.0.1"}'
        answer = self.admin(server, RESET, "POST", body)
        self.assertEqual((answer.status, json.loads(answer.body)),
                         (200, {"status": "reset", "counts": 1}))
        self.assertEqual(self.ask(server, "/hello").limits(), ("3", "2"))
        padded = body[:-1] + " " * 60_000 + "}"
        self.assertEqual(self.admin(server, RESET, "POST", padded).status, 200)
        for body, status in (("{", 400), ("[]", 422), ("{}", 422), (" " * 65_537, 413)):
            self.assertEqual(self.admin(server, RESET, "POST", body).status, status)
        with harness.Connection(server.port) as connection:
            connection.send(f"POST {RESET} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
                            "Transfer-Encoding: chunked\r\n\r\na\r\n{\"client\":\r\n")
            self.assertEqual(self.ask(server, "/ops/health").status, 200, "nobody waits for it")
            connection.send('10\r\n "ip:127.0.0.1"}\r\n0\r\n\r\n')
            self.assertEqual(connection.answer().status, 200)
            self.assertEqual(connection.ask("/hello").limits(), ("3", "2"))

    def test_may_be_under_way_where_nginx_ends(self):
        body = '{"client":"ip:127.0.0.1"}'
        for _ in range(5):  # the threads that answer end a moment after they have
            server = self.operated()
            connections = [self.connect(server) for _ in range(30)]
            for connection in connections:
                connection.send(f"POST {RESET} HTTP/1.1\r\nHost: x\r\n"
                                f"Authorization: Bearer {TOKEN}\r\n"
                                f"Content-Length: {len(body)}\r\n\r\n{body}")
            self.assertEqual({connection.answer().status for connection in connections}, {200})
            self.assertEqual((server.stop(), server.alerts()), (0, []))

    def test_reload_the_file(self):
        server = self.operated(workers=2)
        server.write(rules(60_000) + ADMIN)
        answer = self.admin(server, RELOAD, "POST")
        self.assertEqual((answer.status, json.loads(answer.body)),
                         (200, {"status": "reloaded", "generation": 2}))
        self.eventually(lambda: self.limits_everywhere(server) == {"60000"})
        server.write("default_limit = -1\nx = 1" + ADMIN)
        answer = self.admin(server, RELOAD, "POST")
        self.assertEqual((answer.status, len(json.loads(answer.body)["faults"])), (422, 2))
        self.assertEqual(self.limits_everywhere(server), {"60000"})


if __name__ == "__main__":
    gateway.main()
