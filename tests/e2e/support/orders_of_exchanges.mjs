// Made-up sessions of a client's orders at each exchange, in the exchange's form: frames with times, and what they mean.
const OKX_LOGIN =
  '{"op":"login","args":[{"apiKey":"k","passphrase":"p","timestamp":"1795000000","sign":"c2ln"}]}';

const deribit = (id, state, amount, n) =>
  `{"jsonrpc":"2.0","method":"subscription","params":{"channel":"user.orders.BTC-PERPETUAL.raw","data":{"order_id":"${id}","order_state":"${state}","amount":${amount}.0,"price":5.0,"direction":"buy","instrument_name":"BTC-PERPETUAL","label":"a","last_update_timestamp":179500000000${n}}}}`;
const KRAKEN_TIMES =
  '"time_in":"2026-11-18T14:45:41.000000Z","time_out":"2026-11-18T14:45:41.000100Z"';
const kraken = (id, type, size, sequence) =>
  `{"channel":"executions","type":"update","data":[{"order_id":"${id}","exec_type":"${type}","order_status":"${type}","limit_price":5.0,"order_qty":${size}.0,"symbol":"BTC/USD","timestamp":"2026-11-18T14:45:41.00000${sequence}Z"}],"sequence":${sequence}}`;

const binance = (link, status, exec) =>
  `{"subscriptionId":0,"event":{"e":"executionReport","E":1795000000014,"s":"BTCUSDT","c":"${link}","S":"BUY","o":"LIMIT","q":"1","p":"5","X":"${status}","i":1,"I":${exec},"T":1795000000014}}`;

