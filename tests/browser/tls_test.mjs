// TLS as Chromium and Node's `ws` have it: the page over https, and what it is sent over wss.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { on, once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "playwright-core";
import WebSocket from "ws";
import { DEADLINE_MS, Host } from "./host.mjs";

let directory, certificate, host;

before(async () => {
  directory = await mkdtemp(path.join(tmpdir(), "broadcast-tls-"));
  const files = { certificate: path.join(directory, "crt.pem"), key: path.join(directory, "key.pem") };
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                           "-keyout", files.key, "-out", files.certificate, "-subj", "/CN=localhost",
                           "-addext", "subjectAltName=DNS:localhost"], { stdio: "ignore" });
  certificate = await readFile(files.certificate);
  host = await Host.start({ daytrading_signal: {} }, { server: { demo_page: true, tls: files } });
});
after(async () => {
  await host?.stop();
  await rm(directory, { recursive: true });
});

const CHECKS = [{ name: "volume", status: "passed", points: 15 }];
const signal = (ticker) => [{ ticker, name: "Samsung", checks: CHECKS }];

test("ws of Node checks the certificate and gets what is published", async () => {
  const url = `wss://localhost:${host.ports[0]}/ws?subscribe=signal:daytrading`;
  const stranger = new WebSocket(url);
  const [refusal] = await once(stranger, "error");
  assert.match(refusal.message, /self.signed/);
  const client = new WebSocket(url, { ca: certificate });
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  let asked = false;
  for await (const [text] of on(client, "message", { signal: deadline })) {
    const message = JSON.parse(text);
    if (message.type === "subscribed" && !asked) {
      asked = true;
      assert.equal((await host.publish("signal:daytrading", signal("005930"))).status, 200);
    }
    if (message.type === "signal_update") break;
  }
  client.close();
  await once(client, "close");
});

test("the page over https shows what is published", async () => {
  const key = new X509Certificate(certificate).publicKey.export({ type: "spki", format: "der" });
  const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           `--ignore-certificate-errors-spki-list=${createHash("sha256").update(key).digest("base64")}`],
  });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(DEADLINE_MS);
    const opened = page.waitForEvent("websocket");
    await page.goto(host.url);
    const socket = await opened;
    assert.match(socket.url(), /^wss:\/\/localhost:/);
    const isIt = ({ payload }) => payload.includes("signal_update") && payload.includes("000660");
    const [, answer] = await Promise.all([socket.waitForEvent("framereceived", isIt),
                                          host.publish("signal:daytrading", signal("000660"))]);
    assert.equal(answer.status, 200);
  } finally {
    await browser.close();
  }
});
