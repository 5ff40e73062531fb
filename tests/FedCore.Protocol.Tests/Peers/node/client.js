"use strict";
// The client of @grpc/grpc-js against a server with the service of probe.proto: prints a line "ok NAME" or "failed NAME: WHY" for each scenario.
// Arguments: the folder of node_modules, HOST:PORT
const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { grpc, Probe, details, detailsTrailer } = require("./probe.js");

const CHUNK = 256 << 10, CHUNKS = 200, PATIENCE = 20;
const MESSAGE = "no such thing: \u00c4pfel, 100 % \u6f22\nsecond line";

const client = new Probe(process.argv[3], grpc.credentials.createInsecure(), { "grpc.max_receive_message_length": 4 << 20 });
const within = (seconds = PATIENCE) => ({ deadline: Date.now() + seconds * 1000 });

/** The call and a promise of its answer, header fields and trailers. */
function unary(ask, { options = within(), metadata = new grpc.Metadata(), method = "Unary" } = {}) {
  const came = {};
  let call;
  const answer = new Promise((resolve, reject) => {
    call = client[method](ask, metadata, options, (fault, value) => (fault ? reject(fault) : resolve(value)));
    call.on("metadata", (headers) => { came.headers = headers; });
    call.on("status", (status) => { came.trailers = status.metadata; });
  });
  answer.catch(() => {});
  return { call, answer, came };
}

function clientStream(options = within()) {
  let call;
  const answer = new Promise((resolve, reject) => {
    call = client.ClientStream(new grpc.Metadata(), options, (fault, value) => (fault ? reject(fault) : resolve(value)));
  });
  call.on("error", () => {});
  answer.catch(() => {});
  return { call, answer };
}

const signal = (name) => unary({ command: "signal", payload: Buffer.from(name) }).answer;

async function all(call) {
  const answers = [];
  for await (const answer of call) answers.push(answer);
  return answers;
}

const write = (call, ask) => new Promise((resolve) => { call.write(ask, resolve); });

const fails = (code, promise) => assert.rejects(promise, (fault) => { assert.equal(fault.code, code, String(fault)); return true; });

const failsWithDetails = (promise) => assert.rejects(promise, (fault) => {
  assert.equal(fault.code, grpc.status.NOT_FOUND, String(fault));
  assert.equal(fault.details, MESSAGE);
  assert.deepEqual(fault.metadata.get(detailsTrailer)[0], details(5, MESSAGE));
  return true;
});

