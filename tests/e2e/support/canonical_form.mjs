// The canonical form of messages and the hashes of baselines, written only from docs/regress.md ("Canonical form"). It shares
// no code with the programs, which are checked against it.
import { xxh64 } from "./xxh64.mjs";

// ---- JSON that keeps numbers as they are written: a node is {is, raw} and, by what it is, {text}, {items} or
// {members}, the last one a list of {key, name, value} ----

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
  }

  space() {
    while (/\s/.test(this.text[this.at] ?? "")) this.at++;
  }

  take(token) {
    if (!this.text.startsWith(token, this.at))
      throw new Error(`expected ${token} at ${this.at} of ${this.text.slice(0, 200)}`);
    this.at += token.length;
  }

  string() {
    const [raw] = /^"(?:[^"\\]|\\.)*"/s.exec(this.text.slice(this.at));
    this.at += raw.length;
    return { is: "string", raw, text: JSON.parse(raw) };
  }

  /** The items between two brackets, separated by commas. */
  list(open, close, one) {
    const all = [];
    this.take(open);
    for (this.space(); this.text[this.at] !== close; this.space()) {
      if (all.length > 0) this.take(",");
      this.space();
      all.push(one());
    }
    this.take(close);
    return all;
  }

  member() {
    const key = this.string();
    this.space();
    this.take(":");
    return { key: key.raw, name: key.text, value: this.value() };
  }

  value() {
    this.space();
    const from = this.at;
    const raw = () => this.text.slice(from, this.at);
    const first = this.text[this.at];
    if (first === '"') return this.string();
    if (first === "{")
      return { is: "object", members: this.list("{", "}", () => this.member()), raw: raw() };
    if (first === "[")
      return { is: "array", items: this.list("[", "]", () => this.value()), raw: raw() };
    const [token] = /^[-+.\w]+/.exec(this.text.slice(this.at));
    this.at += token.length;
    const is = token === "null" ? "null" : /^(true|false)$/.test(token) ? "bool" : "number";
    return { is, raw: token, text: token };
  }
}

/** A JSON text as nodes. */
export function parse(text) {
  const reader = new Reader(text);
  const node = reader.value();
  reader.space();
  if (reader.at !== text.length)
    throw new Error(`bytes after the JSON: ${text.slice(reader.at, reader.at + 50)}`);
  return node;
}

const isPresent = (node) => node !== undefined && node.is !== "null";

/** The value of a member of an object; undefined if absent or null. */
export function member(node, name) {
  const value = node.members.find((m) => m.name === name)?.value;
  return isPresent(value) ? value : undefined;
}

/** JSON text without white space, members sorted. */
function canonicalJson(node) {
  if (node.is === "array") return `[${node.items.map(canonicalJson).join(",")}]`;
  if (node.is !== "object") return node.raw;
  const order =
    node.members.length > 64
      ? node.members
      : [...node.members].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
  return `{${order.map((m) => `${m.key}:${canonicalJson(m.value)}`).join(",")}}`;
}

// ---- values ----

