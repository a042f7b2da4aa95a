"""Results as a table, as markdown and as JSON. Pure."""

import dataclasses

HEADINGS = ("contestant", "", "median", "min – max", "ratio", "to", "target", "")


def number(value):
    """Three digits that count."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def verdict(line):
    return "" if line.met is None else "met" if line.met else "MISSED"


def cells(line):
    figure, value, ratio = line.figure, line.value, line.ratio
    return (figure.contestant, figure.metric, number(value.median), f"{number(value.low)} – {number(value.high)}",
            f"{ratio.median:.2f} ({ratio.low:.2f} – {ratio.high:.2f})" if ratio else "",
            figure.against if ratio else "", str(figure.target) if figure.target else "", verdict(line))


def remarks(result):
    return [f"{contestant}: skipped, {reason}" for contestant, reason in result.skipped.items()] + result.notes


def as_text(result):
    rows = [HEADINGS] + [cells(line) for line in result.lines()]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join([f"\n{result.name}: {result.title}", *(f"  {row}" for row in table if len(rows) > 1),
                      *(f"  ({remark})" for remark in remarks(result))])


def as_markdown(results, machine, settings, date, chart):
    parts = [f"# {date}", f"{machine['cpu']}, {machine['cores']} cores, {machine['kernel']}, {machine['compiler']}, "
             f"commit {machine['commit']}. Rounds: {settings.rounds}, of {settings.seconds:g} s each. A ratio is the "
             "median of the rounds' ratios.", f"![ratios with a target]({chart})"]
    for result in results:
        parts.append(f"## {result.name}\n{result.title}")
        lines = result.lines()
        if lines:
            rows = [HEADINGS, ("---",) * len(HEADINGS)] + [cells(line) for line in lines]
            parts.append("\n".join("| " + " | ".join(row) + " |" for row in rows))
        if remarks(result):
            parts.append("\n".join(f"- {remark}" for remark in remarks(result)))
    return "\n\n".join(parts) + "\n"


def as_json(results, machine, settings, date):
    asked = {"rounds": settings.rounds, "seconds": settings.seconds, "warmup": settings.warmup}
    return {"date": date, "machine": machine, "settings": asked, "rows": [
        {"name": result.name, "title": result.title,
         "lines": [dataclasses.asdict(line) for line in result.lines()],
         "skipped": result.skipped, "notes": result.notes, "samples": result.samples} for result in results]}
