"""A FastAPI server as they are usually written: a set of clients, each awaited in turn. bench/peer_servers.py
starts it with BENCH_RATE messages a second, in bursts at each tick of BENCH_TICK_MS, or evenly spaced
if that is 0, once there are BENCH_SUBSCRIBERS. Nothing is pushed at rate 0. With BENCH_REDIS, the URL of one, it
broadcasts what is published there on ws:broadcast:*, as the server does that the host replaces."""

import asyncio
import json
import os
import time

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

RATE = float(os.environ["BENCH_RATE"])
TICK_MS = float(os.environ["BENCH_TICK_MS"])
SUBSCRIBERS = int(os.environ["BENCH_SUBSCRIBERS"])
BYTES = 300

app = FastAPI()
clients = set()
running = set()  # the event loop keeps no reference of its own


@app.websocket("/ws")
async def subscriber(socket: WebSocket):
    await socket.accept()
    clients.add(socket)
    try:
        while True:
            await socket.receive_text()
    except WebSocketDisconnect:
        clients.discard(socket)


def message(number):
    head = f'{{"topic":"bench","seq":{number},"type":"bench","t":{time.monotonic_ns()},"bseq":{number},"pad":"'
    return head.ljust(BYTES - 2, "x") + '"}'


async def broadcast(text):
    for client in list(clients):
        try:
            await client.send_text(text)
        except Exception:  # gone: whichever way its library says so
            clients.discard(client)


async def publish():
    period = TICK_MS / 1000 or 1 / RATE
    each = round(RATE * period)
    due = time.monotonic()
    published = 0
    while True:
        due += period
        await asyncio.sleep(max(0, due - time.monotonic()))
        for _ in range(each if len(clients) >= SUBSCRIBERS else 0):
            published += 1
            await broadcast(message(published))


async def relay(url):
    import redis.asyncio  # of those that are not asked for it, not everybody has it
    subscription = redis.asyncio.from_url(url).pubsub()
    await subscription.psubscribe("ws:broadcast:*")
    async for event in subscription.listen():
        if event["type"] == "psubscribe":
            print("subscribed to ws:broadcast:*", flush=True)
        elif event["type"] == "pmessage":
            topic = event["channel"].decode().removeprefix("ws:broadcast:")
            await broadcast(json.dumps({**json.loads(event["data"]), "topic": topic}, separators=(",", ":")))


@app.on_event("startup")
async def start():
    if os.environ.get("BENCH_REDIS"):
        running.add(asyncio.create_task(relay(os.environ["BENCH_REDIS"])))
    if RATE > 0:
        running.add(asyncio.create_task(publish()))
