// One end of a WebSocket connection as raw bytes, for cases.mjs: it sends what no correct peer would, in any pieces,
// and reads strictly. Written from RFC 6455 and 7692; shares no code with wire/.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import zlib from "node:zlib";

export const CONTINUATION = 0,
  TEXT = 1,
  BINARY = 2,
  CLOSE = 8,
  PING = 9,
  PONG = 10;
const TAIL = Buffer.from([0, 0, 0xff, 0xff]);
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Bytes of a frame {opcode, payload, fin, rsv}. Made wrong by: masksWrongly; lengthBytes (0, 2 or 8), a form that is not
 *  minimal; length, which the payload does not have; keep, only so many bytes of the payload. */
export function frameBytes(
  {
    opcode,
    payload,
    fin = true,
    rsv = 0,
    length = payload.length,
    lengthBytes,
    keep,
    masksWrongly = false,
  },
  masks
) {
  const form = lengthBytes ?? (length > 0xffff ? 8 : length > 125 ? 2 : 0);
  const head = Buffer.alloc(2 + form);
  const hasMask = masks !== masksWrongly;
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (hasMask ? 0x80 : 0) | (form === 8 ? 127 : form === 2 ? 126 : length);
  if (form === 2) head.writeUInt16BE(length, 2);
  if (form === 8) head.writeBigUInt64BE(BigInt(length), 2);
  const kept = payload.subarray(0, keep);
  if (!hasMask) return Buffer.concat([head, kept]);
  const mask = Buffer.from([0x37, 0xfa, 0x21, 0x3d]);
  const masked = Buffer.alloc(kept.length),
    words = masked.length >> 2;
  masked.set(kept);
  const whole = new Int32Array(masked.buffer, masked.byteOffset, words),
    word = new Int32Array(Uint8Array.from(mask).buffer)[0];
  for (let i = 0; i < words; i++) whole[i] ^= word;
  for (let i = words << 2; i < masked.length; i++) masked[i] ^= mask[i & 3];
  return Buffer.concat([head, mask, masked]);
}

export const accept = (key) =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

/** The header fields of a head, by name in small letters. */
export function fieldsOf(head) {
  return Object.fromEntries(
    head
      .split("\r\n")
      .slice(1)
      .map((line) => [
        line.slice(0, line.indexOf(":")).toLowerCase(),
        line.slice(line.indexOf(":") + 1).trim(),
      ])
  );
}

/** A socket on which "client" or "server" is played here. */
export class Peer {
  constructor(socket, side) {
    this.socket = socket;
    this.masks = side === "client";
    this.bytes = [];
    this.size = 0;
    this.isEnded = false;
    this.wake = () => {};
    this.receivedMasks = [];
    this.deflate = undefined; // parameters that were agreed on
    socket.setNoDelay(true);
    socket.on("data", (bytes) => {
      this.bytes.push(bytes);
      this.size += bytes.length;
      this.wake();
    });
    const end = () => {
      this.isEnded = true;
      this.wake();
    };
    socket.on("end", end);
    socket.on("close", end);
    socket.on("error", end);
  }

  /** Write, in pieces of so many bytes, each handed to the system before the next. */
  async write(bytes, pieces = bytes.length) {
    for (let at = 0; at < bytes.length && !this.isEnded; at += pieces)
      await new Promise((resolve) => this.socket.write(bytes.subarray(at, at + pieces), resolve));
  }

  /** Resolves once something was received, or the connection ended. */
  more() {
    return new Promise((resolve) => {
      this.wake = resolve;
      if (this.isEnded) resolve();
    });
  }

  /** Wait for so many bytes, and keep them. false: the end came before. */
  async wait(size) {
    while (this.size < size && !this.isEnded) await this.more();
    if (this.size < size) return false;
    if (this.bytes.length > 1) this.bytes = [Buffer.concat(this.bytes)];
    return true;
  }

  take(size) {
    if (size === 0) return Buffer.alloc(0);
    const [first] = this.bytes;
    this.bytes = first.length === size ? [] : [first.subarray(size)];
    this.size -= size;
    return first.subarray(0, size);
  }

  /** The head of a request or an answer, without its empty line; undefined after the end. */
  async head() {
    for (let size = 4; await this.wait(size); size = this.size + 1) {
      const at = this.bytes[0].indexOf("\r\n\r\n");
      if (at >= 0)
        return this.take(at + 4)
          .subarray(0, at)
          .toString("latin1");
    }
    return undefined;
  }

