// mqtt.js against a broker: node mqttjs_client.mjs PORT USER PASSWORD 3.1|3.1.1|5
//
// Prints a line per step that held. Ends with an error at the first that did not, or that nothing came of in time.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

// An import does not look where NODE_PATH points; require does.
const mqtt = createRequire(import.meta.url)("mqtt");

const PATIENCE_MS = 20_000;
const [port, username, password, version] = process.argv.slice(2);
const v5 = version === "5";
const protocol = {
  "3.1": { protocolId: "MQIsdp", protocolVersion: 3 },
  "3.1.1": { protocolVersion: 4 },
  5: { protocolVersion: 5 },
}[version];
const TAKEN_OVER = 0x8e;

/** What comes of a promise, or an error that says what did not come. */
function soon(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${PATIENCE_MS} ms`)), PATIENCE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A client whose events can be waited for, also after they came. */
class Peer {
  #messages = [];
  #waiting = [];

  constructor(clientId, { properties, ...options } = {}) {
    this.clientId = clientId;
    this.client = mqtt.connect({
      host: "127.0.0.1",
      port: Number(port),
      username,
      password,
      clientId,
      reconnectPeriod: 0,
      ...protocol,
      ...options,
      ...(v5 ? { properties } : {}),
    });
    this.closed = new Promise((resolve) => this.client.once("close", resolve));
    this.disconnected = new Promise((resolve) => this.client.once("disconnect", resolve));
    this.failed = new Promise((resolve) => this.client.once("error", resolve));
    this.connack = new Promise((resolve) => this.client.once("connect", resolve));
    this.client.on("message", (topic, payload, packet) => {
      const message = { ...packet, text: `${topic} ${payload}` };
      const waiting = this.#waiting.shift();
      if (waiting) waiting(message);
      else this.#messages.push(message);
    });
  }

  static async open(clientId, options) {
    const peer = new Peer(clientId, options);
    const refused = peer.failed.then((error) => Promise.reject(error));
    peer.connack = await soon(Promise.race([peer.connack, refused]), `CONNACK for ${clientId}`);
    return peer;
  }

  /** The next message. */
  next() {
    const message = this.#messages.shift();
    const coming = message ?? new Promise((resolve) => this.#waiting.push(resolve));
    return soon(Promise.resolve(coming), `message for ${this.clientId}`);
  }

  /** Topic and payload of the next message. */
  async text() {
    return (await this.next()).text;
  }

  /** Publishes and waits for the last acknowledgement. */
  publish(topic, payload, options = { qos: 1 }) {
    return soon(this.client.publishAsync(topic, payload, options), `end of the publication to ${topic}`);
  }

  /** Subscribes; what was granted. */
  async subscribe(filter, options = { qos: 1 }) {
    const granted = await soon(this.client.subscribeAsync(filter, options), `SUBACK for ${filter}`);
    return granted.map(({ qos }) => qos);
  }

  /** Says goodbye. */
  async end(properties) {
    await soon(this.client.endAsync(false, v5 && properties ? { properties } : {}), "end");
  }

  /** Ends the connection without a DISCONNECT. */
  async vanish() {
    this.client.stream.destroy();
    await soon(this.closed, "end of the connection");
  }

  idle() {
    return this.#messages.length === 0;
  }
}

const persistent = { clean: false, properties: { sessionExpiryInterval: 300 } };

async function everyQualityOfService(peer) {
  for (const qos of [0, 1, 2]) {
    assert.deepEqual(await peer.subscribe(`qos/${qos}`, { qos }), [qos]);
    await peer.publish(`qos/${qos}`, `level ${qos}`, { qos });
    const message = await peer.next();
    assert.deepEqual([message.text, message.qos, message.retain], [`qos/${qos} level ${qos}`, qos, false]);
  }
  // It does not mind the broker's Receive Maximum, so no more than any broker takes at once.
  const sent = Array.from({ length: 10 }, (_, number) => peer.publish("qos/2", `${number}`, { qos: 2 }));
  for (let number = 0; number < 10; number++) assert.equal(await peer.text(), `qos/2 ${number}`);
  await Promise.all(sent);
}

async function retained(peer) {
  for (const value of ["old", "new"]) await peer.publish("kept/state", value, { qos: 1, retain: true });
  const late = await Peer.open("late");
  await late.subscribe("kept/#");
  const message = await late.next();
  assert.deepEqual([message.text, message.retain, message.qos], ["kept/state new", true, 1]);
  await peer.publish("kept/state", "", { qos: 1, retain: true });
  assert.equal(await late.text(), "kept/state ");
  const later = await Peer.open("later");
  await later.subscribe("kept/#");
  await peer.publish("kept/mark", "live");
  assert.equal(await later.text(), "kept/mark live", "first message after the deletion");
  await late.end();
  await later.end();
}

async function wills(peer) {
  await peer.subscribe("will/#", { qos: 2 });
  const polite = await Peer.open("polite", { will: { topic: "will/polite", payload: "gone", qos: 1 } });
  await polite.end();
  const mortal = await Peer.open("mortal", { will: { topic: "will/mortal", payload: "gone", qos: 2 } });
  await mortal.vanish();
  const will = await peer.next();
  assert.deepEqual([will.text, will.qos], ["will/mortal gone", 2]);
}

async function sessions(peer) {
  let sleeper = await Peer.open("sleeper", persistent);
  assert.equal(sleeper.connack.sessionPresent, false);
  await sleeper.subscribe("sleep/#", { qos: 2 });
  await sleeper.end();
  await peer.publish("sleep/1", "queued", { qos: 1 });
  await peer.publish("sleep/2", "queued", { qos: 2 });
  sleeper = await Peer.open("sleeper", persistent);
  if (version !== "3.1") assert.equal(sleeper.connack.sessionPresent, true, "the session is gone");
  const messages = [await sleeper.next(), await sleeper.next()].map(({ text, qos }) => `${text} ${qos}`);
  assert.deepEqual(messages.sort(), ["sleep/1 queued 1", "sleep/2 queued 2"]);
  await sleeper.end();
  sleeper = await Peer.open("sleeper");
  assert.equal(sleeper.connack.sessionPresent, false, "the session outlived a clean start");
  await sleeper.end();
}

async function refusal() {
  const intruder = new Peer("intruder", { password: "wrong" });
  const error = await soon(intruder.failed, "refusal");
  assert.match(error.message, /^Connection refused/);
  await soon(intruder.closed, "end of the refused connection");
}

async function connackProperties(peer) {
  const { receiveMaximum, topicAliasMaximum } = peer.connack.properties;
  assert(receiveMaximum >= 1 && receiveMaximum < 65535, `receive maximum ${receiveMaximum}`);
  assert(topicAliasMaximum >= 1, "no topic aliases");
  const nameless = await Peer.open("");
  assert(nameless.connack.properties.assignedClientIdentifier, "no assigned client identifier");
  await nameless.end();
}

async function sessionExpiry() {
  const visit = async (clean, lastWord) => {
    const visitor = await Peer.open("visitor", { ...persistent, clean });
    await visitor.end(lastWord);
    return visitor.connack.sessionPresent;
  };
  const seen = [await visit(true), await visit(false), await visit(false, { sessionExpiryInterval: 0 })];
  seen.push(await visit(false), await visit(true));
  assert.deepEqual(seen, [false, true, true, false, false], "session present");
}

async function messageProperties(peer) {
  await peer.subscribe("data/#", { qos: 1, properties: { subscriptionIdentifier: 7 } });
  const sent = {
    userProperties: { room: ["attic", "cellar"], unit: "°C" },
    contentType: "application/json",
    responseTopic: "data/answer",
    correlationData: Buffer.from([0x00, 0xff]),
    payloadFormatIndicator: true,
  };
  await peer.publish("data/set", "{}", { qos: 1, properties: { ...sent, messageExpiryInterval: 300 } });
  const { messageExpiryInterval, subscriptionIdentifier, ...seen } = (await peer.next()).properties;
  assert.deepEqual({ ...seen, userProperties: { ...seen.userProperties } }, sent);
  assert.equal(subscriptionIdentifier, 7);
  assert(messageExpiryInterval >= 290 && messageExpiryInterval <= 300, `expiry ${messageExpiryInterval}`);
}

async function subscriptionOptions(peer) {
  const other = await Peer.open("other");
  await peer.subscribe("chat/#", { qos: 1, nl: true });
  await peer.publish("chat/own", "mine");
  await other.publish("chat/other", "yours");
  assert.equal(await peer.text(), "chat/other yours", "with No Local");

  await other.publish("flag/kept", "1", { qos: 1, retain: true });
  await peer.subscribe("flag/#", { qos: 1, rh: 2, rap: true });
  await other.publish("flag/kept", "2", { qos: 1, retain: true });
  const message = await peer.next();
  assert.deepEqual([message.text, message.retain], ["flag/kept 2", true]);
  await other.publish("flag/kept", "", { qos: 1, retain: true });
  assert.equal(await peer.text(), "flag/kept ");
  await other.end();
}

async function sharedSubscription(peer) {
  const crew = [await Peer.open("first"), await Peer.open("second")];
  for (const member of crew) await member.subscribe(["$share/crew/job/+", "mark"]);
  const jobs = Array.from({ length: 10 }, (_, number) => `job/${number} do`);
  for (const job of jobs) await peer.publish(...job.split(" "));
  await peer.publish("mark", "end");
  const shares = [];
  for (const member of crew) {
    const share = [];
    for (let text = await member.text(); text !== "mark end"; text = await member.text()) share.push(text);
    shares.push(share);
    await member.end();
  }
  assert.deepEqual(shares.flat().sort(), jobs, "jobs, each done once");
  assert(shares.every((share) => share.length > 0), "a member had nothing to do");
}

async function topicAlias(peer) {
  const sender = await Peer.open("sender", { autoAssignTopicAlias: true });
  const topics = [];
  sender.client.on("packetsend", ({ cmd, topic }) => cmd === "publish" && topics.push(topic));
  await peer.subscribe("alias/#");
  for (let number = 0; number < 3; number++) {
    await sender.publish("alias/long", `${number}`);
    assert.equal(await peer.text(), `alias/long ${number}`);
  }
  assert.deepEqual(topics, ["alias/long", "", ""], "topics that were sent");
  await sender.end();
}

async function reasonCodes(peer) {
  const puback = await peer.publish("nobody/listens", "?");
  assert([undefined, 0x00, 0x10].includes(puback.reasonCode), `PUBACK ${puback.reasonCode}`);
  assert.deepEqual(await peer.subscribe(["code/0", "code/1"], { qos: 2 }), [2, 2]);
  const unsuback = (filter) => soon(peer.client.unsubscribeAsync(filter), "UNSUBACK");
  assert.deepEqual((await unsuback("code/0")).granted, [0x00]);
  assert.deepEqual((await unsuback("never/there")).granted, [0x11]);
}

async function takeOver() {
  const first = await Peer.open("double");
  const second = await Peer.open("double");
  assert.equal((await soon(first.disconnected, "DISCONNECT from the broker")).reasonCode, TAKEN_OVER);
  await second.end();
}

const steps = [everyQualityOfService, retained, wills, sessions];
if (v5) {
  steps.push(connackProperties, sessionExpiry, messageProperties, subscriptionOptions, sharedSubscription);
  steps.push(topicAlias, reasonCodes, takeOver);
}
steps.push(refusal);

const main = await Peer.open("main");
for (const step of steps) {
  await step(main);
  console.log("held:", step.name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`));
}
assert(main.idle(), "a message too many");
await main.end();
