"""The picture of `make bench latency`: what the guest's writes take, and how much space the images take.

A run is {"name", "writes": [[second, milliseconds], ...], "space": [[second, MiB], ...]}, in the order in which
the runs are listed; "space" is empty if a run has no image.  Seconds count from the run's begin.
"""
from html import escape
from math import log10

WIDTH, LEFT, RIGHT = 860, 62, 250
PANEL, GAP, TOP = 190, 74, 48
COLOURS = ("#888888", "#0b6e4f", "#5aa469", "#c1432e", "#d98c21")


def per_second(writes):
    """The slowest write of each second.  One that lasts for several counts in each of them."""
    slowest = {}
    for second, ms in writes:
        for each in range(int(second), int(second + ms / 1000) + 1):
            slowest[each] = max(ms, slowest.get(each, 0))
    return sorted(slowest.items())


class Panel:
    """A pair of axes: x in seconds, y by the function `scale`, which maps a value to 0 ... 1."""

    def __init__(self, number, seconds, scale):
        self.top = TOP + number * (PANEL + GAP)
        self.seconds, self.scale = seconds, scale
        self.parts = []

    def x(self, second):
        return LEFT + second / self.seconds * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return self.top + PANEL * (1 - min(1, max(0, self.scale(value))))

    def axes(self, title, ticks):
        right = WIDTH - RIGHT
        self.parts.append(f'<text x="{LEFT}" y="{self.top - 12}" class="title">{escape(title)}</text>')
        for value, label in ticks:
            y = self.y(value)
            self.parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" class="grid"/>'
                              f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="left">{label}</text>')
        step = next(s for s in (5, 10, 20, 60, 120, 600, 3600) if self.seconds / s <= 8)
        for second in range(0, int(self.seconds) + 1, step):
            self.parts.append(f'<text x="{self.x(second):.1f}" y="{self.top + PANEL + 16}" '
                              f'class="below">{second} s</text>')

    def line(self, points, colour):
        path = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>')


def legend(runs):
    parts = []
    for i, (run, colour) in enumerate(zip(runs, COLOURS)):
        y = TOP + 8 + i * 36
        x = WIDTH - RIGHT + 18
        slowest = max(ms for _, ms in run["writes"])
        note = f"slowest write {slowest / 1000:.1f} s" if slowest >= 1000 else f"slowest write {slowest:.0f} ms"
        if run["space"]:
            note += f", image {max(mib for _, mib in run['space']):,.0f} MiB"
        parts.append(f'<rect x="{x}" y="{y - 9}" width="14" height="4" fill="{colour}"/>'
                     f'<text x="{x + 20}" y="{y - 3}" class="name">{escape(run["name"])}</text>'
                     f'<text x="{x + 20}" y="{y + 11}" class="note">{escape(note)}</text>')
    return parts


def picture(runs, subtitle):
    """The whole SVG as text."""
    seconds = max(max(second for second, _ in run["writes"]) for run in runs)
    top_ms = max(max(ms for _, ms in run["writes"]) for run in runs)
    decades = max(1, int(log10(top_ms)) + 1)
    most = max([mib for run in runs for _, mib in run["space"]] or [1])
    unit = next(u for u in (1, 5, 10, 25, 50, 100, 250, 500, 1000, 10000) if most / u <= 5)
    writes = Panel(0, seconds, lambda ms: (log10(max(ms, 0.1)) + 1) / (decades + 1))
    space = Panel(1, seconds, lambda mib: mib / (most * 1.05))
    writes.axes("the guest's slowest write in each second",
                [(10.0 ** n, f"{10.0 ** n:g} ms" if n < 3 else f"{10 ** (n - 3)} s")
                 for n in range(-1, decades + 1)])
    space.axes("size of the fleecing or scratch image",
               [(n * unit, f"{n * unit} MiB") for n in range(int(most / unit) + 1)])
    for run, colour in zip(runs, COLOURS):
        writes.line(per_second(run["writes"]), colour)
        if run["space"]:
            space.line(run["space"], colour)
    height = TOP + 2 * PANEL + GAP + 50
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12">',
        "<style>.title{font-weight:bold}.grid{stroke:#ddd}.left{text-anchor:end;fill:#555}"
        ".below{text-anchor:middle;fill:#555}.note{fill:#666;font-size:11px}</style>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        *writes.parts, *space.parts, *legend(runs),
        f'<text x="{LEFT}" y="{height - 10}" class="note">{escape(subtitle)}</text>',
        "</svg>"]) + "\n"
