// Node's fetch, which is HTTP/1.1, and its http2, as clients. Prints what each exchange gave; judges nothing.

import { connect } from "node:http2";
import { createHash } from "node:crypto";

const [, , client, origin, method, path, timeout, size, framing] = process.argv;
const fields = { "x-request-timeout": timeout };
const body = Buffer.alloc(Number(size), "0123456789abcdef");
const start = performance.now();
const hash = createHash("sha256");
let first;

function taken(part) {
  first ??= performance.now() - start;
  hash.update(part);
}

// Without a length that is known beforehand.
function* parts() {
  for (let at = 0; at < body.length; at += 8192) yield body.subarray(at, at + 8192);
}

async function byFetch() {
  const sent = framing === "chunked" ? ReadableStream.from(parts()) : body;
  const request = method === "GET" ? {} : { body: sent, duplex: "half" };
  const response = await fetch(origin + path, { method, headers: fields, ...request });
  for await (const part of response.body) taken(part);
  return response.status;
}

function byHttp2() {
  return new Promise((resolve, reject) => {
    const session = connect(origin);
    session.on("error", reject);
    const length = method === "GET" || framing === "chunked" ? {} : { "content-length": body.length };
    const stream = session.request({ ":method": method, ":path": path, ...fields, ...length });
    let status;
    stream.on("response", (head) => (status = head[":status"]));
    stream.on("data", taken);
    stream.on("error", reject);
    stream.on("end", () => session.close(() => resolve(status)));
    if (method === "GET") stream.end();
    else if (framing === "chunked") {
      for (const part of parts()) stream.write(part);
      stream.end();
    } else stream.end(body);
  });
}

const status = await (client === "fetch" ? byFetch() : byHttp2());
const last = performance.now() - start;
console.log(JSON.stringify({ status, body: hash.digest("hex"), first: first / 1000, last: last / 1000 }));
