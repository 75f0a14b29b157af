// Vectors of the canonical form: `node tests/e2e/regress/canonical_vectors.mjs >tests/schema/canonical_vectors.json` writes
// them. The members of lists are sorted by name, so that a message that the programs read from a form prints as the same JSON.
import { pathToFileURL } from "node:url";
import {
  bookHash,
  controlHash,
  failureHash,
  form,
  messageHash,
  parse,
} from "../support/canonical_form.mjs";

const hex = (value) => value.toString(16).padStart(16, "0");

const HEAD = '"kind":null,"topic":"t","symbol":null,"exchange_ns":null';
const NOTHING = `"type":"notice",${HEAD},"items":[]`;
const ONE_TRADE =
  '"side":"Buy","price":"1","size":"1","exchange_ns":null,"trade_id":null,"tick_direction":null';

/** A record with one value. */
const single = (name, type, json) => [
  `{"type":"notice",${HEAD},"items":[{"${name}":${json}}]}`,
  { [name]: type },
];

const LEVELS = Array.from(
  { length: 70 },
  (_, i) =>
    `{"action":"set","side":"${i % 2 ? "Sell" : "Buy"}","price":"${1000 + i}.5","size":"${i + 1}"}`
);
const LONG = "0123456789abcdef".repeat(200);

