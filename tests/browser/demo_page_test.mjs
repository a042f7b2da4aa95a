// The demo page in Chromium, on a real host. SCREENSHOTS=directory keeps what it looks like. With
// BROADCAST_PAGE_FILE=host/app/demo_page.html the page comes from that file, so that working on it needs no build.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { DEADLINE_MS, Host, Program } from "./host.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const { BROADCAST_PAGE_FILE, SCREENSHOTS } = process.env;
const OTHERS = { origins: ["https://other.example"] };  // which takes nothing from the host's own page
const SERVER = BROADCAST_PAGE_FILE ? OTHERS : { demo_page: true, ...OTHERS };
const EVERYTHING = {
  price: { config: { interval: "100ms" } },
  vcp_signal: {}, daytrading_signal: {}, market_gate: {},
  heartbeat: { permissions: ["clients"], config: { interval: "1s", timeout: "5s" } },
};
const CHECKS = [{ name: "거래량 폭증", status: "passed", points: 15 },
                { name: "기관 매수", status: "partial", points: 7 },
                { name: "박스권 탈출", status: "failed", points: 0 }];
const signal = (fields) => ({ ticker: "005930", name: "삼성전자", checks: CHECKS, ...fields });

let browser, host, context, page, socket, complaints;

before(async () => {
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
  host = await Host.start(EVERYTHING, { server: SERVER });
});
after(async () => {
  await browser?.close();
  await host?.stop();
});
beforeEach(() => { complaints = []; });
afterEach(async () => {
  await context?.close();
  context = undefined;
  if (complaints.length) console.error(complaints.join("\n"));  // beside what else went wrong
  assert.deepEqual(complaints, [], "what the console said, and what the page asked of others");
});

