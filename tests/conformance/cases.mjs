// What a WebSocket end must do with what it receives, by RFC 6455 and 7692: a row for each case, the same for servers and
// clients. Groups are numbered as the Autobahn test suite numbers them: 1 framing, 2 pings, 3 reserved bits, 4 opcodes,
// 5 fragments, 6 UTF-8, 7 closing, 9 sizes, 10 small fragments, 12 and 13 compression.
//
// A row: {name, send, pieces, messages, pings, closes, fails, deflate}
//   send      frames (peer.mjs), or functions that make some for a peer
//   pieces    undefined: at once; "frames": a write for each frame; N: writes of N bytes
//   messages  [opcode, payload] of those that are delivered, in order
//   pings     payloads of the pings. One that was followed by another may stay without a pong (5.5.3)
//   closes    the codes that a close frame of the case may be answered with; undefined in it: without a code. No closes: the
//             test closes with 1000 once all else is there
//   fails     the codes that the failure may have: it must come without another byte, in a close frame (7.1.7)
//   deflate   the parameters that are offered or agreed on
import zlib from "node:zlib";
import { BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT } from "./peer.mjs";

const utf8 = (string) => Buffer.from(string, "utf8");
const hex = (digits) => Buffer.from(digits.replaceAll(" ", ""), "hex");
const bytes = (value) => (typeof value === "string" ? utf8(value) : value);
const frame = (opcode, payload = "", more = {}) => ({ opcode, payload: bytes(payload), ...more });
const text = (payload, more) => frame(TEXT, payload, more);
const binary = (payload, more) => frame(BINARY, payload, more);
const more = (payload, rest) => frame(CONTINUATION, payload, rest);
const ping = (payload) => frame(PING, payload);
const pong = (payload) => frame(PONG, payload);
const NOT_FINAL = { fin: false };
const code = (number, reason = "") =>
  Buffer.concat([Buffer.from([number >> 8, number & 0xff]), bytes(reason)]);
const close = (payload) => frame(CLOSE, payload);

/** A message as fragments of so many bytes. */
function fragments(opcode, payload, size) {
  const made = [];
  for (let at = 0; at < payload.length || at === 0; at += size)
    made.push(
      frame(at === 0 ? opcode : CONTINUATION, payload.subarray(at, at + size), {
        fin: at + size >= payload.length,
      })
    );
  return made;
}

const PROTOCOL = [1002],
  NOT_TEXT = [1007],
  TOO_LARGE = [1009];
const WRITES = { "": undefined, ", a write a frame": "frames", ", a write a byte": 1 };
export const CASES = [];
const names = new Set();

function add(name, row) {
  if (names.has(name)) throw new Error(`two cases ${name}`);
  names.add(name);
  CASES.push({
    name,
    messages: [],
    pings: row.send
      .filter((step) => step.opcode === PING && step.fin !== false)
      .map((step) => step.payload),
    ...row,
  });
}

/** The same frames, written in several ways. */
const eachWrite = (name, row) =>
  Object.entries(WRITES).forEach(([how, pieces]) => add(name + how, { ...row, pieces }));

// ---- 1: framing ----

const SIZES = [0, 125, 126, 127, 128, 65535, 65536];
for (const size of SIZES) {
  const payload = Buffer.alloc(size, "*");
  add(`1.1 text of ${size}`, { send: [text(payload)], messages: [[TEXT, payload]] });
  const octets = Buffer.alloc(size, 0xfe);
  add(`1.2 binary of ${size}`, { send: [binary(octets)], messages: [[BINARY, octets]] });
}
for (const [name, opcode, fill] of [
  ["1.1 text", TEXT, "*"],
  ["1.2 binary", BINARY, 0xfe],
]) {
  const payload = Buffer.alloc(65536, fill);
  add(`${name} of 65536 in writes of 997`, {
    send: [frame(opcode, payload)],
    pieces: 997,
    messages: [[opcode, payload]],
  });
}
for (const [size, lengthBytes] of [
  [0, 2],
  [125, 2],
  [0, 8],
  [125, 8],
  [126, 8],
  [65535, 8],
])
  add(`1.3 ${size} bytes with a length of ${lengthBytes} bytes`, {
    send: [text(Buffer.alloc(size, "*"), { lengthBytes })],
    fails: PROTOCOL,
  });
