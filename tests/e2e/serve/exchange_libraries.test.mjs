// The exchanges' own client libraries, unchanged, recorded by tap, then played by serve from the beginning and from the middle: what
// they have at the end is what the recording has.
import assert from "node:assert/strict";
import path from "node:path";
import { json, listening, parseLines, run, temporary } from "../support/harness.mjs";
import { test, withoutPackages } from "../support/npm_packages.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { nothingLeaked, nothingLeakedInText } from "../support/secret_search.mjs";

const MODULES = path.resolve("build/npm/node_modules");
/** Of library_client.mjs. */
const SECRETS = ["fakeApiKeyOfTheTests", "fakeSecretOfTheTests", "Fake.Pass.Phrase1"];
const LIBRARIES = [
  { library: "binance", family: "binance-spot", symbol: "BTCUSDT" },
  { library: "node-binance-api", family: "binance-spot", symbol: "BTCUSDT", hasTrades: false },
  { library: "okx-api", family: "okx", symbol: "BTC-USDT", secrets: SECRETS },
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
        const how = ["serve", archive, "--once", "--shared-clock", "--settle", "5s"];
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

/** A made-up exchange's answers to a request, and the updates that follow. */
const event = (n, X) =>
  `{"subscriptionId":3,"event":{"e":"executionReport","E":179500000001${n},"s":"BTCUSDT","c":"a","S":"BUY","o":"LIMIT","q":"1","p":"5","X":"${X}","i":1,"I":${n},"T":179500000001${n}}}`;
const states = ["NEW", "PARTIALLY_FILLED", "FILLED"].map((state, n) => event(n, state));
function binance({ id, method, params }) {
  if (method === "session.logon")
    return [`{"id":${id},"status":200,"result":{"apiKey":"${params.apiKey}","authorizedSince":1}}`];
  if (method.startsWith("userDataStream"))
    return [
      `{"id":${JSON.stringify(id)},"status":200,"result":{"subscriptionId":3}}`,
      ...(params.signature === undefined || typeof id !== "number" ? states : []),
    ];
  return Number(params.quantity) > 1
    ? [
        `{"id":${id},"status":400,"error":{"code":-2010,"msg":"Account has insufficient balance for requested action."},"rateLimits":[]}`,
      ]
    : [
        `{"id":${id},"status":200,"result":{"symbol":"BTCUSDT","orderId":1,"orderListId":-1,"clientOrderId":"a","transactTime":1795000000011},"rateLimits":[]}`,
        ...(params.signature === undefined ? [] : states),
      ];
}
const TIMES = '"inTime":"1795000000011000","outTime":"1795000000012000"';
function okx({ id, op, args }) {
  if (op === "login") return ['{"event":"login","code":"0","msg":"","connId":"a"}'];
  if (op === "subscribe")
    return [
      `{"id":"${id}","event":"subscribe","arg":${JSON.stringify(args[0])},"connId":"a"}`,
      ...["live", "partially_filled", "filled"].map(
        (state, n) =>
          `{"arg":{"channel":"orders","instType":"ANY","uid":"7"},"data":[{"instId":"BTC-USDT","ordId":"1","clOrdId":"a","px":"5","sz":"1","side":"buy","state":"${state}","uTime":"179500000001${n}"}]}`
      ),
    ];
  return args[0].sz === "1"
    ? [
        `{"id":"${id}","op":"order","code":"0","msg":"","data":[{"clOrdId":"a","ordId":"1","tag":"","sCode":"0","sMsg":""}],${TIMES}}`,
      ]
    : [`{"id":"${id}","op":"order","code":"1","msg":"","data":[],${TIMES}}`];
}

test(
  "a library that trades gets the recorded answers and updates from serve, and tap keeps no secret of it",
  { concurrency: true, skip: withoutPackages },
  async (t) => {
    const one = ([library, exchange, family]) =>
      t.test(library, async (t) => {
        const dir = temporary(t),
          archive = path.join(dir, "tape"),
          signatures = new Set();
        const client = async (server) => {
          const end = await run(
            t,
            process.execPath,
            ["tests/e2e/serve/library_client.mjs", MODULES, `${library}-account`, server.url],
            { env: { NODE_EXTRA_CA_CERTS: server.ca } }
          );
          return JSON.parse(end.stdout.trim().split("\n").at(-1)); // libraries print, too
        };
        const server = await scriptedServer(t, dir, {
          message: (socket, request) => {
            const secret = request.params?.signature ?? request.args?.[0].sign;
            if (secret !== undefined) signatures.add(secret);
            for (const frame of exchange(request)) socket.send(frame);
          },
        });
        const tap = await listening(
          t,
          ["tap", "-a", archive, "--upstream", server.url, "--family", family].concat(
            "--ca-file",
            server.ca
          ),
          dir
        );
        const live = await client(tap);
        assert.equal(live.updates.length, 3);
        assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
        assert.ok(signatures.size > 0);
        await nothingLeaked(archive, ...SECRETS, ...signatures);
        nothingLeakedInText(tap.program, ...SECRETS, ...signatures);
        const replay = await json(t, ["replay", archive, "--json"], { status: null });
        assert.equal(replay.undecoded, 0, JSON.stringify(replay.first_undecoded));
        for (const how of live.answers.length > 0 ? [[], ["--causal"]] : [[]]) {
          const served = await listening(t, ["serve", archive, "--hold", ...how], dir);
          assert.deepEqual(await client(served), live, how.join());
          await served.program.kill("SIGTERM");
        }
      });
    await Promise.all(
      [
        ["binance", binance, "binance-spot-private"],
        ["binance-login", binance, "binance-spot-private"],
        ["node-binance-api", binance, "binance-spot-private"],
        ["okx-api", okx, "okx"],
      ].map(one)
    );
  }
);
