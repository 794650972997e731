"""SVG, drawn by hand: bars of ratios, and lines over a growing size; both on logarithmic scales."""

import math
from html import escape

COLOURS = ["#4e79a7", "#e15759", "#f28e2b", "#b07aa1", "#59a14f", "#edc948", "#76b7b2", "#9c755f"]
STYLE = ('<style>text{font:12px sans-serif;fill:#333}.h{font-size:15px;font-weight:bold}.g{stroke:#ddd}'
         '.one{stroke:#333;stroke-dasharray:4 3}.a{text-anchor:end}.m{text-anchor:middle}</style>')


def page(width, height, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">'
            f'<rect width="100%" height="100%" fill="#fff"/>{STYLE}{"".join(body)}</svg>\n')


def legend(names, x, y):
    out = []
    for i, name in enumerate(names):
        out.append(f'<rect x="{x}" y="{y + 18 * i - 10}" width="12" height="12" fill="{COLOURS[i % len(COLOURS)]}"/>'
                   f'<text x="{x + 18}" y="{y + 18 * i}">{escape(name)}</text>')
    return out


def ticks(low, high):
    """1, 2, 5, 10 ... within."""
    out, power = [], math.floor(math.log10(low))
    while 10 ** power <= high:
        out += [m * 10 ** power for m in (1, 2, 5) if low <= m * 10 ** power <= high]
        power += 1
    return out


def number(value):
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def bars(title, groups, names):
    """groups: [(label, {name: value})]. Ratios: a line stands at 1."""
    values = [v for _, of in groups for v in of.values() if v > 0]
    if not values:
        return None
    low, high = min(0.8, min(values)), max(2, max(values))
    left, width, bar = 260, 560, 9
    x = lambda v: left + width * math.log(v / low) / math.log(high / low)
    body, y = [f'<text class="h" x="10" y="22">{escape(title)}</text>'], 50
    rows = []
    for label, of in groups:
        shown = [(i, n, of[n]) for i, n in enumerate(names) if of.get(n, 0) > 0]
        if not shown:
            continue
        rows.append(f'<text class="a" x="{left - 10}" y="{y + bar * len(shown) / 2 + 4}">{escape(label)}</text>')
        for i, name, value in shown:
            start, end = sorted((x(1), x(value)))
            rows.append(f'<rect x="{start:.1f}" y="{y}" width="{max(1, end - start):.1f}" height="{bar - 1}" '
                        f'fill="{COLOURS[i % len(COLOURS)]}"><title>{escape(f"{label}, {name}: {value:.2f}")}</title></rect>')
            y += bar
        y += 8
    for tick in ticks(low, high):
        body.append(f'<line class="g" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="40" y2="{y}"/>'
                    f'<text class="m" x="{x(tick):.1f}" y="{y + 14}">{number(tick)}</text>')
    body += rows + [f'<line class="one" x1="{x(1):.1f}" x2="{x(1):.1f}" y1="40" y2="{y}"/>']
    body += legend(names, left + width + 30, 60)
    return page(left + width + 190, y + 30, body)


def lines(title, across, up, series):
    """series: {name: [(x, y)]}."""
    points = [p for line in series.values() for p in line if p[0] > 0 and p[1] > 0]
    if not points:
        return None
    x0, x1 = min(p[0] for p in points), max(p[0] for p in points)
    y0, y1 = min(p[1] for p in points) / 1.3, max(p[1] for p in points) * 1.3
    x1 = x1 if x1 > x0 else x0 * 2
    left, top, width, height = 80, 40, 520, 320
    x = lambda v: left + width * math.log(v / x0) / math.log(x1 / x0)
    y = lambda v: top + height - height * math.log(v / y0) / math.log(y1 / y0)
    body = [f'<text class="h" x="10" y="22">{escape(title)}</text>',
            f'<text class="m" x="{left + width / 2}" y="{top + height + 36}">{escape(across)}</text>',
            f'<text class="m" transform="translate(16 {top + height / 2}) rotate(-90)">{escape(up)}</text>']
    for tick in sorted({p[0] for p in points}):
        body.append(f'<line class="g" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="{top}" y2="{top + height}"/>'
                    f'<text class="m" x="{x(tick):.1f}" y="{top + height + 16}">{number(tick)}</text>')
    for tick in ticks(y0, y1):
        body.append(f'<line class="g" x1="{left}" x2="{left + width}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
                    f'<text class="a" x="{left - 6}" y="{y(tick) + 4:.1f}">{number(tick)}</text>')
    for i, (name, line) in enumerate(series.items()):
        colour = COLOURS[i % len(COLOURS)]
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in line if a > 0 and b > 0)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body += [f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"><title>{escape(f"{name}: {number(b)}")}</title>'
                 '</circle>' for a, b in line if a > 0 and b > 0]
    body += legend(series, left + width + 20, top + 20)
    return page(left + width + 180, top + height + 50, body)