/// The page of `at`, open in a browser of its own; what it should not do becomes a complaint.
async function open(at = host, options = {}, prepare = async () => {}) {
  context = await browser.newContext(options);
  context.setDefaultTimeout(DEADLINE_MS);
  await prepare(context);
  page = await context.newPage();
  const foreign = (url) => new URL(url).host !== new URL(at.url).host && !url.startsWith("data:");
  page.on("console", (said) => ["error", "warning"].includes(said.type()) && complaints.push(said.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => foreign(request.url()) && complaints.push(request.url()));
  page.on("websocket", (opened) => {
    socket = opened;
    if (foreign(opened.url())) complaints.push(opened.url());
  });
  if (BROADCAST_PAGE_FILE) {
    await context.grantPermissions(["local-network-access"]);  // a page from nowhere needs it to reach loopback
    const served = { path: BROADCAST_PAGE_FILE, contentType: "text/html; charset=utf-8" };
    await page.route(at.url, (route) => route.fulfill(served));
  }
  const answer = await page.goto(at.url);
  assert.equal(answer.status(), 200);
  return answer;
}

const section = (topic) => page.locator(`[id="${topic}"]`);
const shown = (locator, hasText) => locator.filter({ hasText }).first().waitFor();
const connection = (words) => shown(page.locator("#connection"), words);
const priceOf = (ticker) => page.locator("#prices tr", { hasText: ticker }).locator(".price");

/// What it says now becomes something else.
async function changes(locator) {
  await locator.filter({ hasText: /\d/ }).waitFor();
  const before = await locator.textContent();
  await locator.filter({ hasNotText: before }).waitFor();
}

async function publish(topic, payload) {
  const { status, body } = await host.publish(topic, payload);
  assert.equal(status, 200, JSON.stringify(body));
}

test("The policy in the page names the page's own style and script", async () => {
  const file = await readFile(BROADCAST_PAGE_FILE ?? path.join(ROOT, "host/app/demo_page.html"), "utf8");
  for (const part of ["style", "script"]) {
    const [, content] = new RegExp(`<${part}>([^]*)</${part}>`).exec(file);
    const hash = createHash("sha256").update(content).digest("base64");
    assert.ok(file.includes(`${part}-src 'sha256-${hash}'`), `write ${part}-src 'sha256-${hash}'`);
  }
});

if (!BROADCAST_PAGE_FILE) {
  test("The host serves the page as HTML that no other page may frame", async () => {
    const headers = (await open()).headers();
    assert.match(headers["content-type"], /^text\/html; ?charset=utf-8$/i);
    assert.equal(headers["x-content-type-options"], "nosniff");
    assert.match(headers["content-security-policy"], /frame-ancestors 'none'/);
  });
}

test("The page connects, and prices and indices move", async () => {
  await open();
  await connection("live");
  await changes(priceOf("005930"));
  await changes(section("market:kosdaq").locator(".big"));
  await shown(page.locator("#prices tr", { hasText: "삼성전자" }), "sim");
  await shown(section("status:price"), /ok .*sim.* since \d/);
});

test("The page answers the host's pings", async () => {
  await open();
  await connection("live");
  const isPong = ({ payload }) => JSON.parse(payload).type === "pong";
  await socket.waitForEvent("framesent", { predicate: isPong, timeout: DEADLINE_MS });
});

test("A posted scan appears, and its checklist opens and stays open", async () => {
  await open();
  await connection("live");
  await publish("signal:daytrading", [signal({ total_score: 91, grade: "S", entry_price: 82000, stop_loss: null })]);
  const row = section("signal:daytrading").locator("details", { hasText: "삼성전자" });
  await shown(row, /S.*삼성전자.*91.*82,000 → –, stop –/);
  assert.equal(await row.locator(".checks").isVisible(), false);
  await row.locator("summary").press("Enter");
  await row.locator(".checks li", { hasText: "거래량 폭증" }).filter({ hasText: /passed.*15 pt/ }).waitFor();
  await row.locator(".checks li", { hasText: "기관 매수" }).filter({ hasText: /partial.*7 pt/ }).waitFor();
  await row.locator(".checks li", { hasText: "박스권 탈출" }).filter({ hasText: /failed.*0 pt/ }).waitFor();

  await publish("signal:daytrading", [signal({ ticker: "000660", name: "SK하이닉스" }), signal({ total_score: 92 })]);
  await shown(row, "92");
  await row.locator(".checks").waitFor();
  assert.ok(await row.locator("summary").evaluate((summary) => summary === document.activeElement));
  await shown(section("signal:daytrading"), /scan of .*2 found/);
});

test("A VCP scan and the market gate appear as they were posted", async () => {
  await open();
  await connection("live");
  await publish("signal:vcp", { signals: [{ ticker: "105560", name: "KB금융", score: 79.5, contraction_ratio: 0.51 }] });
  await shown(section("signal:vcp").locator("summary"), /KB금융.*79\.5/);
  const sectors = [{ name: "반도체", ticker: "091160", change_pct: -1.4, signal: "bearish" },
                   { name: "은행", change_pct: null, signal: "neutral" }];
  await publish("market-gate", { status: "RED", level: 23, kospi: null, sectors });
  await shown(section("market-gate"), /RED.*23 of 100/);
  await shown(section("market-gate").locator("li"), /반도체.*−1\.40%.*bearish/);
  await shown(section("market-gate").locator("li"), /은행.*–%?.*neutral/);
  assert.equal(await section("market-gate").locator("meter").evaluate((meter) => meter.value), 23);
});

/// The page on a host that says only what it is told here.
async function openOn(messages, options = {}) {
  let line;
  await open(host, options, (context) => context.routeWebSocket(/\/ws/, (opened) => {
    line = opened;
    for (const message of [{ type: "connected" }, ...messages]) opened.send(JSON.stringify(message));
  }));
  await connection("live");
  return line;
}

test("What the host does not know is a dash", async () => {
  const nothing = { price: null, index: null, change: null, change_rate: null, volume: null, bid_price: null, ask_price: null };
  await openOn([{ type: "price_update", topic: "price:005930", data: nothing, timestamp: null, source: null },
                { type: "index_update", topic: "market:kospi", data: nothing, timestamp: "soon" },
                { type: "market_gate_update", topic: "market-gate", data: { status: null, level: null, sectors: null } },
                { type: "signal_update", topic: "signal:vcp", data: { signals: [{ name: null }] } },
                { type: "of a later version" },
                { type: "status", topic: "status:price", state: "down", detail: null, since: null }]);
  await shown(section("status:price"), /^down prices · since –$/);  // the last of them: all are there
  const texts = (locator) => locator.allTextContents();
  const samsung = page.locator("#prices tr", { hasText: "005930" });
  assert.deepEqual(await texts(samsung.locator("td")), ["–", "–", "– / –", "–", "– · –"]);
  assert.deepEqual(await texts(section("market:kospi").locator(".big, p")), ["–", "–", "Volume –"]);
  assert.deepEqual(await texts(section("market-gate").locator(".level > span")), ["–", "– of 100"]);
  assert.deepEqual(await texts(section("signal:vcp").locator("summary > *")), ["–", "– –", "–", "– → –, stop –"]);
});

test("The page waits as long as a host that stops asks it to", async () => {
  const line = await openOn([{ type: "server_shutdown", retry_after_ms: 7000 }]);
  await line.close({ code: 1001 });
  await connection(/reconnecting in [67] s/);
});

test("The page does not come back where that would end the same way", async () => {
  const line = await openOn([]);
  await line.close({ code: 1008 });
  await connection("closed by the host (1008)");
});

test("Markup in what producers send stays text", async () => {
  await open();
  await connection("live");
  const hostile = '<img src=x onerror="document.title=1"><script>document.title=1</script>';
  await publish("signal:vcp", [{ ticker: "005930", name: hostile, grade: hostile, market: hostile,
                                 checks: [{ name: hostile, status: hostile, points: hostile }, null, 7] }]);
  const row = section("signal:vcp").locator("details");
  await shown(row, hostile);
  await row.locator("summary").click();
  await row.locator(".checks li", { hasText: hostile }).waitFor();
  assert.equal(await page.locator("main img, main script").count(), 0);
  assert.equal(await page.title(), "Live market");
});

test("Topics that no broadcaster serves say so, and the others go on", async () => {
  const smaller = await Host.start({ price: EVERYTHING.price, vcp_signal: {} }, { server: SERVER });
  try {
    await open(smaller);
    await connection("live");
    await shown(section("signal:daytrading"), "not served");
    await shown(section("market-gate"), "not served");
    await shown(section("signal:vcp"), "waiting for a scan");
    await changes(priceOf("000660"));
  } finally {
    await smaller.stop();
  }
  await connection("reconnecting");
  complaints = complaints.filter((text) => !isRefusedConnection(text));
});

test("The host is restarted, and the page goes on by itself", async () => {
  await open();
  await connection("live");
  await publish("signal:daytrading", [signal({ name: "before the restart" })]);
  await shown(section("signal:daytrading"), "before the restart");
  await host.stop();
  await connection(/reconnecting in \d+ s/);
  host = await Host.start(EVERYTHING, { server: SERVER, ports: host.ports });
  await connection("live");
  await changes(priceOf("005380"));
  await publish("signal:daytrading", [signal({ name: "after the restart" })]);
  await shown(section("signal:daytrading"), "after the restart");
  complaints = complaints.filter((text) => !isRefusedConnection(text));
});

/// What the browser itself says, as it must, when nobody listens.
const isRefusedConnection = (text) => /^WebSocket connection to .* failed: /.test(text);

test("Every sample scan of the demo is accepted", async () => {
  const folders = { "market-gate": "market_gate", "signal:daytrading": "daytrading", "signal:vcp": "vcp" };
  for (const [topic, name] of Object.entries(folders)) {
    const folder = path.join(ROOT, "config/demo", name);
    for (const file of await readdir(folder)) {
      await publish(topic, JSON.parse(await readFile(path.join(folder, file), "utf8")));
    }
  }
});

const SCANNER = path.join(ROOT, "config/demo/scanner.py");
const PHONE = { viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };
const LOOKS = {
  desktop: { viewport: { width: 1280, height: 900 } },
  dark: { viewport: { width: 1280, height: 900 }, colorScheme: "dark" },
  phone: PHONE,
  "phone-dark": { ...PHONE, colorScheme: "dark" },
};

async function keep(name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: path.join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/// Nothing is wider than the screen.
async function fits(options) {
  const [wide, screen] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.deepEqual([wide, screen], [options.viewport.width, options.viewport.width]);
}

test("The longest texts and numbers fit a phone", async () => {
  const long = "가".repeat(200) + "x".repeat(200);
  const data = { price: 1_234_500, change: -123_500, change_rate: -29.99, volume: 1_234_567_890,
                 bid_price: 1_234_000, ask_price: 1_234_500, index: 12_345.67 };
  const checks = [{ name: long, status: long, points: 1e6 }];
  const timestamp = "2025-11-23T12:00:00+09:00";
  await openOn([{ type: "price_update", topic: "price:000660", data, timestamp, source: "kiwoom_rest" },
                { type: "index_update", topic: "market:kosdaq", data, timestamp, source: "kiwoom_rest" },
                { type: "market_gate_update", topic: "market-gate", timestamp,
                  data: { status: "GREEN", level: 100, sectors: [{ name: long, change_pct: -29.99, signal: long }] } },
                { type: "signal_update", topic: "signal:daytrading",
                  data: { timestamp, signals: [{ ticker: long, name: long, grade: long, total_score: 1e12, checks }] } },
                { type: "status", topic: "status:price", state: "degraded", detail: long, since: timestamp }], PHONE);
  await shown(section("status:price"), "degraded");
  await section("signal:daytrading").locator("summary").click();
  await section("signal:daytrading").locator(".checks").waitFor();
  await fits(PHONE);
  await keep("phone-long");
});

/// How many signals were ever posted.
async function posted() {
  const answer = await fetch(`${host.adminUrl}/v1/topics?prefix=signal:`, { signal: AbortSignal.timeout(DEADLINE_MS) });
  return (await answer.json()).topics.reduce((sum, topic) => sum + topic.seq, 0);
}

for (const [name, options] of Object.entries(LOOKS)) {
  test(`The demo's scanner fills the page, which is as wide as the screen: ${name}`, async () => {
    const before = await posted();
    const scanner = new Program("/usr/bin/python3", SCANNER, "--url", host.adminUrl, "--interval", "0.3");
    try {
      // What an earlier one posted is on the page already.
      for (const deadline = Date.now() + DEADLINE_MS; await posted() === before;) {
        assert.ok(Date.now() < deadline, "the scanner posts nothing");
      }
      await open(host, options);
      await shown(section("signal:daytrading"), /scan of .*3 found/);
      await shown(section("signal:vcp"), /scan of .*2 found/);
      await shown(section("market-gate"), "GREEN");
    } finally {
      await scanner.stop();
    }
    assert.deepEqual(scanner.lines, [], "what the scanner had to complain about");
    await section("signal:daytrading").locator("summary").first().click();
    await section("signal:daytrading").locator(".checks li").first().waitFor();
    await section("signal:vcp").locator("summary").first().click();
    await fits(options);
    await keep(name);
  });
}

test("The scanner waits for a host that is away, and goes on when it is there", async () => {
  const { ports, adminUrl } = host;
  await host.stop();
  const scanner = new Program("/usr/bin/python3", SCANNER, "--url", adminUrl);
  try {
    await scanner.line(/no host at/);
    host = await Host.start(EVERYTHING, { server: SERVER, ports });
    await open();
    await shown(section("market-gate"), "of 100");
    await shown(section("signal:vcp"), "scan of");
    await shown(section("signal:daytrading"), "scan of");
  } finally {
    await scanner.stop();
  }
  assert.equal(scanner.lines.length, 2, scanner.lines.join("\n"));
});

test("The scanner ends with the process that started it", { timeout: DEADLINE_MS }, async () => {
  const shell = new Program("/bin/sh", "-c", `${SCANNER} --url http://127.0.0.1:9 & wait`);
  await shell.line(/no host at/);
  shell.child.kill("SIGKILL");
  await shell.end;  // when nobody holds its output any more
});
