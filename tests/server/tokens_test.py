"""Users and tiers by bearer tokens, through the real server (contract 2 and 7)."""

import json
import pathlib
import sys
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import harness

sys.path.append(str(pathlib.Path(__file__).parents[1] / "tokens"))
import make_attacks
from make_attacks import es, hs, jws

SECRET = {"JWT_SECRET": make_attacks.SECRET.decode()}
RULES = """default_limit = 3
default_window = "1h"
[rate_limiting.client_identification.jwt]
[[rate_limiting.tiers]]
name = "premium"
limit = 50
window = "1h"
[[rate_limiting.endpoints]]
name = "search"
pattern = "/api/v1/search/*"
limit = 5
window = "1h"
[rate_limiting.endpoints.tiers]
premium = { limit = 70, window = "1h" }
[[rate_limiting.exemptions]]
type = "user_id"
value = "42"
"""


def token(user, tier: str | None = None, **claims) -> str:
    named = {"user_id": user} | ({"tier": tier} if tier else {})
    return jws({"alg": "HS256"}, named | claims, hs(make_attacks.SECRET))


class TokenTest(harness.ServerTest):
    def ask_as(self, server: harness.Server, bearer: str, target: str = "/api/v1/hello"):
        return self.ask(server, target, Authorization=f"Bearer {bearer}")

    def verdicts(self, server: harness.Server, verdict: str) -> int:
        return self.sample(server, f'rate_limit_tokens_total{{verdict="{verdict}"}}')


class Users(TokenTest):
    def test_a_user_has_the_limit_of_his_tier_whatever_his_token(self):
        server = self.serve(RULES, workers=2, environment=SECRET)
        self.assertEqual(self.ask_as(server, token("a", "premium")).limits(), ("50", "49"))
        self.assertEqual(self.ask_as(server, token("a", "premium", jti=1)).limits(), ("50", "48"))
        self.assertEqual(self.ask_as(server, token("a")).limits()[0], "3")
        self.assertEqual(self.ask_as(server, token("b", "gold")).limits(), ("3", "2"))
        search = "/api/v1/search/x"
        self.assertEqual(self.ask_as(server, token("c", "premium"), search).limits(), ("70", "69"))
        self.assertEqual(self.ask_as(server, token("c"), search).limits()[0], "5")
        labels = 'endpoint="default",tier="premium",status="allowed"'
        self.assertEqual(self.sample(server, f"rate_limit_requests_total{{{labels}}}"), 2)

    def test_numbers_and_text_name_one_user(self):
        server = self.serve(RULES, environment=SECRET)
        self.assertEqual(self.ask_as(server, token(7)).limits(), ("3", "2"))
        self.assertEqual(self.ask_as(server, token("7")).limits(), ("3", "1"))

    def test_an_exempt_user_is_not_counted(self):
        server = self.serve(RULES, environment=SECRET)
        labels = 'endpoint="exempt",tier="anonymous",status="exempt"'
        before = self.sample(server, f"rate_limit_requests_total{{{labels}}}")
        for _ in range(5):
            answer = self.ask_as(server, token(42))
            self.assertEqual((answer.status, answer.limits()), (200, (None, None)))
        self.assertEqual(self.sample(server, f"rate_limit_requests_total{{{labels}}}") - before,
                         5 + 1, "the scrape is exempt too")
        forged = jws({"alg": "HS256"}, {"user_id": 42}, hs(b"x"))
        self.assertEqual(self.ask_as(server, forged).limits(), ("3", "2"))

    def test_a_bad_token_is_limited_by_address_and_never_logged(self):
        server = self.serve(RULES, environment=SECRET)
        bad = {"expired": token("a", "premium", exp=1),
               "bad_signature": jws({"alg": "HS256"}, {"sub": "a"}, hs(b"guess")),
               "wrong_algorithm": jws({"alg": "none"}, {"sub": "a"}, lambda text: b""),
               "malformed": "x.y.z"}
        for left, bearer in zip((2, 1, 0, 0), bad.values()):
            self.assertEqual(self.ask_as(server, bearer).limits(), ("3", str(left)))
        self.assertEqual(self.ask(server).status, 429, "all of them are one address")
        self.assertEqual(self.ask_as(server, token("a", "premium")).status, 200)
        for verdict in (*bad, "valid"):
            self.assertEqual(self.verdicts(server, verdict), 1, verdict)
        self.assertGreaterEqual(self.verdicts(server, "missing"), 1)
        log = server.log()
        self.assertIn('"client_id":"ip:127.0.0.1"', log)
        for bearer in bad.values():
            self.assertNotIn(bearer, log)
        self.assertNotIn(SECRET["JWT_SECRET"], log)

    def test_two_tokens_that_differ_are_none(self):
        server = self.serve(RULES, environment=SECRET)
        with harness.Connection(server.port) as connection:
            connection.send("GET /api/v1/hello HTTP/1.1\r\nHost: test\r\n"
                            f"Authorization: Bearer {token('a', 'premium')}\r\n"
                            f"Authorization: Bearer {token('b', 'premium')}\r\n\r\n")
            self.assertEqual(connection.answer().limits(), ("3", "2"))
        self.assertEqual(self.verdicts(server, "ambiguous"), 1)

    def test_a_flood_of_forged_tokens_is_not_read(self):
        key = ec.generate_private_key(ec.SECP384R1())
        rules = ('default_limit = 500_000\n[rate_limiting.client_identification.jwt]\n'
                 'algorithms = ["ES384"]\npublic_key_file = "{}"\n')
        server = self.serve("default_limit = 5")
        pem = pathlib.Path(server.folder.name) / "key.pem"
        pem.write_text(make_attacks.pem_of(key))
        server = self.serve(rules.format(pem))
        good = jws({"alg": "ES384"}, {"sub": "me"}, es(key, hashes.SHA384(), 48))
        self.ask_as(server, good)
        other = es(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), 48)
        forged = [jws({"alg": "ES384"}, {"sub": f"u{i}"}, other) for i in range(500)]
        connection = self.connect(server)
        start = time.monotonic()
        for bearer in forged:
            self.assertEqual(connection.ask(Authorization=f"Bearer {bearer}").status, 200)
        seconds = int(time.monotonic() - start) + 2  # that the flood may have touched
        read = self.verdicts(server, "bad_signature")
        self.assertGreaterEqual(read, 10)
        self.assertLessEqual(read, 10 * seconds)
        self.assertEqual(self.verdicts(server, "unread"), 500 - read)
        connection.ask(Authorization=f"Bearer {good}")
        self.assertEqual(self.verdicts(server, "cached"), 1, "a known one is not held up")

    def test_tokens_that_nobody_verifies_are_warned_about(self):
        server = self.serve(RULES.replace("jwt]\n", "jwt]\nverify_signature = false\n"))
        self.assertIn("every token is believed", server.log())
        anybody = jws({"alg": "HS256"}, {"sub": "x", "tier": "premium"}, lambda text: b"x")
        self.assertEqual(self.ask_as(server, anybody).limits(), ("50", "49"))


