// Logins and orders in the form of each exchange, and the tokens that it issues, are hidden in what `tap` and `import` record, and
// everything else of these frames is as it was sent. Forms: the exchanges' documentation of private connections. A secret is
// marked "<<...>>" here; the search of the archive is tests/e2e/support/secret_search.mjs.
import assert from "node:assert/strict";
import { once } from "node:events";
import fs from "node:fs";
import http from "node:http";
import path from "node:path";
import {
  eventsOf,
  eventually,
  importLines,
  jsonLines,
  listening,
  tapedeck,
  temporary,
} from "../support/harness.mjs";
import { scriptedServer } from "../support/scripted_server.mjs";
import { nothingLeaked, nothingLeakedInText } from "../support/secret_search.mjs";
import { npm, test } from "../support/npm_packages.mjs";

const { WebSocket } = npm("ws");
const plain = (text) => text.replace(/<<(.*?)>>/g, "$1");
const hidden = (text) => text.replace(/<<(.*?)>>/g, (_, secret) => "*".repeat(secret.length));
const secretsOf = (text) => [...text.matchAll(/<<(.*?)>>/g)].map(([, secret]) => secret);
const NOW = 1795000000000;
const BINANCE_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A";
const LISTEN_KEY = "pqia91ma19a5s61cv6a81va65sdf19v8a65a1a5s61cv6a81va65sdf19v8a65a1";

