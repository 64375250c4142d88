"""Alert rules and dashboard: promtool accepts them, each alert's test can fail, and every query names
what the server exports, as docs/metrics.md lists it (tests/server/metrics_test.py holds that against
the real server).
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "server"))
import metrics_test

ROOT = pathlib.Path(__file__).parents[2]
ALERTS = ROOT / "contrib/prometheus/alerts.yml"
ALERTS_TEST = ROOT / "contrib/prometheus/alerts_test.yml"
DASHBOARD = ROOT / "contrib/grafana/tidegate.json"
WITHIN_S = 120
# What Prometheus adds to every sample, and the buckets of a histogram.
TARGET_LABELS = {"job", "instance"}


def promtool(*arguments, folder=None) -> subprocess.CompletedProcess:
    return subprocess.run(["promtool", *map(str, arguments)], cwd=folder, text=True,
                          capture_output=True, timeout=WITHIN_S)


def alerts() -> dict[str, str]:
    """The whole text of each alert by name."""
    pieces = re.split(r"^(?=      - alert: )", ALERTS.read_text(), flags=re.M)[1:]
    return {re.match(r"      - alert: (\w+)", piece)[1]: piece for piece in pieces}


def dashboard_queries() -> list[str]:
    """What Grafana would ask Prometheus, for the panels and the variables."""
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", [])]
    for variable in board["templating"]["list"]:
        asked += re.findall(r"label_values\((.*), \w+\)", variable["query"])
    for name, value in (("$__rate_interval", "5m"), ("$job", "tidegate"), ("$instance", "a")):
        asked = [query.replace(name, value) for query in asked]
    return asked


def names_and_labels(query: str) -> list[tuple[str, set[str]]]:
    """Each metric of ours in a query, with the labels it is asked for."""
    grouped = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", query))))
    return [(name, grouped | set(re.findall(r"(\w+)\s*[=!]~?", matchers or "")))
            for name, matchers in re.findall(r"\b(rate_limit_\w+)(?:\{([^}]*)\})?", query)]


class Contrib(unittest.TestCase):
    def test_promtool_accepts_the_alerts_and_their_tests(self):
        for command in (("check", "rules", ALERTS), ("test", "rules", ALERTS_TEST)):
            done = promtool(*command)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_an_alert_that_always_or_never_fires_is_found(self):
        self.assertGreater(len(alerts()), 10)
        for name, text in alerts().items():
            expression = re.search(r"        expr: (\|\n(?:          .*\n)+|.*\n)", text)[1]
            for always_or_never in ("vector(1) == 1", "vector(1) == 0"):
                broken = ALERTS.read_text().replace(text, text.replace(expression, always_or_never + "\n"))
                with tempfile.TemporaryDirectory() as folder:
                    (pathlib.Path(folder) / ALERTS.name).write_text(broken)
                    (pathlib.Path(folder) / ALERTS_TEST.name).write_text(ALERTS_TEST.read_text())
                    self.assertEqual(promtool("check", "rules", ALERTS.name, folder=folder).returncode, 0)
                    done = promtool("test", "rules", ALERTS_TEST.name, folder=folder)
                    self.assertIn(name, done.stdout + done.stderr)
                    self.assertNotEqual(done.returncode, 0, f"{name}: {always_or_never}")

    def test_promtool_reads_every_query_of_the_dashboard(self):
        queries = dashboard_queries()
        self.assertGreater(len(queries), 20)
        rules = "groups:\n  - name: dashboard\n    rules:\n"
        for number, query in enumerate(queries):
            rules += f"      - record: query_{number}\n        expr: {json.dumps(query)}\n"
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            file.write(rules)
            file.flush()
            done = promtool("check", "rules", file.name)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_queries_name_what_the_server_exports(self):
        families = metrics_test.documented()
        queries = dashboard_queries() + [
            re.search(r"expr: (.*?)(?=^        (?:for|labels):)", text, re.M | re.S)[1]
            for text in alerts().values()]
        asked = set()
        for query in queries:
            for name, labels in names_and_labels(query):
                family = re.sub(r"_bucket$", "", name)
                self.assertIn(family, families, query)
                kind, known = families[family]
                known = known | TARGET_LABELS | ({"le"} if kind == "histogram" else set())
                self.assertLessEqual(labels, known, query)
                asked.add(family)
        self.assertEqual(set(families) - asked, set(), "nobody looks at these")


if __name__ == "__main__":
    unittest.main()