for (const length of [2n ** 63n, 2n ** 64n - 1n])
  add(`1.3 a length of ${length}`, {
    send: [binary("abc", { length, lengthBytes: 8 })],
    fails: [1002, 1009],
  });
add("1.3 a length of 2^63 - 1", {
  send: [binary("abc", { length: 2n ** 63n - 1n, lengthBytes: 8 })],
  fails: TOO_LARGE,
});
for (const [name, made] of [
  ["text", text("a")],
  ["ping", ping("a")],
  ["close", close(code(1000))],
])
  add(`1.4 ${name}, masked the wrong way`, {
    send: [{ ...made, masksWrongly: true }],
    fails: PROTOCOL,
    pings: [],
  });

// ---- 2: pings and pongs ----

const PING_125 = Buffer.alloc(125, 0xfe);
const TEN = [...Array(10).keys()].map((i) => ping(`payload-${i}`));
add("2.1 ping", { send: [ping()] });
add("2.2 ping with text", { send: [ping("Hello, world!")] });
add("2.3 ping with bytes that are not UTF-8", { send: [ping(hex("00 ff fe fd fc fb 00 ff"))] });
add("2.4 ping of 125", { send: [ping(PING_125)] });
add("2.5 ping of 126", { send: [ping(Buffer.alloc(126, 0xfe))], pings: [], fails: PROTOCOL });
add("2.6 ping of 125, a write a byte", { send: [ping(PING_125)], pieces: 1 });
add("2.7 pong that answers nothing", { send: [pong()] });
add("2.8 pong with text that answers nothing", { send: [pong("unsolicited pong payload")] });
add("2.9 pong, then ping", { send: [pong("unsolicited pong payload"), ping("ping payload")] });
add("2.10 ten pings", { send: TEN });
add("2.11 ten pings, a write a byte", { send: TEN, pieces: 1 });
add("2.12 pong of 126", { send: [pong(Buffer.alloc(126, 0xfe))], fails: PROTOCOL });

// ---- 3: reserved bits ----

const HELLO = text("Hello, world!"),
  HELLO_BACK = [TEXT, utf8("Hello, world!")];
add("3.1 text with RSV 1", { send: [text("Hello", { rsv: 1 })], fails: PROTOCOL });
for (const [rsv, how, pieces] of [
  [2, "", undefined],
  [3, ", a write a frame", "frames"],
  [4, ", a write a byte", 1],
])
  add(`3.${rsv} text, then text with RSV ${rsv} and a ping${how}`, {
    send: [HELLO, text("Hello", { rsv }), ping()],
    pieces,
    pings: [],
    messages: [HELLO_BACK],
    fails: PROTOCOL,
  });
add("3.5 binary with RSV 5", { send: [binary(hex("00 ff fe"), { rsv: 5 })], fails: PROTOCOL });
add("3.6 ping with RSV 6", {
  send: [frame(PING, "Hello", { rsv: 6 })],
  pings: [],
  fails: PROTOCOL,
});
add("3.7 close with RSV 7", { send: [frame(CLOSE, code(1000), { rsv: 7 })], fails: PROTOCOL });
for (const rsv of [1, 2, 4])
  add(`3.8 continuation with RSV ${rsv}`, {
    send: [text("a", NOT_FINAL), more("b", { rsv })],
    fails: PROTOCOL,
  });

// ---- 4: opcodes ----

for (const [group, opcodes] of [
  ["4.1", [3, 4, 5, 6, 7]],
  ["4.2", [11, 12, 13, 14, 15]],
])
  for (const [i, opcode] of opcodes.entries()) {
    const payload = i % 2 === 0 ? "" : "reserved opcode payload";
    const before = i < 2 ? [] : [HELLO];
    add(
      `${group} opcode ${opcode}${i < 2 ? "" : " after a text"}${i === 3 ? ", a write a frame" : i === 4 ? ", a write a byte" : ""}`,
      {
        send: [...before, frame(opcode, payload), ping()],
        pieces: [undefined, undefined, undefined, "frames", 1][i],
        pings: [],
        messages: before.map(() => HELLO_BACK),
        fails: PROTOCOL,
      }
    );
  }

// ---- 5: fragments ----

