"use strict";
// The server of @grpc/grpc-js with the service of probe.proto. Prints its port, and ends with its standard input.
const { once } = require("node:events");
const { grpc, Probe, details, detailsTrailer } = require("./probe.js");

const signals = new Map();

function signal(name) {
  if (!signals.has(name)) {
    let set;
    const promise = new Promise((resolve) => { set = resolve; });
    signals.set(name, { promise, set });
  }
  return signals.get(name);
}

function failure(message) {
  const metadata = new grpc.Metadata();
  metadata.set(detailsTrailer, details(grpc.status.NOT_FOUND, message));
  return { code: grpc.status.NOT_FOUND, details: message, metadata };
}

/** The trailers of the answer, or "early" where a stream shall end here. */
async function obey(ask, call) {
  const name = ask.command === "" ? "" : ask.payload.toString();
  switch (ask.command) {
    case "fail": throw failure(name);
    case "throw": throw new Error("thrown");
    case "wait":
      signal(`${name} begun`).set();
      if (!call.cancelled) await once(call, "cancelled");
      signal(`${name} cancelled`).set();
      throw { code: grpc.status.CANCELLED, details: "waited" };
    case "signal":
      await signal(name).promise;
      return undefined;
    case "metadata": {
      const sent = new grpc.Metadata();
      for (const key of Object.keys(call.metadata.getMap()).filter((key) => key.startsWith("x-"))) {
        for (const value of call.metadata.get(key)) sent.add(key, value);
      }
      call.sendMetadata(sent);
      return sent;
    }
    default: return ask.command;
  }
}

const answerTo = (ask) => ({ payload: Buffer.concat([ask.payload, Buffer.alloc(ask.size)]) });

const write = (call, answer) => new Promise((resolve) => { call.write(answer, resolve); });

const server = new grpc.Server({ "grpc.max_receive_message_length": 4 << 20 });
server.addService(Probe.service, {
  Unary: (call, done) => obey(call.request, call).then((trailers) => done(null, answerTo(call.request), typeof trailers === "object" ? trailers : undefined), done),

  ServerStream: async (call) => {
    try {
      for (let i = 0; i < call.request.count; i++) await write(call, answerTo(call.request));
      await obey(call.request, call);
      call.end();
    } catch (fault) {
      call.emit("error", fault);
    }
  },

  ClientStream: async (call, done) => {
    const answer = { bytes: 0, messages: 0 };
    try {
      for await (const ask of call) {
        if (await obey(ask, call) === "early") break;
        answer.messages++;
        answer.bytes += ask.payload.length;
      }
      done(null, answer);
    } catch (fault) {
      done(fault);
    }
  },

  // Not read by "for await", which would destroy the call at its end before it could be ended well.
  Duplex: (call) => {
    call.on("data", async (ask) => {
      call.pause();
      try {
        if (await obey(ask, call) === "early") return call.end();
        await write(call, answerTo(ask));
        call.resume();
      } catch (fault) {
        call.emit("error", fault);
      }
    });
    call.on("end", () => call.end());
  },
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (fault, port) => {
  if (fault) throw fault;
  console.log(port);
});
process.stdin.on("end", () => process.exit(0)).resume();
