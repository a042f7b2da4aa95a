#!/usr/bin/python3
"""Measures the host beside the floors, or beside other servers, and writes bench/results/<date>.*

./dev bench builds what is needed and calls this.
"""

import argparse
import datetime
import json
import os
import pathlib
import sys

import chart
import kiwoom_row
import machine
import micro
import peer_rows
import replace_row
import report
import rows
from contest import Settings
from servers import CORES, ROOT, raise_descriptor_limit

RESULTS = ROOT / "bench" / "results"


def read_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__.partition("\n")[0])
    parser.add_argument("peers", nargs="?", choices=["peers"], help="also measure nchan, nats-server, ws, FastAPI")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="how long each sample is measured (default 4)")
    parser.add_argument("--only", metavar="ROW", action="append", help="measure only this row; may be repeated")
    parser.add_argument("--against", metavar="BUILD", type=pathlib.Path,
                        help="release build folder of an earlier version to measure beside this one")
    arguments = parser.parse_args()
    if arguments.against and not (arguments.against / "bin" / "broadcast-host").exists():
        parser.error(f"no bin/broadcast-host in {arguments.against}: build it there with ./dev bench or ./dev build")
    if arguments.rounds < 1 or arguments.seconds < 0.1:
        parser.error("needs a round, and a tenth of a second for it")
    known = (peer_rows.ROWS if arguments.peers else rows.ROWS + micro.ROWS if arguments.against else
             rows.ROWS + micro.ROWS + kiwoom_row.ROWS + replace_row.ROWS)
    if unknown := set(arguments.only or ()) - {row.name for row in known}:
        parser.error(f"no row {', '.join(sorted(unknown))}: there are {', '.join(row.name for row in known)}")
    chosen = [row for row in known if not arguments.only or row.name in arguments.only]
    return arguments, chosen


def file_name(date, arguments):
    """Parts of a run do not take the place of the whole."""
    return "-".join([date, *(["peers"] if arguments.peers else []), *(["against"] if arguments.against else []),
                     *(arguments.only or [])])


def say(text):
    """What is going on, for who waits; not in what is written to a file."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="\r", file=sys.stderr, flush=True)


def write(results, settings, arguments):
    date = datetime.date.today().isoformat()
    name = file_name(date, arguments)
    where = machine.description(ROOT)
    RESULTS.mkdir(parents=True, exist_ok=True)
    heading = f"{date}, {where['cpu']}, {where['cores']} cores: value ÷ target, shorter is better"
    texts = {"json": json.dumps(report.as_json(results, where, settings, date), indent=1, ensure_ascii=False) + "\n",
             "svg": chart.as_svg(results, heading),
             "md": report.as_markdown(results, where, settings, date, f"{name}.svg")}
    for kind, text in texts.items():
        (RESULTS / f"{name}.{kind}").write_text(text, encoding="utf-8")
    print(f"\nwritten: bench/results/{name}.json, .svg, .md")


def main():
    arguments, chosen = read_arguments()
    settings = Settings(arguments.rounds, arguments.seconds, against=arguments.against)
    raise_descriptor_limit()
    print(f"server on core {CORES.server[0]}, load on core {CORES.load[0]}; "
          f"{settings.rounds} rounds of {settings.seconds:g} s")
    os.sched_setaffinity(0, CORES.load)  # so is whatever is started without saying where
    results = []
    for row in chosen:
        results.append(row.run(settings, say))
        say("")
        print(report.as_text(results[-1]), flush=True)
    write(results, settings, arguments)


if __name__ == "__main__":
    main()
