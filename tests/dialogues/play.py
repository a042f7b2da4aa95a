#!/usr/bin/python3
"""Plays dialogues on the real host, each on one of its own, with Python's `websockets` as a client
that knows nothing of ours: play.py FILE.dialogue...  (README.md says how to write one.)

BROADCAST_HOST is the binary, BROADCAST_TEST_PLUGINS the directory of libmirror.so."""

import asyncio
import json
import os
import re
import sys
import uuid

import websockets

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from host import Host, mirror  # noqa: E402
from process import DEADLINE  # noqa: E402
from raw_websocket import BINARY, TEXT, close_payload, frame, CLOSE  # noqa: E402

STEP = re.compile(r"(?P<client>[1-9])? *(?P<verb>[<>](?:binary|bytes|close|text)?|[a-z_]+)(?:x(?P<times>\d+))?"
                  r"(?: +(?P<rest>.*))?$")
LAST_PING = "the end of the dialogue"


class Differs(Exception):
    """What came is not what the dialogue says."""


def difference(expected, got, bindings, path="message"):
    """Where `got` is not what `expected` says, or None."""
    if expected == "*":
        return None
    if isinstance(expected, str) and expected.startswith("$"):
        expected = bindings.setdefault(expected, got)
    if isinstance(expected, dict) and isinstance(got, dict):
        for key in expected.keys() | got.keys():
            if key not in got:
                return f"{path}.{key} is missing"
            if key not in expected:
                return f"{path}.{key} was not expected"
            if found := difference(expected[key], got[key], bindings, f"{path}.{key}"):
                return found
        return None
    if isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            return f"{path} has {len(got)} items, expected {len(expected)}"
        found = (difference(e, g, bindings, f"{path}[{i}]") for i, (e, g) in enumerate(zip(expected, got)))
        return next(filter(None, found), None)
    if type(expected) is type(got) and expected == got:
        return None
    return f"{path} is {got!r}, expected {expected!r}"


class Dialogue:
    """One file: what it sets about the host, and its steps."""

    def __init__(self, path):
        self.name = os.path.basename(path)
        self.config = {"broadcasters": mirror()}
        self.only = None
        self.steps = []
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file.read().split("\n"), 1):
                if line and not line.startswith("#"):
                    self._take(line, f"{self.name}:{number}")

    def _take(self, line, place):
        if line.startswith("only: "):
            self.only = line.removeprefix("only: ")
        elif line == "accept unknown":
            self.config["topics"] = {"unknown": "accept"}
        elif line.startswith("limit "):
            _, name, value = line.split(" ")
            self.config.setdefault("limits", {})[name] = int(value) if value.isdigit() else value
        elif found := STEP.match(line):
            self.steps.append((place, int(found["client"] or 1), found["verb"],
                               int(found["times"] or 1), found["rest"] or ""))
        else:
            raise SystemExit(f"{place}: not a step: {line}")


