// The exchanges' own client libraries, unchanged, recorded by tap, then played by serve from the beginning and from the middle: what
// they have at the end is what the recording has.
import assert from "node:assert/strict";
import path from "node:path";
import { json, listening, parseLines, run, temporary } from "../support/harness.mjs";
import { test, withoutPackages } from "../support/npm_packages.mjs";
import { nothingLeaked, nothingLeakedInText } from "../support/secret_search.mjs";

const MODULES = path.resolve("build/npm/node_modules");
const LIBRARIES = [
  { library: "binance", family: "binance-spot", symbol: "BTCUSDT" },
  { library: "node-binance-api", family: "binance-spot", symbol: "BTCUSDT", hasTrades: false },
  {
    library: "okx-api",
    family: "okx",
    symbol: "BTC-USDT",
    secrets: ["fake-Key-Of-Okx-1", "fakeSecretOfOkx1", "Fake.Pass.Phrase1"],
  },
  { library: "coinbase-api", family: "coinbase-advanced", symbol: "BTC-USD" },
];

test(
  "a library's book through tap is the recording's, and the same from serve, also from the middle",
  { concurrency: true, skip: withoutPackages },
  async (t) => {
    const one = ({ library, family, symbol, hasTrades = true, secrets = [] }) =>
      t.test(library, async (t) => {
        const dir = temporary(t),
          archive = path.join(dir, "tape");
        /** What the client has when a server has ended its connection. */
        const client = async (server) => {
          const end = await run(
            t,
            process.execPath,
            ["tests/e2e/serve/library_client.mjs", MODULES, library, server.url],
            { env: { NODE_EXTRA_CA_CERTS: server.ca } }
          );
          return parseLines(end.stdout)[0];
        };
        const sim = await listening(
          t,
          ["sim", "--families", family, "--symbols", "2", "--rate", "100", "--seed", "5"].concat(
            "--duration",
            "3s"
          ),
          dir
        );
        const tap = await listening(
          t,
          ["tap", "-a", archive, "--upstream", sim.url, "--family", family, "--ca-file", sim.ca],
          dir
        );
        const live = await client(tap);
        assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
        const { books, undecoded } = await json(t, ["replay", archive, "--json"], { status: null });
        assert.equal(undecoded, 0);
        const want = books.find((book) => book.symbol === symbol);
        assert.equal(want.broken, false);
        assert.deepEqual([want.bids, want.asks, want.levels_sha1], live.book);
        assert.ok(live.trades.length > 10 || !hasTrades, `${live.trades.length} trades`);
        // A library may have several connections, opened one after the other: they have one clock.
        const how = ["serve", archive, "--once", "--shared-clock", "--settle", "1s"];
        const whole = await listening(t, how, dir);
        const half = await listening(t, [...how, "--from", "+1s"], dir);
        const [again, middle] = await Promise.all([client(whole), client(half)]);
        assert.deepEqual(again, live);
        assert.deepEqual(middle.book, live.book);
        assert.ok(middle.trades.length > 5 || !hasTrades);
        assert.deepEqual(
          middle.trades,
          live.trades.slice(live.trades.length - middle.trades.length)
        );
        if (secrets.length === 0) return;
        assert.ok(live.account > 3, `${live.account} updates of orders`);
        await nothingLeaked(archive, ...secrets);
        nothingLeakedInText(tap.program, ...secrets);
      });
    await Promise.all(LIBRARIES.map(one));
  }
);
