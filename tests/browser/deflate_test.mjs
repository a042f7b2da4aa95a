// permessage-deflate as browsers and Node's `ws` speak it, on a real host: both offer it, and read what comes.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { DEADLINE_MS, Host } from "./host.mjs";

const TOPIC = "signal:daytrading";
const CHECKS = Array.from({ length: 40 }, (_, i) => ({ name: `조건 ${i % 4}`, status: "passed", points: 15 }));
const SUBSCRIBE = JSON.stringify({ type: "subscribe", topics: [TOPIC] });

let host;
let count = 0;
before(async () => { host = await Host.start({ daytrading_signal: {} }); });
after(() => host?.stop());

/// Publishes a signal that nobody has seen; what clients find in it.
async function publish() {
  const signal = { ticker: String(++count).padStart(6, "0"), name: "삼성전자", checks: CHECKS };
  assert.equal((await host.publish(TOPIC, [signal])).status, 200);
  return signal.ticker;
}

/// A client of `ws` that subscribes and gets one signal: it, and the bytes it came in.
async function received(options) {
  const url = host.url.replace("http", "ws") + "ws";
  const socket = new WebSocket(url, { handshakeTimeout: DEADLINE_MS, ...options });
  const messages = [];
  socket.on("message", (data) => { messages.push(JSON.parse(data)); socket.emit("more"); });
  const message = async (fits) => {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    while (!messages.some(fits)) await once(socket, "more", { signal: deadline });
    return messages.find(fits);
  };
  await once(socket, "open");
  socket.send(SUBSCRIBE);
  const { topics } = await message(({ type }) => type === "subscribed");
  if (topics[0].seq > 0) await message(({ topic }) => topic === TOPIC);  // the snapshot
  const before = socket._socket.bytesRead;
  const ticker = await publish();
  const { data } = await message(({ topic, data }) => topic === TOPIC && data.signals[0].ticker === ticker);
  assert.deepEqual(data.signals[0].checks.length, CHECKS.length);
  const bytes = socket._socket.bytesRead - before;
  socket.close(1000);
  const [code] = await once(socket, "close");
  assert.equal(code, 1000);
  return { extensions: socket.extensions, bytes };
}

test("Node's ws reads deflated messages, which are shorter", async () => {
  const plain = await received({ perMessageDeflate: false });
  assert.equal(plain.extensions, "");
  const deflated = await received({ perMessageDeflate: { threshold: 0 } });  // its commands are deflated as well
  assert.equal(deflated.extensions, "permessage-deflate");
  assert.ok(deflated.bytes < plain.bytes / 3, `${deflated.bytes} bytes instead of ${plain.bytes}`);
});

test("Node's ws with a small window gets plain frames", async () => {
  const plain = await received({ perMessageDeflate: false });
  const small = await received({ perMessageDeflate: { serverMaxWindowBits: 10, clientMaxWindowBits: 10, threshold: 0 } });
  assert.equal(small.extensions, "permessage-deflate");
  assert.equal(small.bytes, plain.bytes);
});

test("Chromium reads deflated messages", async () => {
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium", args: ["--headless", "--no-sandbox", "--disable-gpu"],
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(DEADLINE_MS);
    await page.goto(host.url);
    await page.evaluate(([url, subscribe, topic]) => new Promise((resolve, reject) => {
      const socket = new WebSocket(url);
      globalThis.signals = [];
      socket.onopen = () => socket.send(subscribe);
      socket.onclose = ({ code }) => reject(new Error(`closed with ${code}`));
      socket.onmessage = (event) => {
        const message = JSON.parse(event.data);
        if (message.type === "subscribed") resolve(socket);
        if (message.topic === topic) globalThis.signals.push(message.data.signals[0]);
      };
      globalThis.socket = socket;
    }).then(() => {}), [host.url.replace("http", "ws") + "ws", SUBSCRIBE, TOPIC]);
    assert.match(await page.evaluate(() => globalThis.socket.extensions), /^permessage-deflate/);
    const ticker = await publish();
    const found = await page.waitForFunction(
      (ticker) => globalThis.signals.find((signal) => signal.ticker === ticker), ticker);
    assert.deepEqual((await found.jsonValue()).checks.length, CHECKS.length);
  } finally {
    await browser.close();
  }
});