const joined = (...parts) => [TEXT, utf8(parts.join(""))];
add("5.1 ping in two fragments", {
  send: [frame(PING, "fragment1", NOT_FINAL), more("fragment2")],
  fails: PROTOCOL,
});
add("5.2 pong in two fragments", {
  send: [frame(PONG, "fragment1", NOT_FINAL), more("fragment2")],
  fails: PROTOCOL,
});
eachWrite("5.3 text in two fragments", {
  send: [text("fragment1", NOT_FINAL), more("fragment2")],
  messages: [joined("fragment1", "fragment2")],
});
eachWrite("5.6 text in two fragments, a ping between them", {
  send: [text("fragment1", NOT_FINAL), ping("ping payload"), more("fragment2")],
  messages: [joined("fragment1", "fragment2")],
});
for (const [name, fin] of [
  ["final", true],
  ["not final", false],
])
  eachWrite(`5.${fin ? 9 : 12} continuation of nothing, ${name}, then text`, {
    send: [more("non-continuation payload", { fin }), HELLO],
    fails: PROTOCOL,
  });
const WHOLE = [text("fragment1", NOT_FINAL), more("fragment2")];
for (const [name, fin] of [
  ["not final", false],
  ["final", true],
])
  add(
    `5.${fin ? 17 : 15} text in two fragments, then a continuation of nothing, ${name}, and text`,
    {
      send: [...WHOLE, more("fragment3", { fin }), text("fragment4")],
      messages: [joined("fragment1", "fragment2")],
      fails: PROTOCOL,
    }
  );
add("5.16 continuations of nothing between texts, not final", {
  send: [more("fragment1", NOT_FINAL), text("fragment2", NOT_FINAL), more("fragment3")],
  fails: PROTOCOL,
});
add("5.18 both fragments have the opcode of text", {
  send: [text("fragment1", NOT_FINAL), text("fragment2")],
  fails: PROTOCOL,
});
add("5.18 binary within a text", {
  send: [text("fragment1", NOT_FINAL), binary("fragment2")],
  fails: PROTOCOL,
});
const FIVE = [
  text("fragment1", NOT_FINAL),
  more("fragment2", NOT_FINAL),
  ping("pongme 1!"),
  more("fragment3", NOT_FINAL),
  ping("pongme 2!"),
  more("fragment4", NOT_FINAL),
  ping("pongme 3!"),
  more("fragment5"),
];
eachWrite("5.19 text in five fragments, pings between them", {
  send: FIVE,
  messages: [joined("fragment1", "fragment2", "fragment3", "fragment4", "fragment5")],
});
add("5.21 two messages in fragments, one text, one binary", {
  send: [...fragments(TEXT, utf8("abcdef"), 2), ...fragments(BINARY, hex("00 01 02 ff fe"), 1)],
  messages: [joined("abcdef"), [BINARY, hex("00 01 02 ff fe")]],
});
add("5.22 an unfinished message, then close", {
  send: [text("fragment1", NOT_FINAL), close(code(1000))],
  closes: [1000],
});

// ---- 6: UTF-8 (Unicode, table 3-7; RFC 3629) ----

