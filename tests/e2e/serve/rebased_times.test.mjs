// serve --rebase-time now: the times in frames become times of today, and nothing else changes. The frames are made up here in
// the forms of docs/wire.md, so the members that are times are known without tapedeck.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { FRAMES_MS as MS, importFrames, listening, temporary } from "../support/harness.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const iso = (ms) => new Date(ms).toISOString();
const v5Book = (type, u) =>
  JSON.stringify({
    topic: "orderbook.50.AUSDT",
    type,
    ts: MS + u,
    data: {
      s: "AUSDT",
      b: [["1795154400001", `${u}`]],
      a: [["1795154400002", "1"]],
      u,
      seq: 1000 + u,
    },
    cts: MS + u - 1,
  });

// members: the frame's times, as a text that depends on the shift alone.
const CASES = [
  {
    title: "v5: numbers, beside prices and ids that look like times",
    family: "v5-linear",
    host: "/v5/public/linear",
    ask: { op: "subscribe", args: ["orderbook.50.AUSDT", "publicTrade.AUSDT", "kline.1.AUSDT"] },
    frames: [
      v5Book("snapshot", 1),
      v5Book("delta", 2),
      JSON.stringify({
        topic: "publicTrade.AUSDT",
        type: "snapshot",
        ts: MS + 3,
        data: [
          {
            T: MS + 2,
            s: "AUSDT",
            S: "Buy",
            v: "1795154400",
            p: "1795154400003",
            L: "PlusTick",
            i: `${MS}`,
            BT: false,
            seq: MS,
          },
        ],
      }),
      JSON.stringify({
        topic: "kline.1.AUSDT",
        data: [
          {
            start: MS,
            end: MS + 59999,
            interval: "1",
            open: "1",
            close: "1",
            high: "1",
            low: "1",
            volume: "1",
            turnover: "1",
            confirm: false,
            timestamp: MS + 4,
          },
        ],
        ts: MS + 4,
        type: "snapshot",
      }),
    ],
    times: [/"(?:ts|cts|T|start|end|timestamp)":(\d{13})/g],
  },
  {
    title: "inverse: text, and three units",
    family: "inverse",
    host: "/realtime",
    ask: { op: "subscribe", args: ["trade.AUSD", "orderBookL2_25.AUSD"] },
    frames: [
      JSON.stringify({
        topic: "trade.AUSD",
        data: [
          {
            trade_time_ms: MS + 1,
            timestamp: iso(MS + 1),
            symbol: "AUSD",
            side: "Sell",
            size: 1795154400,
            price: 1,
            tick_direction: "PlusTick",
            trade_id: `${MS}`,
            cross_seq: MS,
          },
        ],
      }),
      JSON.stringify({
        topic: "orderBookL2_25.AUSD",
        type: "snapshot",
        data: [{ price: "1.00", symbol: "AUSD", id: 10000, side: "Buy", size: 1795154400 }],
        cross_seq: MS,
        timestamp_e6: (MS + 2) * 1000,
      }),
      JSON.stringify({
        topic: "orderBookL2_25.AUSD",
        type: "delta",
        data: {
          delete: [],
          update: [{ price: "1.00", symbol: "AUSD", id: 10000, side: "Buy", size: 5 }],
          insert: [],
          transactTimeE6: 0,
        },
        cross_seq: MS + 1,
        timestamp_e6: (MS + 3) * 1000,
      }),
    ],
    times: [/"trade_time_ms":(\d{13})/g, /"timestamp":"([^"]+)"/g, /"timestamp_e6":(\d{16})/g],
  },
  {
    title: "Binance: frames without the object around them",
    family: "binance-spot",
    host: "/ws",
    ask: { method: "SUBSCRIBE", params: ["ausdt@aggTrade"], id: 1 },
    frames: [0, 1].map(
      (i) =>
        `{"e":"aggTrade","E":${MS + i + 1},"s":"AUSDT","a":${i + 5},"p":"1795154400","q":"2","f":1,"l":1,"T":${MS + i},"m":true,"M":true}`
    ),
    times: [/"E":(\d{13})/g, /"T":(\d{13})/g],
  },
  {
    title: "Kraken: places of lists, in seconds",
    family: "kraken-v1",
    host: "",
    ask: { event: "subscribe", pair: ["A/B"], subscription: { name: "trade" } },
    frames: [
      JSON.stringify([
        1795154400,
        [
          ["1795154400.5", "1795154401", `${MS / 1000}.25`, "b", "m", ""],
          ["1", "2", `${MS / 1000 + 1}.25`, "s", "l", "1795154400"],
        ],
        "trade",
        "A/B",
      ]),
      JSON.stringify([
        1795154400,
        [["1795154400.5", "1795154401", `${MS / 1000 + 2}`, "b", "m", ""]],
        "trade",
        "A/B",
      ]),
    ],
    times: [/,"(\d{10}(?:\.25)?)","[bs]"/g],
  },
];

/** A time as written, in ms. */
const msOf = (text) =>
  text.includes("T")
    ? Date.parse(text)
    : Number(text) * (/^\d{10}(\.|$)/.test(text) ? 1000 : text.length === 16 ? 0.001 : 1);

describe("rebased times", { concurrency: 2 }, () => {
  for (const one of CASES)
    test(one.title, async (t) => {
      const dir = temporary(t);
      const archive = await importFrames(t, dir, one);
      const { program, url } = await listening(
        t,
        ["serve", "-a", archive, "--plain", "--hold", "--rebase-time", "now"],
        dir
      );
      const ws = new WebSocket(`${url}${one.host}`);
      t.after(() => ws.terminate());
      ws.on("open", () => ws.send(JSON.stringify(one.ask)));
      const got = [];
      let wanted;
      ws.on(
        "message",
        (bytes) =>
          /^(\{"topic"|\{"e"|\[)/.test(bytes) &&
          got.push(String(bytes)) === wanted?.count &&
          wanted.resolve()
      );
      const all = (count) => new Promise((resolve) => (wanted = { count, resolve }));
      await all(one.frames.length);
      const shifts = new Set();
      one.frames.forEach((frame, i) => {
        assert.equal(got[i].length, frame.length);
        let [was, is] = [frame, got[i]];
        for (const time of one.times) {
          const [before, after] = [was, is].map((text) =>
            [...text.matchAll(time)].map((match) => match[1])
          );
          assert.equal(after.length, before.length);
          before.forEach((text, k) => shifts.add(msOf(after[k]) - msOf(text)));
          [was, is] = [was, is].map((text) => text.replace(time, "time"));
        }
        assert.equal(is, was);
      });
      assert.equal(shifts.size, 1, [...shifts].join(" "));
      const [shift] = shifts;
      assert.equal(shift % 1000, 0);
      assert.ok(Math.abs(MS + shift - Date.now()) < 20_000, `${shift}`);
      // A made snapshot has the times of the last frame, shifted as well.
      if (one.family === "v5-linear") {
        const more = all(one.frames.length + 1);
        for (const op of ["unsubscribe", "subscribe"])
          ws.send(JSON.stringify({ op, args: ["orderbook.50.AUSDT"] }));
        await more;
        const made = JSON.parse(got.at(-1));
        assert.deepEqual(
          [made.type, made.ts, made.cts, made.data.u],
          ["snapshot", MS + 2 + shift, MS + 1 + shift, 2]
        );
        assert.match(program.stderr, /orderbook\.50: shifted times: ts, cts/);
      }
      assert.equal((await program.kill("SIGTERM")).code, 0);
    });
});
