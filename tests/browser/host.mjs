// A host of one's own on free ports, and other programs, watched through what they print. Every wait has a
// deadline, and nothing outlives the test.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";

export const DEADLINE_MS = 1000 * Number(process.env.BROADCAST_DEADLINE ?? 60);

export class Program {
  constructor(...command) {
    this.lines = [];
    this.child = spawn("setpriv", ["--pdeathsig", "KILL", ...command], { stdio: ["ignore", "pipe", "pipe"] });
    this.hasEnded = false;
    this.end = once(this.child, "close").then(([code]) => {
      this.hasEnded = true;
      return code;
    });
    for (const output of [this.child.stdout, this.child.stderr]) {
      createInterface(output).on("line", (line) => {
        this.lines.push(line);
        this.child.emit("line");
      });
    }
  }

  /// The first line, so far or to come, that has `pattern`: the match.
  async line(pattern) {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    for (let seen = 0; ; ++seen) {
      while (seen >= this.lines.length) {
        if (this.hasEnded || deadline.aborted) throw this.error(`no line ${pattern}`);
        await Promise.race([this.end, once(this.child, "line", { signal: deadline }).catch(() => {})]);
      }
      const found = pattern.exec(this.lines[seen]);
      if (found) return found;
    }
  }

  async stop() {
    this.child.kill("SIGTERM");
    const code = await this.end;
    if (code !== 0) throw this.error(`exit code ${code}`);
  }

  error(what) {
    return new Error(`${this.child.spawnargs.slice(3).join(" ")}: ${what}\n${this.lines.join("\n")}`);
  }
}

export class Host extends Program {
  /// Listening when it returns. With `ports` of an earlier one, in its place.
  static async start(broadcasters, { server = {}, ports = [0, 0] } = {}) {
    const directory = await mkdtemp(path.join(tmpdir(), "broadcast-host-"));
    const file = path.join(directory, "host.yaml");
    await writeFile(file, JSON.stringify({  // JSON is YAML
      server: { listen: `127.0.0.1:${ports[0]}`, drain: "2s", ...server },
      admin: { listen: `127.0.0.1:${ports[1]}` },
      plugins: { directory: process.env.BROADCAST_PLUGINS, strict: true },
      broadcasters,
    }));
    const host = new Host(process.env.BROADCAST_HOST, "--config", file);
    const listening = await host.line(/listening on (?:ws|wss):\/\/127\.0\.0\.1:(\d+)/);
    const admin = await host.line(/admin on http:\/\/127\.0\.0\.1:(\d+)/);
    await rm(directory, { recursive: true });
    host.ports = [Number(listening[1]), Number(admin[1])];
    host.origin = server.tls ? "https://localhost" : "http://127.0.0.1";  // as the certificate has it
    return host;
  }

  get url() { return `${this.origin}:${this.ports[0]}/`; }
  get adminUrl() { return `http://127.0.0.1:${this.ports[1]}`; }

  /// As a producer does; what the host answers.
  async publish(topic, payload) {
    const answer = await fetch(`${this.adminUrl}/v1/publish/${topic}`, {
      method: "POST", body: JSON.stringify(payload), signal: AbortSignal.timeout(DEADLINE_MS),
    });
    return { status: answer.status, body: await answer.json() };
  }
}