class Player:
    """Takes the steps one by one."""

    def __init__(self, host):
        self.host = host
        self.clients = {}
        self.bindings = {}

    async def play(self, dialogue):
        try:
            await self._play(dialogue)
        finally:
            for client in self.clients.values():
                client.transport.abort()

    async def _play(self, dialogue):
        # The plugin answers, so it has started and its first status is out.
        await self._post("mirror:report", json.dumps({"state": "ok", "detail": ""}))
        for place, client, verb, times, rest in dialogue.steps:
            try:
                await asyncio.wait_for(self._take(client, verb, times, rest), DEADLINE)
            except asyncio.TimeoutError:
                raise SystemExit(f"{place}: nothing came\n{self.host.log()}") from None
            except (Differs, KeyError, websockets.ConnectionClosed) as error:
                raise SystemExit(f"{place}: {type(error).__name__}: {error}\n{self.host.log()}") from error
        for number, client in self.clients.items():
            await asyncio.wait_for(self._nothing_more(number, client), DEADLINE)

    async def _take(self, number, verb, times, rest):
        if verb == "open":
            self.clients[number] = await self._open(rest)
        elif verb[0] == ">":
            for name, value in self.bindings.items():
                rest = rest.replace(f'"{name}"', json.dumps(value))
            self._send(self.clients[number], verb, times, rest)
        elif verb == "<close":
            await self._expect_close(self.clients[number], int(rest))
        elif verb[0] == "<":
            for _ in range(times):
                self._compare(verb, rest, await self.clients[number].recv())
        else:
            await self._act(verb, rest)

    async def _open(self, target):
        # It offers permessage-deflate, as browsers do.
        client = await websockets.connect(self.host.url(target), ping_interval=None, max_size=None,
                                          open_timeout=DEADLINE, close_timeout=DEADLINE)
        if not client.extensions:
            raise Differs("permessage-deflate was not negotiated")
        return client

    @staticmethod
    def _send(client, verb, times, rest):
        """Straight to the transport: what is sent together arrives together."""
        data = {">": lambda: frame(TEXT, rest.encode()),
                ">binary": lambda: frame(BINARY, bytes.fromhex(rest)),
                ">bytes": lambda: bytes.fromhex(rest),
                ">close": lambda: frame(CLOSE, close_payload(int(rest)))}[verb]()
        client.transport.write(data * times)

    def _compare(self, verb, wanted, came):
        if not isinstance(came, str):
            raise Differs(f"a binary frame came: {came!r}")
        if verb == "<text":
            if came != wanted:
                raise Differs(f"came:     {came}\nexpected: {wanted}")
            return
        got = json.loads(came)
        if got["type"] == "connected" and uuid.UUID(got["client_id"]).version != 4:
            raise Differs(f"client_id is not a uuid4: {came}")
        if found := difference(json.loads(wanted), got, self.bindings):
            raise Differs(f"{found}\ncame: {came}")

    @staticmethod
    async def _expect_close(client, code):
        try:
            raise Differs(f"a message came: {await client.recv()}")
        except websockets.ConnectionClosed:
            if client.close_code != code:
                raise Differs(f"closed with {client.close_code} {client.close_reason!r}, "
                              f"expected {code}") from None

    async def _act(self, verb, rest):
        if verb == "publish":
            await self._post(*rest.split(" ", 1))
        elif verb == "report":
            state, detail = rest.split(" ", 1)
            await self._post("mirror:report", json.dumps({"state": state, "detail": detail}))
        elif verb == "send_all":
            await self._post("mirror:send_all", rest)
        elif verb == "shutdown":
            self.host.terminate()
        else:
            raise Differs(f"a socket cannot {verb}; the file needs \"only: session\"")

    async def _post(self, topic, payload):
        status, answer = await asyncio.to_thread(self.host.publish, topic, payload)
        if status not in (200, 202):
            raise Differs(f"the owner refused: {status} {answer}")

    @staticmethod
    async def _nothing_more(number, client):
        """A pong comes behind whatever the dialogue forgot."""
        if not client.open:
            return
        await client.send(json.dumps({"type": "ping", "id": LAST_PING}))
        came = json.loads(await client.recv())
        if came.get("id") != LAST_PING:
            raise SystemExit(f"client {number} got more: {came}\n")
        await client.close()
        if client.close_code != 1000:
            raise SystemExit(f"client {number}: closed with {client.close_code}, expected 1000")


def main():
    for path in sys.argv[1:]:
        dialogue = Dialogue(path)
        if dialogue.only == "session":
            raise SystemExit(f"{dialogue.name} is only for a session")
        with Host(dialogue.config) as host:
            host.wait_until_started("mirror")
            asyncio.run(Player(host).play(dialogue))
            host.stop() if "shutdown" not in (step[2] for step in dialogue.steps) else host.expect_end()
        print(f"{dialogue.name}: as written")


if __name__ == "__main__":
    main()
