"""CPU per request of `tidegate serve` against the same server without the limiter.

One worker each, on loopback, driven by wrk with keep-alive connections. The two run at the same
time and take turns under load; each pair gives one ratio. The tables print the median and the
spread: once with the default rule alone, once with all that an operator may ask of a request: a
token (verified before), a tier, an endpoint's rule with two windows, logs at INFO and metrics.
"""

import argparse
import base64
import hashlib
import hmac
import json
import pathlib
import statistics
import tempfile
import time

import driven

PLAIN = """
[rate_limiting]
default_limit = 100000000
default_window = "1h"
algorithm = "token_bucket"
[rate_limiting.memory]
segment = ""
"""
SECRET = "a secret of thirty-two bytes or more"
EVERYTHING = PLAIN + """
[rate_limiting.client_identification.jwt]
secret_env = "BENCH_JWT_SECRET"
[[rate_limiting.endpoints]]
name = "hello"
pattern = "/api/v1/hello"
limit = 10
window = "1h"
[rate_limiting.endpoints.tiers.premium]
algorithm = "token_bucket"
limit = 100000000
window = "1h"
windows = [ { limit = 1000000000, window = "1d" } ]
"""


def token() -> str:
    """Of a premium user, good for an hour."""
    def encoded(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    claims = {"user_id": "bench", "tier": "premium", "exp": int(time.time()) + 3600}
    text = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
    return text + "." + encoded(hmac.digest(SECRET.encode(), text.encode(), hashlib.sha256))


def compare(title: str, config: str, headers: list[str], arguments: argparse.Namespace) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(config)
        file.flush()
        limited = [arguments.bin / "tidegate", "serve", "--config", file.name]
        servers = [driven.start([*command, "--listen", "127.0.0.1:0", "--demo", "--workers", "1"],
                                BENCH_JWT_SECRET=SECRET)
                   for command in (limited, [arguments.bin / "bench_bare_server"])]

        def cost_us(which: int, seconds: int) -> float:
            server, port = servers[which]
            return driven.drive(driven.children(server.pid), port, seconds, headers).cpu_us

        try:
            time.sleep(0.5)
            for which in (0, 1):
                cost_us(which, 1)  # warm up
            costs = ([], [])
            for pair in range(arguments.pairs):
                for which in (0, 1) if pair % 2 == 0 else (1, 0):
                    costs[which].append(cost_us(which, arguments.seconds))
        finally:
            for server, _ in servers:
                driven.stop(server)

    ratios = sorted(a / b for a, b in zip(*costs))
    print(f"{title}: CPU per request, {arguments.pairs} alternating pairs of "
          f"{arguments.seconds} s\n")
    print("| server          | us per request (median) |")
    print("|-----------------|-------------------------|")
    print(f"| with limiter    | {statistics.median(costs[0]):23.2f} |")
    print(f"| without limiter | {statistics.median(costs[1]):23.2f} |")
    quarter = len(ratios) // 4
    print(f"\nratio with / without: median {statistics.median(ratios):.3f}, middle half "
          f"{ratios[quarter]:.3f} to {ratios[-quarter - 1]:.3f}, all {ratios[0]:.3f} to "
          f"{ratios[-1]:.3f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="folder of the programs")
    parser.add_argument("--pairs", type=int, default=41)
    parser.add_argument("--seconds", type=int, default=1)
    arguments = parser.parse_args()
    compare("the default rule", PLAIN, [], arguments)
    compare("token, tier, endpoint with two windows", EVERYTHING,
            ["-H", f"Authorization: Bearer {token()}"], arguments)


if __name__ == "__main__":
    main()
