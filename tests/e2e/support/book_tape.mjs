// An archive of eleven made-up frames of one book and its trades, 10 ms apart from 06:00:00.010 on 2026-11-20:
//   1 snapshot  bids 100 x 1, 99 x 2; asks 101 x 1, 102 x 5      7 bid 100 gone: 99 is best
//   2 bid 100 x 3                                                8 bid 98.5 x 7
//   3 trade 1 at 100                                             9 bid 102.5 x 1: crossed; one lost before
//   4 bid 100 x 2                                               10 cannot be decoded
//   5 ask 101 gone: 102 is best                                 11 a snapshot like the first, of the next connection,
//   6 trade 2 at 100                                               3 s later: there is a gap before it
import { importLines } from "./harness.mjs";

const START = 1795154400;
export const at = (i) => START + i / 100;

export const book = (i, kind, u, b, a) => ({
  topic: "orderbook.50.BTCUSDT",
  type: kind,
  ts: Math.round(at(i) * 1000),
  data: { s: "BTCUSDT", b, a, u, seq: 7 + i },
  cts: Math.round(at(i) * 1000) - 5,
});
export const trade = (i, v) => ({
  topic: "publicTrade.BTCUSDT",
  type: "snapshot",
  ts: Math.round(at(i) * 1000),
  data: [
    {
      T: Math.round(at(i) * 1000),
      s: "BTCUSDT",
      S: "Sell",
      v,
      p: "100",
      L: "PlusTick",
      i: `558a0af8-ca11-5c5c-9b88-${String(i).padStart(12, "0")}`,
      BT: false,
    },
  ],
});
export const snapshot = (i) =>
  book(
    i,
    "snapshot",
    1,
    [
      ["100", "1"],
      ["99", "2"],
    ],
    [
      ["101", "1"],
      ["102", "5"],
    ]
  );

export async function bookTape(t) {
  const frames = [
    snapshot(1),
    book(2, "delta", 2, [["100", "3"]], []),
    trade(3, "1"),
    book(4, "delta", 3, [["100", "2"]], []),
    book(5, "delta", 4, [], [["101", "0"]]),
    trade(6, "2"),
    book(7, "delta", 5, [["100", "0"]], []),
    book(8, "delta", 6, [["98.5", "7"]], []),
    book(9, "delta", 8, [["102.5", "1"]], []),
    { topic: "publicTrade.BTCUSDT", type: "snapshot" },
  ];
  const connect = (s) => ({
    t: "connect",
    conn: "W",
    ts: s,
    addr: "wss://stream.bybit.com/v5/public/linear",
  });
  const lines = [
    { t: "header", format: 2, exchange: "TEST" },
    connect(at(0)),
    ...frames.map((frame, i) => ({
      t: "recv",
      conn: "W",
      ts: at(i + 1),
      data: JSON.stringify(frame),
    })),
    connect(at(300)),
    { t: "recv", conn: "W", ts: at(301), data: JSON.stringify(snapshot(301)) },
  ];
  return importLines(t, lines, { format: "cryptofeed", family: "v5-linear" });
}
