"""What is measured of the host, and what is asked of it."""

from functools import partial

from contest import Contestant, Metric, Row
from figures import Figure, Target
from servers import (CORES, BenchHost, FloorServer, Skipped, feed, flush, merged, put_load_on,
                     raise_descriptor_limit, tls)

SHARE = Metric("CPU %", lambda report: 100 * (report["cpu_user_s"] + report["cpu_sys_s"]) / report["seconds"])
CPU = Metric("CPU µs a delivery", lambda report: report["cpu_us_per_delivery"])
USER = Metric("user µs a delivery", lambda report: report["user_us_per_delivery"])
P50 = Metric("p50 µs", lambda report: report["latency_us"]["p50"])
P99 = Metric("p99 µs", lambda report: report["latency_us"]["p99"])
P999 = Metric("p99.9 µs", lambda report: report["latency_us"]["p999"])
IDLE = Metric("user bytes a connection", lambda report: report["memory"]["per_connection_bytes"])
PEAK = Metric("peak MiB", lambda report: report["memory"]["peak_kib"] / 1024)
SERVED_MS = Metric("ms until all are served",  # the floors have no snapshots: their handshakes
                   lambda report: 1000 * (report["snapshots_s"] or report["connect_s"]))

BENCH = ("--topics", "bench")
PLAIN = ("--protocol", "plain")
SPREAD_OUT = ("--topic-count", "200", "--topics-each", "20")
BURST = ("--rate", "400", "--tick-ms", "50")


def host(name, config, changes=None, load=BENCH, deliveries_per_s=None):
    return Contestant(name, partial(BenchHost, config, changes), load, deliveries_per_s=deliveries_per_s,
                      takes_build=True)


def floor(kind, *arguments, load=PLAIN, deliveries_per_s=None):
    return Contestant(f"floor_{kind}", lambda: FloorServer(kind, *arguments), load,
                      deliveries_per_s=deliveries_per_s)


def fan_out(config, floor_arguments, deliveries_per_s):
    return [host("host, io_uring", config, flush("io_uring"), deliveries_per_s=deliveries_per_s),
            host("host, sendmsg", config, flush("sendmsg"), deliveries_per_s=deliveries_per_s),
            floor("epoll", *floor_arguments, deliveries_per_s=deliveries_per_s),
            floor("uring", *floor_arguments, deliveries_per_s=deliveries_per_s)]


def fan_out_figures(ring, sendmsg):
    return lambda _: [
        Figure("host, io_uring", CPU.name, "floor_epoll", Target(ring)),
        Figure("host, sendmsg", CPU.name, "floor_epoll", Target(sendmsg)),
        Figure("floor_epoll", CPU.name),
        Figure("floor_uring", CPU.name, "floor_epoll")]


STEADY = Row(
    "steady", "1 topic, 1,000 subscribers, 100 messages a second, 300 bytes",
    lambda _: fan_out("steady", (), 100_000), (CPU,), fan_out_figures(0.95, 1.05))

BURST_ROW = Row(
    "burst", "1 topic, 1,000 subscribers, 20 messages at each tick of 50 ms",
    lambda _: fan_out("burst", BURST, 400_000), (CPU,), fan_out_figures(1.0, 1.1))

# The kernel counts user time by what runs at its ticks. At 100 messages a second they would meet the same few moments
# of each; at this rate they wander over all of them.
UNEVEN = 97.3

USER_ROW = Row(
    "user", f"as steady, at {UNEVEN} messages a second",
    lambda _: [*(host(f"host, {how}", "steady", merged(flush(how), feed(rate=UNEVEN)))
                 for how in ("io_uring", "sendmsg")), floor("epoll", "--rate", str(UNEVEN))],
    (USER,),
    lambda names: [Figure(name, USER.name) if name == "floor_epoll" else
                   Figure(name, USER.name, "floor_epoll", Target(3.3)) for name in names])  # 0.2 µs beside 0.06

TOPICS = Row(
    "topics", "200 topics, 1,000 subscribers of 20 each, 5 messages a second and topic",
    lambda _: [host("host", "steady", feed(topics=[], topic_count=200, rate=5), SPREAD_OUT, 100_000),
               floor("epoll", "--topics", "200", "--rate", "5", load=PLAIN + SPREAD_OUT, deliveries_per_s=100_000)],
    (CPU,), lambda _: [Figure("host", CPU.name, "floor_epoll"), Figure("floor_epoll", CPU.name)])

DEFLATE = Row(
    "deflate", "as steady, with permessage-deflate",
    lambda _: [host("deflated", "deflate", load=BENCH + ("--deflate",), deliveries_per_s=100_000),
               host("plain", "steady", deliveries_per_s=100_000)],
    (CPU,),
    lambda _: [Figure("deflated", CPU.name, "plain", Target(1.1)), Figure("plain", CPU.name)])

SHARES = (10, 50, 90)  # % of the server's core


def rate_for(share, server_at, load, settings):
    """Messages a second at which the server needs `share` % of a core: what a delivery costs depends
    on the rate, so it is found in three steps."""
    rate = 50.0
    for _ in range(3):
        with server_at(rate) as server:
            rate *= share / SHARE.of(put_load_on(server, load, min(settings.seconds, 2), 0.5))
    return rate


def at_shares(settings):
    kinds = {"host": (lambda rate: BenchHost("steady", feed(rate=round(rate, 1))), BENCH),
             "floor_epoll": (lambda rate: FloorServer("epoll", "--rate", f"{rate:.1f}"), PLAIN)}
    for share in SHARES:
        for name, (server_at, load) in kinds.items():
            rate = rate_for(share, server_at, load, settings)
            yield Contestant(f"{name}, {share} %", lambda at=server_at, rate=rate: at(rate), load,
                             deliveries_per_s=1000 * rate)


