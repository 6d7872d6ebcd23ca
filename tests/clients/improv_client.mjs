// The Improv project's client for browsers against a board's serial port: node improv_client.mjs PORT radio|no-radio
//
// The board's radio must have `home` (password `correct horse`), `café` (open) and `dead` (password `12345678`, gives no
// address) in reach. Prints a line per step that held. Ends with an error at the first that did not.
import assert from "node:assert/strict";
import fs from "node:fs";
import { createRequire, register } from "node:module";
import path from "node:path";
import tty from "node:tty";
import { pathToFileURL } from "node:url";

const [port, board] = process.argv.slice(2);

// The package is written for bundlers: modules without saying so, imported by names without an ending.
const hooks = `
  export async function resolve(name, context, next) {
    try { return await next(name, context); } catch (error) {
      if (name.startsWith(".")) return next(name + ".js", context);
      throw error;
    }
  }
  export async function load(url, context, next) {
    return next(url, url.includes("/improv-wifi-serial-sdk/") ? { ...context, format: "module" } : context);
  }`;
register("data:text/javascript," + encodeURIComponent(hooks));
// An import does not look where NODE_PATH points; require does.
const sdk = path.dirname(createRequire(import.meta.url).resolve("improv-wifi-serial-sdk/package.json"));
const { ImprovSerial } = await import(pathToFileURL(path.join(sdk, "dist/serial.js")));

/** What the browser's Web Serial would give for this port. */
function open(name) {
  const flags = fs.constants.O_RDWR | fs.constants.O_NOCTTY | fs.constants.O_NONBLOCK;
  const input = new tty.ReadStream(fs.openSync(name, flags));
  const output = fs.openSync(name, fs.constants.O_WRONLY | fs.constants.O_NOCTTY);
  return {
    readable: new ReadableStream({
      start: (controller) => input.on("data", (bytes) => controller.enqueue(new Uint8Array(bytes))),
    }),
    writable: new WritableStream({ write: (bytes) => void fs.writeSync(output, bytes) }),
    write: (text) => fs.writeSync(output, text),
  };
}

function held(step) {
  console.log(`held: ${step}`);
}

const quiet = { log() {}, error() {}, debug() {} };
const STOPPED = 0;
const READY = 2;
const PROVISIONED = 4;

const serial = open(port);
const client = new ImprovSerial(serial, quiet);

// Somebody has left half a line: the first packet goes down with it, and the client asks again.
serial.write("get mqtt.po");
const info = await client.initialize(15_000);
assert.deepEqual(
  { firmware: info.firmware, chipFamily: info.chipFamily, name: info.name },
  { firmware: "obkmq", chipFamily: "ESP32-C3", name: "obkmq" },
);
assert.match(info.version, /^\d+\.\d+\.\d+/);
held("found and named");

if (board === "no-radio") {
  assert.equal(client.state, STOPPED);
  await assert.rejects(client.scan(), (error) => error === "UNKNOWN_RPC_COMMAND");
  await assert.rejects(client.provision("home", "correct horse"), (error) => error === "UNABLE_TO_CONNECT");
  held("no radio");
  process.exit(0);
}

assert.equal(client.state, READY);
assert.deepEqual(await client.scan(), [
  { name: "café", rssi: -47, secured: false },
  { name: "dead", rssi: -54, secured: true },
  { name: "home", rssi: -40, secured: true },
]);
held("networks");

for (const [ssid, password] of [
  ["home", "wrong horse"],
  ["home", "short"],
  ["home", ""],
  ["nowhere", "correct horse"],
  ["dead", "12345678"],
  ["x".repeat(60), "correct horse"],
]) {
  await assert.rejects(client.provision(ssid, password), (error) => error === "UNABLE_TO_CONNECT");
  await client.requestCurrentState();
  assert.equal(client.state, READY, ssid);
}
held("networks that cannot be joined");

assert.equal(await client.getHostname(), "obkmq");
// Seven letters make a packet of the length that the client takes for a line end.
assert.equal(await client.setHostname("attic-2"), "attic-2");
await assert.rejects(client.setHostname("no host"), (error) => error === "BAD_HOSTNAME");
await client.requestInfo();
assert.equal(client.info.name, "attic-2");
held("host name");

await assert.rejects(client.requestNetworkState(), (error) => error === "UNKNOWN_RPC_COMMAND");
held("unknown procedure");

// A program talks to the board at the same time: its answers are lines between the packets.
const states = [];
client.addEventListener("state-changed", (event) => states.push(event.detail));
const joined = client.provision("home", "correct horse");
for (let line = 0; line < 20; line += 1) {
  serial.write("list\n");
}
await joined;
assert.equal(states.at(-1), PROVISIONED);
await client.requestCurrentState();
assert.equal(client.state, PROVISIONED);
held("joined");
process.exit(0);