const GREEK = utf8("Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!");
const KOSME = hex("ce ba e1 bd b9 cf 83 ce bc ce b5");
const BROKEN = Buffer.concat([KOSME, hex("ed a0 80"), utf8("edited")]);
add("6.1.1 empty text", { send: [text()], messages: [joined("")] });
add("6.1.2 text in three empty fragments", {
  send: [text("", NOT_FINAL), more("", NOT_FINAL), more("")],
  messages: [joined("")],
});
add("6.1.3 text in three fragments, the first and last empty", {
  send: [text("", NOT_FINAL), more("middle frame payload", NOT_FINAL), more("")],
  messages: [joined("middle frame payload")],
});
add("6.2.1 text", { send: [text(GREEK)], messages: [[TEXT, GREEK]] });
add("6.2.2 text in two fragments, between characters", {
  send: fragments(TEXT, GREEK, 8),
  messages: [[TEXT, GREEK]],
});
add("6.2.3 text in fragments of a byte", {
  send: fragments(TEXT, GREEK, 1),
  messages: [[TEXT, GREEK]],
});
add("6.2.4 text in fragments of a byte, of another script", {
  send: fragments(TEXT, KOSME, 1),
  messages: [[TEXT, KOSME]],
});
add("6.3.1 a surrogate within text", { send: [text(BROKEN)], fails: NOT_TEXT });
add("6.3.2 a surrogate within text, in fragments of a byte", {
  send: fragments(TEXT, BROKEN, 1),
  fails: NOT_TEXT,
});
// At the first byte that cannot be: nothing follows it here.
for (const [name, bad] of [
  ["f4 90", hex("f4 90")],
  ["ed a0", hex("ed a0")],
  ["e0 80", hex("e0 80")],
  ["c0", hex("c0")],
  ["ff", hex("ff")],
]) {
  const until = Buffer.concat([KOSME, bad]);
  const whole = Buffer.concat([until, hex("80 80"), utf8("edited")]);
  const atLast = text(until.subarray(0, -1), NOT_FINAL);
  add(`6.4.1 fails at ${name}, before the next fragment`, {
    send: [text(KOSME, NOT_FINAL), more(bad, NOT_FINAL)],
    fails: NOT_TEXT,
  });
  add(`6.4.2 fails at the last byte of ${name}, a fragment of its own`, {
    send: [atLast, more(bad.subarray(-1), NOT_FINAL)],
    pieces: "frames",
    fails: NOT_TEXT,
  });
  add(`6.4.3 fails at ${name}, before the frame's end`, {
    send: [text(whole, { keep: until.length })],
    fails: NOT_TEXT,
  });
  add(`6.4.4 fails at ${name}, before the frame's end, a write a byte`, {
    send: [text(whole, { keep: until.length })],
    pieces: 1,
    fails: NOT_TEXT,
  });
}

/** Bytes that are text, all on one connection, or not, each on its own: as one frame, and each byte as a fragment. */
function utf8Rows(group, rows, isText) {
  const payloads = rows.map(hex);
  if (isText) {
    const messages = payloads.map((payload) => [TEXT, payload]);
    add(`${group}, ${rows.length} texts`, {
      send: payloads.map((payload) => text(payload)),
      messages,
    });
    add(`${group}, ${rows.length} texts in fragments`, {
      send: payloads.flatMap((payload) => fragments(TEXT, payload, 1)),
      messages,
    });
    return;
  }
  for (const [i, payload] of payloads.entries()) {
    add(`${group}.${i + 1} ${rows[i]}`, { send: [text(payload)], fails: NOT_TEXT });
    add(`${group}.${i + 1} ${rows[i]}, in fragments`, {
      send: fragments(TEXT, payload, 1),
      fails: NOT_TEXT,
    });
  }
}
const from = (first, last, step, make) =>
  Array.from({ length: Math.floor((last - first) / step) + 1 }, (_, i) => make(first + i * step));
