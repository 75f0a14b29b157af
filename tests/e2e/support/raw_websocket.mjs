// WebSocket as bytes: builds frames (RFC 6455, 5.2), and awaits the bytes of sockets with or without TLS. Shares no code with
// wire/, and checks nothing, so that either end may break any rule.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";
import zlib from "node:zlib";
import { BIN } from "./harness.mjs";

export const TEXT = 1,
  CLOSE = 8,
  PING = 9,
  PONG = 10;

/** A frame's head; mask: as a client's, with a mask of zeros, so that payloads stay as they are; rsv1: compressed. */
export function head(opcode, size, { fin = true, mask = false, rsv1 = false } = {}) {
  const first = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode;
  const masked = mask ? 0x80 : 0;
  const bytes = size < 126 ? Buffer.alloc(2) : Buffer.alloc(size < 65536 ? 4 : 10);
  bytes[0] = first;
  bytes[1] = masked | (size < 126 ? Number(size) : size < 65536 ? 126 : 127);
  if (bytes.length === 4) bytes.writeUInt16BE(Number(size), 2);
  if (bytes.length === 10) bytes.writeBigUInt64BE(BigInt(size), 2);
  return mask ? Buffer.concat([bytes, Buffer.alloc(4)]) : bytes;
}

export const frame = (opcode, payload, options) =>
  Buffer.concat([head(opcode, Buffer.byteLength(payload), options), Buffer.from(payload)]);

/** A compressed message (RFC 7692, 7.2.1). */
export function deflated(opcode, payload, options) {
  const packed = zlib.deflateRawSync(payload, {
    level: 9,
    finishFlush: zlib.constants.Z_SYNC_FLUSH,
  });
  return frame(opcode, packed.subarray(0, -4), { ...options, rsv1: true });
}

export function closeFrame(code, reason = "", options) {
  const payload = Buffer.from("\0\0" + reason);
  if (code !== undefined) payload.writeUInt16BE(code);
  return frame(CLOSE, code === undefined ? "" : payload, options);
}

/** A server's answer to an upgrade. */
export function accepted(request) {
  const key = /^Sec-WebSocket-Key: (.*)\r$/im.exec(request)[1];
  const proof = createHash("sha1")
    .update(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`;
}

/** A socket whose bytes can be awaited. */
export class RawSocket {
  constructor(socket) {
    this.socket = socket;
    this.bytes = Buffer.alloc(0);
    this.isOver = false; // no more bytes will come
    this.wake = () => {};
    socket.setNoDelay(true);
    socket.on("error", () => {}); // how it ended does not matter
    socket.on("data", (bytes) => {
      this.bytes = Buffer.concat([this.bytes, bytes]);
      this.wake();
    });
    for (const event of ["end", "close"])
      socket.on(event, () => {
        this.isOver = true;
        this.wake();
      });
  }

  /** The result of find() once it is not undefined; undefined if the stream ends before. */
  async until(find) {
    for (;;) {
      const found = find();
      if (found !== undefined || this.isOver) return found;
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  take(size) {
    const bytes = this.bytes.subarray(0, size);
    this.bytes = this.bytes.subarray(size);
    return bytes;
  }

  /** A head up to its empty line, as text. */
  async head() {
    return this.until(() => {
      const at = this.bytes.indexOf("\r\n\r\n");
      return at < 0 ? undefined : this.take(at + 4).toString("latin1");
    });
  }

  /** The next frame, {opcode, payload}, unmasked; undefined at the end of the stream. */
  async frame() {
    return this.until(() => {
      const [, second] = this.bytes;
      if (this.bytes.length < 2) return undefined;
      const short = second & 0x7f;
      let at = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (this.bytes.length < at) return undefined;
      const size =
        short === 126
          ? this.bytes.readUInt16BE(2)
          : short === 127
            ? Number(this.bytes.readBigUInt64BE(2))
            : short;
      const mask = second & 0x80 ? this.bytes.subarray(at, (at += 4)) : undefined;
      if (this.bytes.length < at + size) return undefined;
      const frame = this.take(at + size);
      const payload = frame.subarray(at);
      return {
        opcode: frame[0] & 15,
        payload: mask === undefined ? payload : payload.map((byte, i) => byte ^ mask[i % 4]),
      };
    });
  }

  /** The next frame with this opcode. */
  async frameOf(opcode) {
    for (let frame; (frame = await this.frame()) !== undefined;)
      if (frame.opcode === opcode) return frame;
    return undefined;
  }

  /** Wait for the peer's end of the stream; drop the bytes before it. */
  async ended() {
    await this.until(() => void (this.bytes = Buffer.alloc(0)));
  }

  /** Write, and wait until the socket has accepted all bytes; false: the connection ended before. */
  async write(bytes) {
    if (this.isOver || this.socket.destroyed) return false;
    if (this.socket.write(bytes)) return true;
    const ends = ["drain", "close"];
    await new Promise((resolve) => {
      const end = () => {
        for (const event of ends) this.socket.off(event, end);
        resolve();
      };
      for (const event of ends) this.socket.on(event, end);
    });
    return !this.socket.destroyed;
  }

  /** Write one byte a packet. */
  async writeBytes(bytes) {
    for (let i = 0; i < bytes.length && !this.isOver; i++) {
      await this.write(bytes.subarray(i, i + 1));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  reset() {
    if (this.socket.resetAndDestroy !== undefined && !(this.socket instanceof tls.TLSSocket))
      this.socket.resetAndDestroy();
    else this.socket.destroy();
  }
}

/** A connection to a server's URL; ca: of a TLS server. */
export async function rawConnect(t, { url, ca }) {
  const { hostname, port } = new URL(url);
  const socket = url.startsWith("wss:")
    ? tls.connect({ host: hostname, port, ca: fs.readFileSync(ca), servername: "localhost" })
    : net.connect(port, hostname);
  t.after(() => socket.destroy());
  const raw = new RawSocket(socket);
  await once(socket, url.startsWith("wss:") ? "secureConnect" : "connect");
  return raw;
}

/** A server that calls serve(raw, n) for connection n (from 1); files {cert, key}: over TLS. */
export async function rawServer(t, serve, files) {
  const held = new Set();
  let n = 0;
  const begin = (socket) => {
    held.add(socket);
    socket.on("close", () => held.delete(socket));
    Promise.resolve(serve(new RawSocket(socket), ++n)).catch((error) => {
      if (socket.readyState === "open") throw error; // else it was the connection's end
    });
  };
  const server =
    files === undefined
      ? net.createServer(begin)
      : tls.createServer(
          { cert: fs.readFileSync(files.cert), key: fs.readFileSync(files.key) },
          begin
        );
  server.on("tlsClientError", () => {});
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  return {
    url: `${files === undefined ? "ws" : "wss"}://127.0.0.1:${server.address().port}`,
    port: server.address().port,
    ca: files?.ca,
  };
}

const SANITIZED = /asan|tsan/.test(BIN); // then the sanitizer uses most of the memory

/** A program's peak memory in MiB; fails if it is more than this. */
export function peakMiB(program, most) {
  const file = `/proc/${program.child.pid}/status`;
  assert.ok(fs.existsSync(file), `${program.name} has ended\n${program.stderr}`);
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(fs.readFileSync(file, "utf8"))[1]) / 1024;
  assert.ok(peak < most || SANITIZED, `${peak} MiB`);
  return Math.round(peak);
}
