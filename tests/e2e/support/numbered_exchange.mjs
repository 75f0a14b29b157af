// An exchange that numbers every frame, and a comparison of its frames with an archive and with the ledger. Like a real
// exchange it makes frames at their times with and without clients: each frame that is not in the archive is a hole, which must
// lie within a row of the ledger. Shares no code with the programs: it reads archives only with `tapedeck cat` and `tapedeck
// gaps`.
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { performance } from "node:perf_hooks";
import { eventually, jsonList, tapedeck } from "./harness.mjs";
import { npm } from "./npm_packages.mjs";

const { WebSocketServer } = npm("ws");

const MS = 1e6;
/** Where performance.now() begins. performance.timeOrigin is read in two steps, which a busy machine may separate by milliseconds;
 * of some readings when the clock turns to the next millisecond, the greatest is the one that was read at once. */
export const ORIGIN_MS = Math.max(
  ...Array.from({ length: 10 }, () => {
    const before = Date.now();
    let at_ms;
    while ((at_ms = Date.now()) === before);
    return at_ms - performance.now();
  })
);
const now = () => (ORIGIN_MS + performance.now()) * MS;

/** Frame n of a topic `trade.SYMBOL`, in the form of docs/wire.md. Its number is the end of its trade_id. */
const frame = (symbol, n, padding, time_ms) =>
  `{"topic":"trade.${symbol}","data":[{"trade_time_ms":${time_ms},"timestamp":"2021-04-17T13:26:40.000Z","symbol":"${symbol}","side":"Buy",` +
  `"size":1,"price":60000.5,"tick_direction":"ZeroPlusTick","trade_id":"00000000-0000-4000-8000-${String(n).padStart(12, "0")}",` +
  `"cross_seq":${5938950000 + n}${padding === "" ? "" : `,"padding":"${padding}"`}}]}`;

