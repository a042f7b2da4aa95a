"""The row `kiwoom`: the host with the price broadcaster, and the stand-in's REAL messages at 3,000 a second."""

import dataclasses
import os
import re
import time

from contest import Result, first_line
from figures import Figure, Target
from servers import CORES, RELEASE, Failed, pinned
from host import Host
from kiwoom_stand_in import KiwoomStandIn

RATE = 3000
TICKERS = 2000  # each has a message every 0.7 s: none takes the place of another
NAME = f"{RATE:,} a second"
SHARE, PUBLISHED, LOST = "CPU %", "published a second", "lost %"


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def published(host):
    found = re.search(r'^broadcast_broadcaster_published_total\{broadcaster="price"\} (\S+)$', host.metrics(), re.MULTILINE)
    if found is None:
        raise Failed("no broadcast_broadcaster_published_total of price")
    return float(found[1])


def config(kiwoom):
    tickers = [str(100000 + i) for i in range(TICKERS)]
    return {"server": {"threads": 1}, "broadcasters": {
        "price": {"config": {"tickers": tickers, "sources": [kiwoom.source("kiwoom_ws")]}}}}


def sample(settings):
    with KiwoomStandIn(str(RELEASE / "bin" / "kiwoom_stand_in"), pinned(CORES.load)) as kiwoom, \
            Host(config(kiwoom), launcher=pinned(CORES.server)) as host:
        kiwoom.wait("registered_items", TICKERS + 2)
        kiwoom.control("set", rate=RATE)
        kiwoom.wait("real_sent", int(RATE * settings.warmup))
        sent, done, cpu, begin = kiwoom.stats()["real_sent"], published(host), cpu_seconds(host.pid), time.monotonic()
        time.sleep(settings.seconds)
        cpu, took = cpu_seconds(host.pid) - cpu, time.monotonic() - begin
        sent, done = kiwoom.stats()["real_sent"] - sent, published(host) - done
        return {SHARE: 100 * cpu / took, PUBLISHED: done / took, LOST: max(0, 100 * (1 - done / sent))}


@dataclasses.dataclass(frozen=True)
class KiwoomRow:
    name: str = "kiwoom"
    title: str = f"REAL messages of Kiwoom's over TLS, {TICKERS:,} tickers, no subscribers"

    def run(self, settings, say):
        result = Result(self.name, self.title, {NAME: {SHARE: [], PUBLISHED: [], LOST: []}})
        for turn in range(settings.rounds):
            say(f"{self.name}: round {turn + 1} of {settings.rounds}")
            try:
                for metric, value in sample(settings).items():
                    result.samples[NAME][metric].append(value)
            except (Failed, AssertionError, OSError) as error:
                result.note(f"a round without a figure: {first_line(error)}")
        result.figures = [Figure(NAME, SHARE, target=Target(50)),
                          Figure(NAME, PUBLISHED, target=Target(0.98 * RATE, at_least=True)),
                          Figure(NAME, LOST, target=Target(1))]
        return result


ROWS = (KiwoomRow(),)