const hexOf = (buffer) => buffer.toString("hex").replace(/..(?=.)/g, "$& ");
const codes = (...points) => points.map((point) => hexOf(utf8(String.fromCodePoint(point))));
const KOSME_HEX = hexOf(KOSME);
const prefixes = from(1, KOSME.length, 1, (size) => hexOf(KOSME.subarray(0, size)));
const ENDS = [2, 5, 7, 9, 11]; // where a character of it ends
utf8Rows(
  "6.5",
  [KOSME_HEX, ...ENDS.map((end) => `61 62 ${hexOf(KOSME.subarray(0, end))} 63`)],
  true
);
utf8Rows(
  "6.6",
  prefixes.filter((_, i) => ENDS.includes(i + 1)),
  true
);
utf8Rows(
  "6.6 cut",
  prefixes.filter((_, i) => !ENDS.includes(i + 1)),
  false
);
utf8Rows("6.7 first of each length", codes(0, 0x80, 0x800, 0x10000), true);
utf8Rows("6.8 first of 5 and 6 bytes", ["f8 88 80 80 80", "fc 84 80 80 80 80"], false);
utf8Rows("6.9 last of each length", codes(0x7f, 0x7ff, 0xffff, 0x10ffff), true);
utf8Rows(
  "6.10 last of lengths that are not allowed",
  ["f7 bf bf bf", "fb bf bf bf bf", "fd bf bf bf bf bf"],
  false
);
utf8Rows("6.11 boundaries", codes(0xd7ff, 0xe000, 0xfffd, 0x10ffff), true);
utf8Rows("6.11 beyond the last", ["f4 90 80 80"], false);
utf8Rows(
  "6.12 continuation bytes",
  [
    "80",
    "bf",
    ...from(2, 7, 1, (count) =>
      Array.from({ length: count }, (_, i) => (i % 2 === 0 ? "80" : "bf")).join(" ")
    ),
    hexOf(Buffer.from(from(0x80, 0xbf, 1, (byte) => byte))),
  ],
  false
);
const lonely = (first, last) => from(first, last, 1, (byte) => `${byte.toString(16)} 20`).join(" ");
utf8Rows(
  "6.13 first bytes alone",
  [lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb), "fc 20 fd 20"],
  false
);
const CUT = [
  "c0",
  "e0 80",
  "f0 80 80",
  "f8 80 80 80",
  "fc 80 80 80 80",
  "df",
  "ef bf",
  "f7 bf bf",
  "fb bf bf bf",
  "fd bf bf bf bf",
];
utf8Rows("6.14 without the last byte", CUT, false);
utf8Rows("6.15 all of those", [CUT.join(" ")], false);
utf8Rows("6.16 impossible bytes", ["fe", "ff", "fe fe ff ff"], false);
utf8Rows(
  "6.17 overlong '/'",
  ["c0 af", "e0 80 af", "f0 80 80 af", "f8 80 80 80 af", "fc 80 80 80 80 af"],
  false
);
utf8Rows(
  "6.18 largest overlong",
  ["c1 bf", "e0 9f bf", "f0 8f bf bf", "f8 87 bf bf bf", "fc 83 bf bf bf bf"],
  false
);
utf8Rows(
  "6.19 overlong NUL",
  ["c0 80", "e0 80 80", "f0 80 80 80", "f8 80 80 80 80", "fc 80 80 80 80 80"],
  false
);
utf8Rows(
  "6.20 surrogates",
  ["ed a0 80", "ed ad bf", "ed ae 80", "ed af bf", "ed b0 80", "ed be 80", "ed bf bf"],
  false
);
utf8Rows(
  "6.21 pairs of surrogates",
  [
    "ed a0 80 ed b0 80",
    "ed a0 80 ed bf bf",
    "ed ad bf ed b0 80",
    "ed ad bf ed bf bf",
    "ed ae 80 ed b0 80",
    "ed ae 80 ed bf bf",
    "ed af bf ed b0 80",
    "ed af bf ed bf bf",
  ],
  false
);
utf8Rows(
  "6.22 noncharacters",
  codes(
    ...from(0, 0x10, 1, (plane) => [plane * 0x10000 + 0xfffe, plane * 0x10000 + 0xffff]).flat()
  ),
  true
);
utf8Rows(
  "6.23 specials",
  codes(0xfff9, 0xfffa, 0xfffb, 0xfffc, 0xfffd, 0xfffe, 0xffff, 0xfeff),
  true
);
// A text checked by words: a character that lies over each boundary, and a wrong byte at each place.
for (const at of [7, 8, 15, 31, 32, 63, 255]) {
  const good = Buffer.concat([Buffer.alloc(at, "a"), utf8("\u20ac"), Buffer.alloc(70, "b")]);
  const bad = Buffer.from(Buffer.alloc(at + 70, "a"));
  bad[at] = 0x80;
  add(`6.24 a character at byte ${at}`, { send: [text(good)], messages: [[TEXT, good]] });
  add(`6.24 a wrong byte at byte ${at}`, { send: [text(bad)], fails: NOT_TEXT });
}
add("6.25 binary is not checked", { send: [binary(BROKEN)], messages: [[BINARY, BROKEN]] });

// ---- 7: closing ----

