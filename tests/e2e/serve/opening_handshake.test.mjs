// Opening handshakes, byte by byte: the servers' answers to requests, and the clients' reactions to answers. Some clients
// (Python's websockets) accept only HTTP/1.1.
import assert from "node:assert/strict";
import net from "node:net";
import { after, describe, test } from "node:test";
import { accept, CLOSE, fieldsOf, frameBytes } from "../../conformance/peer.mjs";
import { connect, each, HOWS, listen, program } from "../../conformance/play.mjs";
import { certificate } from "../support/scripted_server.mjs";
import { importFrames, listening, run, temporary } from "../support/harness.mjs";

const FRAME = JSON.stringify({ topic: "publicTrade.AUSDT", type: "snapshot", ts: 1, data: [] });

/** Send a request; the status line, headers and body of the answer. Ends once the body is there. */
function ask(t, url, target, ...headers) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port), hostname);
  t.after(() => socket.destroy());
  const lines = [`GET ${target} HTTP/1.1`, `Host: ${hostname}:${port}`, ...headers];
  socket.write(lines.join("\r\n") + "\r\n\r\n");
  return new Promise((resolve, reject) => {
    let text = "";
    const check = (isEnd) => {
      const [head, ...rest] = text.split("\r\n\r\n");
      const body = rest.join("\r\n\r\n");
      const [status, ...fields] = head.split("\r\n");
      const header = Object.fromEntries(
        fields.map((line) => [
          line.slice(0, line.indexOf(":")).toLowerCase(),
          line.slice(line.indexOf(":") + 1).trim(),
        ])
      );
      const wanted = header["content-length"] ?? (status.includes(" 101 ") ? 0 : Infinity);
      if (rest.length > 0 && (isEnd || body.length >= wanted)) resolve({ status, header, body });
      else if (isEnd) reject(new Error(`closed after ${JSON.stringify(text)}`));
    };
    socket.on("data", (bytes) => {
      text += bytes;
      check(false);
    });
    socket.on("error", reject);
    socket.on("close", () => check(true));
  });
}