/** A session: `url`, `login` (what a client sends first) and `subscribe`, which may be undefined, `subscribe`, and `frames` [at (ms), "in" or
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
  deribit: {
    url: "wss://www.deribit.com/ws/api/v2",
    path: "/ws/api/v2",
    key: "id",
    login:
      '{"jsonrpc":"2.0","id":1,"method":"public/auth","params":{"grant_type":"client_credentials","client_id":"k","client_secret":"s"}}',
    loggedIn:
      '{"jsonrpc":"2.0","id":1,"result":{"access_token":"a","expires_in":31536000,"refresh_token":"r","scope":"connection","token_type":"bearer"}}',
    subscribe:
      '{"jsonrpc":"2.0","id":2,"method":"private/subscribe","params":{"channels":["user.orders.BTC-PERPETUAL.raw"]}}',
    subscribed: '{"jsonrpc":"2.0","id":2,"result":["user.orders.BTC-PERPETUAL.raw"]}',
    frames: [
      [
        10,
        "out",
        '{"jsonrpc":"2.0","id":11,"method":"private/buy","params":{"instrument_name":"BTC-PERPETUAL","amount":10,"type":"limit","price":5,"label":"a"}}',
      ],
      [11, "in", deribit("1", "open", 10, 1)],
      [
        12,
        "in",
        '{"jsonrpc":"2.0","id":11,"result":{"trades":[],"order":{"order_id":"1","order_state":"open","amount":10.0,"price":5.0,"direction":"buy","instrument_name":"BTC-PERPETUAL","label":"a"}},"usIn":1795000000011000,"usOut":1795000000012000,"usDiff":1000,"testnet":false}',
      ],
      [
        20,
        "out",
        '{"jsonrpc":"2.0","id":12,"method":"private/sell","params":{"instrument_name":"BTC-PERPETUAL","amount":10000000,"type":"market","label":"a"}}',
      ],
      [
        22,
        "in",
        '{"jsonrpc":"2.0","id":12,"error":{"code":10009,"message":"not_enough_funds"},"usIn":1795000000021000,"usOut":1795000000022000,"usDiff":1000,"testnet":false}',
      ],
      [
        30,
        "out",
        '{"jsonrpc":"2.0","id":13,"method":"private/edit","params":{"order_id":"1","amount":20,"price":5}}',
      ],
      [
        31,
        "in",
        '{"jsonrpc":"2.0","id":13,"result":{"trades":[],"order":{"order_id":"1","order_state":"open","amount":20.0,"price":5.0}},"usIn":1795000000030000,"usOut":1795000000031000,"usDiff":1000,"testnet":false}',
      ],
      [34, "in", deribit("1", "open", 20, 2)],
      [40, "out", '{"jsonrpc":"2.0","id":14,"method":"private/cancel","params":{"order_id":"1"}}'],
      [
        41,
        "in",
        '{"jsonrpc":"2.0","id":14,"result":{"order_id":"1","order_state":"cancelled","amount":20.0,"price":5.0},"usIn":1795000000040000,"usOut":1795000000041000,"usDiff":1000,"testnet":false}',
      ],
      [45, "in", deribit("1", "cancelled", 20, 3)],
      [50, "out", '{"jsonrpc":"2.0","id":15,"method":"private/cancel_all","params":{}}'],
      [
        52,
        "in",
        '{"jsonrpc":"2.0","id":15,"result":3,"usIn":1795000000051000,"usOut":1795000000052000,"usDiff":1000,"testnet":false}',
      ],
      [
        60,
        "out",
        '{"jsonrpc":"2.0","id":16,"method":"private/get_positions","params":{"currency":"BTC"}}',
      ],
      [
        63,
        "in",
        '{"jsonrpc":"2.0","id":16,"result":[{"instrument_name":"BTC-PERPETUAL","size":10.0,"average_price":5.0,"direction":"buy"}],"usIn":1795000000060000,"usOut":1795000000062000,"usDiff":2000,"testnet":false}',
      ],
    ],
    orders: [
      ["private/buy", "11", "1", null, 2, 1],
      ["private/sell", "12", null, 10009, 2, null],
      ["private/edit", "13", "1", null, 1, 4],
      ["private/cancel", "14", "1", null, 1, 5],
      ["private/cancel_all", "15", null, null, 2, null],
      ["private/get_positions", "16", null, null, 3, null],
    ],
    totals: { requests: 6, refused: 1, unanswered: 0, without_update: 0, unasked: 0 },
  },
  "kraken, version 2": {
    url: "wss://ws-auth.kraken.com/v2",
    path: "/v2",
    key: "req_id",
    subscribe: '{"method":"subscribe","params":{"channel":"executions","token":"t"},"req_id":1}',
    subscribed:
      '{"method":"subscribe","result":{"channel":"executions"},"success":true,"req_id":1,"time_in":"2026-11-18T14:45:41.000000Z","time_out":"2026-11-18T14:45:41.000100Z"}',
    frames: [
      [
        10,
        "out",
        '{"method":"add_order","params":{"order_type":"limit","side":"buy","limit_price":5,"order_qty":1,"symbol":"BTC/USD","cl_ord_id":"a","token":"t"},"req_id":11}',
      ],
      [
        12,
        "in",
        `{"method":"add_order","req_id":11,"result":{"order_id":"O-1","cl_ord_id":"a"},"success":true,${KRAKEN_TIMES}}`,
      ],
      [15, "in", kraken("O-1", "new", 1, 1)],
      [
        20,
        "out",
        '{"method":"batch_add","params":{"symbol":"BTC/USD","orders":[{"order_type":"limit","side":"buy","limit_price":4,"order_qty":1},{"order_type":"limit","side":"sell","limit_price":9,"order_qty":1}],"token":"t"},"req_id":12}',
      ],
      [
        23,
        "in",
        `{"method":"batch_add","req_id":12,"result":[{"order_id":"O-2"},{"order_id":"O-3"}],"success":true,${KRAKEN_TIMES}}`,
      ],
      [25, "in", kraken("O-3", "new", 1, 2)],
      [26, "in", kraken("O-2", "new", 1, 3)],
      [
        30,
        "out",
        '{"method":"amend_order","params":{"order_id":"O-1","order_qty":2,"token":"t"},"req_id":13}',
      ],
      [
        31,
        "in",
        `{"method":"amend_order","req_id":13,"result":{"amend_id":"T-1","order_id":"O-1"},"success":true,${KRAKEN_TIMES}}`,
      ],
      [34, "in", kraken("O-1", "amended", 2, 4)],
      [
        40,
        "out",
        '{"method":"cancel_order","params":{"order_id":["O-1"],"token":"t"},"req_id":14}',
      ],
      [
        41,
        "in",
        `{"method":"cancel_order","req_id":14,"result":{"order_id":"O-1"},"success":true,${KRAKEN_TIMES}}`,
      ],
      [45, "in", kraken("O-1", "canceled", 2, 5)],
      [
        50,
        "out",
        '{"method":"add_order","params":{"order_type":"limit","side":"buy","limit_price":5,"order_qty":99999,"symbol":"BTC/USD","token":"t"},"req_id":15}',
      ],
      [
        51,
        "in",
        `{"error":"EOrder:Insufficient funds","method":"add_order","req_id":15,"success":false,${KRAKEN_TIMES}}`,
      ],
      [60, "out", '{"method":"cancel_all","params":{"token":"t"},"req_id":16}'],
      [
        62,
        "in",
        `{"method":"cancel_all","req_id":16,"result":{"count":2},"success":true,${KRAKEN_TIMES}}`,
      ],
    ],
    orders: [
      ["add_order", "11", "O-1", null, 2, 5],
      ["batch_add", "12", "O-2", null, 3, 6],
      ["batch_add", "12", "O-3", null, 3, 5],
      ["amend_order", "13", "O-1", null, 1, 4],
      ["cancel_order", "14", "O-1", null, 1, 5],
      ["add_order", "15", null, null, 1, null],
      ["cancel_all", "16", null, null, 2, null],
    ],
    totals: { requests: 7, refused: 1, unanswered: 0, without_update: 0, unasked: 0 },
  },
  "binance, spot": {
    url: "wss://ws-api.binance.com:443/ws-api/v3",
    path: "/ws-api/v3",
    key: "id",
    login:
      '{"id":"l","method":"session.logon","params":{"apiKey":"k","signature":"s","timestamp":1795000000000}}',
    loggedIn:
      '{"id":"l","status":200,"result":{"apiKey":"k","authorizedSince":1795000000000},"rateLimits":[]}',
    subscribe: '{"id":"s","method":"userDataStream.subscribe"}',
    subscribed: '{"id":"s","status":200,"result":{"subscriptionId":0},"rateLimits":[]}',
    frames: [
      [
        10,
        "out",
        '{"id":"r1","method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"5","quantity":"1","newClientOrderId":"a","timestamp":1795000000000}}',
      ],
      [
        12,
        "in",
        '{"id":"r1","status":200,"result":{"symbol":"BTCUSDT","orderId":1,"orderListId":-1,"clientOrderId":"a","transactTime":1795000000011},"rateLimits":[]}',
      ],
      [15, "in", binance("a", "NEW", 1)],
      [
        20,
        "out",
        '{"id":"r2","method":"order.place","params":{"symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"5","quantity":"9999","timestamp":1795000000000}}',
      ],
      [
        23,
        "in",
        '{"id":"r2","status":400,"error":{"code":-2010,"msg":"Account has insufficient balance for requested action."},"rateLimits":[]}',
      ],
      [
        40,
        "out",
        '{"id":"r3","method":"order.cancel","params":{"symbol":"BTCUSDT","origClientOrderId":"a","timestamp":1795000000000}}',
      ],
      [
        41,
        "in",
        '{"id":"r3","status":200,"result":{"symbol":"BTCUSDT","origClientOrderId":"a","orderId":1,"clientOrderId":"x","transactTime":1795000000041,"status":"CANCELED"},"rateLimits":[]}',
      ],
      [45, "in", binance("x", "CANCELED", 2)],
      [50, "out", '{"id":"r4","method":"account.status","params":{"timestamp":1795000000000}}'],
      [
        52,
        "in",
        '{"id":"r4","status":200,"result":{"balances":[{"asset":"BTC","free":"1","locked":"0"}]},"rateLimits":[]}',
      ],
    ],
    orders: [
      ["order.place", "r1", "1", null, 2, 5],
      ["order.place", "r2", null, -2010, 3, null],
      ["order.cancel", "r3", "1", null, 1, 5],
      ["account.status", "r4", null, null, 2, null],
    ],
    totals: { requests: 4, refused: 1, unanswered: 0, without_update: 0, unasked: 0 },
  },
  "binance, USD-M": {
    url: "wss://ws-fapi.binance.com/ws-fapi/v1",
    path: "/ws-fapi/v1",
    key: "id",
    frames: [
      [
        10,
        "out",
        '{"id":"r1","method":"order.place","params":{"apiKey":"k","signature":"s","symbol":"BTCUSDT","side":"BUY","type":"LIMIT","timeInForce":"GTC","price":"5","quantity":"1","timestamp":1795000000000}}',
      ],
      [
        12,
        "in",
        '{"id":"r1","status":200,"result":{"orderId":1,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"c","price":"5","origQty":"1","side":"BUY","updateTime":1795000000011},"rateLimits":[]}',
      ],
      [
        20,
        "out",
        '{"id":"r2","method":"order.modify","params":{"apiKey":"k","signature":"s","symbol":"BTCUSDT","orderId":1,"side":"BUY","price":"6","quantity":"1","timestamp":1795000000000}}',
      ],
      [
        23,
        "in",
        '{"id":"r2","status":400,"error":{"code":-5027,"msg":"No need to modify the order."}}',
      ],
    ],
    orders: [
      ["order.place", "r1", "1", null, 2, null],
      ["order.modify", "r2", "1", -5027, 3, null],
    ],
    totals: { requests: 2, refused: 1, unanswered: 0, without_update: 1, unasked: 0 },
  },
};

/** Lines of a session for `imported` of order_entry.mjs. */
export const linesOf = ({ login, loggedIn, subscribe, subscribed, frames }) =>
  [[1, "out", login], [2, "in", loggedIn], [3, "out", subscribe], [4, "in", subscribed], ...frames]
    .filter(([, , data]) => data !== undefined)
    .map(([at, dir, data]) => ({ at, dir, conn: "own", data }));
