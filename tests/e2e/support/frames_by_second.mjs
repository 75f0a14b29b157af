// Archives of made-up frames, one a second, for tests of exports.
import path from "node:path";
import { importLines, temporary } from "./harness.mjs";

/** Unix seconds of the first connection; the first frame is a second later. */
export const AT_S = 1_790_000_000;

/** An archive of frames, and where its exports are to be. Each is a frame of connection "A", or [connection, frame]; without a
 * frame the connection begins again. */
export async function imported(t, family, frames, host = "a.example") {
  const dir = temporary(t),
    archive = path.join(dir, "tape");
  const rows = frames.map((row) => (Array.isArray(row) ? row : ["A", row]));
  const begin = (conn, ts) => ({ t: "connect", conn, ts, addr: `wss://${host}` });
  const lines = [
    { t: "header", format: 2, exchange: "TEST" },
    ...[...new Set(rows.map(([conn]) => conn))].map((conn) => begin(conn, AT_S)),
    ...rows.map(([conn, frame], i) =>
      frame === undefined
        ? begin(conn, AT_S + i + 1)
        : { t: "recv", conn, ts: AT_S + i + 1, data: JSON.stringify(frame) }
    ),
  ];
  await importLines(t, lines, { archive, format: "cryptofeed", family });
  return { archive, out: path.join(dir, "set") };
}

/** Adds a session of trades, so many days after AT_S, to an archive: a segment. */
export const importDay = (t, archive, day, frames = 200) =>
  importLines(
    t,
    [
      { t: "header", format: 2, exchange: "TEST" },
      {
        t: "connect",
        conn: "A",
        ts: AT_S + day * 86400,
        addr: "wss://stream.bybit.com/v5/public/linear",
      },
      ...Array.from({ length: frames }, (_, i) => ({
        t: "recv",
        conn: "A",
        ts: AT_S + day * 86400 + i / 10,
        data: JSON.stringify({
          topic: "publicTrade.BTCUSDT",
          type: "snapshot",
          ts: (AT_S + day * 86400) * 1000 + i * 100,
          data: [
            {
              T: (AT_S + day * 86400) * 1000 + i * 100,
              s: "BTCUSDT",
              S: "Buy",
              v: "1",
              p: String(100 + i),
              L: "PlusTick",
              i: `${day}-${i}`,
              BT: false,
            },
          ],
        }),
      })),
    ],
    { archive, format: "cryptofeed", family: "v5-linear" }
  );
