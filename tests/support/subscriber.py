"""A client of the host on Python's `websockets`: JSON in, JSON out, every wait with a deadline."""

import asyncio
import json

import websockets

from process import DEADLINE


class Subscriber:
    """`await Subscriber.connect(host, "price:005930", ..)`: `connected` has been read."""

    def __init__(self, client):
        self._client = client

    @classmethod
    async def connect(cls, host, *topics, **how):
        target = host.path + ("?subscribe=" + ",".join(topics) if topics else "")
        subscriber = cls(await websockets.connect(
            host.url(target), ping_interval=None, open_timeout=DEADLINE, close_timeout=DEADLINE, **how))
        assert (await subscriber.next())["type"] == "connected"
        return subscriber

    async def next(self):
        return json.loads(await asyncio.wait_for(self._client.recv(), DEADLINE))

    async def next_of(self, kind, **fields):
        """The next message with this type and these fields; others are passed over."""
        return await self.next_where(
            lambda message: message["type"] == kind and all(message.get(k) == v for k, v in fields.items()))

    async def next_where(self, is_it):
        async def search():
            while not is_it(message := await self.next()):
                pass
            return message
        return await asyncio.wait_for(search(), DEADLINE)

    async def send(self, **command):
        await self._client.send(json.dumps(command))

    async def ask(self, answer, **command):
        await self.send(**command)
        return await self.next_of(answer)

    async def close_code(self):
        """Reads to the end: (what came before, its code)."""
        before = []
        while True:
            try:
                before.append(await self.next())
            except websockets.ConnectionClosed:
                return before, self._client.close_code

    async def leave(self):
        await self._client.close()