/** Matches a line of `cat` with such a frame: its receive time, topic and number. */
const ROW =
  /"recv_ns":(\d+),.*?"data":"\{\\"topic\\":\\"(trade\.[^\\"]+)\\".*?\\"trade_id\\":\\"00000000-0000-4000-8000-(\d{12})\\"/;

/** How often frames are made, and held bytes are passed on. */
const TURN_MS = 10;

const CONN = "5ae2a1fb-0000-4000-8000-000000000001";
const answer = (request, refused) =>
  JSON.stringify({
    success: refused === undefined,
    ret_msg: refused ?? "",
    conn_id: CONN,
    request,
  });

/** No frames are made while this much waits to be sent: a recorder under a sanitizer reads long frames too slowly. */
const WAITING_BYTES_MAX = 64 << 20;

/** A server of the inverse dialect. `isTimed`: trades have the time when they were made, not that of their number. `rate`: frames per second of each topic; `pad`: bytes to lengthen each by; `files`: over
 * TLS, with this certificate (scripted_server.mjs). */
export class NumberedExchange {
  constructor({ symbols = ["BTCUSD"], rate = 400, pad = 0, files, isTimed = false } = {}) {
    this.isTimed = isTimed;
    this.files = files;
    this.topics = new Map(symbols.map((symbol) => [`trade.${symbol}`, { symbol, made: [] }])); // made[n]: when, ns
    this.rate = rate;
    this.padding = "x".repeat(pad);
    this.refused = new Set();
    this.ignored = new Set();
    this.cut = new Set();
    this.onClose = "answer";
    this.isSilent = false;
    this.status = undefined; // HTTP status that upgrades are refused with
    this.connections = 0; // opened so far
    this.upgrades = 0;
    this.requests = [];
    this.began = this.turned = now();
    this.port = 0;
  }

  async open() {
    await this.up();
    this.timer = setInterval(() => this.make(), TURN_MS);
    return this;
  }

  get url() {
    return this.urlOf(this.port);
  }

  /** Its URL behind a proxy at a port. */
  urlOf(port) {
    return `${this.files === undefined ? "ws" : "wss"}://127.0.0.1:${port}`;
  }

  /** Arguments of a recorder that trusts it. */
  get trust() {
    return this.files === undefined ? [] : ["--ca-file", this.files.ca];
  }

  /** Arguments of a recorder of these topics, by default of all. */
  args(topics = [...this.topics.keys()]) {
    return [
      `${this.url}/realtime`,
      "--family",
      "inverse",
      ...this.trust,
      ...topics.flatMap((topic) => ["--topic", topic]),
    ];
  }

  /** Make the frames that are due, and send them to the subscribers. */
  make() {
    const at = now();
    const clients = [...this.sockets.clients].filter(
      (ws) => !ws.isSilent && ws.readyState === ws.OPEN
    );
    if (clients.some((ws) => ws.bufferedAmount > WAITING_BYTES_MAX)) this.began += at - this.turned;
    this.turned = at;
    const due = Math.floor(((at - this.began) / 1e9) * this.rate);
    for (const ws of clients) ws._socket.cork(); // one write for the frames of a turn
    for (const [topic, { symbol, made }] of this.topics) {
      const to = clients.filter((ws) => ws.granted?.has(topic));
      for (; made.length < due; made.push(at)) {
        const time_ms = this.isTimed ? Math.floor(at / MS) : 1618666000000 + made.length;
        const text = to.length > 0 && frame(symbol, made.length, this.padding, time_ms);
        for (const ws of to) ws.send(text);
      }
    }
    for (const ws of clients) ws._socket?.uncork();
  }

  /** Listen, on the same port as before. */
  async up() {
    const { files } = this;
    this.server =
      files === undefined
        ? http.createServer()
        : https.createServer({
            cert: fs.readFileSync(files.cert),
            key: fs.readFileSync(files.key),
          });
    this.sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
    this.server.on("upgrade", (request, socket, head) => {
      this.upgrades++;
      socket.on("error", () => {});
      if (this.status !== undefined) {
        socket.end(`HTTP/1.1 ${this.status} No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
        return;
      }
      this.sockets.handleUpgrade(request, socket, head, (ws) =>
        this.accept(ws, socket, request.url)
      );
    });
    this.server.listen(this.port, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
  }

  /** Drop every connection and stop listening; frames are still made. */
  async down() {
    this.drop();
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  /** Drop every connection, as a lost network would. */
  drop() {
    for (const ws of this.sockets.clients) ws.terminate();
  }

  accept(ws, socket, url) {
    this.connections++;
    ws.path = url;
    ws.isSilent = this.isSilent;
    socket.setNoDelay(true);
    ws.granted = new Set();
    ws.on("error", () => {});
    // Without its listener the close frame is read and never answered; data continues.
    if (this.onClose === "ignore") ws._receiver.removeAllListeners("conclude");
    ws.on("message", (data) => {
      const request = JSON.parse(data.toString());
      this.requests.push(request);
      if (request.op === "ping")
        ws.send(JSON.stringify({ success: true, ret_msg: "pong", conn_id: CONN, request }));
      else if (request.op === "subscribe") this.subscribe(ws, request);
      else ws.send(answer(request));
    });
  }

  /** One refused topic refuses its whole request, as the exchange does. */
  subscribe(ws, request) {
    if (request.args.some((topic) => this.cut.has(topic))) return ws.terminate();
    if (request.args.some((topic) => this.ignored.has(topic))) return undefined;
    const bad = request.args.find((topic) => this.refused.has(topic) || !this.topics.has(topic));
    if (bad !== undefined) return ws.send(answer(request, `error:topic:${bad}`));
    this.make(); // frames made so far are older than the subscription and are not sent
    for (const topic of request.args) ws.granted.add(topic);
    return ws.send(answer(request));
  }

  /** From the next request on: refuse a topic; never answer for it; end connections that request it; serve it again. */
  refuse(topic) {
    this.refused.add(topic);
  }

  ignore(topic) {
    this.ignored.add(topic);
  }

  cutOff(topic) {
    this.cut.add(topic);
  }

  allow(topic) {
    for (const set of [this.refused, this.ignored, this.cut]) set.delete(topic);
  }

  /** Withdraw a granted topic: by a refusal, or by an answer as to an unsubscribe request. It may be subscribed again. */
  withdraw(topic, how) {
    this.make();
    for (const ws of this.sockets.clients) {
      if (!ws.granted?.delete(topic)) continue;
      ws.send(
        how === "a refusal"
          ? answer({ op: "subscribe", args: [topic] }, `error:topic:${topic}`)
          : answer({ op: "unsubscribe", args: [topic] })
      );
    }
  }

  /** Send no data on present and new connections until speak(), but answer pings. */
  silence(connections = this.sockets.clients) {
    this.isSilent = true;
    for (const ws of connections) ws.isSilent = true;
  }

  speak() {
    this.make();
    this.isSilent = false;
    for (const ws of this.sockets.clients) ws.isSilent = false;
  }

  async close() {
    clearInterval(this.timer);
    await this.down();
  }
}

/** Start an exchange, which is closed when the test ends. */
export async function numberedExchange(t, options) {
  const exchange = await new NumberedExchange(options).open();
  t.after(() => exchange.close());
  return exchange;
}

/** A TCP proxy for an exchange that delays every byte of both directions by ms. {url}; closed when the test
 * ends. */
export async function delayProxy(t, exchange, ms) {
  const held = new Set();
  const relay = (from, to) => {
    from.on("data", (bytes) => setTimeout(() => to.writable && to.write(bytes), ms));
    from.on("end", () => setTimeout(() => to.writable && to.end(), ms));
    from.on("error", () => to.destroy());
    from.on("close", () => setTimeout(() => to.destroy(), ms));
  };
  const server = net.createServer({ allowHalfOpen: true }, (client) => {
    const upstream = net.connect({ port: exchange.port, host: "127.0.0.1", allowHalfOpen: true });
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      held.add(socket);
      socket.on("close", () => held.delete(socket));
    }
    relay(client, upstream);
    relay(upstream, client);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  return { url: exchange.urlOf(server.address().port) };
}

/** How a Link ends its connections. */
export const ENDS = {
  reset: (client) => client.resetAndDestroy(),
  close: (client) => client.destroy(),
  "half-close": (client) => client.end(),
};

/** A TCP proxy for a port that can hold or slow down the server's bytes: the client gets them late and in order. */
export class Link {
  constructor(exchange) {
    this.exchange = exchange;
    this.pairs = new Set();
    this.server = net.createServer({ allowHalfOpen: true }, (client) =>
      this.relay(client, net.connect({ port: exchange.port, host: "127.0.0.1" }))
    );
    this.timer = setInterval(() => this.turn(), TURN_MS);
  }

  async open() {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return this;
  }

  get url() {
    return this.exchange.urlOf(this.server.address().port);
  }

  relay(client, upstream) {
    const pair = { client, upstream, held: [], rate: Infinity, isOver: false };
    this.pairs.add(pair);
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true);
      socket.on("error", () => {});
    }
    client.on("data", (bytes) => upstream.write(bytes));
    client.on("close", () => this.forget(pair));
    client.on("drain", () => upstream.resume());
    upstream.on("data", (bytes) => {
      pair.held.push(bytes);
      if (pair.rate === Infinity) this.pass(pair, Infinity);
    });
    // Without this end a recorder that has closed waits until its grace is over.
    upstream.on("end", () => {
      pair.isOver = true;
      if (pair.rate === Infinity) this.pass(pair, Infinity);
    });
  }

  forget(pair) {
    this.pairs.delete(pair);
    pair.upstream.destroy();
    pair.client.destroy();
  }

  /** Pass this many of the held bytes to the client. */
  pass(pair, bytes) {
    while (bytes > 0 && pair.held.length > 0) {
      const first = pair.held.shift();
      if (
        !pair.client.write(first.subarray(0, Math.min(bytes, first.length))) &&
        pair.rate === Infinity
      )
        pair.upstream.pause();
      if (first.length > bytes) pair.held.unshift(first.subarray(bytes));
      bytes -= first.length;
    }
    if (pair.isOver && pair.held.length === 0) pair.client.end();
  }

  turn() {
    for (const pair of this.pairs)
      if (pair.rate < Infinity) this.pass(pair, Math.round((pair.rate * TURN_MS) / 1000));
  }

  /** From now on pass this many bytes a second on the present connections; 0: none. */
  slow(rate) {
    for (const pair of this.pairs) pair.rate = rate;
  }

  /** Pass the first held bytes, and then end by one of ENDS; new connections are as usual. */
  end(how, bytes = 0) {
    for (const pair of this.pairs) {
      this.pairs.delete(pair);
      this.pass(pair, bytes);
      pair.upstream.destroy();
      // A reset discards unread bytes.
      setTimeout(() => ENDS[how](pair.client), how === "reset" ? 50 : 0);
    }
  }

  close() {
    clearInterval(this.timer);
    for (const pair of this.pairs) this.forget(pair);
    this.server.close();
  }
}

/** A link to an exchange, closed when the test ends. */
export async function linkTo(t, exchange) {
  const link = await new Link(exchange).open();
  t.after(() => link.close());
  return link;
}

/** The exchange's frames in an archive: topic -> Map(number -> recv_ns). Fails if a frame is there twice. */
export async function recordedNumbers(t, archive, { feed = "inverse" } = {}) {
  const topics = new Map();
  const { stdout } = await tapedeck(t, ["cat", "-a", archive, "--feed", feed, "--dir", "in"]);
  for (const line of stdout.split("\n")) {
    const match = ROW.exec(line);
    if (match === null) continue;
    if (!topics.has(match[2])) topics.set(match[2], new Map());
    const numbers = topics.get(match[2]);
    const n = Number(match[3]);
    if (numbers.has(n)) throw new Error(`frame ${n} of ${match[2]} is recorded twice`);
    numbers.set(n, Number(match[1]));
  }
  return topics;
}

// Tolerance for the time between readings of the two clocks, and for the rounding of JSON numbers.
const CLOCKS_NS = 2 * MS;
// Tolerance for frames that were under way when the last frame of the feed arrived.
const TAIL_NS = 500 * MS;

/** Wait until a recorder has frames that were made later than now by more than what compare() leaves out at the end. */
export async function beyondTail(t, exchange, archive, recorder, feeds = ["inverse"]) {
  const [topic, { made }] = [...exchange.topics][0],
    until_ns = now() + 1.2 * TAIL_NS;
  await eventually("the exchange makes later frames", () => made.at(-1) > until_ns, recorder);
  const last = made.length - 1;
  for (const feed of feeds) {
    const isThere = async () =>
      Math.max(...((await recordedNumbers(t, archive, { feed })).get(topic)?.keys() ?? [-1])) >=
      last;
    await eventually(`${feed} has frame ${last} of ${topic}`, isThere, recorder);
  }
}

/** The holes of one topic: runs of numbers that were made and not recorded, each {topic, from, to (numbers), after_ns and
 * before_ns (receive times of the frames around it; Infinity after the last one), made}. Frames before the topic's first
 * recorded one are no hole; those after its last one are a hole, up to until_ns. */
function holesOf(topic, made, recorded, until_ns) {
  const numbers = recorded.get(topic) ?? new Map();
  const order = [...numbers.keys()].sort((a, b) => a - b);
  const holes = [];
  order.forEach((n, i) => {
    const next = order[i + 1];
    let to = next === undefined ? made.length - 1 : next - 1;
    if (next === undefined) while (to > n && made[to] > until_ns) to--;
    if (to > n)
      holes.push({
        topic,
        from: n + 1,
        to,
        after_ns: numbers.get(n),
        before_ns: next === undefined ? Infinity : numbers.get(next),
        made,
      });
  });
  return holes;
}

const concerns = (row, hole) => row.topic === null || `${row.topic}.${row.symbol}` === hole.topic;
const endOf = (row) => row.to_ns ?? Infinity;

// A time longer than any delay in these tests: receive times further ahead come from a wrong clock.
const WRONG_CLOCK_NS = 60_000 * MS;

/** 1 if a row covers frame n of a hole: the moment when n was made, however late the frames before it arrived. After a clock
 * that was ahead, the row begins with the frame before the hole. */
function admits(row, hole, n) {
  const begin = hole.after_ns > hole.made[n] + WRONG_CLOCK_NS ? hole.after_ns : hole.made[n];
  return (
    concerns(row, hole) &&
    row.from_ns <= begin + CLOCKS_NS &&
    endOf(row) >= hole.made[n] - CLOCKS_NS
  );
}

/** A row begins with the latest ping that was answered: with one ping a second, a round trip, and the 2 s that a
 * stopping recorder waits for the peer's close, it reaches no further beyond its hole than this. */
export const EXCESS_MS_MAX = 3500;

/** By how much a row reaches beyond the holes that it covers, in ms. An open row has no end that could be too late. */
function excessOf(row, holes) {
  const touched = holes.filter(
    (hole) => concerns(row, hole) && row.from_ns <= hole.before_ns && endOf(row) >= hole.after_ns
  );
  if (touched.length === 0) return row.to_ns === null ? Infinity : (row.to_ns - row.from_ns) / MS;
  const early = Math.min(...touched.map((hole) => hole.after_ns)) - row.from_ns;
  const late =
    row.to_ns === null ? 0 : row.to_ns - Math.max(...touched.map((hole) => hole.before_ns));
  return Math.max(0, early, late) / MS;
}

/** Compare an archive with the exchange. Frames made until until_ns must be there (by default: until shortly before the feed's
 * newest recorded frame was made). Returns {made, recorded, missing, uncovered, excess_ms, holes, rows, worst}: numbers of
 * frames, of missing frames without a row, and the most by which a row reaches beyond its holes. */
export async function compare(t, exchange, archive, { feed = "inverse", until_ns } = {}) {
  const recorded = await recordedNumbers(t, archive, { feed });
  const rows = await jsonList(t, ["gaps", "-a", archive, "--feed", feed, "--json"], {
    status: null,
  });
  let last_ns = 0; // the time when the newest recorded frame was made
  for (const [topic, numbers] of recorded)
    for (const n of numbers.keys()) last_ns = Math.max(last_ns, exchange.topics.get(topic).made[n]);
  const result = {
    made: 0,
    recorded: 0,
    missing: 0,
    uncovered: 0,
    excess_ms: 0,
    holes: [],
    rows,
    worst: [],
  };
  for (const [topic, { made }] of exchange.topics) {
    result.made += made.length;
    result.recorded += recorded.get(topic)?.size ?? 0;
    result.holes.push(...holesOf(topic, made, recorded, until_ns ?? last_ns - TAIL_NS));
  }
  for (const hole of result.holes)
    for (let n = hole.from; n <= hole.to; n++) {
      result.missing++;
      if (rows.some((row) => admits(row, hole, n))) continue;
      result.uncovered++;
      if (result.worst.length < 5)
        result.worst.push(
          `frame ${n} of ${hole.topic}, made at ${hole.made[n]}, after ${hole.after_ns}`
        );
    }
  for (const row of rows) {
    const excess = excessOf(row, result.holes);
    if (excess > EXCESS_MS_MAX && result.worst.length < 10)
      result.worst.push(`${Math.round(excess)} ms too much: ${JSON.stringify(row)}`);
    result.excess_ms = Math.max(result.excess_ms, excess);
  }
  for (const hole of result.holes) delete hole.made;
  return result;
}