const LARGE = Buffer.alloc(256 << 10, "*");
add("7.1.1 text, then close", {
  send: [HELLO, close(code(1000))],
  messages: [HELLO_BACK],
  closes: [1000],
});
add("7.1.2 two close frames", { send: [close(code(1000)), close(code(1000))], closes: [1000] });
add("7.1.3 ping after close", { send: [close(code(1000)), ping()], pings: [], closes: [1000] });
add("7.1.4 text after close", { send: [close(code(1000)), HELLO], closes: [1000] });
add("7.1.5 close between fragments", {
  send: [text("fragment1", NOT_FINAL), close(code(1000)), more("fragment2")],
  closes: [1000],
});
add("7.1.6 256 KiB of text, close, ping", {
  send: [text(LARGE), close(code(1000)), ping()],
  pings: [],
  messages: [[TEXT, LARGE]],
  closes: [1000],
});
add("7.1.7 what breaks the protocol after close", {
  send: [close(code(1000)), frame(3, "x", { rsv: 7 })],
  closes: [1000],
});
add("7.3.1 close without a code", { send: [close()], closes: [undefined, 1000] });
add("7.3.2 close with half a code", { send: [close(hex("03"))], fails: PROTOCOL });
add("7.3.3 close with a code", { send: [close(code(1000))], closes: [1000] });
add("7.3.4 close with a code and a reason", {
  send: [close(code(1000, "Hello, world!"))],
  closes: [1000],
});
add("7.3.5 close with a reason of 123", {
  send: [close(code(1000, Buffer.alloc(123, "*")))],
  closes: [1000],
});
add("7.3.6 close with a reason of 124", {
  send: [close(code(1000, Buffer.alloc(124, "*")))],
  fails: PROTOCOL,
});
add("7.3.7 close in a write a byte", {
  send: [close(code(1000, "Hello, world!"))],
  pieces: 1,
  closes: [1000],
});
add("7.3.8 close in two fragments", {
  send: [frame(CLOSE, code(1000), NOT_FINAL), more("x")],
  fails: PROTOCOL,
});
add("7.5.1 a reason that is not UTF-8", { send: [close(code(1000, BROKEN))], fails: NOT_TEXT });
add("7.5.2 a reason that ends within a character", {
  send: [close(code(1000, hex("e2 82")))],
  fails: NOT_TEXT,
});
for (const valid of [
  1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999,
])
  add(`7.7 close with ${valid}`, { send: [close(code(valid))], closes: [valid, 1000] });
for (const invalid of [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999])
  for (const reason of ["", "reason"])
    add(`7.9 close with ${invalid}${reason && ", and a reason"}`, {
      send: [close(code(invalid, reason))],
      fails: PROTOCOL,
    });
// Beyond what the RFC speaks of: answered, or failed.
for (const unknown of [5000, 65535])
  add(`7.13 close with ${unknown}`, { send: [close(code(unknown))], fails: [1000, 1002, unknown] });

// ---- 9 and 10: sizes, and messages in many pieces ----

const KIB = 1024,
  MIB = 1024 * KIB;
/** Text or bytes that show where one is. */
function content(opcode, size) {
  const block = Buffer.alloc(4096 + 7);
  for (let i = 0; i < block.length; i++)
    block[i] = opcode === TEXT ? 32 + ((i * 7) % 90) : (i * 131) & 0xff;
  return Buffer.alloc(size, block);
}
// Limits: 1 MiB from a client, 16 MiB from a server.
for (const [group, name, opcode, sizes] of [
  ["9.1", "text", TEXT, [64 * KIB, MIB, 16 * MIB + 1]],
  ["9.2", "binary", BINARY, [256 * KIB, MIB + 1, 16 * MIB]],
])
  for (const size of sizes) {
    const payload = content(opcode, size);
    add(`${group} ${name} of ${size}`, {
      send: [frame(opcode, payload)],
      messages: [[opcode, payload]],
    });
  }
for (const [group, name, opcode, sizes] of [
  ["9.3", "text", TEXT, [64, 4 * KIB, 64 * KIB]],
  ["9.4", "binary", BINARY, [256, 16 * KIB]],
]) {
  const payload = content(opcode, 256 * KIB);
  for (const size of sizes)
    add(`${group} ${name} of 256 KiB in fragments of ${size}`, {
      send: fragments(opcode, payload, size),
      messages: [[opcode, payload]],
    });
}
for (const [group, name, opcode, pieces] of [
  ["9.5", "text", TEXT, 64],
  ["9.6", "binary", BINARY, 2048],
]) {
  const payload = content(opcode, 32 * KIB);
  add(`${group} ${name} of 32 KiB in writes of ${pieces}`, {
    send: [frame(opcode, payload)],
    pieces,
    messages: [[opcode, payload]],
  });
}
for (const [group, name, opcode, sizes] of [
  ["9.7", "text", TEXT, [0, 64, 16 * KIB]],
  ["9.8", "binary", BINARY, [16, 4 * KIB]],
])
  for (const size of sizes) {
    const payload = content(opcode, size);
    const count = Array(20).fill();
    add(`${group} 20 messages of ${name} of ${size}`, {
      send: count.map(() => frame(opcode, payload)),
      messages: count.map(() => [opcode, payload]),
    });
  }
