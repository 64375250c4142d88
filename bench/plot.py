"""Bars on a logarithmic scale as SVG, readable on light and on dark pages."""

import html
import math

WIDTH, LEFT, RIGHT = 760, 170, 70
ROW, BAR, GAP, TOP = 22, 15, 34, 64

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 15px; font-weight: 600 }
.group { font-weight: 600 }
.tick { fill: #59636e; font-size: 11px; text-anchor: middle }
.label { text-anchor: end }
.page { fill: #ffffff }
.line { stroke: #d1d9e0 }
.bar { fill: #9aa4af }
.ours { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .tick { fill: #9198a1 }
  .page { fill: #0d1117 }
  .line { stroke: #3d444d }
  .bar { fill: #656c76 }
  .ours { fill: #4493f8 }
}"""


def bars(title: str, groups: dict[str, dict[str, float]], ours: set[str]) -> str:
    """One bar for each value of each group; those named in `ours` stand out."""
    values = [value for group in groups.values() for value in group.values()]
    low, high = 10 ** math.floor(math.log10(min(values))), max(values)

    def x(value: float) -> float:
        span = math.log10(high / low)
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log10(value / low) / span

    parts, y = [], TOP
    for name, group in groups.items():
        parts.append(f'<text class="group" x="8" y="{y}">{html.escape(name)}</text>')
        y += 10
        for label, value in group.items():
            kind = "bar ours" if label in ours else "bar"
            parts += [
                f'<text class="label" x="{LEFT - 8}" y="{y + BAR - 3}">{html.escape(label)}</text>',
                f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{x(value) - LEFT:.1f}" '
                f'height="{BAR}" rx="2"/>',
                f'<text x="{x(value) + 6:.1f}" y="{y + BAR - 3}">{value:,.0f}</text>']
            y += ROW
        y += GAP - ROW + 10
    bottom = y - GAP + 12
    grid, tick = [], low
    while tick <= high:
        grid += [f'<line class="line" x1="{x(tick):.1f}" y1="{TOP - 24}" x2="{x(tick):.1f}" '
                 f'y2="{bottom}"/>',
                 f'<text class="tick" x="{x(tick):.1f}" y="{bottom + 16}">{tick:,.0f}</text>']
        tick *= 10
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 28}" '
        f'width="{WIDTH}" height="{bottom + 28}" role="img" aria-label="{html.escape(title)}">',
        f"<style>{STYLE}</style>",
        # A ground of its own: a page may be dark where the browser asks for light, and the reverse.
        '<rect class="page" width="100%" height="100%" rx="6"/>',
        f'<text class="title" x="8" y="22">{html.escape(title)}</text>',
        *grid, *parts, "</svg>", ""])
