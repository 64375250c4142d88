"""What `decisions` has measured, as Markdown tables, as the aims met or missed, and in docs/."""

import dataclasses
import os
import pathlib
import platform
import re
import subprocess
import sys

import plot

DOCS = pathlib.Path(__file__).resolve().parent.parent / "docs"
PAGE, PICTURE = DOCS / "performance.md", DOCS / "decisions.svg"
BEGIN = "<!-- written by ./dev bench decisions --write -->\n"
END = "<!-- end of what is written -->\n"

# ns per decision, by (contender, clients, keys, threads).
Figures = dict[tuple[str, int, str, int], float]
Row = tuple[int, str, int]

TITLES = {
    "single": "tidegate", "batch": "in batches", "governor": "governor", "rate": "x/time/rate",
    "map": "map + mutex", "flat": "flat, 64 shards", "limits": "limits",
    "single_clock": "tidegate", "batch_clock": "in batches", "governor_clock": "governor",
    "rate_clock": "x/time/rate",
}


def table(header: list[str], rows: list[list[str]]) -> str:
    """Markdown that is also readable as text. The first column is text, the others numbers."""
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]

    def line(row: list[str]) -> str:
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width)
                                             for cell, width in zip(row[1:], widths[1:])]
        return f"| {' | '.join(cells)} |\n"

    rule = "|".join([f":{'-' * (widths[0] + 1)}", *(f"{'-' * (width + 1)}:"
                                                    for width in widths[1:])])
    return line(header) + f"|{rule}|\n" + "".join(map(line, rows))


def count(clients: int) -> str:
    return f"{clients // 1_000_000}M" if clients >= 1_000_000 else f"{clients // 1_000}k"


def times(ratio: float) -> str:
    return f"{ratio:.1f}x" if ratio < 100 else f"{ratio:.0f}x"


def spread(ratios: list[float]) -> str:
    return " to ".join(dict.fromkeys(map(times, (min(ratios), max(ratios)))))


def machine() -> str:
    """What the figures are measured on, what else it does, and what ours is compiled with."""
    info = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", info)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2 ** 30
    compiler = subprocess.run(["g++", "-dumpfullversion"], capture_output=True, text=True,
                              check=True)
    return (f"{model.group(1) if model else 'unknown processor'}, {os.cpu_count()} cores"
            f"{' of a virtual machine' if 'hypervisor' in info else ''}, {memory:.0f} GB, Linux "
            f"{platform.release()}, load average {os.getloadavg()[0]:.1f} before it began; g++ "
            f"{compiler.stdout.strip()}")


