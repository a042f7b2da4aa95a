"""The host beside other servers. A ratio above 1 is what the other one needs more."""

import dataclasses

from contest import Contestant, Row
from figures import Figure, Target
from peer_servers import FastApi, FastApiOnRedis, HostOnRedis, Load, Nats, Nchan, Node
from rows import BENCH, BURST, CPU, IDLE, P50, P99, PLAIN, TLS_LOAD, floor, host
from servers import certificates, tls

PEERS = {"nchan": (Nchan, PLAIN), "nats-server": (Nats, ("--protocol", "nats")), "ws (Node.js)": (Node, PLAIN),
         "FastAPI": (FastApi, PLAIN)}


def peers(load, more=(), topic="bench", deliveries_per_s=None):
    for name, (server, arguments) in PEERS.items():
        topics = ("--topics", topic) if server is Nats else ()
        yield Contestant(name, lambda server=server: server(load), arguments + topics + more,
                         deliveries_per_s=deliveries_per_s)


def beside_the_host(metric, names=PEERS):
    return [Figure("host", metric.name)] + [
        Figure(name, metric.name, "host", Target(1, at_least=True)) for name in names]


def fan_out(name, title, config, load, floor_arguments):
    wanted = 1000 * load.rate
    return Row(name, title,
               lambda _: [host("host", config, deliveries_per_s=wanted),
                          floor("epoll", *floor_arguments, deliveries_per_s=wanted),
                          *peers(load, deliveries_per_s=wanted)],
               (CPU,), lambda _: [*beside_the_host(CPU), Figure("floor_epoll", CPU.name, "host")])


REDIS_LOAD = ("--connections", "100")
REDIS = Row(
    "redis", "PUBLISH on Redis to receive: 1 topic, 100 subscribers, 50 messages a second, 300 bytes",
    lambda _: [Contestant("host", lambda: HostOnRedis(Load(50)), BENCH + REDIS_LOAD, deliveries_per_s=5000),
               Contestant("FastAPI", lambda: FastApiOnRedis(Load(50)), PLAIN + REDIS_LOAD, deliveries_per_s=5000)],
    (P50, P99, CPU),
    lambda _: [figure for metric in (P50, P99, CPU) for figure in (
        Figure("host", metric.name), Figure("FastAPI", metric.name, "host", Target(1, at_least=True)))])

TLS_PEERS = {"nchan": Nchan, "ws (Node.js)": Node}
TLS = Row(
    "tls", "as steady, with TLS",
    lambda _: [host("host", "steady", tls(), BENCH + TLS_LOAD, 100_000),
               *(Contestant(name, lambda server=server: server(Load(100), certificates()), PLAIN + TLS_LOAD,
                            deliveries_per_s=100_000) for name, server in TLS_PEERS.items())],
    (CPU,), lambda _: beside_the_host(CPU, TLS_PEERS))

IDLE_LOAD = ("--idle", "--connections", "5000")

ROWS = (
    fan_out("steady", "1 topic, 1,000 subscribers, 100 messages a second, 300 bytes", "steady", Load(100), ()),
    fan_out("burst", "1 topic, 1,000 subscribers, 20 messages at each tick of 50 ms", "burst", Load(400, 50), BURST),
    Row("idle", "5,000 connections that have subscribed to one silent topic",
        lambda _: [dataclasses.replace(host("host", "steady"), load=("--topics", "idle", *IDLE_LOAD)),
                   *peers(Load(0), IDLE_LOAD, "idle")],
        (IDLE,), lambda _: beside_the_host(IDLE)),
    REDIS,
    TLS,
)