const scenarios = {
  async unary_answers() {
    assert.equal((await unary({ payload: Buffer.from("hello") }).answer).payload.toString(), "hello");
  },
  async unary_empty() {
    assert.equal((await unary({}).answer).payload.length, 0);
  },
  async unary_large() {
    const payload = crypto.randomBytes(3 << 20);
    assert.deepEqual((await unary({ payload }).answer).payload, payload);
  },
  async unary_too_large() {
    await fails(grpc.status.RESOURCE_EXHAUSTED, unary({ payload: Buffer.alloc(5 << 20) }).answer);
  },
  async unary_fails() {
    await failsWithDetails(unary({ command: "fail", payload: Buffer.from(MESSAGE) }).answer);
  },
  async unary_throws() {
    await assert.rejects(unary({ command: "throw" }).answer, (fault) => fault.code === grpc.status.UNKNOWN && !fault.details.includes("swordfish"));
  },
  async unary_missing() {
    await fails(grpc.status.UNIMPLEMENTED, unary({}, { method: "Missing" }).answer);
    await fails(grpc.status.UNIMPLEMENTED, new Promise((resolve, reject) => {
      client.makeUnaryRequest("/no.Service/Method", (x) => x, (x) => x, Buffer.alloc(0), new grpc.Metadata(), within(), (fault) => (fault ? reject(fault) : resolve()));
    }));
  },
  async unary_compressed() {
    const gzip = new Probe(process.argv[3], grpc.credentials.createInsecure(), { "grpc.default_compression_algorithm": grpc.compressionAlgorithms.gzip });
    await fails(grpc.status.UNIMPLEMENTED, new Promise((resolve, reject) => {
      gzip.Unary({ payload: Buffer.alloc(1000) }, new grpc.Metadata(), within(), (fault) => (fault ? reject(fault) : resolve()));
    }));
    gzip.close();
  },
  async unary_metadata() {
    const metadata = new grpc.Metadata();
    const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
    metadata.add("x-text", "plain, with a comma");
    metadata.add("x-bytes-bin", bytes);
    metadata.add("x-many", "one");
    metadata.add("x-many", "two");
    const { answer, came } = unary({ command: "metadata" }, { metadata });
    await answer;
    for (const back of [came.headers, came.trailers]) {
      assert.deepEqual(back.get("x-text"), ["plain, with a comma"]);
      assert.deepEqual(back.get("x-bytes-bin"), [bytes]);
      assert.equal(back.get("x-many").join().replaceAll(" ", ""), "one,two");
    }
  },
  async unary_deadline() {
    const name = "node-unary-deadline";
    await fails(grpc.status.DEADLINE_EXCEEDED, unary({ command: "wait", payload: Buffer.from(name) }, { options: within(1) }).answer);
    await signal(`${name} cancelled`);
  },
  async unary_cancelled() {
    const name = "node-unary-cancelled";
    const { call, answer } = unary({ command: "wait", payload: Buffer.from(name) });
    await signal(`${name} begun`);
    call.cancel();
    await fails(grpc.status.CANCELLED, answer);
    await signal(`${name} cancelled`);
  },
  async server_stream_answers() {
    const answers = await all(client.ServerStream({ payload: Buffer.from("again"), count: 100 }, within()));
    assert.equal(answers.length, 100);
    assert.ok(answers.every((answer) => answer.payload.toString() === "again"));
  },
  async server_stream_empty() {
    assert.equal((await all(client.ServerStream({}, within()))).length, 0);
  },
  async server_stream_fails() {
    let count = 0;
    const call = client.ServerStream({ command: "fail", payload: Buffer.from(MESSAGE), count: 3 }, within());
    await failsWithDetails((async () => { for await (const _ of call) count++; })());
    assert.equal(count, 3);
  },
  async server_stream_deadline() {
    const name = "node-stream-deadline";
    await fails(grpc.status.DEADLINE_EXCEEDED, all(client.ServerStream({ command: "wait", payload: Buffer.from(name), count: 1 }, within(1))));
    await signal(`${name} cancelled`);
  },
  async server_stream_cancelled() {
    const name = "node-stream-cancelled";
    const call = client.ServerStream({ command: "wait", payload: Buffer.from(name), count: 1 }, within());
    const reading = all(call);
    reading.catch(() => {});
    await signal(`${name} begun`);
    call.cancel();
    await fails(grpc.status.CANCELLED, reading);
    await signal(`${name} cancelled`);
  },
  async server_stream_big() {
    const payload = crypto.randomBytes(CHUNK);
    let count = 0;
    for await (const answer of client.ServerStream({ payload, count: CHUNKS }, within())) {
      assert.ok(answer.payload.equals(payload));
      count++;
    }
    assert.equal(count, CHUNKS);
  },
  async client_stream_counts() {
    for (const count of [0, 1, 100]) {
      const { call, answer } = clientStream();
      for (let i = 0; i < count; i++) await write(call, { payload: Buffer.from("ten bytes.") });
      call.end();
      const { bytes, messages } = await answer;
      assert.deepEqual({ bytes, messages }, { bytes: 10 * count, messages: count });
    }
  },
  async client_stream_fails_early() {
    const { call, answer } = clientStream();
    call.write({ command: "fail", payload: Buffer.from(MESSAGE) });
    await failsWithDetails(answer);
  },
  async client_stream_answered_early() {
    const { call, answer } = clientStream();
    call.write({ payload: Buffer.from("one") });
    call.write({ command: "early" });
    const { bytes, messages } = await answer;
    assert.deepEqual({ bytes, messages }, { bytes: 3, messages: 1 });
  },
  async client_stream_cancelled() {
    const name = "node-client-stream-cancelled";
    const { call, answer } = clientStream();
    call.write({ command: "wait", payload: Buffer.from(name) });
    await signal(`${name} begun`);
    call.cancel();
    await fails(grpc.status.CANCELLED, answer);
    await signal(`${name} cancelled`);
  },
  async client_stream_big() {
    const payload = crypto.randomBytes(CHUNK);
    const { call, answer } = clientStream();
    for (let i = 0; i < CHUNKS; i++) await write(call, { payload });
    call.end();
    const { bytes, messages } = await answer;
    assert.deepEqual({ bytes, messages }, { bytes: CHUNK * CHUNKS, messages: CHUNKS });
  },
  async duplex_converses() {
    const call = client.Duplex(within());
    let next = 0;
    call.write({ payload: Buffer.from("0") });
    for await (const answer of call) {
      assert.equal(answer.payload.toString(), String(next));
      if (++next < 50) call.write({ payload: Buffer.from(String(next)) });
      else call.end();
    }
    assert.equal(next, 50);
  },
  async duplex_fails() {
    const call = client.Duplex(within());
    call.write({ payload: Buffer.from("well") });
    call.write({ command: "fail", payload: Buffer.from(MESSAGE) });
    let count = 0;
    await failsWithDetails((async () => { for await (const _ of call) count++; })());
    assert.equal(count, 1);
  },
  async duplex_big() {
    const payload = crypto.randomBytes(CHUNK);
    const call = client.Duplex(within());
    const writing = (async () => {
      for (let i = 0; i < CHUNKS; i++) await write(call, { payload });
      call.end();
    })();
    let count = 0;
    for await (const answer of call) {
      assert.ok(answer.payload.equals(payload));
      count++;
    }
    await writing;
    assert.equal(count, CHUNKS);
  },
};

(async () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    try {
      await scenario();
      console.log(`ok ${name}`);
    } catch (fault) {
      console.log(`failed ${name}: ${fault}`.replaceAll("\n", " "));
      console.error(fault);
    }
  }
  process.exit(0);
})();
