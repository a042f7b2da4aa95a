#!/usr/bin/env python3
"""The demo's collector: moves the newest rows of the SQLite file as a trading day would, within half a percent a step.
Ends with the process that started it.
"""

import argparse
import os
import random
import signal
import sqlite3
import sys
import time

TICK_SIZES = [(2_000, 1), (5_000, 5), (20_000, 10), (50_000, 50), (200_000, 100), (500_000, 500)]


def moved_price(price):
    """On the exchange's tick size, at least one tick away."""
    tick = next((size for below, size in TICK_SIZES if price < below), 1_000)
    ticks = max(1, round(price * random.uniform(0, 0.005) / tick))
    return price + random.choice((-1, 1)) * ticks * tick


def move(database):
    rows = database.execute("SELECT ticker, max(date), close_price FROM daily_prices GROUP BY ticker").fetchall()
    for ticker, date, close in rows:
        database.execute("UPDATE daily_prices SET close_price = ?, volume = volume + ? WHERE ticker = ? AND date = ?",
                         (moved_price(close), random.randint(1, 5_000), ticker, date))
    for index in ("kospi", "kosdaq"):
        percent = random.uniform(-0.1, 0.1)
        database.execute(f"UPDATE market_status SET {index} = round({index} * (1 + ? / 100), 2), "
                         f"{index}_change_pct = round({index}_change_pct + ?, 2) "
                         "WHERE date = (SELECT max(date) FROM market_status)", (percent, percent))
    database.commit()


def main():
    parent = os.getppid()
    parser = argparse.ArgumentParser(description="Moves the prices in the demo's SQLite file.")
    parser.add_argument("file")
    parser.add_argument("--interval", type=float, default=1.0, metavar="S", help="seconds between two steps")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    database = sqlite3.connect(f"file:{options.file}?mode=rw", uri=True)
    while os.getppid() == parent:
        try:
            move(database)
        except sqlite3.OperationalError as error:
            sys.exit(f"collector: {options.file}: {error}; prices do not move any more")
        time.sleep(options.interval)


if __name__ == "__main__":
    main()
