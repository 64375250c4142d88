"""A reload is one act for all processes of a segment, under load, by whatever way it is asked for
(contract 8)."""

import json
import os
import signal
import subprocess
import threading

import harness

TOKEN = "correct horse battery staple"
ENVIRONMENT = {"ADMIN_TOKEN": TOKEN}
ADMIN = '\n[rate_limiting.admin]\ntoken_env = "ADMIN_TOKEN"\n'
RELOAD = "/admin/rate-limit/reload"
HELLO = "/api/v1/hello"
SEARCH = "/api/v1/search/x"


def rules(limit: int, more: str = "") -> str:
    return f'default_limit = {limit}\ndefault_window = "1h"\n{more}{ADMIN}'


class ReloadTest(harness.ServerTest):
    def post(self, server, token=TOKEN) -> harness.Answer:
        return self.ask(server, RELOAD, "POST", Authorization=f"Bearer {token}")

    def health(self, server) -> dict:
        return json.loads(self.ask(server, "/health").body)

    def limit_everywhere(self, server, wanted: str) -> bool:
        """Whether connections to all workers meet the limit: several, for each may meet any."""
        return all(self.ask(server)["X-RateLimit-Limit"] == wanted for _ in range(12))


class Ways(ReloadTest):
    def test_a_signal_reloads_all_workers_of_all_servers(self):
        one = self.serve(rules(50_000), workers=2, environment=ENVIRONMENT)
        other = self.serve(rules(50_000), workers=2, segment=one.segment, environment=ENVIRONMENT)
        self.assertEqual(self.health(other)["generation"], 1)
        one.write(rules(60_000))
        one.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: self.limit_everywhere(one, "60000"))
        self.eventually(lambda: self.limit_everywhere(other, "60000"))
        for server in (one, other):
            self.assertEqual(self.health(server)["generation"], 2)
            self.assertEqual(self.sample(server, "rate_limit_config_generation"), 2)
            self.assertEqual(self.sample(server, 'rate_limit_reloads_total{result="ok"}'), 1)
        self.assertIn("configuration_reloaded", one.log())
        self.eventually(lambda: "configuration_taken_up" in other.log())

    def test_the_endpoint_reloads_and_tells_the_generation(self):
        server = self.serve(rules(5), workers=2, environment=ENVIRONMENT)
        server.write(rules(6))
        answer = self.post(server)
        self.assertEqual(answer.status, 200)
        self.assertEqual(json.loads(answer.body), {"status": "reloaded", "generation": 2})
        self.assertEqual(answer["Cache-Control"], "no-store")

    def test_the_command_reloads(self):
        server = self.serve(rules(50_000), workers=2, environment=ENVIRONMENT)
        server.write(rules(60_000))
        done = subprocess.run([harness.COMMAND, "reload", "--config", server.config],
                              capture_output=True, text=True, timeout=harness.WITHIN_S,
                              env=harness.variables() | ENVIRONMENT)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout, f"{server.config} is in force: generation 2\n")
        self.eventually(lambda: self.limit_everywhere(server, "60000"))

    def test_the_command_needs_a_segment(self):
        server = self.serve(rules(5), environment=ENVIRONMENT)
        config = server.config.with_name("other.toml")
        config.write_text(server.config.read_text().replace(server.segment,
                                                            harness.unique_name()))
        done = subprocess.run([harness.COMMAND, "reload", "--config", config],
                              capture_output=True, text=True, timeout=harness.WITHIN_S,
                              env=harness.variables() | ENVIRONMENT)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no segment", done.stderr)

    def test_a_server_that_starts_with_other_rules_has_reloaded(self):
        one = self.serve(rules(50_000), workers=2, environment=ENVIRONMENT)
        other = self.serve(rules(70_000), segment=one.segment, environment=ENVIRONMENT)
        self.eventually(lambda: self.limit_everywhere(one, "70000"))
        self.assertIn(f"{other.config} replaces {one.config}", other.log())