const UPGRADE = [
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

const SERVERS = {
  sim: async (t, options = ["--plain"]) =>
    listening(
      t,
      ["sim", ...options, "--families", "v5-linear,spot-private", "--secret", "right"],
      temporary(t)
    ),
  serve: async (t, options = ["--plain", "--max-clients", "2"]) => {
    const dir = temporary(t);
    const archive = await importFrames(t, dir, {
      family: "v5-linear",
      host: "/v5/public/linear",
      frames: [FRAME],
    });
    return listening(t, ["serve", "-a", archive, ...options, "--secret", "right"], dir);
  },
};

// One server of each kind for the whole file: node:test runs an after() within a test at the end of that test.
const atEnd = [];
after(() => atEnd.forEach((then) => then()));
const opened = new Map();
function shared(name, options = ["--plain"]) {
  const key = [name, ...options].join(" ");
  if (!opened.has(key))
    opened.set(key, SERVERS[name]({ after: (then) => atEnd.push(then) }, options));
  return opened.get(key);
}

for (const name of Object.keys(SERVERS))
  describe(`upgrades of ${name}`, { concurrency: 1 }, () => {
    test("an unknown path is refused in HTTP/1.1, with a body that names it", async (t) => {
      const { url } = await shared(name);
      const got = await ask(t, url, "/no/such/path", ...UPGRADE);
      assert.equal(got.status, "HTTP/1.1 404 Not Found");
      assert.equal(Number(got.header["content-length"]), got.body.length);
      assert.match(got.header["content-type"], /^text\/plain/);
      assert.match(got.body, /\/no\/such\/path/);
      assert.match(got.body, /\/v5\/public\/linear/); // what there is
    });

    test("a request without an upgrade is refused", async (t) => {
      const { url } = await shared(name);
      const got = await ask(t, url, "/v5/public/linear");
      assert.equal(got.status, "HTTP/1.1 426 Upgrade Required");
      assert.match(got.body, /WebSocket/);
      const elsewhere = await ask(t, url, "/no/such/path");
      assert.equal(elsewhere.status, "HTTP/1.1 404 Not Found");
      assert.match(elsewhere.body, /\/v5\/public\/linear/); // what there is
    });

    test("an unknown subprotocol is ignored", async (t) => {
      const { url } = await shared(name);
      for (const offered of ["graphql-ws", "a, b-2.x", "w", "x".repeat(60)]) {
        const got = await ask(
          t,
          url,
          "/v5/public/linear",
          ...UPGRADE,
          `Sec-WebSocket-Protocol: ${offered}`
        );
        assert.equal(got.status, "HTTP/1.1 101 Switching Protocols", offered);
        assert.equal(got.header["sec-websocket-protocol"], undefined);
        assert.equal(got.header["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // RFC 6455 1.3
      }
    });

    test("subprotocols that are not a list of names get 400 and the reason", async (t) => {
      const { url } = await shared(name);
      const got = await ask(
        t,
        url,
        "/v5/public/linear",
        ...UPGRADE,
        "Sec-WebSocket-Protocol: a b, c"
      );
      assert.equal(got.status, "HTTP/1.1 400 Bad Request");
      assert.match(got.body, /Sec-WebSocket-Protocol/);
    });

    test("credentials in the URL are checked only in dialects that have them", async (t) => {
      const { url } = await shared(name);
      const query = "?api_key=a&expires=1&signature=b";
      const got = await ask(t, url, `/v5/public/linear${query}`, ...UPGRADE);
      assert.equal(got.status, "HTTP/1.1 101 Switching Protocols");
      if (name !== "sim") return;
      const refused = await ask(t, url, `/spot/ws${query}`, ...UPGRADE);
      assert.equal(refused.status, "HTTP/1.1 401 Unauthorized");
      assert.match(refused.body, /credentials/);
    });
  });

test("a client beyond --max-clients gets 503 with a body, and is logged", async (t) => {
  const { program, url } = await SERVERS.serve(t);
  for (let i = 0; i < 2; i++)
    assert.match((await ask(t, url, "/v5/public/linear", ...UPGRADE)).status, / 101 /);
  const got = await ask(t, url, "/v5/public/linear", ...UPGRADE);
  assert.equal(got.status, "HTTP/1.1 503 Service Unavailable");
  assert.match(got.body, /2 clients.*--max-clients/);
  await program.prints(/2 clients/);
});

// ---- handshakes as raw bytes: requests that servers read ----

const KEY = "dGhlIHNhbXBsZSBub25jZQ==",
  ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const TARGET = "/v5/public/linear";
const lines = (...list) => list.join("\r\n") + "\r\n\r\n";
const FIELDS = {
  Host: "localhost",
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": KEY,
};

/** A request: a first line, and the fields of a good one with changes; undefined omits a field, a list repeats it. */
function request(fields = {}, first = `GET ${TARGET} HTTP/1.1`) {
  const all = Object.entries({ ...FIELDS, ...fields }).flatMap(([name, value]) =>
    [value]
      .flat()
      .filter((one) => one !== undefined)
      .map((one) => `${name}: ${one}`)
  );
  return lines(first, ...all);
}
const padded = (size) =>
  request({ X: "" }).replace("X: ", `X: ${"x".repeat(size - request({ X: "" }).length)}`);
const offer = (extensions) => request({ "Sec-WebSocket-Extensions": extensions });
const DEFLATE = "permessage-deflate",
  AGREED = /^permessage-deflate; server_no_context_takeover; client_no_context_takeover/;

/** [name, bytes, status, fields of the answer: a text, a pattern, or undefined: absent]. */
const REQUESTS = [
  [
    "a good one",
    request(),
    101,
    {
      upgrade: "websocket",
      connection: "Upgrade",
      "sec-websocket-accept": ACCEPT,
      "sec-websocket-extensions": undefined,
    },
  ],
  [
    "names of fields in other cases",
    request().replace("Upgrade:", "UPGRADE:").replace("Sec-WebSocket-Key", "sec-websocket-key"),
    101,
  ],
  ["words in other cases", request({ Upgrade: "WebSocket", Connection: "upgrade" }), 101],
  [
    "space around values",
    request({ Connection: " \t Upgrade \t", "Sec-WebSocket-Key": ` ${KEY} ` }),
    101,
    { "sec-websocket-accept": ACCEPT },
  ],
  ["no space before values", request().replaceAll(": ", ":"), 101],
  [
    "lists of words",
    request({ Upgrade: "h2c, websocket", Connection: "keep-alive, Upgrade" }),
    101,
  ],
  ["a field in two lines", request({ Connection: ["keep-alive", "Upgrade"] }), 101],
  [
    "fields that do not matter",
    request({ Origin: "http://localhost:3000", Cookie: "a=b", "User-Agent": "" }),
    101,
  ],
  ["an absolute target", request({}, `GET http://localhost${TARGET} HTTP/1.1`), 101],
  ["a length of 0", request({ "Content-Length": "0" }), 101],
  ["8192 bytes", padded(8192), 101],
  ["100 fields", request({ X: Array(95).fill("x") }), 101],
  ["another path", request({}, "GET /no/such/path HTTP/1.1"), 404],
  [
    "no upgrade",
    request({
      Upgrade: undefined,
      Connection: undefined,
      "Sec-WebSocket-Key": undefined,
      "Sec-WebSocket-Version": undefined,
    }),
    426,
    { "sec-websocket-version": "13", upgrade: "websocket" },
  ],
  ...["12", "8", "0", "", "013", "13, 8"].map((version) => [
    `version '${version}'`,
    request({ "Sec-WebSocket-Version": version }),
    426,
    { "sec-websocket-version": "13" },
  ]),
  [
    "no version",
    request({ "Sec-WebSocket-Version": undefined }),
    426,
    { "sec-websocket-version": "13" },
  ],
  ["two versions", request({ "Sec-WebSocket-Version": ["13", "13"] }), 400],
  ["no key", request({ "Sec-WebSocket-Key": undefined }), 400],
  ["two keys", request({ "Sec-WebSocket-Key": [KEY, KEY] }), 400],
  ...[
    "",
    "dGhlIHNhbXBsZSBub25jZQ",
    "dGhlIHNhbXBsZSBub25jZQ=",
    "dGhlIHNhbXBsZSBub25jZTE=",
    "dGhlIHNhbXBsZSBub25j",
    "dGhlIHNhbXBsZSBub2!jZQ==",
    "====dGhlIHNhbXBsZSBub2==",
  ].map((key) => [`key '${key}'`, request({ "Sec-WebSocket-Key": key }), 400]),
  ["no Upgrade", request({ Upgrade: undefined }), 400],
  ["Upgrade to something else", request({ Upgrade: "h2c" }), 400],
  ["no Connection", request({ Connection: undefined }), 400],
  ["Connection: close", request({ Connection: "close" }), 400],
  ["no Host", request({ Host: undefined }), 400],
  ["two Hosts", request({ Host: ["a", "b"] }), 400],
  ...["POST", "HEAD", "PUT", "OPTIONS", "get", "CONNECT"].map((method) => [
    `method ${method}`,
    request({}, `${method} ${TARGET} HTTP/1.1`),
    405,
    { allow: "GET" },
  ]),
  ...["HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/11", "1.1", ""].map(
    (version) => [`version '${version}' of HTTP`, request({}, `GET ${TARGET} ${version}`), 400]
  ),
  ["no version of HTTP", request({}, `GET ${TARGET}`), 400],
  ["no target", request({}, "GET HTTP/1.1"), 400],
  ["two spaces in the first line", request({}, `GET  ${TARGET} HTTP/1.1`), 400],
  ["a space in the target", request({}, "GET /a b HTTP/1.1"), 400],
  ["a target that is no path", request({}, "GET v5 HTTP/1.1"), 400],
  [
    "an absolute target of another scheme",
    request({}, `GET ftp://localhost${TARGET} HTTP/1.1`),
    400,
  ],
  ["bytes in the target that URLs do not have", request({}, "GET /\x01 HTTP/1.1"), 400],
  ["a method with bytes that tokens do not have", request({}, `G{T ${TARGET} HTTP/1.1`), 400],
  ["lines that end with LF", request().replaceAll("\r\n", "\n").replace(/\n$/, "\r\n\r\n"), 400],
  ["a line that ends with CR", request({ A: "b\rc" }), 400],
  ["a field without a colon", request().replace("Upgrade: ", "Upgrade "), 400],
  ["a field without a name", request().replace("Upgrade:", ":"), 400],
  ["a space before the colon", request().replace("Upgrade:", "Upgrade :"), 400],
  ["a field that continues on the next line", request({ A: "b\r\n c" }), 400],
  ["NUL in a value", request({ A: "b\0c" }), 400],
  ["a control character in a value", request({ A: "b\x01c" }), 400],
  ["a body", request({ "Content-Length": "5" }) + "hello", 400],
  ["a length that is no number", request({ "Content-Length": "+0" }), 400],
  ["a body in chunks", request({ "Transfer-Encoding": "chunked" }) + "0\r\n\r\n", 400],
  ["8193 bytes", padded(8193), 431],
  ["101 fields", request({ X: Array(96).fill("x") }), 431],
  ["a head without an end", `GET ${TARGET} HTTP/1.1\r\nX: ${"x".repeat(9000)}`, 431],
  ["a first line without an end", `GET /${"x".repeat(9000)}`, 431],
  ["TLS, or anything else that is no text", "\x16\x03\x01\x02\x00\r\n\r\n", 400],
  ["an empty first line", lines("", ...request().trimEnd().split("\r\n")), 400],
  ["extensions without names", offer("permessage-deflate; ;"), 400],
  ["an extension whose parameter lacks its value", offer("x; y="), 400],
  [
    "an unknown extension",
    offer("x-webkit-deflate-frame"),
    101,
    { "sec-websocket-extensions": undefined },
  ],
  ["compression", offer(DEFLATE), 101, { "sec-websocket-extensions": AGREED }],
  [
    "compression with a window",
    offer(`${DEFLATE}; server_max_window_bits=10`),
    101,
    { "sec-websocket-extensions": /; server_max_window_bits=10$/ },
  ],
  [
    "compression with a window in quotes",
    offer(`${DEFLATE}; server_max_window_bits="10"`),
    101,
    { "sec-websocket-extensions": /; server_max_window_bits=10$/ },
  ],
  [
    "the second offer of two lines",
    request({ "Sec-WebSocket-Extensions": ["x-other", DEFLATE] }),
    101,
    { "sec-websocket-extensions": AGREED },
  ],
  [
    "the second offer, without what the first asks for",
    offer(`${DEFLATE}; server_max_window_bits=8, ${DEFLATE}`),
    101,
    { "sec-websocket-extensions": /^((?!window).)*$/ },
  ],
  ...[
    "server_max_window_bits=8",
    "server_max_window_bits=16",
    "server_max_window_bits=09",
    "server_max_window_bits",
    "client_max_window_bits=7",
    "server_no_context_takeover=1",
    "server_no_context_takeover; server_no_context_takeover",
    "unknown",
  ].map((parameter) => [
    `compression with ${parameter}: declined`,
    offer(`${DEFLATE}; ${parameter}`),
    101,
    { "sec-websocket-extensions": undefined },
  ]),
];

/** The answer to raw bytes: its status and fields. */
async function answerTo(url, ca, bytes, pieces) {
  const peer = await connect(url, ca);
  await peer.write(Buffer.from(bytes, "latin1"), pieces);
  const head = await peer.head();
  assert.ok(head !== undefined, "no answer");
  if (!head.startsWith("HTTP/1.1 101 ")) while (!peer.isEnded) await peer.more(); // until it closes
  peer.socket.destroy();
  return { status: Number(head.split(" ")[1]), fields: fieldsOf(head) };
}

/** All rows over plain TCP. Over TLS, where the same parser gets the bytes, one row of each result. */
const rowsFor = (how, rows, resultOf) =>
  how === "plain" ? rows : [...new Map(rows.map((row) => [String(resultOf(row)), row])).values()];

for (const server of Object.keys(SERVERS))
  for (const how of HOWS) {
    const chosen = rowsFor(how, REQUESTS, ([, , status]) => status);
    test(`${server} answers ${chosen.length} requests, ${how}`, async () => {
      const { url, ca } = await shared(server, how === "plain" ? ["--plain"] : []);
      const rows = chosen.map(([name, bytes, status, fields]) => ({ name, bytes, status, fields }));
      const failures = await each(rows, 16, async ({ bytes, status, fields }) => {
        for (const pieces of bytes.length < 1000 ? [undefined, 1] : [undefined]) {
          const got = await answerTo(url, ca, bytes, pieces);
          assert.equal(got.status, status);
          for (const [name, value] of Object.entries(fields ?? {}))
            value instanceof RegExp
              ? assert.match(got.fields[name] ?? "", value)
              : assert.equal(got.fields[name], value);
        }
      });
      assert.deepEqual(failures, []);
    });
  }

// ---- answers that clients read ----

const GOOD = {
  Upgrade: "websocket",
  Connection: "Upgrade",
  "Sec-WebSocket-Accept": (key) => accept(key),
};

/** An answer, as a function of the client's key, changed as request() changes requests. */
const answer =
  (fields = {}, first = "HTTP/1.1 101 Switching Protocols") =>
  (key) => {
    const all = Object.entries({ ...GOOD, ...fields }).flatMap(([name, value]) =>
      [value]
        .flat()
        .filter((one) => one !== undefined)
        .map((one) => `${name}: ${typeof one === "function" ? one(key) : one}`)
    );
    return lines(first, ...all);
  };
const refusal =
  (status, ...more) =>
  () =>
    lines(`HTTP/1.1 ${status}`, ...more, "Content-Length: 2") + "no";
const CLOSES = frameBytes({ opcode: CLOSE, payload: Buffer.from([0x03, 0xe8]) }, false).toString(
  "latin1"
);
const extension = (text) => answer({ "Sec-WebSocket-Extensions": text });

/** [name, answer, how the connection ends]. The good ones are closed with 1000. */
const OPENED = /^closed_by_peer 1000 /,
  WRONG = /^protocol 0 .*sent an invalid answer to the upgrade: /,
  refused = (status) => new RegExp(`^refused 0 .*refused the upgrade with HTTP status ${status}`);
const ANSWERS = [
  ["a good one", answer(), OPENED],
  ["another phrase", answer({}, "HTTP/1.1 101 Web Socket Protocol Handshake"), OPENED],
  ["no phrase", answer({}, "HTTP/1.1 101 "), OPENED],
  [
    "words in other cases, lists, further fields",
    answer({ Upgrade: "WebSocket", Connection: "keep-alive, UPGRADE", Server: "x", Date: "today" }),
    OPENED,
  ],
  [
    "names of fields in other cases",
    (key) =>
      answer()(key)
        .replace("Upgrade:", "UPGRADE:")
        .replace("Sec-WebSocket-Accept", "sec-websocket-accept"),
    OPENED,
  ],
  ["compression", extension("permessage-deflate"), OPENED],
  [
    "compression with all parameters",
    extension(
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits=12"
    ),
    OPENED,
  ],
  [
    "8192 bytes",
    (key) => answer({ X: "x".repeat(8192 - answer({ X: "" })(key).length) })(key),
    OPENED,
  ],
  ["100 Continue before it", (key) => lines("HTTP/1.1 100 Continue") + answer()(key), OPENED],
  [
    "103 with fields, and 102, before it",
    (key) =>
      lines("HTTP/1.1 103 Early Hints", "Link: </x>", "Upgrade: h2c") +
      lines("HTTP/1.1 102 ") +
      answer()(key),
    OPENED,
  ],
  [
    "100 Continue before a refusal",
    () => lines("HTTP/1.1 100 Continue") + refusal("403 Forbidden")(),
    refused(403),
  ],
  [
    "100 Continue, malformed",
    (key) => lines("HTTP/1.1 100 Continue", "no field") + answer()(key),
    WRONG,
  ],
  ["HTTP/1.0", answer({}, "HTTP/1.0 101 Switching Protocols"), WRONG],
  ["HTTP/2.0", answer({}, "HTTP/2.0 101 Switching Protocols"), WRONG],
  ["no HTTP", () => "SSH-2.0-OpenSSH_9.2\r\n\r\n", WRONG],
  ["a status of two digits", answer({}, "HTTP/1.1 10 x"), WRONG],
  ["no Upgrade", answer({ Upgrade: undefined }), WRONG],
  ["Upgrade to something else", answer({ Upgrade: "h2c" }), WRONG],
  ["no Connection", answer({ Connection: undefined }), WRONG],
  ["Connection: close", answer({ Connection: "close" }), WRONG],
  ["no proof of the key", answer({ "Sec-WebSocket-Accept": undefined }), WRONG],
  ["the proof of another key", answer({ "Sec-WebSocket-Accept": ACCEPT }), WRONG],
  [
    "the proof in other cases",
    answer({
      "Sec-WebSocket-Accept": (key) => accept(key).replace(/[a-z]/, (c) => c.toUpperCase()),
    }),
    WRONG,
  ],
  ["two proofs", answer({ "Sec-WebSocket-Accept": [accept, accept] }), WRONG],
  ["a subprotocol", answer({ "Sec-WebSocket-Protocol": "chat" }), WRONG],
  ["an extension that was not offered", extension("x-webkit-deflate-frame"), WRONG],
  ["compression twice", extension("permessage-deflate, permessage-deflate"), WRONG],
  ["compression in two lines", extension(["permessage-deflate", "permessage-deflate"]), WRONG],
  ...[
    "server_max_window_bits=7",
    "server_max_window_bits=16",
    "server_max_window_bits",
    "client_max_window_bits",
    "client_max_window_bits=16",
    "unknown",
    "server_no_context_takeover=1",
    "server_no_context_takeover; server_no_context_takeover",
  ].map((parameter) => [
    `compression with ${parameter}`,
    extension(`permessage-deflate; ${parameter}`),
    WRONG,
  ]),
  [
    "lines that end with LF",
    (key) => answer()(key).replaceAll("\r\n", "\n").replace(/\n$/, "\r\n\r\n"),
    WRONG,
  ],
  ["a field without a colon", (key) => answer()(key).replace("Upgrade: ", "Upgrade "), WRONG],
  ["a field that continues on the next line", answer({ A: "b\r\n c" }), WRONG],
  ["NUL in a value", answer({ A: "b\0c" }), WRONG],
  [
    "8193 bytes",
    (key) => answer({ X: "x".repeat(8193 - answer({ X: "" })(key).length) })(key),
    WRONG,
  ],
  ["101 fields", answer({ X: Array(98).fill("x") }), WRONG],
  [
    "a head without an end",
    () => `HTTP/1.1 101 Switching Protocols\r\nX: ${"x".repeat(9000)}`,
    WRONG,
  ],
  ...[
    "200 OK",
    "204 No Content",
    "301 Moved Permanently",
    "400 Bad Request",
    "401 Unauthorized",
    "403 Forbidden",
    "404 Not Found",
    "405 Method Not Allowed",
    "426 Upgrade Required",
    "429 Too Many Requests",
    "431 Request Header Fields Too Large",
    "500 Internal Server Error",
    "503 Service Unavailable",
  ].map((status) => [
    status,
    refusal(status, "Location: /elsewhere", "Retry-After: 1"),
    refused(status.slice(0, 3)),
  ]),
  ["no answer", undefined, /^(closed_by_peer|reset) 0 .*before it answered the upgrade/],
];

for (const how of HOWS) {
  const answers = rowsFor(how, ANSWERS, ([, , end]) => end);
  test(`a client reads ${answers.length} answers, ${how}`, async (t) => {
    const files = how === "tls" ? certificate(temporary(t)) : undefined;
    const requests = [];
    const url = await listen(
      t,
      async (peer, { path, fields }) => {
        const [, made, end] = answers[Number(path.slice(1)) >> 1];
        requests.push(fields);
        if (made !== undefined)
          await peer.write(
            Buffer.from(
              made(fields["sec-websocket-key"]) + (end === OPENED ? CLOSES : ""),
              "latin1"
            ),
            Number(path.slice(1)) % 2 === 0 ? undefined : 7
          );
        peer.socket.end();
      },
      files
    );
    const { stdout } = await run(t, program("echo_client"), [
      url,
      String(2 * answers.length),
      ...(files ? [files.ca] : []),
    ]);
    const ends = new Map(
      stdout
        .trim()
        .split("\n")
        .map((line) => [Number(line.split(" ", 1)[0]), line.slice(line.indexOf(" ") + 1)])
    );
    answers.forEach(([name, , end], i) =>
      [0, 1].forEach((pieces) => assert.match(ends.get(2 * i + pieces) ?? "", end, name))
    );
    // The client's request: RFC 6455, 4.1. Every key is different.
    for (const fields of requests) {
      assert.equal(fields.host, new URL(url).host);
      assert.deepEqual(
        [fields.upgrade, fields.connection, fields["sec-websocket-version"]].map((value) =>
          value.toLowerCase()
        ),
        ["websocket", "upgrade", "13"]
      );
      assert.equal(Buffer.from(fields["sec-websocket-key"], "base64").length, 16);
    }
    assert.equal(
      new Set(requests.map((fields) => fields["sec-websocket-key"])).size,
      requests.length
    );
  });
}
