"""The server on sentinels and on a cluster, while masters die and slots move."""

import collections
import json
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.path += [str(HERE), str(HERE.parent / "server")]
import harness
import servers
from harness import ServerTest


class Topology(ServerTest):
    def ask_as(self, server, client: str):
        return self.ask(server, X_Forwarded_For=client)

    def wait_for(self, condition, what: str, within_s: float = harness.WITHIN_S) -> float:
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            if condition():
                return time.monotonic() - began
            time.sleep(0.02)
        self.fail(what)

    def statuses(self, server, count: int) -> collections.Counter:
        with harness.Connection(server.port) as connection:
            return collections.Counter(connection.ask().status for _ in range(count))

    def metrics(self, server) -> str:
        return self.ask(server, "/metrics").body.decode()


class OnSentinels(Topology):
    def setUp(self):
        self.redis = servers.Sentinels(min_replicas_to_write=0)
        self.addCleanup(self.redis.close)

    def rules(self, limit: int, more: str = "", failure_mode: str = "fail_closed") -> str:
        return (f'default_limit = {limit}\ndefault_window = "1h"\n'
                f'failure_mode = "{failure_mode}"\n{more}\n[rate_limiting.redis]\n'
                f'url = "redis://ignored"\ntopology = "sentinel"\n'
                'circuit_breaker_timeout = "1s"\n'
                f'[rate_limiting.redis.sentinel]\nsentinels = [ {self.redis.addresses} ]\n')

    def test_the_master_counts(self):
        server = self.serve(self.rules(5))
        self.assertEqual(self.statuses(server, 8), {200: 5, 429: 3})
        self.assertEqual(len(self.redis.master("KEYS", "*")), 1)
        self.assertIn('operation="role"', self.metrics(server))
        self.assertIn("redis_min_replicas", server.log())

    def test_another_master_is_followed_and_admissions_are_bounded(self):
        limit = 50
        servers_ = [self.serve(self.rules(limit)) for _ in range(2)]
        admitted = []
        over = threading.Event()

        def load(server):
            count = 0
            while not over.is_set():
                with harness.Connection(server.port) as connection:
                    answer = connection.ask()
                    count += answer is not None and answer.status == 200
            admitted.append(count)
        threads = [threading.Thread(target=load, args=[server]) for server in servers_]
        for thread in threads:
            thread.start()
        time.sleep(0.3)
        self.redis.master.kill()
        elected = self.redis.wait_for_another_master()
        began = time.monotonic()
        for server in servers_:
            self.wait_for(lambda server=server: self.ask_status(server) in (200, 429),
                          "the new master is not found", 10)
        back_s = time.monotonic() - began
        over.set()
        for thread in threads:
            thread.join()
        self.assertLess(back_s, 5)
        self.assertLessEqual(sum(admitted), 2 * limit)
        self.assertGreaterEqual(sum(admitted), limit)
        self.assertEqual(elected("ROLE")[0], "master")

    def ask_status(self, server) -> int:
        return self.ask(server).status

    def test_a_master_that_was_stopped_is_not_believed_again(self):
        server = self.serve(self.rules(1_000))
        self.assertEqual(self.ask(server).status, 200)
        old = self.redis.master
        old.signal(signal.SIGSTOP)
        elected = self.redis.wait_for_another_master()
        self.wait_for(lambda: self.ask_status(server) == 200, "the new master is not found")
        old.signal(signal.SIGCONT)
        counted = int(elected("INFO", "commandstats").count("cmdstat_evalsha"))
        for _ in range(100):
            self.assertEqual(self.ask(server).status, 200)
        calls = re.search(r"cmdstat_evalsha:calls=(\d+)", elected("INFO", "commandstats"))
        self.assertIsNotNone(calls, counted)
        self.assertGreaterEqual(int(calls[1]), 100)

    def test_sentinels_that_are_gone_are_passed_over(self):
        self.redis.sentinels[0].kill()
        server = self.serve(self.rules(5))
        self.assertEqual(self.statuses(server, 6)[200], 5)

    def test_a_name_that_nobody_knows_fails(self):
        text = self.rules(5).replace("[rate_limiting.redis.sentinel]",
                                     '[rate_limiting.redis.sentinel]\nservice_name = "other"')
        server = self.serve(text)
        self.assertEqual(self.ask(server).status, 503)


