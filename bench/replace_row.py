"""The row `replace`: 5,000 clients, half of them on the topics of a broadcaster that is replaced again and again, half on
those of another one."""

import concurrent.futures
import dataclasses
import http.client
import json
import os
import re
import time

from contest import Result, first_line
from figures import Figure, Target
from servers import CORES, BenchHost, Failed, put_load_on

CLIENTS = 5000  # half of them of each broadcaster
PAUSE_S = 0.02  # from one replacement to the next
SECONDS = 12  # at least: 500 replacements
REPLACED, OTHER = "benchall:", "other:"
CALM, REPLACING = "host", "host, replacing"
P99, PAUSE, SLOWEST = "p99 µs of the other", "pause ms", "longest pause ms"
COUNT, GROWN, MAPPED = "replacements", "KiB grown in the second half", "libraries mapped"
METRICS = (P99, PAUSE, SLOWEST, COUNT, GROWN, MAPPED)


def ask(host, method, path):
    connection = http.client.HTTPConnection("127.0.0.1", host.admin_port, timeout=30)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


def replace(host):
    """How long the topics had no publisher, in milliseconds."""
    status, answer = ask(host, "POST", "/v1/broadcasters/bench_feed/replace")
    if status != 200:
        raise Failed(f"not replaced: {answer}")
    return answer["broadcasters"][0]["pause_ms"]


def anonymous_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"RssAnon:\s+(\d+)", status.read())[1])


def libraries_mapped(pid):
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        return len(set(re.findall(r"bc:bench_feed#\d+", maps.read())))


def load(host, settings):
    """One process; latencies end at the clients' sockets: its own waiting for a core is not what is measured."""
    topics = [f"{prefix}{number}" for number in range(200) for prefix in (REPLACED, OTHER)]
    return put_load_on(host, ("--connections", str(CLIENTS), "--topics", ",".join(topics), "--topics-each", "1",
                              "--number", "seq", "--latency-of", OTHER, "--kernel-stamps"),
                       max(settings.seconds, SECONDS), settings.warmup)


def operate(host, is_replacing, is_over):
    """Pauses in ms, and the memory in use after each. In the idle class, on the load's core: only the host's part is to be seen."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    os.sched_setaffinity(0, CORES.load)
    pauses, used_kib = [], []
    while not is_over():
        if is_replacing:
            pauses.append(replace(host))
        else:
            ask(host, "GET", "/v1/broadcasters")
        used_kib.append(anonymous_kib(host.pid))
        time.sleep(PAUSE_S)
    return sorted(pauses), used_kib


def sample(is_replacing, settings):
    with BenchHost("replace") as host, concurrent.futures.ThreadPoolExecutor() as pool:
        host.wait_until_started("bench_other")
        loaded = pool.submit(load, host, settings)
        pauses, used_kib = pool.submit(operate, host, is_replacing, loaded.done).result()
        # In the first half clients still connect.
        grown = used_kib[-1] - used_kib[len(used_kib) // 2]
        report = loaded.result()
        if report["errors"] or report["gaps"]:
            raise Failed(f"{report['gaps']} gaps, {report['errors']}")
        return {P99: report["latency_us"]["p99"], PAUSE: pauses[len(pauses) // 2] if pauses else None,
                SLOWEST: pauses[-1] if pauses else None, COUNT: len(pauses), GROWN: grown,
                MAPPED: libraries_mapped(host.pid)}


@dataclasses.dataclass(frozen=True)
class ReplaceRow:
    name: str = "replace"
    title: str = ("5,000 clients, 2,000 messages a second on *all* topics; one of two broadcasters is replaced every "
                  f"{1000 * PAUSE_S:.0f} ms: no client closed, no gap, nothing twice")

    def run(self, settings, say):
        result = Result(self.name, self.title, {name: {metric: [] for metric in METRICS} for name in (CALM, REPLACING)})
        for turn in range(settings.rounds):
            for name in (CALM, REPLACING):
                say(f"{self.name}: round {turn + 1} of {settings.rounds}, {name}")
                try:
                    found = sample(name == REPLACING, settings)
                except (Failed, AssertionError, OSError) as error:
                    result.note(f"{name}: a round without a figure: {first_line(error)}")
                    found = {}
                for metric in METRICS:
                    result.samples[name][metric].append(found.get(metric))
        result.figures = [Figure(REPLACING, P99, CALM, Target(1.2)), Figure(CALM, P99),
                          Figure(REPLACING, PAUSE, target=Target(5)),
                          Figure(REPLACING, SLOWEST), Figure(REPLACING, COUNT), Figure(REPLACING, GROWN),
                          Figure(REPLACING, MAPPED, target=Target(1))]
        return result


ROWS = (ReplaceRow(),)