const OVER = content(BINARY, 16 * MIB + 1);
add("9.9 fragments that are over the limit in sum", {
  send: fragments(BINARY, OVER, MIB),
  messages: [[BINARY, OVER]],
});
for (const [name, opcode] of [
  ["text", TEXT],
  ["binary", BINARY],
]) {
  const payload = content(opcode, 65536);
  add(`10.1 ${name} of 65536 in fragments of 1300`, {
    send: fragments(opcode, payload, 1300),
    messages: [[opcode, payload]],
  });
  add(`10.2 ${name} of 65536 in fragments of 1300 and writes of 997`, {
    send: fragments(opcode, payload, 1300),
    pieces: 997,
    messages: [[opcode, payload]],
  });
}

// ---- 12 and 13: permessage-deflate ----

/** A compressed message in fragments of so many bytes. */
const compressed =
  (opcode, payload, size = Infinity) =>
  (peer) => {
    const [first, ...rest] = fragments(opcode, peer.compress(payload), size);
    return [{ ...first, rsv: 4 }, ...rest];
  };
/** One whose compressed payload is given. */
const raw = (opcode, payload, rest = {}) => frame(opcode, payload, { rsv: 4, ...rest });
/** As feeds are: alike, but never the same. */
const feed = (size, turn) =>
  Buffer.from(
    Array.from(
      { length: Math.ceil(size / 40) + 1 },
      (_, i) =>
        `{"s":"BTCUSDT","p":"${(6e4 + ((i * 7919 + turn * 31) % 999) / 10).toFixed(2)}","v":${(i * 31 + turn) % 97}},`
    ).join("")
  ).subarray(0, size);
const DEFLATE = "permessage-deflate";
const OFFERS = {
  12.1: DEFLATE,
  12.2: `${DEFLATE}; server_no_context_takeover`,
  12.3: `${DEFLATE}; client_no_context_takeover`,
  12.4: `${DEFLATE}; client_no_context_takeover; server_no_context_takeover`,
  12.5: `${DEFLATE}; client_max_window_bits`,
  13.1: `${DEFLATE}; server_max_window_bits=15`,
  13.2: `${DEFLATE}; server_max_window_bits=9`,
  13.3: `${DEFLATE}; server_max_window_bits=12; server_no_context_takeover`,
  13.4: `${DEFLATE}; client_max_window_bits=9`,
  13.5: `${DEFLATE}; client_max_window_bits=9; server_max_window_bits=9; client_no_context_takeover`,
};
for (const [group, deflate] of Object.entries(OFFERS))
  for (const [i, size] of [0, 16, KIB, 8 * KIB, 64 * KIB].entries()) {
    const messages = Array.from({ length: 4 }, (_, turn) => [
      turn % 3 === 2 ? BINARY : TEXT,
      feed(size, turn),
    ]);
    const cut = i % 2 === 0 ? Infinity : Math.max(1, size >> 4);
    add(
      `${group} ${deflate.slice(DEFLATE.length + 2) || "no parameters"}, messages of ${size}${cut < Infinity ? " in fragments" : ""}`,
      {
        deflate,
        messages,
        send: messages.map(([opcode, payload]) => compressed(opcode, payload, cut)),
      }
    );
  }
// Examples of RFC 7692, 7.2.3.
const ALONE = OFFERS["12.4"];
const FIRST = hex("f2 48 cd c9 c9 07 00"),
  LIKE_FIRST = hex("f2 00 11 00 00");