class Refused(ReloadTest):
    def test_without_the_token(self):
        server = self.serve(rules(5), environment=ENVIRONMENT)
        server.write(rules(6))
        for token in ("", "wrong", TOKEN + "x"):
            answer = self.post(server, token)
            self.assertEqual(answer.status, 401)
            self.assertIn("Bearer", answer["WWW-Authenticate"])
        self.assertEqual(self.ask(server)["X-RateLimit-Limit"], "5")
        self.assertEqual(self.ask(server, RELOAD, Authorization=f"Bearer {TOKEN}").status, 405)

    def test_without_a_configured_token_it_does_not_exist(self):
        server = self.serve("default_limit = 5", demo=False)
        self.assertEqual(self.post(server).status, 404)

    def test_a_faulty_file_changes_nothing_and_every_fault_is_told(self):
        server = self.serve(rules(5), workers=2, environment=ENVIRONMENT)
        server.write('default_limit = -1\ndefault_window = "fortnight"\ndefault_limits = 7')
        answer = self.post(server)
        self.assertEqual(answer.status, 422)
        faults = json.loads(answer.body)["faults"]
        self.assertEqual(len(faults), 3)
        for fault, line in zip(faults, (3, 4, 5)):
            self.assertTrue(fault.startswith(f"{server.config}:{line}:"), fault)
        self.assertEqual(self.ask(server)["X-RateLimit-Limit"], "5")
        health = self.health(server)
        self.assertEqual(health["generation"], 1)
        self.assertIn("fortnight", health["reload_error"])
        self.assertEqual(self.sample(server, 'rate_limit_reloads_total{result="failed"}'), 1)
        self.assertEqual(server.log().count("configuration_refused"), 1)
        server.write(rules(6))
        self.assertEqual(self.post(server).status, 200)
        self.assertIsNone(self.health(server)["reload_error"])

    def test_a_file_that_is_gone(self):
        server = self.serve(rules(5), environment=ENVIRONMENT)
        server.config.unlink()
        server.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "configuration_refused" in server.log())
        self.assertEqual(self.ask(server)["X-RateLimit-Limit"], "5")
        answer = self.post(server)
        self.assertEqual(answer.status, 422)
        self.assertIn("No such file", json.loads(answer.body)["faults"][0])

    def test_what_only_a_restart_can_change(self):
        server = self.serve(rules(5), environment=ENVIRONMENT)
        server.write(rules(6), memory="capacity = 20_000")
        answer = self.post(server)
        self.assertEqual(answer.status, 422)
        [fault] = json.loads(answer.body)["faults"]
        for part in ("memory.capacity", "20000", "10000", "tidegate segment remove"):
            self.assertIn(part, fault)
        self.assertEqual(self.ask(server)["X-RateLimit-Limit"], "5")

    def test_more_than_five_a_minute(self):
        server = self.serve(rules(5), workers=2, environment=ENVIRONMENT)
        answers = [self.post(server) for _ in range(11)]
        statuses = [answer.status for answer in answers]
        # A minute may begin in between.
        self.assertIn(statuses.count(200), range(5, 11))
        refused = next(answer for answer in answers if answer.status == 429)
        self.assertIn(int(refused["Retry-After"]), range(1, 61))


class UnderLoad(ReloadTest):
    def test_nothing_is_dropped_and_no_count_is_lost(self):
        """Two servers, a client that never stops, and an endpoint whose count must survive."""
        search = ('[[rate_limiting.endpoints]]\nname = "search"\npattern = "/api/v1/search/*"\n'
                  'limit = {}\nwindow = "1h"\nalgorithm = "{}"\n')

        def text(limit: int, algorithm: str, others: int) -> str:
            more = "".join(f'[[rate_limiting.endpoints]]\npattern = "/other/{i}"\nlimit = 5\n'
                           "window = 60\n" for i in range(others))
            return rules(1_000_000, search.format(limit, algorithm) + more)

        for algorithm in ("sliding_window", "sliding_window_counter"):
            with self.subTest(algorithm=algorithm):
                one = self.serve(text(20, algorithm, 0), workers=2, environment=ENVIRONMENT)
                other = self.serve(text(20, algorithm, 0), workers=2, segment=one.segment,
                                   environment=ENVIRONMENT)
                stop = threading.Event()
                outcomes = []

                def never_stop(server, target, outcomes=outcomes, stop=stop):
                    connection = harness.Connection(server.port)
                    while not stop.is_set():
                        answer = connection.ask(target)
                        outcomes.append((target, answer.status if answer else 0))
                    connection.close()

                threads = [threading.Thread(target=never_stop, args=arguments)
                           for arguments in ((one, HELLO), (other, HELLO), (one, SEARCH),
                                             (other, SEARCH))]
                for thread in threads:
                    thread.start()
                for i in range(12):
                    server = (one, other)[i % 2]
                    server.write(text(20 + i, algorithm, 50 * (i % 3)))
                    server.process.send_signal(signal.SIGHUP)
                    self.eventually(lambda: self.health(server)["generation"] >= 2 + i)
                self.eventually(lambda: self.health(one)["generation"] == 13)
                self.eventually(lambda: all(self.ask(server, SEARCH)["X-RateLimit-Limit"] == "31"
                                            for server in (one, other) for _ in range(12)))
                stop.set()
                for thread in threads:
                    thread.join()
                hello = [status for target, status in outcomes if target == HELLO]
                self.assertEqual(set(hello), {200})
                admitted = outcomes.count((SEARCH, 200))
                probes = [self.ask(server, SEARCH).status for server in (one, other)]
                self.assertEqual(probes, [429, 429])
                # Some of the admitted were asked for by the test while it waited.
                self.assertLessEqual(admitted, 31)
                self.assertGreaterEqual(admitted, 20)
                self.assertEqual({status for target, status in outcomes if target == SEARCH},
                                 {200, 429})

    def test_a_worker_that_is_replaced_begins_with_what_is_in_force(self):
        server = self.serve(rules(50_000), workers=2, environment=ENVIRONMENT)
        other = self.serve(rules(60_000), segment=server.segment, environment=ENVIRONMENT)
        self.assertEqual(self.health(other)["generation"], 2)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        self.eventually(lambda: server.log().count("worker_replaced") == 2)
        self.assertTrue(self.limit_everywhere(server, "60000"))


if __name__ == "__main__":
    harness.main()