/** What a client of each exchange sends, and the answers that it gets; each answer follows its request. */
const EXCHANGES = {
  okx: {
    path: "/ws/v5/private",
    talk: [
      [
        `{"op":"login","args":[{"apiKey":"<<985d5b66-57ce-40fb-b714-afc0b9787083>>","passphrase":"<<My.Pass-Phrase1>>","timestamp":"1795000000","sign":"<<7L+zFQ+CEgGu5rzCj4+BdV2/uUHGqddA9pI6ztsRRPs=>>"}]}`,
        `{"event":"login","code":"0","msg":"","connId":"a4d3ae55"}`,
      ],
      [
        `{"op":"subscribe","args":[{"channel":"orders","instType":"ANY"}]}`,
        `{"arg":{"channel":"orders","instType":"ANY","uid":"77982378738415879"},"data":[{"instId":"BTC-USDT","ordId":"312269865356374016","clOrdId":"b1","px":"999","sz":"3","side":"buy","state":"live","uTime":"${NOW}"}]}`,
      ],
      [
        `{"id":"1512","op":"order","args":[{"side":"buy","instId":"BTC-USDT","tdMode":"isolated","ordType":"market","sz":"100"}]}`,
        `{"id":"1512","op":"order","data":[{"clOrdId":"","ordId":"12345689","tag":"","sCode":"0","sMsg":""}],"code":"0","msg":"","inTime":"1795000000237366","outTime":"1795000000239038"}`,
      ],
      [
        `{"op":"login","args":[{"apiKey":"<<985d5b66-57ce-40fb-b714-afc0b9787083>>","passphrase":"<<My.Pass-Phrase1>>","timestamp":"1795000001.020","sign":"<<Zz+zFQ+CEgGu5rzCj4+BdV2/uUHGqddA9pI6ztsRRP0=>>"}]}`,
        `{"event":"error","code":"60009","msg":"Login failed. <<985d5b66-57ce-40fb-b714-afc0b9787083>>","connId":"a4d3ae55"}`,
      ],
    ],
  },
  "binance, WebSocket API": {
    path: "/ws-api/v3",
    talk: [
      [
        `{"id":"c174a2b1-3f51-4580-b200-8528bd237cb7","method":"session.logon","params":{"apiKey":"<<${BINANCE_KEY}>>","signature":"<<1cf54395b336b0a9727ef27d5d98987962bc47aca6e13fe978612d0adee066ed>>","timestamp":${NOW}}}`,
        `{"id":"c174a2b1-3f51-4580-b200-8528bd237cb7","status":200,"result":{"apiKey":"<<${BINANCE_KEY}>>","authorizedSince":${NOW},"connectedSince":1794999999999,"returnRateLimits":false,"serverTime":${NOW},"userDataStream":false},"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":6000,"count":2}]}`,
      ],
      [
        `{"id":"56374a46-3061-486b-a311-99ee972eb648","method":"order.place","params":{"symbol":"BTCUSDT","side":"SELL","type":"LIMIT","timeInForce":"GTC","price":"23416.10000000","quantity":"0.00847000","apiKey":"<<${BINANCE_KEY}>>","signature":"<<15af09e41c36f3cc61378c2fbe2c33719a03dd5eba8d0f9206fbda44de717c88>>","timestamp":${NOW}}}`,
        `{"id":"56374a46-3061-486b-a311-99ee972eb648","status":200,"result":{"symbol":"BTCUSDT","orderId":12569099453,"orderListId":-1,"clientOrderId":"4d96324ff9d44481926157ec08158a40","transactTime":${NOW}}}`,
      ],
      [
        `{"id":"d3df8a61-98ea-4fe0-8f4e-0fcea5d418b0","method":"userDataStream.start","params":{"apiKey":"<<${BINANCE_KEY}>>"}}`,
        `{"id":"d3df8a61-98ea-4fe0-8f4e-0fcea5d418b0","status":200,"result":{"listenKey":"<<${LISTEN_KEY}>>"},"rateLimits":[]}`,
      ],
      [
        `{"id":"815d5fce-0880-4287-a567-80badf004c74","method":"userDataStream.ping","params":{"listenKey":"<<${LISTEN_KEY}>>"}}`,
        `{"id":"815d5fce-0880-4287-a567-80badf004c74","status":200,"response":{}}`,
      ],
    ],
  },
  "kraken, version 2": {
    path: "/v2/",
    talk: [
      [
        `{"method":"add_order","params":{"order_type":"limit","side":"buy","limit_price":26500.4,"order_userref":100054,"order_qty":1.2,"symbol":"BTC/USD","token":"<<G38a1tGFzqGiUCmnegBcm8d4nfP3tytiNQz6tkCBYXY>>"},"req_id":123456789}`,
        `{"method":"add_order","req_id":123456789,"result":{"order_id":"AA5JGQ-SBMRC-SCJ7J7","order_userref":100054},"success":true,"time_in":"2026-11-18T14:45:41.000000Z","time_out":"2026-11-18T14:45:41.000100Z"}`,
      ],
      [
        `{"method":"subscribe","params":{"channel":"executions","token":"<<G38a1tGFzqGiUCmnegBcm8d4nfP3tytiNQz6tkCBYXY>>","snap_orders":true}}`,
        `{"channel":"executions","type":"snapshot","data":[{"order_id":"OK4GJX-KSTLS-7DZZO5","symbol":"BTC/USD","order_qty":0.005,"limit_price":26500.0,"exec_type":"pending_new"}],"sequence":1}`,
      ],
      [
        `{"method":"subscribe","params":{"channel":"level3","symbol":["BTC/USD"],"depth":10,"token":"<<G38a1tGFzqGiUCmnegBcm8d4nfP3tytiNQz6tkCBYXY>>"}}`,
        `{"method":"subscribe","result":{"channel":"level3","depth":10,"snapshot":true,"symbol":"BTC/USD"},"success":true,"time_in":"2026-11-18T14:45:41.000000Z","time_out":"2026-11-18T14:45:41.000100Z"}`,
      ],
    ],
  },
  "kraken, version 1": {
    path: "/v1/",
    talk: [
      [
        `{"event":"subscribe","subscription":{"name":"ownTrades","token":"<<WW91ciBhdXRoZW50aWNhdGlvbiB0b2tlbiBnb2VzIGhlcmUu>>"}}`,
        `[[{"TDLH43-DVQXD-2KHVYY":{"cost":"1000000.00000","ordertxid":"TDLH43-DVQXD-2KHVYY","pair":"XBT/EUR","price":"100000.00000","type":"buy"}}],"ownTrades",{"sequence":2948}]`,
      ],
      [
        `{"event":"addOrder","ordertype":"limit","pair":"XBT/USD","price":"9000","token":"<<WW91ciBhdXRoZW50aWNhdGlvbiB0b2tlbiBnb2VzIGhlcmUu>>","type":"buy","volume":"10"}`,
        `{"descr":"buy 10 XBTUSD @ limit 9000","event":"addOrderStatus","status":"ok","txid":"ONPNXH-KMKMU-F4MR5V"}`,
      ],
    ],
  },
  coinbase: {
    path: "/user",
    talk: [
      [
        `{"type":"subscribe","product_ids":["BTC-USD"],"channel":"user","jwt":"<<eyJhbGciOiJFUzI1NiIsImtpZCI6Im9yZ2FuaXphdGlvbnMvMSIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJjZHAiLCJuYmYiOjE3OTV9.c2lnbmF0dXJlT2ZUaGVUb2tlbg>>"}`,
        `{"channel":"user","client_id":"","timestamp":"2026-11-18T14:45:41Z","sequence_num":0,"events":[{"type":"snapshot","orders":[{"order_id":"a1","client_order_id":"b1","product_id":"BTC-USD","limit_price":"26500.1"}]}]}`,
      ],
      [
        `{"type":"subscribe","product_ids":["BTC-USD"],"channels":["user"],"signature":"<<x8bY2ZPbxnJaGEvsDNxCGGqUkQCK2GCaLpSwoRlOW5I=>>","key":"<<c56d52ba8d9e45a18f0d2b4f>>","passphrase":"<<2sxi5jcpw1e>>","timestamp":"1795000000"}`,
        `{"type":"subscriptions","channels":[{"name":"user","product_ids":["BTC-USD"]}]}`,
      ],
      [
        `{"type":"subscribe","product_ids":["ETH-USD"],"channel":"level2","api_key":"<<AbCdEf0123456789>>","timestamp":"1795000000","signature":"<<f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d7e8f>>"}`,
        `{"type":"error","message":"authentication failure"}`,
      ],
    ],
  },
  deribit: {
    path: "/ws/api/v2",
    talk: [
      [
        `{"jsonrpc":"2.0","id":9929,"method":"public/auth","params":{"grant_type":"client_credentials","client_id":"<<fo7WAPRm4P>>","client_secret":"<<W0H6FJW4IRPZ1MOQ8FP6KMC5RZDUUKXS>>"}}`,
        `{"jsonrpc":"2.0","id":9929,"result":{"access_token":"<<1582628593469.1MbQ-J_4.CBP-OqOwm_FBdMYj4cRK2dMXyHPfBtXGpzLxhWg31nHu3H_Q60FpE5_vqUBEQGSiMrIGzw3nC37NxMb9d1tpBNqBOM_Ql9pXOmgtV9Yj3Pq1c6BqC6dU6eTxHMFO67x8GpJxqw>>","expires_in":31536000,"refresh_token":"<<1582628593469.1GP4rQd0.A9Wa78o5kFRIUP49mScaD1CqHgiK50HOl2VA6kCtWa8BQZU5Dr03BhcbXPNvEh3I_MVixKZXnyoBeKJwLl8LXnfo180ckAiPj3zOclcUu4zkXuF3NNP3sTPcDf1B3C1CwMKkJ1NOcf1yPmRbsrd7hbgQ-hLa40tfx6Oa-85ymm_3Z65LZcnCeLrqlj_A9jM>>","scope":"connection mainaccount","token_type":"bearer"},"usIn":1795000000000000,"usOut":1795000000001000,"usDiff":1000,"testnet":false}`,
      ],
      [
        `{"jsonrpc":"2.0","id":5275,"method":"private/buy","params":{"instrument_name":"ETH-PERPETUAL","amount":40,"type":"market","label":"market0000234","access_token":"<<1582628593469.1MbQ-J_4.CBP-OqOwm_FBdMYj4cRK2dMXyHPfBtXGpzLxhWg31nHu3H_Q60FpE5_vqUBEQGSiMrIGzw3nC37NxMb9d1tpBNqBOM_Ql9pXOmgtV9Yj3Pq1c6BqC6dU6eTxHMFO67x8GpJxqw>>"}}`,
        `{"jsonrpc":"2.0","id":5275,"result":{"trades":[{"trade_id":"48079254","trade_seq":1966042,"instrument_name":"ETH-PERPETUAL","price":146.47}],"order":{"order_id":"584830574","label":"market0000234","api":true}}}`,
      ],
      [
        `{"jsonrpc":"2.0","id":4,"method":"public/auth","params":{"grant_type":"refresh_token","refresh_token":"<<1582628593469.1GP4rQd0.A9Wa78o5kFRIUP49mScaD1CqHgiK50HOl2VA6kCtWa8BQZU5Dr03BhcbXPNvEh3I_MVixKZXnyoBeKJwLl8LXnfo180ckAiPj3zOclcUu4zkXuF3NNP3sTPcDf1B3C1CwMKkJ1NOcf1yPmRbsrd7hbgQ-hLa40tfx6Oa-85ymm_3Z65LZcnCeLrqlj_A9jM>>"}}`,
        `{"jsonrpc":"2.0","id":4,"result":{"access_token":"<<1582628593470.1AbQ-J_4.secondSecondSecondSecondSecond1234567890secondSecondSecond>>","expires_in":31536000,"refresh_token":"<<1582628593470.1Zz4rQd0.thirdThirdThirdThirdThird1234567890thirdThirdThirdThird>>","scope":"connection mainaccount","token_type":"bearer"}}`,
      ],
      [
        `{"jsonrpc":"2.0","id":5,"method":"public/auth","params":{"grant_type":"client_signature","client_id":"<<fo7WAPRm4P>>","timestamp":${NOW},"nonce":"<<vd4cxk8n>>","data":"","signature":"<<e20c9cd5639d41f8bbc88f4d699c4baf94a4f0ee320e9a116b72743c449eb994>>"}}`,
        `{"jsonrpc":"2.0","id":5,"error":{"code":13004,"message":"invalid_credentials"}}`,
      ],
    ],
  },
  bitstamp: {
    path: "/bitstamp",
    talk: [
      [
        `{"event":"bts:subscribe","data":{"channel":"private-my_orders_btcusd-91211","auth":"<<eyJzaWduYXR1cmUiOiIxIiwidXNlciI6OTEyMTF9OTEyMTF9>>"}}`,
        `{"event":"bts:subscription_succeeded","channel":"private-my_orders_btcusd-91211","data":{}}`,
      ],
    ],
  },
};
/** Words in the arguments of a login that are overwritten, too: all of its arguments may be secrets. */
const OTHER_ARGUMENTS = /"(grant_type)":"([^"]*)"/g;
const recorded = (text) =>
  hidden(text).replace(
    OTHER_ARGUMENTS,
    (all, name, value) => `"${name}":"${"*".repeat(value.length)}"`
  );

