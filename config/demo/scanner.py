#!/usr/bin/env python3
"""The demo's producer: posts the scans beside this file, one after the other, to a host's publish endpoint, each
with its own numbers and the time of now. Waits where there is no host; ends with the process that started it.
"""

import argparse
import http.client
import itertools
import json
import os
import pathlib
import random
import signal
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone

TOPICS = {"market-gate": "market_gate", "signal:daytrading": "daytrading", "signal:vcp": "vcp"}
GATE_BANDS = {"RED": (0, 39), "YELLOW": (40, 69), "GREEN": (70, 100)}
TICK_SIZES = [(2_000, 1), (5_000, 5), (20_000, 10), (50_000, 50), (200_000, 100), (500_000, 500)]
ANSWER_SECONDS = 6  # the host answers within 5
PATIENCE = 6  # attempts, half a second apart


def say(text):
    print(f"scanner: {text}", file=sys.stderr, flush=True)


def between(low, value, high):
    return max(low, min(value, high))


def moved_price(price):
    """Within half a percent, on the exchange's tick size."""
    tick = next((size for below, size in TICK_SIZES if price < below), 1_000)
    return round(price * random.uniform(0.995, 1.005) / tick) * tick


def grade_of(score, grades):
    return next((grade for grade, least in grades if score >= least), "C")


def vary_daytrading(entry):
    for item in entry["checks"]:
        if item["status"] == "partial":
            item["points"] = between(1, item["points"] + random.randint(-2, 2), 14)
    entry["total_score"] = sum(item["points"] for item in entry["checks"])
    entry["grade"] = grade_of(entry["total_score"], [("S", 90), ("A", 75), ("B", 60)])
    entry["signal_type"] = {"S": "strong_buy", "C": "watch"}.get(entry["grade"], "buy")


def vary_vcp(entry):
    entry["score"] = round(between(0, entry["score"] + random.uniform(-2, 2), 100), 1)
    entry["grade"] = grade_of(entry["score"], [("S", 85), ("A", 75), ("B", 65)])
    entry["contraction_ratio"] = round(between(0.1, entry["contraction_ratio"] + random.uniform(-0.02, 0.02), 0.9), 2)


def vary_gate(gate):
    low, high = GATE_BANDS[gate["status"]]
    gate["level"] = between(low, gate["level"] + random.randint(-4, 4), high)
    for name in ("kospi", "kosdaq"):
        percent = random.uniform(-0.1, 0.1)
        gate[name] = round(gate[name] * (1 + percent / 100), 2)
        gate[name + "_change_pct"] = round(gate[name + "_change_pct"] + percent, 2)
    for sector in gate["sectors"]:
        change = sector["change_pct"] = round(sector["change_pct"] + random.uniform(-0.2, 0.2), 2)
        sector["signal"] = "bullish" if change > 1 else "bearish" if change < -1 else "neutral"


def fresh(topic, file):
    """The scan as of now. It may be what it is about, or a whole update around that."""
    scan = json.loads(file.read_text(encoding="utf-8"))
    data = scan["data"] if "type" in scan else scan
    now = datetime.now(timezone.utc).isoformat()
    for part in (scan, data):
        if "timestamp" in part:
            part["timestamp"] = now
    if topic == "market-gate":
        vary_gate(data)
        return scan
    for entry in data if isinstance(data, list) else data["signals"]:
        entry["current_price"] = moved_price(entry["current_price"])
        (vary_vcp if topic == "signal:vcp" else vary_daytrading)(entry)
    return scan


class Host:
    """Says once what is wrong, and when it is right again."""

    def __init__(self, url):
        self.url = url
        self.trouble = {}
        self.failures = 0
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy knows another loopback

    def post(self, topic, scan):
        """False: no host there."""
        request = urllib.request.Request(f"{self.url}/v1/publish/{topic}", json.dumps(scan).encode(),
                                         {"Content-Type": "application/json"})
        try:
            with self.opener.open(request, timeout=ANSWER_SECONDS):
                self.note(topic, "")
        except urllib.error.HTTPError as refusal:
            self.note(topic, f"{topic} refused, {refusal.code}: {refusal.read().decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as error:
            self.failures += 1
            if self.failures < PATIENCE:  # it may be about to start
                return False
            self.note("host", f"no host at {self.url} ({getattr(error, 'reason', error)}), trying on")
            return False
        self.failures = 0
        self.note("host", "")
        return True

    def note(self, about, text):
        before = self.trouble.get(about, "")
        self.trouble[about] = text
        if text and text != before:
            say(text)
        elif before and not text:
            say(f"{about}: well again")


def wait(seconds, parent):
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if os.getppid() != parent:
            sys.exit(0)
        time.sleep(min(left, 0.5))


def scans(folder):
    """(topic, file) without end, the topics in turn."""
    files = {topic: itertools.cycle(sorted((folder / name).glob("*.json"))) for topic, name in TOPICS.items()}
    for topic in itertools.cycle(files):
        yield topic, next(files[topic])


def main():
    parent = os.getppid()
    parser = argparse.ArgumentParser(description="Posts the demo's scans to a host, again and again.")
    parser.add_argument("--url", default="http://127.0.0.1:5112", help="the host's admin listener")
    parser.add_argument("--interval", type=float, default=4.0, metavar="S", help="seconds between two scans")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    host = Host(options.url.rstrip("/"))
    for count, (topic, file) in enumerate(scans(pathlib.Path(__file__).resolve().parent)):
        while not host.post(topic, fresh(topic, file)):
            wait(0.5, parent)
        if count >= len(TOPICS) - 1:  # the first of every topic at once: nobody starts with an empty page
            wait(options.interval, parent)


if __name__ == "__main__":
    main()
