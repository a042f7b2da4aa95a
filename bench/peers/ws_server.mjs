// A Node.js server with `ws`, as bench/peer_servers.py starts it: RATE messages a second, in bursts at each
// tick of TICK_MS, or evenly spaced if that is 0, once there are SUBSCRIBERS. Nothing is pushed at rate 0. With
// TLS if the files CERTIFICATE and KEY follow.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { WebSocketServer } from 'ws';

const [rate, tickMs, subscribers] = process.argv.slice(2, 5).map(Number);
const [certificate, key] = process.argv.slice(5);
const bytes = 300;
const listener = certificate
  ? createTlsServer({ cert: readFileSync(certificate), key: readFileSync(key) })
  : createServer();
const server = new WebSocketServer({ server: listener, perMessageDeflate: false });
let published = 0;

function message() {
  const number = published + 1;
  const time = process.hrtime.bigint();
  const head = `{"topic":"bench","seq":${number},"type":"bench","t":${time},"bseq":${number},"pad":"`;
  return Buffer.from(head.padEnd(bytes - 2, 'x') + '"}');
}

function publish() {
  const text = message(); // encoded once; `ws` frames it for each client
  for (const client of server.clients) client.send(text, { binary: false });
  ++published;
}

// Who is late does not catch up: otherwise nobody else would get a turn.
function publishAt(due) {
  const periodMs = tickMs || 1000 / rate;
  const each = Math.round((rate * periodMs) / 1000);
  const wait = Math.max(0, due - performance.now());
  setTimeout(() => {
    const times = server.clients.size < subscribers ? 0 : each;
    for (let i = 0; i < times; ++i) publish();
    publishAt(Math.max(due + periodMs, performance.now()));
  }, wait);
}

listener.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, () => {
  console.log(`listening on ${certificate ? 'wss' : 'ws'}://127.0.0.1:${listener.address().port}/`);
  if (rate > 0) publishAt(performance.now());
});
process.on('SIGTERM', () => process.exit(0));