const talks = Object.values(EXCHANGES);
const everything = talks.flatMap(({ talk }) => talk.flat()).join("\n");

test("tap hides logins, orders and issued tokens of each exchange, and changes nothing else", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    received = [];
  const server = await scriptedServer(t, dir, {
    opened: (socket, n) => {
      socket.removeAllListeners("message");
      socket.on("message", (data) => {
        received.push(String(data));
        const found = talks[n - 1].talk.find(([request]) => plain(request) === String(data));
        socket.send(found === undefined ? "changed on its way" : plain(found[1]));
      });
    },
  });
  const tap = await listening(
    t,
    ["tap", "-a", archive, "--upstream", server.url, "--ca-file", server.ca, "--plain"],
    dir
  );
  for (const { path: target, talk } of talks) {
    const client = new WebSocket(tap.url + target, { perMessageDeflate: false });
    const answers = [];
    client.on("message", (data) => answers.push(String(data)));
    await once(client, "open");
    for (const [n, [request]] of talk.entries()) {
      client.send(plain(request));
      await eventually("an answer", () => answers.length > n);
    }
    assert.deepEqual(
      answers,
      talk.map(([, answer]) => plain(answer))
    );
    client.close(1000);
    await once(client, "close");
  }
  assert.deepEqual(
    received,
    talks.flatMap(({ talk }) => talk.map(([request]) => plain(request)))
  );
  assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);

  const rows = (await jsonLines(t, ["cat", "-a", archive])).sort((a, b) => a.recv_ns - b.recv_ns);
  for (const [n, side] of [
    [0, "out"],
    [1, "in"],
  ])
    assert.deepEqual(
      rows.filter((row) => row.dir === side).map((row) => row.data),
      talks.flatMap(({ talk }) => talk.map((pair) => recorded(pair[n])))
    );
  await nothingLeaked(archive, ...secretsOf(everything));
  nothingLeakedInText(tap.program, ...secretsOf(everything));
  await tapedeck(t, ["verify", archive]);
});