const u64 = (value) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)));
  return bytes;
};
const text = (value) => {
  const bytes = Buffer.from(value);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const letter = (value) => Buffer.from(value, "latin1");
const byte = (value) => Buffer.from([value]);
const count = (list) => u64(list.length);

/** A decimal as an integer of 10^-18; undefined if it has more than 64 bits or 18 places. */
function wide(written) {
  const [, sign, whole, places = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(written);
  const short = places.replace(/0+$/, "");
  const mantissa = BigInt(sign + whole + short);
  if (short.length > 18 || mantissa < -(2n ** 63n) || mantissa >= 2n ** 63n) return undefined;
  return mantissa * 10n ** BigInt(18 - short.length);
}

const wideBytes = (value) => Buffer.concat([u64(value), u64(value >> 64n)]);
const decimal = (written) => wideBytes(wide(written));

/** A decimal that does not fit, in shortest form. */
function shortest(written) {
  const [, sign, whole, places = ""] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(written);
  const short = places.replace(/0+$/, "");
  return sign + whole.replace(/^0+(?=\d)/, "") + (short === "" ? "" : `.${short}`);
}

const SIDES = { Buy: "B", Sell: "S", none: "-" };
const ACTIONS = { set: "=", update: "u", insert: "i", delete: "d" };
const side = (node) => letter(SIDES[node.text]);
const action = (node) => letter(node === undefined ? "-" : ACTIONS[node.text]);
const time = (node) => u64(node === undefined ? 0 : node.text);
const flag = (node) => (node === undefined ? 0 : node.raw === "false" ? 1 : 2);

/** A value by the type of its field. */
function typed(node, type) {
  switch (type) {
    case "text":
      return Buffer.concat([letter("t"), text(node.text)]);
    case "decimal":
      if (wide(node.text) === undefined)
        return Buffer.concat([letter("D"), text(shortest(node.text))]);
      return Buffer.concat([letter("d"), decimal(node.text)]);
    case "integer":
      return Buffer.concat([letter("i"), u64(node.text)]);
    case "time":
      return Buffer.concat([letter("z"), u64(node.text)]);
    case "bool":
      return letter(node.raw === "true" ? "T" : "F");
    case "side":
    case "any_side":
    case "lower_side":
    case "is_buy":
    case "is_sell":
    case "maker_side":
    case "lower_maker_side":
      return side(node);
    case "json":
      return Buffer.concat([letter("j"), text(canonicalJson(node))]);
    default:
      throw new Error(`no type of a field: ${type}`);
  }
}

/** A list of values: the members of an object, except those that have a place of their own. */
function values(node, elsewhere, types) {
  const own = node.members.filter((m) => isPresent(m.value) && !elsewhere.includes(m.name));
  own.sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
  return Buffer.concat([
    count(own),
    ...own.flatMap((m) => [text(m.name), typed(m.value, types[m.name])]),
  ]);
}

// ---- messages ----

const HEAD = [
  "type",
  "kind",
  "topic",
  "symbol",
  "exchange_ns",
  "cross_seq",
  "u",
  "seq",
  "prev_seq",
  "checksum",
  "match_ns",
  "unknown_fields",
];
const ENTRIES = ["levels", "trades", "items"];
const ITEM = ["action", "assumed_scale"];

const isDeleted = (node) => member(node, "action").text === "delete";

function level(node) {
  const parts = [
    action(member(node, "action")),
    side(member(node, "side")),
    decimal(member(node, "price").text),
  ];
  if (!isDeleted(node))
    parts.push(
      wideBytes(wide(member(node, "size").text) + wide(member(node, "rpi_size")?.text ?? "0"))
    );
  return Buffer.concat(parts);
}

/** An optional number: its mark, and the number if present. */
const marked = (node, mark) => (node === undefined ? [] : [mark, u64(node.text)]);

function trade(node) {
  const of = (name) => member(node, name);
  const rpi = flag(of("is_rpi_trade"));
  return Buffer.concat([
    side(of("side")),
    byte(flag(of("is_block_trade"))),
    decimal(of("price").text),
    decimal(of("size").text),
    time(of("exchange_ns")),
    ...(of("cross_seq") === undefined ? [byte(0)] : marked(of("cross_seq"), byte(1))),
    text(of("trade_id")?.text ?? ""),
    text(of("tick_direction")?.text ?? ""),
    ...marked(of("seq"), letter("q")),
    letter(["", "r", "R"][rpi]),
    ...(of("symbol") === undefined ? [] : [letter("y"), text(of("symbol").text)]),
  ]);
}

/** The form of a message without its type. types: the fields' types by member. */
function untyped(node, types) {
  const of = (name) => member(node, name);
  const type = of("type").text;
  const isBook = type === "book_change";
  const isStruct = isBook || type === "trade";
  const entries = of(isBook ? "levels" : isStruct ? "trades" : "items").items;
  const elsewhere = [...HEAD, ...ENTRIES, ...(isBook ? ["version"] : [])];
  const rpi = isBook
    ? entries.filter((e) => !isDeleted(e) && member(e, "rpi_size") !== undefined)
    : [];
  const version = isBook ? of("version") : undefined;
  const flags =
    (of("cross_seq") ? 1 : 0) +
    (of("u") ? 2 : 0) +
    (of("seq") ? 4 : 0) +
    (of("match_ns") ? 8 : 0) +
    (version ? 16 : 0) +
    (rpi.length > 0 ? 32 : 0) +
    (of("prev_seq") ? 64 : 0) +
    (of("checksum") ? 128 : 0);
  const body = isStruct
    ? [
        ...entries.map(isBook ? level : trade),
        ...rpi.map((e) => decimal(member(e, "rpi_size").text)),
      ]
    : [
        ...entries.flatMap((e) => [action(member(e, "action")), values(e, ITEM, types)]),
        values(node, elsewhere, types),
      ];
  return Buffer.concat([
    letter(of("kind") === undefined ? "u" : of("kind").text[0]),
    byte(flags),
    time(of("exchange_ns")),
    time(of("cross_seq")),
    time(of("u")),
    time(of("seq")),
    count(entries),
    ...(of("match_ns") ? [time(of("match_ns"))] : []),
    ...(version ? [text(version.text)] : []),
    ...[of("prev_seq"), of("checksum")].filter(Boolean).map((n) => u64(n.text)),
    ...body,
  ]);
}

/** The form of a message (a node, as `tapedeck decode` prints it). */
export function form(node, types) {
  return Buffer.concat([text(member(node, "type").text), untyped(node, types)]);
}

// ---- hashes, as BigInt ----

const hash = (bytes) => BigInt("0x" + xxh64(bytes));
const decoded = (value) => ((value >> 1n) << 1n === 0n ? 2n : (value >> 1n) << 1n);

export const messageHash = (bytes) => decoded(hash(bytes));
export const failureHash = (reason) =>
  hash(Buffer.concat([byte(0xff), Buffer.from(`not decoded ${reason}`)])) | 1n;
/** success: true, false or null; topic: as the exchange writes it, "" if absent. */
export const controlHash = (name, success, topic) =>
  decoded(
    hash(
      Buffer.concat([
        byte(0xfe),
        text(name),
        byte(success === null ? 0 : success ? 2 : 1),
        text(topic),
      ])
    )
  );
/** What identifies a frame. */
export const frameHash = (bytes) => hash(bytes);

const cut = (x) => BigInt.asUintN(64, x);

function mix(x) {
  x = cut((x ^ (x >> 33n)) * 0xff51afd7ed558ccdn);
  x = cut((x ^ (x >> 33n)) * 0xc4ceb9fe1a85ec53n);
  return x ^ (x >> 33n);
}

const word = (value) => cut(cut(value) + cut(value >> 64n) * 0x9fb21c651e98df25n);

const terms = new WeakMap(); // of a level's object, which stays as it is

/** The two terms of a level. */
function termsOf(level) {
  const isBid = level.side === "Buy";
  const t = isBid ? 1n : 2n;
  const p = word(isBid ? wide(level.price) : -wide(level.price));
  const s = word(wide(level.size) + wide(level.rpi ?? "0"));
  return [
    mix(cut(p + mix(cut(s + t * 0x9e3779b97f4a7c15n)))),
    mix(cut(s + mix(cut(p + t * 0xc2b2ae3d27d4eb4fn)))),
  ];
}

/** The hash of a book: levels are {side: "Buy" or "Sell", price, size, rpi: size of retail orders, or undefined} with
 * decimals as text. */
export function bookHash(levels) {
  let a = 0n;
  let b = 0n;
  for (const level of levels) {
    if (!terms.has(level)) terms.set(level, termsOf(level));
    const [x, y] = terms.get(level);
    a = cut(a + x);
    b = cut(b + y);
  }
  const bids = BigInt(levels.filter((level) => level.side === "Buy").length);
  const asks = BigInt(levels.length) - bids;
  return mix(cut(a + mix(cut(b + mix((bids << 32n) + asks)))));
}