  /** The next frame, or undefined after the end. */
  async frame() {
    if (!(await this.wait(2))) {
      assert.equal(this.size, 0, "the end came within a frame's head");
      return undefined;
    }
    const [first, second] = this.bytes[0];
    const form = (second & 0x7f) === 127 ? 8 : (second & 0x7f) === 126 ? 2 : 0;
    const maskBytes = this.masks ? 0 : 4;
    assert.equal((second & 0x80) !== 0, !this.masks, "a client masks, a server does not");
    assert.ok(await this.wait(2 + form + maskBytes), "the end came within a frame's head");
    const head = this.take(2 + form + maskBytes);
    const length =
      form === 8
        ? Number(head.readBigUInt64BE(2))
        : form === 2
          ? head.readUInt16BE(2)
          : second & 0x7f;
    assert.ok(form === 0 || length > (form === 2 ? 125 : 0xffff), "the length is minimal");
    assert.ok(await this.wait(length), "the end came within a frame");
    const payload = Buffer.from(this.take(length));
    const mask = head.subarray(2 + form);
    if (maskBytes > 0) this.receivedMasks.push(mask.readUInt32BE(0));
    if (maskBytes > 0) for (let i = 0; i < length; i++) payload[i] ^= mask[i & 3];
    return { opcode: first & 0x0f, fin: (first & 0x80) !== 0, rsv: (first >> 4) & 7, payload };
  }

  /** The next message or control frame {opcode, payload, code, reason}, or undefined after the end. */
  async event() {
    for (;;) {
      const got = await this.frame();
      if (got === undefined) return undefined;
      const { opcode, fin, rsv, payload } = got;
      if (opcode >= CLOSE) return this.control(got);
      assert.ok(opcode <= BINARY, `opcode ${opcode}`);
      assert.equal(opcode === CONTINUATION, this.message !== undefined, "fragments are in order");
      assert.ok(rsv === 0 || (rsv === 4 && this.deflate && opcode !== CONTINUATION), `RSV ${rsv}`);
      this.message ??= { opcode, isCompressed: rsv === 4, pieces: [] };
      this.message.pieces.push(payload);
      if (!fin) continue;
      const { isCompressed, pieces } = this.message;
      const type = this.message.opcode;
      this.message = undefined;
      const bytes = isCompressed ? this.inflate(Buffer.concat(pieces)) : Buffer.concat(pieces);
      if (type === TEXT) decoder.decode(bytes);
      return { opcode: type, payload: bytes, isCompressed };
    }
  }

  control({ opcode, fin, rsv, payload }) {
    assert.ok(
      opcode <= PONG && fin && rsv === 0 && payload.length <= 125,
      "a control frame as the RFC has it"
    );
    if (opcode !== CLOSE) return { opcode, payload };
    assert.notEqual(payload.length, 1, "a close frame with half a code");
    const code = payload.length === 0 ? undefined : payload.readUInt16BE(0);
    return { opcode, payload, code, reason: decoder.decode(payload.subarray(2)) };
  }

  // ---- permessage-deflate ----

  /** What was agreed on: windows and takeover of both directions, {server, client: {bits, isAlone}}. */
  agree(agreed) {
    this.deflate = agreed;
    this.sentWindow = this.receivedWindow = Buffer.alloc(0);
  }

  get mine() {
    return this.masks ? this.deflate.client : this.deflate.server;
  }

  get theirs() {
    return this.masks ? this.deflate.server : this.deflate.client;
  }

  /** A message's compressed payload. zlib has no windows of 8 bits for raw streams: 9 is the least here. */
  compress(message, options = {}) {
    const { bits = 15, isAlone } = this.mine;
    const dictionary = isAlone || this.sentWindow.length === 0 ? undefined : this.sentWindow;
    const raw = zlib.deflateRawSync(message, {
      windowBits: Math.max(bits, 9),
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      dictionary,
      ...options,
    });
    this.sentWindow = lastOf(Buffer.concat([this.sentWindow, message]), bits);
    return raw.subarray(0, raw.length - TAIL.length);
  }

  /** What a peer compressed, with the window that it may use: more is an error of zlib's. */
  inflate(payload) {
    const { bits = 15, isAlone } = this.theirs;
    const dictionary =
      isAlone || this.receivedWindow.length === 0 ? undefined : this.receivedWindow;
    const message = zlib.inflateRawSync(Buffer.concat([payload, TAIL]), {
      windowBits: Math.max(bits, 9),
      finishFlush: zlib.constants.Z_SYNC_FLUSH,
      dictionary,
    });
    this.receivedWindow = lastOf(Buffer.concat([this.receivedWindow, message]), bits);
    return message;
  }
}

const lastOf = (bytes, bits) => bytes.subarray(Math.max(0, bytes.length - (1 << bits)));

/** "permessage-deflate; a; b=9" as an object of parameters; undefined: another extension. */
export function parameters(text) {
  const [name, ...rest] = text.split(";").map((part) => part.trim());
  if (name !== "permessage-deflate") return undefined;
  return Object.fromEntries(
    rest
      .map((part) => part.split("=").map((word) => word.trim()))
      .map(([key, value]) => [key, value ?? true])
  );
}

/** What client and server agreed on for permessage-deflate: the parameters of the server's answer. */
export function agreement(answer) {
  const bits = (value) => (value === undefined ? 15 : Number(value));
  return {
    server: {
      bits: bits(answer.server_max_window_bits),
      isAlone: answer.server_no_context_takeover === true,
    },
    client: {
      bits: bits(answer.client_max_window_bits),
      isAlone: answer.client_no_context_takeover === true,
    },
  };
}