test("import hides the same", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    file = path.join(dir, "capture.jsonl");
  let at = NOW;
  const lines = talks.flatMap(({ talk }) =>
    talk.flatMap(([request, answer]) => [
      { recv_ns: `${++at}000000`, dir: "out", data: plain(request) },
      { recv_ns: `${++at}000000`, dir: "in", data: plain(answer) },
    ])
  );
  fs.writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n") + "\n");
  const end = await tapedeck(
    t,
    ["import", "-a", archive, "--family", "okx", "--format", "jsonl", file],
    { status: null }
  );
  const rows = await jsonLines(t, ["cat", "-a", archive]);
  for (const [n, side] of [
    [0, "out"],
    [1, "in"],
  ])
    assert.deepEqual(
      rows.filter((row) => row.dir === side).map((row) => row.data),
      talks.flatMap(({ talk }) => talk.map((pair) => recorded(pair[n])))
    );
  await nothingLeaked(archive, ...secretsOf(everything));
  nothingLeakedInText(end, ...secretsOf(everything));
});

test("import hides issued tokens in answers, also those whose request is not in the capture", async (t) => {
  const [[, login], , [, refreshed]] = EXCHANGES.deribit.talk;
  const token = "<<G38a1tGFzqGiUCmnegBcm8d4nfP3tytiNQz6tkCBYXY>>";
  const url = "https://www.deribit.com/api/v2";
  const lines = [
    { dir: "in", data: login },
    { dir: "http", url: `${url}/public/auth?grant_type=refresh_token`, data: refreshed },
    // Of a name that may be something else, in the answer to a request with a key.
    { dir: "http", url: `${url}/a?api_key=<<k3yK3yk3yK3y>>`, data: `{"token":"${token}"}` },
  ];
  const archive = await importLines(
    t,
    lines.map((line, i) => plain(JSON.stringify({ recv_ns: `${NOW + i}000000`, ...line }))),
    { family: "deribit", status: null }
  );
  const rows = await jsonLines(t, ["cat", "-a", archive]);
  assert.deepEqual(
    rows.map(({ data }) => data).sort(),
    lines.map(({ data }) => hidden(data)).sort()
  );
  await nothingLeaked(archive, ...secretsOf(JSON.stringify(lines)));
});

