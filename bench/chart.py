"""The ratios and values that have a target, as an SVG: one bar each, as a share of its target. Pure."""

from html import escape

from report import number

LABEL, BAR, VALUE, STEP, TOP = 400, 420, 230, 24, 64
LONGEST = 1.5  # targets; longer bars are cut off
MET, MISSED = "#2f855a", "#c53030"


def judged(results):
    return [(result, line) for result in results for line in result.lines() if line.met is not None]


def value_of(line):
    return (line.ratio or line.value).median


def share_of_target(line):
    """Below 1 is good, whichever way the target looks."""
    value, limit = value_of(line), line.figure.target.limit
    return limit / value if line.figure.target.at_least else value / limit


def text(x, y, words, **attributes):
    more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f'<text x="{x}" y="{y}"{more}>{escape(words)}</text>'


def bar(place, result, line):
    y = TOP + place * STEP
    figure = line.figure
    width = BAR / LONGEST * min(share_of_target(line), LONGEST)
    colour = MET if line.met else MISSED
    against = f" × {figure.against}" if line.ratio else ""
    return [text(LABEL - 10, y + 15, f"{result.name}: {figure.contestant}, {figure.metric}", text_anchor="end"),
            f'<rect x="{LABEL}" y="{y + 3}" width="{width:.1f}" height="{STEP - 8}" fill="{colour}"/>',
            text(LABEL + BAR + 10, y + 15, f"{number(value_of(line))}{against} ({figure.target})")]


def as_svg(results, heading):
    bars = judged(results)
    width, bottom = LABEL + BAR + VALUE, TOP + len(bars) * STEP
    at_target = LABEL + BAR / LONGEST
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{bottom + 16}" '
             f'viewBox="0 0 {width} {bottom + 16}" font-family="sans-serif" font-size="12">',
             '<rect width="100%" height="100%" fill="white"/>',
             text(12, 22, heading, font_size="14"),
             text(at_target, TOP - 8, "target", text_anchor="middle", fill="#4a5568")]
    for place, (result, line) in enumerate(bars):
        parts += bar(place, result, line)
    parts += [f'<line x1="{at_target}" x2="{at_target}" y1="{TOP - 4}" y2="{bottom}" stroke="#1a202c" '
              'stroke-dasharray="4 3"/>', "</svg>"]
    return "\n".join(parts) + "\n"