class KeySets(TokenTest):
    """A key set that changes while requests come."""

    def setUp(self):
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}
        first = self.serve("default_limit = 5")  # only for its folder
        self.path = pathlib.Path(first.folder.name) / "jwks.json"
        self.write("old")
        self.server = self.serve(
            f'default_limit = 100_000\n[rate_limiting.client_identification.jwt]\n'
            f'algorithms = ["ES256"]\njwks_file = "{self.path}"\n'
            'max_failures_per_second = 1_000_000\n'  # of many tokens of keys that are gone
            f'[[rate_limiting.tiers]]\nname = "premium"\nlimit = 200_000\nwindow = 60\n', workers=2)

    def write(self, *names: str) -> None:
        new = self.path.with_suffix(".new")
        new.write_text(make_attacks.jwks(*(make_attacks.jwk_of(self.keys[name], kid=name)
                                           for name in names)))
        new.rename(self.path)

    def known(self, name: str) -> bool:
        """Whether a token of this key names a user; by whichever worker answers."""
        bearer = jws({"alg": "ES256", "kid": name}, {"sub": "me", "tier": "premium"},
                     es(self.keys[name]))
        return self.ask_as(self.server, bearer).limits()[0] == "200000"

    def health(self) -> dict:
        return json.loads(self.ask(self.server, "/health").body)

    def everywhere(self, name: str, known: bool) -> bool:
        return all(self.known(name) == known for _ in range(20))

    def test_keys_are_rotated(self):
        self.assertTrue(self.known("old"))
        self.assertFalse(self.known("new"))
        self.write("old", "new")
        self.eventually(lambda: self.everywhere("new", True))
        self.assertTrue(self.everywhere("old", True))
        self.write("new")
        self.eventually(lambda: self.everywhere("old", False))
        self.assertTrue(self.everywhere("new", True))
        self.assertEqual(self.health()["generation"], 1)

    def test_a_file_that_turns_to_junk_changes_nothing(self):
        self.path.write_text("{\"keys\":")
        self.eventually(lambda: self.health()["status"] == "degraded")
        health = self.health()
        self.eventually(lambda: "no JSON" in (self.health()["keys_error"] or ""))
        self.assertEqual(health["reload_error"], None)
        self.assertTrue(self.everywhere("old", True))
        self.path.unlink()
        time.sleep(1.5)
        self.assertTrue(self.everywhere("old", True))
        self.write("new")
        self.eventually(lambda: self.everywhere("new", True))
        self.eventually(lambda: all(self.health()["status"] == "ok" for _ in range(20)))
        events = [json.loads(line)["event"] for line in self.server.log().splitlines()
                  if line.startswith("{")]
        self.assertEqual(events.count("keys_not_read"), 2, "once for each worker")
        self.assertEqual(events.count("keys_read"), 2)


if __name__ == "__main__":
    harness.main()
