// Made-up sessions of a client's orders at each exchange, in the exchange's form: frames with times, and what they mean.
const OKX_LOGIN =
  '{"op":"login","args":[{"apiKey":"k","passphrase":"p","timestamp":"1795000000","sign":"c2ln"}]}';

/** A session: `url`, `login` (what a client sends first; undefined: nothing), `subscribe`, and `frames` [at (ms), "in" or
 *  "out", data]. `orders`: what `latency` reports of each, [op, request id, order id, code, answer, update (ms after the request)].
 *  `totals` of `latency`; `key` of the request's id. */
export const SESSIONS = {
  okx: {
    url: "wss://ws.okx.com:8443/ws/v5/private",
    path: "/ws/v5/private",
    key: "id",
    login: OKX_LOGIN,
    loggedIn: '{"event":"login","code":"0","msg":"","connId":"a"}',
    subscribe: '{"op":"subscribe","args":[{"channel":"orders","instType":"ANY"}]}',
    subscribed: '{"event":"subscribe","arg":{"channel":"orders","instType":"ANY"},"connId":"a"}',
    frames: [
      [
        10,
        "out",
        '{"id":"r1","op":"order","args":[{"side":"buy","instId":"BTC-USDT","tdMode":"cash","ordType":"limit","sz":"1","px":"5","clOrdId":"a"}]}',
      ],
      [
        12,
        "in",
        '{"id":"r1","op":"order","code":"0","msg":"","data":[{"clOrdId":"a","ordId":"1","tag":"","sCode":"0","sMsg":""}],"inTime":"1795000000011000","outTime":"1795000000012000"}',
      ],
      [
        15,
        "in",
        '{"arg":{"channel":"orders","instType":"ANY","uid":"7"},"data":[{"instId":"BTC-USDT","ordId":"1","clOrdId":"a","px":"5","sz":"1","side":"buy","state":"live","uTime":"1795000000014"}]}',
      ],
      [
        20,
        "out",
        '{"id":"r2","op":"batch-orders","args":[{"side":"buy","instId":"BTC-USDT","tdMode":"cash","ordType":"limit","sz":"1","px":"4"},{"side":"buy","instId":"BTC-USDT","tdMode":"cash","ordType":"limit","sz":"9","px":"4"}]}',
      ],
      [
        21,
        "in",
        '{"arg":{"channel":"orders","instType":"ANY","uid":"7"},"data":[{"instId":"BTC-USDT","ordId":"2","clOrdId":"","px":"4","sz":"1","side":"buy","state":"live","uTime":"1795000000020"}]}',
      ],
      [
        23,
        "in",
        '{"id":"r2","op":"batch-orders","code":"2","msg":"","data":[{"ordId":"2","clOrdId":"","sCode":"0","sMsg":""},{"ordId":"","clOrdId":"","sCode":"51008","sMsg":"Order failed."}],"inTime":"1795000000021000","outTime":"1795000000022000"}',
      ],
      [
        30,
        "out",
        '{"id":"r3","op":"amend-order","args":[{"instId":"BTC-USDT","ordId":"1","newSz":"2"}]}',
      ],
      [
        31,
        "in",
        '{"id":"r3","op":"amend-order","code":"0","msg":"","data":[{"ordId":"1","clOrdId":"a","reqId":"","sCode":"0","sMsg":""}],"inTime":"1795000000030000","outTime":"1795000000031000"}',
      ],
      [
        34,
        "in",
        '{"arg":{"channel":"orders","instType":"ANY","uid":"7"},"data":[{"instId":"BTC-USDT","ordId":"1","clOrdId":"a","px":"5","sz":"2","side":"buy","state":"live","uTime":"1795000000033"}]}',
      ],
      [40, "out", '{"id":"r4","op":"cancel-order","args":[{"instId":"BTC-USDT","ordId":"1"}]}'],
      [
        41,
        "in",
        '{"id":"r4","op":"cancel-order","code":"0","msg":"","data":[{"ordId":"1","clOrdId":"a","sCode":"0","sMsg":""}],"inTime":"1795000000040000","outTime":"1795000000041000"}',
      ],
      [
        45,
        "in",
        '{"arg":{"channel":"orders","instType":"ANY","uid":"7"},"data":[{"instId":"BTC-USDT","ordId":"1","clOrdId":"a","px":"5","sz":"2","side":"buy","state":"canceled","uTime":"1795000000044"}]}',
      ],
      [
        50,
        "out",
        '{"id":"r5","op":"mass-cancel","args":[{"instType":"OPTION","instFamily":"BTC-USD"}]}',
      ],
      [
        53,
        "in",
        '{"id":"r5","op":"mass-cancel","code":"0","msg":"","data":[{"result":true}],"inTime":"1795000000051000","outTime":"1795000000052000"}',
      ],
      [
        60,
        "out",
        '{"id":"r6","op":"order","args":[{"side":"buy","instId":"X","tdMode":"cash","ordType":"limit","sz":"1","px":"5"}]}',
      ],
      [
        61,
        "in",
        '{"id":"r6","op":"order","code":"60013","msg":"Invalid args","data":[],"inTime":"1795000000061000","outTime":"1795000000061100"}',
      ],
    ],
    orders: [
      ["order", "r1", "1", 0, 2, 5],
      ["batch-orders", "r2", "2", 0, 3, 1],
      ["batch-orders", "r2", null, 51008, 3, null],
      ["amend-order", "r3", "1", 0, 1, 4],
      ["cancel-order", "r4", "1", 0, 1, 5],
      ["mass-cancel", "r5", null, 0, 3, null],
      ["order", "r6", null, 60013, 1, null],
    ],
    totals: { requests: 7, refused: 2, unanswered: 0, without_update: 0, unasked: 0 },
  },
};

/** Lines of a session for `imported` of order_entry.mjs. */
export const linesOf = ({ login, loggedIn, subscribe, subscribed, frames }) =>
  [
    ...(login === undefined
      ? []
      : [
          { at: 1, dir: "out", data: login },
          { at: 2, dir: "in", data: loggedIn },
        ]),
    { at: 3, dir: "out", data: subscribe },
    { at: 4, dir: "in", data: subscribed },
    ...frames.map(([at, dir, data]) => ({ at, dir, data })),
  ].map((line) => ({ conn: "own", ...line }));