def latency_figures(_):
    return [Figure(f"{name}, {share} %", metric.name, f"{against}, {share} %" if against and metric != SHARE else None)
            for share in SHARES for metric in (SHARE, P50, P99, P999)
            for name, against in (("host", "floor_epoll"), ("floor_epoll", None))]


LATENCY = Row(
    "latency", "publish to receive, 1,000 subscribers, at 10, 50 and 90 % of the server's core",
    lambda settings: list(at_shares(settings)), (SHARE, P50, P99, P999), latency_figures)


def idle(connections):
    def server(**build):
        if (limit := raise_descriptor_limit()) < connections + 100:
            raise Skipped(f"{limit:,} descriptors a process are allowed, {connections + 100:,} are needed: "
                          "raise the hard limit (ulimit -Hn)")
        return BenchHost("steady", **build)

    return Contestant(f"host, {connections:,} connections", server,
                      ("--topics", "idle", "--idle", "--connections", str(connections)), takes_build=True)


IDLE_ROW = Row(
    "idle", "connections that have subscribed to one silent topic",
    lambda _: [idle(5000), idle(15000)], (IDLE,),
    lambda names: [Figure(name, IDLE.name, target=Target(1024)) for name in names])

STORM_LOAD = ("--reconnect-storm", "--connections", "5000")
STORM = Row(
    "storm", "5,000 clients of 20 topics each are cut off and connect again at once",
    lambda _: [host("host", "steady", feed(topics=[], topic_count=200, rate=0), STORM_LOAD + SPREAD_OUT),
               floor("epoll", "--rate", "0.01", load=STORM_LOAD + PLAIN)],
    (SERVED_MS,),
    lambda _: [Figure("host", SERVED_MS.name, "floor_epoll", Target(2)), Figure("floor_epoll", SERVED_MS.name)])


def stalled(topic, readers):
    load = ("--topics", topic, "--connections", "900", *(("--stalled", "100") if readers else ()))
    return host(f"{topic}, {'100' if readers else 'none'} stalled", "steady",
                feed(topics=[topic], payload_bytes=4096), load, 90_000)


STALLED = Row(
    "stalled", "900 subscribers that read, and 100 that do not, messages of 4 KiB; `bench` is a latest topic, "
    "`benchall` an all topic",
    lambda _: [stalled(topic, readers) for topic in ("bench", "benchall") for readers in (True, False)],
    (P50, P99, PEAK),
    lambda _: [Figure(f"{topic}, {name} stalled", metric.name,
                      None if name == "none" else f"{topic}, none stalled",
                      Target(1.2) if metric is P99 and name == "100" else None)
               for topic in ("bench", "benchall") for metric in (P99, PEAK) for name in ("100", "none")])


def shards(count):
    cores = CORES.of_shards(2)
    load_cores = CORES.of_load_beside(cores)
    return Contestant(f"{count} shard{'s' if count > 1 else ''}",
                      partial(BenchHost, "steady", {"server": {"threads": count}}, cores), BENCH,
                      tuple(load_cores), 100_000, takes_build=True)


SHARDS = Row(
    "shards", "as steady; server on two cores" + (", and the load on the same" if len(CORES.all) < 3 else ""),
    lambda _: [shards(2), shards(1)], (CPU,),
    lambda _: [Figure("2 shards", CPU.name, "1 shard", Target(1.1)), Figure("1 shard", CPU.name)])

TLS_LOAD = ("--tls",)
TLS = Row(
    "tls", "as steady, with TLS",
    lambda _: [*(host(f"TLS, {how}", "steady", merged(flush(how), tls()), BENCH + TLS_LOAD, 100_000)
                 for how in ("io_uring", "sendmsg")),
               *(host(f"plain, {how}", "steady", flush(how), deliveries_per_s=100_000) for how in ("io_uring", "sendmsg"))],
    (CPU,),
    lambda _: [Figure(f"TLS, {how}", CPU.name, f"plain, {how}", Target(1.35)) for how in ("io_uring", "sendmsg")])

TLS_IDLE = Row(
    "tls-idle", "connections with TLS that have subscribed to one silent topic",
    lambda _: [host("5,000 with TLS", "steady", tls(),
                    ("--topics", "idle", "--idle", "--connections", "5000", *TLS_LOAD))], (IDLE,),
    lambda _: [Figure("5,000 with TLS", IDLE.name, target=Target(6 * 1024))])


def live(name, crowd):
    """Half as much as steady: the crowd's side of its handshakes computes on the load's core."""
    changes = merged(merged(tls(), feed(rate=50)), {"limits": {"handshake": "60s"}})
    return host(name, "steady", changes, BENCH + TLS_LOAD + ("--kernel-stamps", "--crowd", str(crowd)), 50_000)


TLS_STORM = Row(
    "tls-storm", "steady at 50 messages a second, with TLS; 5,000 more shake hands at once when it begins",
    lambda _: [live("5,000 come", 5000), live("nobody comes", 0)], (P50, P99),
    lambda _: [Figure("5,000 come", metric.name, "nobody comes", Target(1.2) if metric is P99 else None)
               for metric in (P50, P99)])

ROWS = (STEADY, BURST_ROW, USER_ROW, TOPICS, DEFLATE, LATENCY, IDLE_ROW, STORM, STALLED, SHARDS, TLS, TLS_IDLE, TLS_STORM)
