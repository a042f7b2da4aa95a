#!/usr/bin/python3
"""Python's `websockets` as a peer that knows nothing of ours, on conformance-echo."""

import asyncio
import unittest

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from echo import Echo
from process import DEADLINE

MIB = 1024 * 1024
SIZES = (0, 1, 125, 126, 127, 65535, 65536, MIB)


class WebsocketsPeerTest(unittest.IsolatedAsyncioTestCase):
    compression = {"compression": None}

    @classmethod
    def setUpClass(cls):
        cls.echo = cls.enterClassContext(Echo())

    async def asyncSetUp(self):
        self.client = await websockets.connect(
            f"ws://127.0.0.1:{self.echo.port}/", max_size=None, ping_interval=None,
            open_timeout=DEADLINE, close_timeout=DEADLINE, **self.compression)
        self.addAsyncCleanup(self.client.close)

    async def echoed(self, message):
        await self.client.send(message)
        return await asyncio.wait_for(self.client.recv(), DEADLINE)

    async def test_compression_is_negotiated_if_offered(self):
        self.assertEqual(bool(self.client.extensions), self.compression != {"compression": None})
        self.assertIsNone(self.client.subprotocol)

    async def test_echoes_text(self):
        for size in SIZES:
            message = ("가나다라" * size)[:size]
            self.assertEqual(await self.echoed(message), message)

    async def test_echoes_binary(self):
        for size in SIZES:
            message = bytes(i & 0xFF for i in range(min(size, 1000))) * (size // 1000 + 1)
            self.assertEqual(await self.echoed(message), message)

    async def test_echoes_fragmented_messages_whole(self):
        for parts in (["", ""], ["a"] * 500, ["삼성", "전자", ""], [b"\x00", b"\xff" * 70000, b""]):
            self.assertEqual(await self.echoed(parts), type(parts[0])().join(parts))

    async def test_answers_pings_in_the_middle_of_a_message(self):
        begun = asyncio.Event()
        pinged = asyncio.Event()

        async def parts():
            yield "before "
            begun.set()
            await pinged.wait()
            yield "behind"

        sending = asyncio.create_task(self.client.send(parts()))
        await begun.wait()
        pong = await self.client.ping(b"in between")
        await asyncio.wait_for(pong, DEADLINE)
        pinged.set()
        await sending
        self.assertEqual(await asyncio.wait_for(self.client.recv(), DEADLINE), "before behind")

    async def test_keeps_the_order_of_a_thousand_messages(self):
        for i in range(1000):
            await self.client.send(str(i))
        got = [await asyncio.wait_for(self.client.recv(), DEADLINE) for _ in range(1000)]
        self.assertEqual(got, [str(i) for i in range(1000)])

    async def test_closes_with_the_clients_code(self):
        for code in (1000, 1001, 3000, 4999):
            async with websockets.connect(f"ws://127.0.0.1:{self.echo.port}/") as client:
                await client.close(code, "그만")
                self.assertEqual(client.close_code, code)

    async def test_closes_with_1001_when_it_stops(self):
        with Echo() as echo:
            async with websockets.connect(f"ws://127.0.0.1:{echo.port}/", ping_interval=None) as client:
                echo.terminate()
                with self.assertRaises(websockets.ConnectionClosed):
                    await asyncio.wait_for(client.recv(), DEADLINE)
                self.assertEqual(client.close_code, 1001)
            await asyncio.to_thread(echo.expect_end)


class DeflateTest(WebsocketsPeerTest):
    compression = {}  # what the library offers of itself: permessage-deflate; client_max_window_bits


class SmallWindowsTest(WebsocketsPeerTest):
    compression = {"compression": None, "extensions": [
        ClientPerMessageDeflateFactory(server_max_window_bits=9, client_max_window_bits=9)]}


class NoContextTakeoverTest(WebsocketsPeerTest):
    compression = {"compression": None, "extensions": [
        ClientPerMessageDeflateFactory(server_no_context_takeover=True, client_no_context_takeover=True,
                                       server_max_window_bits=15)]}


if __name__ == "__main__":
    unittest.main()