test("signed HTTP requests of Binance pass unchanged, and are hidden in the archive", async (t) => {
  const dir = temporary(t),
    archive = path.join(dir, "tape"),
    seen = [];
  const signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
  const order = `symbol=LTCBTC&side=BUY&type=LIMIT&price=0.1&recvWindow=5000&timestamp=${NOW}&signature=${signature}`;
  const server = http.createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    seen.push([request.method, request.url, request.headers["x-mbx-apikey"], body]);
    response.end(
      request.url.includes("userDataStream")
        ? `{"listenKey":"${LISTEN_KEY}"}`
        : `{"n":${seen.length}}`
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const tap = await listening(
    t,
    [
      "tap",
      "-a",
      archive,
      "--upstream",
      `ws://127.0.0.1:${server.address().port}`,
      "--family",
      "binance-spot",
      "--plain",
    ],
    dir
  );
  const headers = { "X-MBX-APIKEY": BINANCE_KEY };
  const base = tap.url.replace("ws:", "http:");
  const ask = async (...args) => (await fetch(...args)).text();
  assert.equal(
    await ask(`${base}/api/v3/account?timestamp=${NOW}&signature=${signature}`, { headers }),
    '{"n":1}'
  );
  assert.equal(
    await ask(`${base}/api/v3/order`, { method: "POST", headers, body: order }),
    '{"n":2}'
  );
  assert.equal(
    await ask(`${base}/api/v3/userDataStream`, { method: "POST", headers }),
    `{"listenKey":"${LISTEN_KEY}"}`
  );
  assert.equal(
    await ask(`${base}/api/v3/userDataStream?listenKey=${LISTEN_KEY}`, { method: "PUT", headers }),
    `{"listenKey":"${LISTEN_KEY}"}`
  );
  assert.equal((await tap.program.kill("SIGTERM")).code, 0, tap.program.stderr);
  assert.deepEqual(seen, [
    ["GET", `/api/v3/account?timestamp=${NOW}&signature=${signature}`, BINANCE_KEY, ""],
    ["POST", "/api/v3/order", BINANCE_KEY, order],
    ["POST", "/api/v3/userDataStream", BINANCE_KEY, ""],
    ["PUT", `/api/v3/userDataStream?listenKey=${LISTEN_KEY}`, BINANCE_KEY, ""],
  ]);
  const events = (await eventsOf(t, archive, "http")).map(({ url, detail }) => [
    url.replace(/^http:..[^/]*/, ""),
    detail,
  ]);
  assert.equal(
    events[0][0],
    `/api/v3/account?timestamp=${NOW}&signature=${"*".repeat(signature.length)}`
  );
  assert.ok(events[3][0].endsWith(`listenKey=${"*".repeat(LISTEN_KEY.length)}`));
  const replies = await jsonLines(t, ["cat", "-a", archive, "--dir", "http"]);
  assert.deepEqual(
    replies.map(({ feed, data }) => [feed, data]),
    [
      ["binance-spot", '{"n":1}'],
      ["binance-spot", '{"n":2}'],
      ["binance-spot", `{"listenKey":"${"*".repeat(LISTEN_KEY.length)}"}`],
      ["binance-spot", `{"listenKey":"${"*".repeat(LISTEN_KEY.length)}"}`],
    ]
  );
  const secrets = [signature, BINANCE_KEY, LISTEN_KEY];
  await nothingLeaked(archive, ...secrets);
  nothingLeakedInText(tap.program, ...secrets);
});