// name: [message, types of its fields]
const MESSAGES = {
  "every type: book_change": [`{"type":"book_change",${HEAD},"levels":[]}`],
  "every type: trade": [`{"type":"trade",${HEAD},"trades":[]}`],
  ...Object.fromEntries(
    [
      "ticker",
      "kline",
      "liquidation",
      "insurance",
      "order",
      "stop_order",
      "execution",
      "position",
      "wallet",
      "greeks",
      "index",
      "notice",
    ].map((type) => [`every type: ${type}`, [`{"type":"${type}",${HEAD},"items":[]}`]])
  ),
  "head: snapshot": [
    `{"type":"notice","kind":"snapshot","topic":"t","symbol":"S","exchange_ns":1791000000100000000,"items":[]}`,
  ],
  "head: delta, 0 is not absent": [
    `{"type":"notice","kind":"delta","topic":"t","symbol":null,"exchange_ns":null,"cross_seq":0,"u":0,"seq":0,"items":[]}`,
  ],
  "head: numbers": [
    `{"type":"notice",${HEAD},"cross_seq":9223372036854775807,"u":-9223372036854775808,"seq":-1,"items":[]}`,
  ],
  "head: the last time": [
    `{"type":"notice","kind":null,"topic":"t","symbol":null,"exchange_ns":9223372036854775807,"match_ns":1,"items":[]}`,
  ],
  "head: version of a book": [
    `{"type":"book_change",${HEAD},"u":2,"match_ns":1791000000092000000,"version":"v1","levels":[]}`,
  ],
  "head: the frame before, and a checksum": [
    `{"type":"book_change","kind":"delta","topic":"t","symbol":"S","exchange_ns":5,"seq":1290168,"prev_seq":1290160,"checksum":-914047754,` +
      '"version":"v","levels":[]}',
  ],
  "head: checksum 0, and no frame before": [
    `{"type":"book_change",${HEAD},"prev_seq":-1,"checksum":0,"levels":[]}`,
  ],
  "head: the frame before a record": [`{"type":"notice",${HEAD},"prev_seq":7,"items":[]}`],
  "head: version of a record": [
    `{"type":"index",${HEAD},"version":"1","items":[]}`,
    { version: "text" },
  ],
  "head: version of a record, a number": [
    `{"type":"index",${HEAD},"version":1,"items":[]}`,
    { version: "integer" },
  ],
  "book: deletes, updates, inserts": [
    `{"type":"book_change","kind":"delta","topic":"t","symbol":"S","exchange_ns":1555647221331673000,"cross_seq":11519,"levels":[` +
      '{"action":"delete","side":"Sell","price":"3001","size":null},{"action":"update","side":"Buy","price":"2999.5","size":"8"},' +
      '{"action":"insert","side":"Sell","price":"3001.5","size":"0.001"}]}',
  ],
  "book: numbers at the bounds": [
    `{"type":"book_change",${HEAD},"levels":[{"action":"set","side":"Buy","price":"9223372036854775807","size":"9.223372036854775807"},` +
      '{"action":"set","side":"Buy","price":"-9223372036854775808","size":"-9.223372036854775808"},' +
      '{"action":"set","side":"Sell","price":"0.000000000000000001","size":"0"},{"action":"set","side":"Sell","price":"-0.1","size":"1000000000000000000"}]}',
  ],
  "book: sizes of retail orders": [
    `{"type":"book_change",${HEAD},"levels":[{"action":"set","side":"Buy","price":"121975.1","size":"0.114259","rpi_size":"0"},` +
      '{"action":"delete","side":"Buy","price":"121969.9","size":null},{"action":"set","side":"Sell","price":"121990.8","size":"0","rpi_size":"0.75"}]}',
  ],
  "book: only deletes of a topic with retail orders": [
    `{"type":"book_change",${HEAD},"levels":[{"action":"delete","side":"Buy","price":"121969.9","size":null}]}`,
  ],
  "book: values beside": [
    `{"type":"book_change",${HEAD},"transact_ns":7,"levels":[{"action":"delete","side":"Sell","price":"2","size":null,"id":"20000","symbol":"S"},` +
      '{"action":"set","side":"Buy","price":"1","size":"1"}]}',
    { transact_ns: "time", id: "text", symbol: "text" },
  ],
  "book: values beside and all flags": [
    '{"type":"book_change","kind":"snapshot","topic":"t","symbol":"S","exchange_ns":5,"cross_seq":1,"u":2,"seq":3,"match_ns":4,"version":"v",' +
      '"frame_id":"x","levels":[{"action":"set","side":"Buy","price":"1.25","size":"0.5","rpi_size":"0.25","id":"7"}]}',
    { frame_id: "text", id: "text" },
  ],
  "book: of many levels": [`{"type":"book_change",${HEAD},"levels":[${LEVELS.join()}]}`],
  "trade: little": [`{"type":"trade",${HEAD},"trades":[{${ONE_TRADE}}]}`],
  "trade: a side that is none": [
    `{"type":"trade",${HEAD},"trades":[{${ONE_TRADE.replace("Buy", "none")}}]}`,
  ],
  "trade: everything": [
    `{"type":"trade",${HEAD},"trades":[{"symbol":"BTCUSD","side":"Sell","price":"57073.5","size":"237","exchange_ns":1616304710061000000,` +
      '"trade_id":"f6198d62","tick_direction":"ZeroMinusTick","cross_seq":5404769827,"seq":-7,"is_block_trade":true,"is_rpi_trade":false}]}',
  ],
  "trade: marks of each": [
    `{"type":"trade",${HEAD},"trades":[{${ONE_TRADE},"seq":1},{${ONE_TRADE},"is_rpi_trade":true},{${ONE_TRADE},"is_rpi_trade":false},` +
      `{"symbol":"X",${ONE_TRADE}},{${ONE_TRADE},"is_block_trade":false},{${ONE_TRADE},"cross_seq":0}]}`,
  ],
  "trade: values beside": [
    `{"type":"trade",${HEAD},"version":"v","trades":[{${ONE_TRADE}},{${ONE_TRADE},"mark_price":"1.5"}]}`,
    { version: "text", mark_price: "decimal" },
  ],
  "trade: texts longer than any buffer": [
    `{"type":"trade",${HEAD},"trades":[{${ONE_TRADE.replace('"trade_id":null', `"trade_id":"${LONG}"`)}}]}`,
  ],
  "value: text": single("title", "text", '"Grüße, 世界 😀"'),
  "value: text that is JSON's": single("title", "text", '"a\\"b\\\\c\\n"'),
  "value: decimal": single("price", "decimal", '"-1.5"'),
  "value: decimal 0": single("price", "decimal", '"0"'),
  "value: decimal with 18 places": single("price", "decimal", '"-0.000000000000000001"'),
  "value: decimal of 64 bits": single("price", "decimal", '"9223372036854775807"'),
  "value: decimal beyond 64 bits": single("nav", "decimal", '"9223372036854775808"'),
  "value: decimal beyond 64 bits, negative": single("nav", "decimal", '"-9223372036854775809"'),
  "value: decimal beyond 18 places": single("nav", "decimal", '"0.0000000000000000001"'),
  "value: decimal of 38 digits": single(
    "nav",
    "decimal",
    '"12345678901234567890.123456789012345678"'
  ),
  "value: integer": single("countdown_hours", "integer", "-9223372036854775808"),
  "value: time": single("created_ns", "time", "1616304710061000000"),
  "value: time 0": single("created_ns", "time", "0"),
  "value: bools": [
    `{"type":"notice",${HEAD},"items":[{"is_binary":true,"is_first":false}]}`,
    { is_binary: "bool", is_first: "bool" },
  ],
  "value: side": single("side", "side", '"Sell"'),
  "value: side from a bool": single("side", "is_buy", '"Buy"'),
  "value: side that is none": single("side", "side", '"none"'),
  "value: JSON": single("basket", "json", '{"a b":1.50,"a":[true,null,{"z":"\\u00e9"}],"b":-1e3}'),
  "record: items, actions and values of the frame": [
    `{"type":"position","kind":"delta","topic":"t","symbol":null,"exchange_ns":5,"is_first":true,"title":"x","items":[{"action":"insert","price":"1","size":"2"},` +
      '{"action":"update"},{"action":"delete","size":"2"},{"action":"set","price":"1"},{}]}',
    { is_first: "bool", title: "text", price: "decimal", size: "decimal" },
  ],
};