@dataclasses.dataclass
class Measured:
    given: Figures  # the time is handed in
    own: Figures  # each reads a clock
    windows: list[dict]
    flood: list[dict]
    rules: list[dict]
    machine: str

    def ratios(self, contender: str, ours: str, rows: list[Row]) -> list[float]:
        return [self.given[contender, *row] / self.given[ours, *row] for row in rows]

    def peers_table(self, figures: Figures, quotients: list[tuple[str, str]]) -> str:
        contenders = [name for name in TITLES if any(key[0] == name for key in figures)]
        quotients = [pair for pair in quotients if pair[0] in contenders]
        cells = []
        for row in dict.fromkeys(key[1:] for key in figures):
            clients, keys, threads = row
            ns = {name: figures.get((name, *row)) for name in contenders}
            cells.append(
                [f"{count(clients)} {keys}, {threads} thread{'s' * (threads > 1)}"]
                + [f"{value:,.0f}" if value else "-" for value in ns.values()]
                + [times(ns[a] / ns[b]) if ns[a] else "-" for a, b in quotients])
        return table(["clients", *(TITLES[name] for name in contenders),
                      *(f"{TITLES[a]} / {'batch' if b.startswith('batch') else 'single'}"
                        for a, b in quotients)], cells)

    def windows_table(self) -> str:
        ns = {(line["way"], line["windows"]): line["ns"] for line in self.windows}
        return table(["windows", "single", "in batches"],
                     [[str(n)] + [f"{ns[way, n]:.0f}" for way in ("single", "batch")]
                      for n in sorted({n for _, n in ns})])

    def flood_table(self) -> str:
        rows = []
        for line in self.flood:
            steady, flood = line["steady"], line["flood"]
            what = "shares, the table is full" if line["fills"] else "takes over an expired entry"
            way = "in batches" if line["way"] == "batch" else "single"
            rows.append([f"{what}, {way}", f"{steady['ns']:.0f}", f"{flood['ns']:.0f}",
                         f"{flood['ns'] / steady['ns']:.2f}x", f"{flood['allocations']}",
                         f"{steady['worst_each_time_us']:.0f} us",
                         f"{flood['worst_each_time_us']:.0f} us",
                         f"{steady['worst_us']:,.0f} us", f"{flood['worst_us']:,.0f} us"])
        return table(["a newcomer", "steady", "flood", "ratio", "allocations", "pause, steady",
                      "pause, flood", "interrupted, steady", "interrupted, flood"], rows)

    def rules_table(self) -> str:
        return table(["rules", "ns"], [[f"{line['rules']:,}", f"{line['ns']:,.0f}"]
                                       for line in self.rules])

    def aims_table(self) -> str:
        clients = max(key[1] for key in self.given)
        rows = [row for row in dict.fromkeys(key[1:] for key in self.given) if row[0] == clients]
        ns = {(line["way"], line["windows"]): line["ns"] for line in self.windows}
        second = (ns["batch", 2] - ns["batch", 1]) / ns["batch", 1]
        floods = [line["flood"] for line in self.flood]
        flood = [line["flood"]["ns"] / line["steady"]["ns"] for line in self.flood]
        pause = max(line["worst_each_time_us"] for line in floods)
        allocations = sum(line["allocations"] for line in floods)
        rules = self.rules[-1]["ns"] / self.rules[0]["ns"]
        aims = []

        def aim(text: str, found: str, met: bool) -> None:
            aims.append([text, found, "met" if met else "**missed**"])

        for contender, ours, least in [("governor", "batch", 8), ("map", "batch", 10),
                                       ("governor", "single", 3)]:
            if (contender, *rows[0]) not in self.given:
                continue
            ratios = self.ratios(contender, ours, rows)
            found = ", ".join(
                f"{keys} " + spread(self.ratios(contender, ours, [r for r in rows if r[1] == keys]))
                for keys in dict.fromkeys(keys for _, keys, _ in rows))
            way = "batches of 16" if ours == "batch" else "single calls"
            aim(f"{way}, {count(clients)} clients: at least {least}x as fast as "
                f"{TITLES[contender]}", found, min(ratios) >= least)
        aim("a second window, in batches: at most half of the first", f"{second:.2f}",
            second <= 0.5)
        aim("key flood: at most 2.5x the steady cost", f"{min(flood):.2f}x to {max(flood):.2f}x",
            max(flood) <= 2.5)
        aim("key flood: no pause above 1 ms", f"{pause:.0f} us", pause <= 1000)
        aim("key flood: no allocation", str(allocations), allocations == 0)
        aim(f"{self.rules[-1]['rules']:,} rules: within 2x of {self.rules[0]['rules']}",
            times(rules), rules <= 2)
        return table(["aim", "measured", ""], aims)

    def text(self) -> str:
        quotients = [("governor", "single"), ("governor", "batch"), ("map", "batch"),
                     ("rate", "batch"), ("limits", "single")]
        by_clock = [("governor_clock", "single_clock"), ("rate_clock", "single_clock")]
        return "\n".join([
            f"Measured on {self.machine}.\n",
            self.aims_table(),
            "The time handed in, ns per decision:\n",
            self.peers_table(self.given, quotients),
            "Each by its own clock, ns per decision:\n",
            self.peers_table(self.own, by_clock),
            f"One request under several windows, {count(self.windows[0]['clients'])} clients, ns "
            "per request:\n",
            self.windows_table(),
            f"A flood of {count(self.flood[0]['unseen'])} unseen keys, ns per decision:\n",
            self.flood_table(),
            "The whole engine on random paths, ns per decision:\n",
            self.rules_table()])

    def write(self) -> None:
        page = PAGE.read_text()
        if page.count(BEGIN) != 1 or page.count(END) != 1:
            sys.exit(f"{PAGE} has lost the two comments between which this writes")
        before, rest = page.split(BEGIN)
        PAGE.write_text(before + BEGIN + "\n" + self.text() + "\n" + END + rest.split(END)[1])
        groups = {}
        for clients in dict.fromkeys(key[1] for key in self.given):
            bars = {TITLES[name]: self.given[name, clients, "uniform", 1]
                    for name in TITLES if (name, clients, "uniform", 1) in self.given}
            groups[f"{count(clients)} clients"] = bars
        PICTURE.write_text(plot.bars("ns per decision (less is better), one thread, uniform keys",
                                     groups, {TITLES["single"], TITLES["batch"]}))
        print(f"written: {PAGE}, {PICTURE}")
