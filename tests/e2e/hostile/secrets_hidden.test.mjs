// No secret, in any form in which a server may echo it, is in the archive or in the output of programs. The search reads the
// files without tapedeck (secret_search.mjs); Node inflates compressed frames. Expected: docs/design.md P2,
// recorder/capture/redact.h.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import { describe } from "node:test";
import zlib from "node:zlib";
import {
  eventsOf,
  importLines,
  jsonLines,
  listening,
  run,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { acknowledge, scriptedServer, trade } from "../support/scripted_server.mjs";
import { nothingLeaked, nothingLeakedInText } from "../support/secret_search.mjs";
import { feedArgs, Recorder } from "../support/recorders.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket, WebSocketServer } = npm("ws");
const KEY = "k3yK3Yk3yK3Yk3yZ_-";
const SECRET = "s3cr3tS3cr3ts3cr3tS3cr3tQ8w/E+";

/** name -> the encoding of a value. */
const TEXT_FORMS = {
  plain: (v) => v,
  upper: (v) => v.toUpperCase(),
  lower: (v) => v.toLowerCase(),
  "escaped, JSON": (v) => [...v].map((c) => `\\u00${c.charCodeAt(0).toString(16)}`).join(""),
  "escaped, URL": (v) => [...v].map((c) => `%${c.charCodeAt(0).toString(16)}`).join(""),
};
TEXT_FORMS["escaped twice, JSON"] = (v) => TEXT_FORMS["escaped, JSON"](v).replaceAll("\\", "\\\\");
TEXT_FORMS["escaped twice, URL"] = (v) => TEXT_FORMS["escaped, URL"](v).replaceAll("%", "%25");
const PACKED = {
  gzip: (text) => zlib.gzipSync(text),
  "gzip, stored": (text) => zlib.gzipSync(text, { level: 0 }),
  zlib: (text) => zlib.deflateSync(text),
  raw: (text) => zlib.deflateRawSync(text),
};

/** All readings of a frame: as it is, inflated, without escapes. */
function readings(frame) {
  const texts = [frame.toString("latin1")];
  for (const inflate of [zlib.gunzipSync, zlib.inflateSync, zlib.inflateRawSync]) {
    try {
      texts.push(inflate(frame, { finishFlush: zlib.constants.Z_SYNC_FLUSH }).toString("latin1"));
    } catch {
      // another compression
    }
  }
  texts.push(texts[0].replaceAll("\0", "")); // UTF-16
  const undo = (text) =>
    text.replace(/\\u00([0-9a-f]{2})|%([0-9a-f]{2})|\\\\/gi, (_, a, b) =>
      (a ?? b) ? String.fromCharCode(parseInt(a ?? b, 16)) : "\\"
    );
  return texts.flatMap((text) => [text, undo(text), undo(undo(text))]);
}

/** No form of the value is in any of the frames. */
function nothingInFrames(frames, value) {
  const plain = value.toLowerCase();
  for (const frame of frames)
    for (const text of readings(frame))
      assert.ok(!text.toLowerCase().includes(plain), `${value} in ${text.slice(0, 200)}`);
}

/** The frames of an archive, byte for byte. */
async function framesOf(t, archive) {
  return (await jsonLines(t, ["cat", "-a", archive])).map((row) =>
    row.data_hex ? Buffer.from(row.data_hex, "hex") : Buffer.from(row.data)
  );
}

/** A key and a signature for each form: finding one must not help to find the next. */
const keyOf = (name) =>
  createHash("sha256").update(`key ${name}`).digest("base64").replace(/[+/=]/g, "x").slice(0, 22);
const signatureOf = (name) => createHash("sha256").update(`signature ${name}`).digest("hex");
const NOW = 1795154400000;
const spelt = TEXT_FORMS["escaped, JSON"];
const auth = (k, s) => `{"op":"auth","args":["${k}",${NOW},"${s}"]}`;
const NESTED = 70; // deeper than the reader of JSON descends

/** name -> a client's message: (key, signature) => text or bytes; whole: all of it is overwritten. Texts are sent as text
 * messages, bytes as binary ones. */
const REQUESTS = {
  usual: { send: auth },
  "op in capitals": { send: (k, s) => auth(k, s).replace('"auth"', '"AUTH"') },
  "op in mixed case, blanks": { send: (k, s) => auth(k, s).replace('"auth"', '" Auth "') },
  "op that is longer": { send: (k, s) => auth(k, s).replace('"auth"', '"authKeyExpires"') },
  login: { send: (k, s) => auth(k, s).replace('"auth"', '"login"') },
  "sign-in": { send: (k, s) => auth(k, s).replace('"auth"', '"user.signIn"') },
  "op and args in capitals": {
    send: (k, s) => auth(k, s).replace('"op"', '"OP"').replace('"args"', '"Args"'),
  },
  "method and params": {
    send: (k, s) => `{"method":"public/auth","params":["${k}","${s}"],"id":7}`,
  },
  "channel and payload": {
    send: (k, s) => `{"channel":"spot.login","event":"api","payload":{"a":"${k}","b":"${s}"}}`,
  },
  "one argument": { send: (k, s) => `{"op":"auth","args":["${k}|${s}"]}` },
  "two arguments": { send: (k, s) => `{"op":"auth","args":["${k}","${s}"]}` },
  "five arguments": { send: (k, s) => `{"op":"auth","args":["v5",1,"${s}",null,"${k}"]}` },
  "args is an object": {
    send: (k, s) => `{"op":"auth","args":{"who":"${k}","when":${NOW},"how":"${s}"}}`,
  },
  "args is a text": { send: (k, s) => `{"op":"auth","args":"${k}:${s}"}` },
  "args is JSON in a text": {
    send: (k, s) => JSON.stringify({ op: "auth", args: JSON.stringify([k, NOW, s]) }),
  },
  "args are nested": { send: (k, s) => `{"op":"auth","args":[[["${k}"]],{"x":[{"y":"${s}"}]}]}` },
  "a number instead of text": {
    send: (k, s) => `{"op":"auth","args":[${NUMBER},${NOW},"${s}","${k}"]}`,
  },
  "args before op": { send: (k, s) => `{"args":["${k}",${NOW},"${s}"],"op":"auth"}` },
  "op twice": { send: (k, s) => `{"op":"subscribe","args":["${k}","${s}"],"op":"auth"}` },
  "args twice": { send: (k, s) => `{"op":"auth","args":[],"args":["${k}"],"args":["${s}"]}` },
  "a request in a request": { send: (k, s) => `{"id":1,"request":${auth(k, s)}}` },
  "op in an object of its own": {
    send: (k, s) => `{"request":{"op":"auth"},"args":["${k}","${s}"]}`,
  },
  "a list of requests": { send: (k, s) => `[{"op":"ping"},${auth(k, s)}]` },
  "a list that is a request": { send: (k, s) => `["auth",{"a":"${k}"},"${s}"]` },
  "escaped member": { send: (k, s) => auth(k, s).replace('"args"', '"\\u0061rgs"') },
  "escaped op": {
    send: (k, s) => auth(k, s).replace('"op"', '"\\u006fp"').replace('"auth"', '"\\u0061uth"'),
  },
  "escaped values": { send: (k, s) => auth(spelt(k), spelt(s)) },
  "binary message": { send: (k, s) => Buffer.from(auth(k, s)) },
  "byte order mark": { send: (k, s) => `\ufeff${auth(k, s)}` },
  "blanks before it": { send: (k, s) => ` \r\n\t\v\f\u00a0${auth(k, s)}` },
  "blanks and a byte order mark, binary": { send: (k, s) => Buffer.from(` \ufeff ${auth(k, s)}`) },
  "signature of 5,000 bytes": {
    send: (k, s) => auth(k, s.repeat(80).slice(0, 5000)),
    longest: 5000,
  },
  "signature of 20,001 bytes": {
    send: (k, s) =>
      auth(
        k,
        [...Array(320)]
          .map((_, i) => signatureOf(`${i}${s}`))
          .join("")
          .slice(0, 20001)
      ),
    longest: 20001,
  },
  "header of order entry": {
    send: (k, s) =>
      `{"reqId":"r","header":{"X-BAPI-API-KEY":"${k}","X-BAPI-SIGN":"${s}"},"op":"order.create","args":[{"symbol":"BTCUSDT","qty":"12345678"}]}`,
  },
  "headers in other case": {
    send: (k, s) =>
      `{"headers":{"x_bapi_api_key":"${k}","ok-access-sign":"${s}"},"op":"order.create"}`,
  },
  "members of a request that subscribes": {
    send: (k, s) =>
      `{"type":"subscribe","channels":["user"],"signature":"${s}","key":"${k}","passphrase":"p${k}"}`,
  },
  "members of an argument": {
    send: (k, s) =>
      `{"op":"order","args":[{"apiKey":"${k}","symbol":"BTCUSDT","params":{"client_secret":{"v":["${s}"]}}}]}`,
  },
  "member of a name in pieces": {
    send: (k, s) => `{"Access-Key_Id":"${k}","x":{"API_Secret":"${s}"}}`,
  },
  "escaped name": { send: (k, s) => `{"\\u0061piKey":"${k}","sec\\u0072et":"${s}"}` },
  "a member twice": { send: (k, s) => `{"apiKey":"","apiKey":"${k}","token":1,"token":"${s}"}` },
  "token, password, listen key": {
    send: (k, s) =>
      `{"event":"subscribe","subscription":{"token":"${s}","listenKey":"${k}","password":"Pw1-${k}"}}`,
  },
  "auth is a member": {
    send: (k, s) =>
      `{"event":"subscribe","payload":["BTC"],"auth":{"method":"api_key","KEY":"${k}","SIGN":"${s}"}}`,
  },
  "auth in members": {
    send: (k, s) => `{"event":"auth","apiKey":"${k}","authSig":"${s}","authPayload":"AUTH${NOW}"}`,
  },
  Authorization: {
    send: (k, s) => `{"headers":{"Authorization":"Bearer ${s}","Cookie":"a=b; sid=${k}"}}`,
  },
  "a URL in a text": {
    send: (k, s) => `{"op":"open","url":"wss://h/v5/private?api_key=${k}&sign=${s}"}`,
  },
  "JSON in a text": { send: (k, s) => JSON.stringify({ op: "forward", body: auth(k, s) }) },
  "a text that is JSON": { send: (k, s) => JSON.stringify(JSON.stringify(auth(k, s))) },
  gzip: { send: (k, s) => zlib.gzipSync(auth(k, s)), whole: true },
  zlib: { send: (k, s) => zlib.deflateSync(auth(k, s)), whole: true },
  "raw deflate": { send: (k, s) => zlib.deflateRawSync(auth(k, s)), whole: true },
  "gzip, cut off": {
    send: (k, s) => zlib.gzipSync(auth(k, s), { level: 0 }).subarray(0, -10),
    whole: true,
  },
  "UTF-16": { send: (k, s) => Buffer.from(auth(k, s), "utf16le"), whole: true },
  "a comma too many": { send: (k, s) => auth(k, s).replace("]", ",]"), whole: true },
  "single quotes": { send: (k, s) => auth(k, s).replaceAll('"', "'"), whole: true },
  "a comment": { send: (k, s) => `/* */${auth(k, s)}`, whole: true },
  "two documents": { send: (k, s) => `{"op":"ping"}\n${auth(k, s)}`, whole: true },
  "cut off": { send: (k, s) => auth(k, s).slice(0, -2), whole: true },
  "half of a surrogate pair": {
    send: (k, s) => auth(k, s).replace("{", '{"x":"\\ud800",'),
    whole: true,
  },
  "bytes that are no UTF-8": {
    send: (k, s) =>
      Buffer.concat([Buffer.from('{"x":"\xff', "latin1"), Buffer.from(`",${auth(k, s).slice(1)}`)]),
    whole: true,
  },
  "a form": { send: (k, s) => `api_key=${k}&expires=${NOW}&sign=${s}`, whole: true },
  "an escaped form": {
    send: (k, s) => `api%5Fkey=${TEXT_FORMS["escaped, URL"](k)}&q=${s}`,
    whole: true,
  },
  "socket.io": { send: (k, s) => `42["auth","${k}","${s}"]`, whole: true },
  "nested too deeply": {
    send: (k, s) => "[".repeat(NESTED) + auth(k, s) + "]".repeat(NESTED),
    whole: true,
  },
};
const NUMBER = 71234567890123456;

/** An exchange that answers message n with the key and the signature of the nth name, and closes with a key after the last.
 * With `say` it greets with these texts, and closes with the first one; with `refuse` it refuses with this body. */
async function echoing(t, names) {
  const server = http.createServer();
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  const self = { received: [] };
  server.on("upgrade", (request, socket, head) => {
    if (self.refuse !== undefined)
      return socket.end(
        `HTTP/1.1 403 ${self.refuse}\r\nContent-Length: ${self.refuse.length}\r\n\r\n${self.refuse}`
      );
    sockets.handleUpgrade(request, socket, head, (ws) => {
      if (self.say !== undefined)
        (ws.send(JSON.stringify({ echo: self.say })), ws.close(4001, self.say[0]));
      ws.on("message", (data) => {
        const name = names[self.received.push(data) - 1];
        if (name !== undefined) {
          const { longest, send } = REQUESTS[name];
          const signature =
            longest === undefined
              ? signatureOf(name)
              : JSON.parse(send("", signatureOf(name))).args[2];
          ws.send(
            JSON.stringify({
              success: false,
              ret_msg: `no key ${keyOf(name).toUpperCase()}`,
              request: [keyOf(name), signature],
              q: `?k=${TEXT_FORMS["escaped, URL"](keyOf(name))}`,
            })
          );
        }
        if (self.received.length === names.length + KEPT.length) ws.close(4001, keyOf("usual"));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const ws of sockets.clients) ws.terminate();
    server.closeAllConnections();
    server.close();
  });
  return Object.assign(self, { url: `ws://127.0.0.1:${server.address().port}` });
}

/** Requests that are recorded unchanged. */
const KEPT = [
  '{"op":"subscribe","args":["orderbook.50.BTCUSDT","tokens.BTC"],"symbol":"BTCUSDT","topic":"publicTrade"}',
  '{"reqId":"a1","header":{"X-BAPI-TIMESTAMP":"1795154400000","Referer":"bot"},"op":"order.create","args":[{"symbol":"BTCUSDT","side":"Buy","qty":"0.01","orderLinkId":"design-7=1"}]}',
  '{"op":"auth"}',
  '{"auth":true,"expires":1795154400000}',
  '{"op":"unsubscribe","sortKey":"price","config":"x","design":"y","author":"z"}',
  "ping",
  "",
  "  ",
  "{",
  "a monkey designs",
  '{"op":"ping"}{',
];

describe("secrets", { concurrency: 2 }, () => {
  test("no form of key, secret and signature reaches the archive, compressed frames included", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    let sent = 0;
    let signature = "";
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => {
        acknowledge(ws, request);
        if (request.op === "auth") [, , signature] = request.args;
        if (request.op !== "subscribe") return;
        for (const value of [KEY, SECRET, signature])
          for (const form of Object.values(TEXT_FORMS)) {
            const text = `{"topic":"trade.BTCUSD","note":"${form(value)}","q":"wss://x/?token=${form(value)}"}`;
            ws.send(text);
            sent++;
            for (const pack of Object.values(PACKED)) {
              ws.send(pack(text), { binary: true });
              sent++;
            }
          }
        for (const value of [KEY, signature])
          (ws.send(Buffer.from(`{"note":"${value}"}`, "utf16le"), { binary: true }), sent++);
        ws.send(zlib.gzipSync(`{"note":"${KEY}"}`).subarray(0, -5), { binary: true }); // cut off
        ws.send(zlib.gzipSync('{"note":"nothing secret"}'), { binary: true });
        sent += 2;
        ws.send(trade(1));
      },
    });
    const recorder = new Recorder(
      t,
      archive,
      [
        ...feedArgs(server, "inverse", ["trade.BTCUSD"]),
        "--api-key-env",
        "TEST_KEY",
        "--api-secret-env",
        "TEST_SECRET",
      ],
      { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } }
    );
    await recorder.durableLine((d) => d.in >= sent + 3);
    assert.equal((await recorder.kill("SIGTERM")).code, 0, recorder.stderr);
    assert.match(signature, /^[0-9a-f]{64}$/);
    const frames = await framesOf(t, archive);
    assert.ok(frames.length >= sent + 5, `${frames.length} of ${sent}`);
    for (const value of [KEY, SECRET, signature]) nothingInFrames(frames, value);
    await nothingLeaked(archive, KEY, SECRET, signature);
    nothingLeakedInText(recorder, KEY, SECRET, signature);
    const note = JSON.stringify({ note: "nothing secret" });
    assert.ok(
      frames.some((frame) => frame.equals(zlib.gzipSync(note))),
      "a frame without secrets was changed"
    );
    const wanted = `{"topic":"trade.BTCUSD","note":"${"*".repeat(KEY.length)}","q":"wss://x/?token=${"*".repeat(KEY.length)}"}`;
    assert.ok(
      frames.some((frame) => frame.toString("latin1") === wanted),
      "a secret was not overwritten in place"
    );
    // Events report it.
    const events = await eventsOf(t, archive);
    const states = events
      .filter((event) => event.event === "redacted")
      .map((event) => event.state ?? "in place");
    assert.deepEqual([...new Set(states)].sort(), ["in place", "overwritten"]);
    assert.equal(
      states.filter((state) => state === "overwritten").length,
      3 * Object.keys(TEXT_FORMS).length * Object.keys(PACKED).length + 1
    );
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("tap hides credentials in every form of a request, and in its echoes", async (t) => {
    const dir = temporary(t),
      names = Object.keys(REQUESTS);
    const sent = names.map((name) => REQUESTS[name].send(keyOf(name), signatureOf(name)));
    const server = await echoing(t, names);
    const archive = path.join(dir, "tape");
    const tap = await listening(
      t,
      ["tap", "-a", archive, "--upstream", server.url, "--plain"],
      dir
    );
    const client = new WebSocket(`${tap.url}/v5/private`, { perMessageDeflate: false });
    await once(client, "open");
    for (const message of [...sent, ...KEPT]) client.send(message);
    const [code, reason] = await once(client, "close");
    assert.deepEqual([code, `${reason}`], [4001, keyOf("usual")]);
    assert.ok(
      server.received.every((data, n) => data.equals(Buffer.from([...sent, ...KEPT][n]))),
      "a message was changed on its way"
    );
    assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
    // The rest of each message.
    const rows = await jsonLines(t, ["cat", "-a", archive]);
    const bytesOf = (row) =>
      row.data_hex ? Buffer.from(row.data_hex, "hex") : Buffer.from(row.data);
    const of = (side) => rows.filter((row) => row.dir === side).map(bytesOf);
    const out = of("out"),
      back = of("in"),
      events = await eventsOf(t, archive);
    assert.deepEqual([out.length, back.length], [sent.length + KEPT.length, names.length]);
    const shorten = (text) =>
      (text.length > 120 ? `${text.slice(0, 117)}...` : text).replace(/[^ -~]/g, "?");
    for (const [n, name] of names.entries()) {
      t.diagnostic(`${name.padEnd(38)} ${shorten(out[n].toString())}`);
      assert.equal(out[n].length, Buffer.from(sent[n]).length, name);
      const secrets = [
        keyOf(name),
        signatureOf(name).slice(0, REQUESTS[name].longest === undefined ? 64 : 20),
      ];
      for (const secret of secrets) nothingInFrames([out[n], back[n]], secret);
      for (const text of [JSON.stringify(events), tap.program.stderr])
        for (const secret of secrets) assert.ok(!text.includes(secret), `${name}: ${text}`);
      if (REQUESTS[name].longest !== undefined)
        assert.ok(back[n].includes("*".repeat(REQUESTS[name].longest)), name);
      if (REQUESTS[name].whole)
        assert.ok(
          out[n].every((byte) => byte === 0x2a),
          `${name}: ${out[n]}`
        );
      else
        assert.ok(
          out[n].some((byte) => byte !== 0x2a),
          `${name} was overwritten whole`
        );
    }
    assert.ok(!out[names.indexOf("a number instead of text")].includes(`${NUMBER}`));
    assert.equal(
      out[0].toString(),
      `{"op":"auth","args":["${"*".repeat(22)}",${NOW},"${"*".repeat(64)}"]}`
    );
    assert.deepEqual(out.slice(names.length).map(String), KEPT);
    const hidden = events.filter((event) => event.event === "redacted");
    assert.equal(
      hidden.filter((event) => event.dir === "out" && event.state === "overwritten").length,
      names.filter((name) => REQUESTS[name].whole).length
    );
    assert.equal(hidden.filter((event) => event.dir === "out").length, names.length);
    await nothingLeaked(archive, ...names.flatMap((name) => [keyOf(name), signatureOf(name)]));
    await tapedeck(t, ["verify", "-a", archive]);
  });

  test("tap hides secrets in header fields, User-Agent, query, close reasons, pings and refusals", async (t) => {
    const dir = temporary(t),
      k = (n) => keyOf(`field ${n}`),
      s = (n) => signatureOf(`field ${n}`);
    const fields = [
      { "X-BAPI-API-KEY": k(0), "x-bapi-sign": s(0) },
      { Authorization: `Bearer ${k(1)}`, Cookie: `theme=dark; sid=${s(1)}` },
      { "User-Agent": `bot/1.0 (${k(0)})` }, // a value of the first message
      { "User-Agent": `bot apikey=${k(3)}`, "X-Access-Token": s(3) },
    ];
    const cut = (n) => s(n).slice(0, 40); // as an exchange quotes it that limits its texts
    const queries = [
      `?a=1;token=${k(9)};sign=${s(9)}`,
      "",
      "",
      "",
      `?api_key=${k(4)}&signature=${s(4)}`,
      `?Access-Key=${k(5)}&q=1&%61uth_token=${s(5)}`,
      `?passphrase=${k(6)}&authorization=${s(6)}`,
    ];
    const server = await echoing(t, []);
    const archive = path.join(dir, "tape");
    const tap = await listening(
      t,
      ["tap", "-a", archive, "--upstream", server.url, "--plain"],
      dir
    );
    for (const [n, query] of queries.entries()) {
      server.say =
        n === 2
          ? [k(0), s(0)]
          : n === 0
            ? [`bad signature ${cut(9)}`, k(9), s(9), k(0), s(0)]
            : [k(n), s(n)];
      const client = new WebSocket(`${tap.url}/v5/private${query}`, {
        perMessageDeflate: false,
        headers: fields[n],
      });
      await once(client, "close");
    }
    // A text that names a credential, in a ping and in the client's close frame; the exchange repeats it.
    server.say = undefined;
    const client = new WebSocket(`${tap.url}/v5/private`, { perMessageDeflate: false });
    await once(client, "open");
    client.ping(`{"token":"${k(7)}"}`);
    client.ping(`sign=${s(7)}`);
    client.close(4000, `bye, apikey ${k(8)}`);
    await once(client, "close");
    // A refusal that quotes the key: the client gets it.
    server.refuse = `{"error":"unknown key ${k(4)}"}`;
    const refused = new WebSocket(`${tap.url}/v5/private${queries[4]}`, {
      perMessageDeflate: false,
    });
    const [, answer] = await once(
      refused.on("error", () => {}),
      "unexpected-response"
    );
    assert.equal(`${Buffer.concat(await answer.toArray())}`, server.refuse);
    assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
    const secrets = [...Array(10).keys()].flatMap((n) => [k(n), s(n)]);
    const texts = [tap.program.stderr, JSON.stringify(await eventsOf(t, archive))];
    for (const text of texts)
      assert.ok(
        !text.includes(cut(9).slice(0, 12)) && text.includes(`bad signature ${"*".repeat(40)}`),
        text
      );
    nothingLeakedInText(tap.program, ...secrets);
    assert.match(tap.program.stderr, /closed the connection \(code 4001: \*{22}\)/);
    const events = await eventsOf(t, archive);
    const agents = events.filter((event) => event.event === "connect").map((event) => event.detail);
    assert.equal(agents[2], `client 127.0.0.1 (bot/1.0 (${"*".repeat(22)}))`);
    assert.equal(agents[3], `client 127.0.0.1 (${"*".repeat(33)})`);
    for (const frame of await framesOf(t, archive))
      for (const secret of secrets) nothingInFrames([frame], secret);
    for (const secret of secrets) assert.ok(!JSON.stringify(events).includes(secret), secret);
    await nothingLeaked(archive, ...secrets);
  });

  test("a password in a URL or a proxy is never shown", async (t) => {
    const dir = temporary(t);
    const word = "hunter2hunter2";
    const urls = [
      `wss://user:${word}@127.0.0.1:1/realtime`,
      `wss://user:x/${word}@127.0.0.1:1/realtime`,
      `wss://127.0.0.1:99999/?token=${word}`,
      `wss:/user:${word}@127.0.0.1:1/realtime`,
      `wss:///user:${word}@127.0.0.1:1/realtime`,
      `wss://user:${word}@127.0.0.1:1/?x=a://b`,
    ];
    for (const [n, url] of urls.entries()) {
      const config = path.join(dir, `feeds-${n}.yaml`);
      fs.writeFileSync(
        config,
        `feeds:\n  - family: inverse\n    url: ${url}\n    topics: [trade.BTCUSD]\n`
      );
      for (const args of [
        [url, "--family", "inverse", "--topic", "trade.BTCUSD"],
        ["-c", config],
        [url, "--url", url, "--topic", "trade"],
        [
          "wss://127.0.0.1:1/realtime",
          "--family",
          "inverse",
          "--topic",
          "trade.BTCUSD",
          "--http",
          `x@1h=${url.replace("wss", "https")}`,
        ],
      ]) {
        const end = await run(
          t,
          "tapedeck-record",
          ["record", "-a", path.join(dir, "tape"), ...args],
          { status: null }
        );
        assert.notEqual(end.code, 0);
        nothingLeakedInText(end, word);
      }
    }
    for (const proxy of [
      `http://user:${word}@`,
      `socks5://user:${word}@h:1`,
      `http://user:${word}@h:x`,
      `http://user:${word.repeat(20)}@h:1`,
    ]) {
      const recorder = new Recorder(
        t,
        path.join(dir, "tape-proxy"),
        ["wss://stream.invalid/realtime", "--family", "inverse", "--topic", "trade.BTCUSD"],
        { env: { HTTPS_PROXY: proxy } }
      );
      await Promise.race([recorder.prints(/prox/i), recorder.ended]);
      await recorder.kill("SIGTERM");
      assert.match(recorder.stderr, /prox/i);
      nothingLeakedInText(recorder, word);
    }
    // Nor is it in events or errors about a capture's URLs.
    const imported = await importLines(
      t,
      [
        `wss://user:${word}@stream.bybit.com/realtime?token=${word}x <-> 1795154400.0`,
        `1795154401.0: {"echo":"${word}"}`,
      ],
      { format: "cryptofeed", family: "inverse" }
    );
    await nothingLeaked(imported, word);
    const unknown = path.join(dir, "unknown");
    fs.writeFileSync(
      unknown,
      `wss://user:${word}@nowhere.example/x <-> 1795154400.0\n1795154401.0: {}\n`
    );
    const refusedEnd = await tapedeck(
      t,
      ["import", "-a", path.join(dir, "refused"), "--format", "cryptofeed", unknown],
      { status: null }
    );
    assert.notEqual(refusedEnd.code, 0);
    nothingLeakedInText(refusedEnd, word);
  });

  test("only the owner can read the files of a feed with credentials; other feeds' files are readable", async (t) => {
    const dir = temporary(t);
    const archive = path.join(dir, "tape");
    const server = await scriptedServer(t, dir, {
      message: (ws, request) => (
        acknowledge(ws, request),
        request.op === "subscribe" && ws.send(trade(1))
      ),
    });
    const mode = (file) => (fs.statSync(file).mode & 0o777).toString(8);
    const segments = () =>
      fs
        .readdirSync(archive, { recursive: true })
        .filter((f) => /\.mcap(\.open)?$/.test(f))
        .map((f) => path.join(archive, f));
    const umask = process.umask(0o022);
    t.after(() => process.umask(umask));
    const open = new Recorder(t, archive, [
      ...feedArgs(server, "inverse", ["trade.BTCUSD"]),
      "--max-frames",
      "2",
    ]);
    assert.equal((await open.ended).code, 0, open.stderr);
    assert.deepEqual([...new Set(segments().map(mode))], ["644"], `${segments()}`);
    const own = new Recorder(
      t,
      archive,
      [
        ...feedArgs(server, "inverse", ["trade.BTCUSD"]),
        "--feed",
        "own",
        "--api-key-env",
        "TEST_KEY",
        "--api-secret-env",
        "TEST_SECRET",
      ],
      { env: { TEST_KEY: KEY, TEST_SECRET: SECRET } }
    );
    await own.durableLine((d) => d.in >= 3);
    const writing = segments().filter(
      (f) => path.basename(f).startsWith("own-") && f.endsWith(".open")
    );
    assert.deepEqual(writing.map(mode), ["600"]);
    assert.equal(mode(path.dirname(writing[0])), "700");
    // No core dump while it holds them.
    assert.match(
      fs.readFileSync(`/proc/${own.child.pid}/limits`, "utf8"),
      /Max core file size +0 +0 /
    );
    // After a kill: the files of recover, with its copy of the torn tail, are as private.
    await own.kill("SIGKILL");
    fs.appendFileSync(writing[0], Buffer.alloc(100, 7));
    await tapedeck(t, ["recover", "-a", archive]);
    assert.deepEqual(
      [
        ...new Set(
          segments()
            .filter((f) => path.basename(f).startsWith("own-"))
            .map(mode)
        ),
      ],
      ["600"]
    );
    const torn = fs
      .readdirSync(path.join(archive, "torn"))
      .map((f) => path.join(archive, "torn", f));
    assert.ok(torn.length > 0);
    for (const file of torn) assert.equal(mode(file), "600", file);
  });
});