class OnACluster(Topology):
    @classmethod
    def setUpClass(cls):
        cls.redis = servers.Cluster()
        cls.addClassCleanup(cls.redis.close)

    def setUp(self):
        for node in self.redis.nodes_that_live():
            try:
                node("FLUSHALL")
            except servers.RedisError:
                pass  # a replica

    def rules(self, limit: int) -> str:
        return (f'default_limit = {limit}\ndefault_window = "1h"\nfailure_mode = "fail_closed"\n'
                '[rate_limiting.client_identification]\ntrusted_proxy_depth = 1\n'
                f'[rate_limiting.redis]\nurl = "{self.redis.url}"\ntopology = "cluster"\n'
                'circuit_breaker_timeout = "500ms"\ndecision_timeout = "200ms"\n')

    def keys(self) -> list[str]:
        return [key for node in self.redis.masters if node.process.poll() is None
                for key in node("KEYS", "*")]

    def test_1_every_client_counts_in_his_slot(self):
        server = self.serve(self.rules(3))
        clients = [f"192.0.2.{number}" for number in range(1, 40)]
        for client in clients:
            statuses = [self.ask_as(server, client).status for _ in range(4)]
            self.assertEqual(statuses, [200, 200, 200, 429], client)
        self.assertEqual(len(self.keys()), len(clients))
        for master in self.redis.masters:
            self.assertGreater(len(master("KEYS", "*")), 0, "a master without a client")

    def test_1_rules_for_everybody_and_penalties_work_across_slots(self):
        server = self.serve(self.rules(100) + """
[rate_limiting.progressive_penalties]
enabled = true
violation_threshold = 1
[[rate_limiting.endpoints]]
name = "everybody"
pattern = "/api/v1/search/*"
limit = 5
window = "1h"
per = "all"
""")
        statuses = collections.Counter()
        for number in range(8):
            answer = self.ask(server, "/api/v1/search/x", X_Forwarded_For=f"192.0.2.{number}")
            statuses[answer.status] += 1
        self.assertEqual(statuses, {200: 5, 429: 3})
        # Two readings, which meet both rules: charged to both.
        client = "192.0.2.100"
        answer = self.ask(server, "/api/v1/search%2fx", X_Forwarded_For=client)
        self.assertEqual(answer.status, 429, "nobody has anything left under the other rule")
        self.assertEqual(self.ask_as(server, client)["X-RateLimit-Remaining"], "98",
                         "what was taken of his own stays taken")
        self.assertNotIn("redis_errors_total{operation=\"check\"", self.metrics(server))

    def test_2_slots_move_while_it_serves(self):
        limit = 400
        server = self.serve(self.rules(limit))
        self.assertEqual(self.ask_as(server, "192.0.2.1").status, 200)
        key, = self.keys()
        slot = self.redis.nodes[0]("CLUSTER", "KEYSLOT", key)
        statuses = collections.Counter()
        over = threading.Event()

        def load():
            while not over.is_set() and sum(statuses.values()) < limit - 1:
                statuses[self.ask_as(server, "192.0.2.1").status] += 1
        thread = threading.Thread(target=load)
        thread.start()
        for turn in range(6):
            owner = self.redis.owner(slot)
            self.redis.move(slot, next(master for master in self.redis.masters[turn % 2:]
                                       if master is not owner))
            time.sleep(0.05)
        thread.join(harness.WITHIN_S)
        over.set()
        self.assertEqual(statuses, {200: limit - 1}, "each was counted, and none failed")
        self.assertEqual(self.ask_as(server, "192.0.2.1").status, 429)
        self.assertNotIn("clusterdown", self.metrics(server))

    def test_3_all_clients_of_a_rule_are_forgotten_on_all_masters(self):
        server = self.serve(self.rules(1))
        for number in range(30):
            self.ask_as(server, f"192.0.2.{number}")
        done = subprocess.run([harness.COMMAND, "reset", "--config", server.config, "--rule",
                               "default", "--all-clients"], capture_output=True, text=True,
                              env=harness.variables(), timeout=harness.WITHIN_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(self.keys(), [])

    def test_4_a_master_that_dies_is_replaced(self):
        server = self.serve(self.rules(1_000))
        for number in range(60):
            self.assertEqual(self.ask_as(server, f"192.0.2.{number}").status, 200)
        self.redis.masters[1].kill()

        def all_served() -> bool:
            return all(self.ask_as(server, f"192.0.2.{number}").status == 200
                       for number in range(60))
        self.wait_for(all_served, "its replica is never found", 30)


if __name__ == "__main__":
    harness.main()
