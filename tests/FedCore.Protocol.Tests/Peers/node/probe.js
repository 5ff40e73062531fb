"use strict";
// What client.js and server.js share. Arguments of both begin with the folder of node_modules.
const path = require("node:path");
const { createRequire } = require("node:module");

const packages = createRequire(path.join(process.argv[2], "package.json"));
const grpc = packages("@grpc/grpc-js");
const loader = packages("@grpc/proto-loader");

const definition = loader.loadSync(path.join(__dirname, "..", "probe.proto"), { defaults: true, longs: Number });
const { Probe } = grpc.loadPackageDefinition(definition).fedcore.tests;

const field = (number, content) => Buffer.concat([Buffer.from([number << 3 | 2, content.length]), Buffer.from(content)]);

/** google.rpc.Status with a fedcore.v1.Fault. */
function details(code, message) {
  const fault = Buffer.concat([field(1, "probe.missing"), field(2, "payload")]);
  const any = Buffer.concat([field(1, "type.googleapis.com/fedcore.v1.Fault"), field(2, fault)]);
  return Buffer.concat([Buffer.from([1 << 3, code]), field(2, Buffer.from(message)), field(3, any)]);
}

module.exports = { grpc, Probe, details, detailsTrailer: "grpc-status-details-bin" };