const SAYS_HELLO = joined("Hello");
add("13.6 a message of one block", {
  deflate: ALONE,
  send: [raw(TEXT, FIRST)],
  messages: [SAYS_HELLO],
});
add("13.6 a message in two fragments", {
  deflate: ALONE,
  send: [raw(TEXT, hex("f2 48 cd"), NOT_FINAL), more(hex("c9 c9 07 00"))],
  messages: [SAYS_HELLO],
});
add("13.6 a message that refers to the one before, where it may", {
  deflate: DEFLATE,
  send: [raw(TEXT, FIRST), (peer) => [raw(TEXT, peer.mine.isAlone ? FIRST : LIKE_FIRST)]],
  messages: [SAYS_HELLO, SAYS_HELLO],
});
add("13.6 a block without compression", {
  deflate: ALONE,
  send: [raw(TEXT, hex("00 05 00 fa ff 48 65 6c 6c 6f 00"))],
  messages: [SAYS_HELLO],
});
add("13.6 a final block", {
  deflate: ALONE,
  send: [raw(TEXT, hex("f3 48 cd c9 c9 07 00 00"))],
  messages: [SAYS_HELLO],
});
add("13.6 two blocks", {
  deflate: ALONE,
  send: [raw(TEXT, hex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"))],
  messages: [SAYS_HELLO],
});
add("13.6 an empty message", {
  deflate: ALONE,
  send: [raw(TEXT, hex("00"))],
  messages: [joined("")],
});
add("13.7 messages with and without compression", {
  deflate: ALONE,
  send: [HELLO, raw(TEXT, FIRST), binary("x")],
  messages: [HELLO_BACK, SAYS_HELLO, [BINARY, utf8("x")]],
});
add("13.7 pings between compressed fragments", {
  deflate: ALONE,
  send: [raw(TEXT, hex("f2 48 cd"), NOT_FINAL), ping("p"), more(hex("c9 c9 07 00"))],
  messages: [SAYS_HELLO],
});
add("13.7 a final block, then a message", {
  deflate: ALONE,
  send: [raw(TEXT, hex("f3 48 cd c9 c9 07 00 00")), raw(TEXT, FIRST)],
  messages: [SAYS_HELLO, SAYS_HELLO],
});
add("13.7 a character over two fragments", {
  deflate: ALONE,
  send: [
    (peer) =>
      fragments(TEXT, peer.compress(KOSME), 3).map((made, i) => ({
        ...made,
        rsv: i === 0 ? 4 : 0,
      })),
  ],
  messages: [[TEXT, KOSME]],
});
for (const [name, send] of Object.entries({
  "RSV 1 on a continuation": [
    raw(TEXT, hex("f2 48 cd"), NOT_FINAL),
    more(hex("c9 c9 07 00"), { rsv: 4 }),
  ],
  "a compressed ping": [frame(PING, "x", { rsv: 4 })],
  "a compressed close": [frame(CLOSE, code(1000), { rsv: 4 })],
  "RSV 2": [raw(TEXT, FIRST, { rsv: 6 })],
}))
  add(`13.8 ${name}`, { deflate: ALONE, send, pings: [], fails: PROTOCOL });
for (const [name, payload] of Object.entries({
  "a block of a reserved type": hex("06 00"),
  "a stored block whose length is wrong": hex("00 05 00 00 00 48 65 6c 6c 6f 00"),
  "a distance before the message": hex("f2 00 11 00 00"),
  "a message that ends within a block": hex("f2 48 cd"),
}))
  add(`13.9 ${name}`, {
    deflate: ALONE,
    send: [raw(TEXT, payload)],
    fails: [1002, 1003, 1007, 1011],
  });
add("13.10 compressed text that is not UTF-8", {
  deflate: ALONE,
  send: [compressed(TEXT, BROKEN)],
  fails: NOT_TEXT,
});
add("13.10 compressed bytes that are not UTF-8", {
  deflate: ALONE,
  send: [compressed(BINARY, BROKEN)],
  messages: [[BINARY, BROKEN]],
});
const BOMB = zlib
  .deflateRawSync(Buffer.alloc(16 * MIB + 1, "*"), {
    level: 9,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  })
  .subarray(0, -4);
add("13.11 a message that inflates over the limit", {
  deflate: ALONE,
  send: [raw(TEXT, BOMB)],
  messages: [[TEXT, { length: 16 * MIB + 1 }]],
});

/** The first case of each group. */
export function firstOfEach(rows) {
  const groups = new Set();
  return rows.filter(({ name }) => {
    const [group] = /^\d+\.\d+/.exec(name),
      { size } = groups;
    return groups.add(group).size > size;
  });
}

/** What a case must lead to at an end that takes messages of so many bytes. */
export function outcomeAt(row, bytesMax) {
  const at = row.messages.findIndex(([, payload]) => payload.length > bytesMax);
  return at < 0 ? row : { ...row, messages: row.messages.slice(0, at), fails: TOO_LARGE };
}