const REASONS = [
  "not_json",
  "not_utf8",
  "not_inflated",
  "no_topic",
  "unknown_topic",
  "missing_field",
  "wrong_type",
  "bad_kind",
  "bad_number",
  "bad_time",
  "bad_side",
  "limit",
  "topic_mismatch",
  "refused",
  "crashed",
  "hung",
  "garbage",
  "unstable",
];

const CONTROLS = [
  ["ack", true, ""],
  ["ack", false, "trade.BTCUSD"],
  ["auth", null, ""],
  ["ping", null, ""],
  ["pong", null, ""],
  ["error", false, ""],
];

const BOOKS = {
  empty: [],
  "one bid": [["Buy", "1", "1"]],
  "one ask": [["Sell", "1", "1"]],
  "some levels": [
    ["Buy", "2999.5", "8"],
    ["Buy", "2999", "0.001"],
    ["Sell", "3001", "237"],
    ["Sell", "3001.5", "4"],
  ],
  "large numbers": [["Buy", "9223372036854775807", "9.223372036854775807"]],
};

/** The content of the file. */
export function vectors() {
  const messages = Object.entries(MESSAGES).map(([name, [message, types = {}]]) => {
    const node = parse(message);
    const bytes = form(node, types);
    const [formHex, hash] = [bytes.toString("hex"), hex(messageHash(bytes))];
    return `{"name":${JSON.stringify(name)},"message":${message},"types":${JSON.stringify(types)},"form":"${formHex}","hash":"${hash}"}`;
  });
  const failures = REASONS.map(
    (reason) => `{"reason":"${reason}","hash":"${hex(failureHash(reason))}"}`
  );
  const controls = CONTROLS.map(
    ([name, success, topic]) =>
      `{"class":"${name}","success":${success},"topic":"${topic}","hash":"${hex(controlHash(name, success, topic))}"}`
  );
  const books = Object.entries(BOOKS).map(([name, rows]) => {
    const levels = rows.map(([side, price, size]) => ({ side, price, size }));
    return `{"name":"${name}","levels":${JSON.stringify(levels)},"hash":"${hex(bookHash(levels))}"}`;
  });
  const list = (name, rows) => `"${name}":[\n${rows.join(",\n")}\n]`;
  return `{"version":1,\n${list("messages", messages)},\n${list("failures", failures)},\n${list("controls", controls)},\n${list("books", books)}}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) process.stdout.write(vectors());
