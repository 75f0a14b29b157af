// A second reader of private frames, written from the exchange's documents (docs/wire.md 2 to 4), which shares no code with the
// programs. read() returns a frame as `replay --messages` must print it: the members of the message and of its entries, each
// with the text of its value.
import { parse } from "../support/canonical_form.mjs";

// ---- values ----

/** A decimal without needless zeros. */
export function shortest(written) {
  const [, sign, whole, places = ""] = /^(-?)0*(\d+?)(?:\.(\d*?)0*)?$/.exec(written);
  return sign + whole + (places === "" ? "" : `.${places}`);
}

const MS = 1_000_000n;

function isoTime(text) {
  const [, seconds, places] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d+)Z$/.exec(text);
  return String(BigInt(Date.parse(`${seconds}Z`)) * MS + BigInt(places.padEnd(9, "0")));
}

const VALUES = {
  text: (node) => node.text,
  decimal: (node) => shortest(node.text),
  integer: (node) => node.text,
  ms: (node) => String(BigInt(node.text) * MS),
  iso: (node) => isoTime(node.text),
  bool: (node) => node.raw,
  side: (node) => ({ buy: "Buy", sell: "Sell" })[node.text.toLowerCase()], // "" and "None": no side
  json: (node) => node.raw,
};

// ---- members: the exchange's name, the message's name, and the value's type (text by default) --------------

const members = (text) =>
  text
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/ +/))
    .map(([wire, name, type = "text"]) => ({ wire, name, type }));

const ORDER_OP = `
  order_id order_id
  stop_order_id order_id
  order_link_id order_link_id
  symbol symbol
  side side side
  order_type order_type
  price price decimal
  qty size decimal
  time_in_force time_in_force
  order_status order_status
  trigger_price trigger_price decimal
  leaves_qty leaves_size decimal
  cum_exec_qty cum_exec_size decimal
  cum_exec_value cum_exec_value decimal
  cum_exec_fee cum_exec_fee decimal
  last_exec_price last_exec_price decimal
  timestamp exchange_ns iso
  create_time created_ns iso
  update_time updated_ns iso`;
const EXECUTION_OP = `
  symbol symbol
  side side side
  order_id order_id
  exec_id exec_id
  order_link_id order_link_id
  exec_type exec_type
  price exec_price decimal
  exec_fee exec_fee decimal
  order_qty order_size decimal
  exec_qty exec_size decimal
  leaves_qty leaves_size decimal
  is_maker is_maker bool
  trade_time exec_ns iso`;
const POSITION_OP = `
  symbol symbol
  size size decimal
  side side side
  position_value position_value decimal
  entry_price entry_price decimal
  position_margin position_margin decimal
  realised_pnl realised_pnl decimal
  cum_realised_pnl cum_realised_pnl decimal
  position_seq position_seq integer
  available_balance available_balance decimal
  wallet_balance wallet_balance decimal`;
const WALLET_OP = `
  user_id user_id
  coin coin
  available_balance available_balance decimal
  wallet_balance wallet_balance decimal`;

/** Members of later generations; a topic has some of them. */
const ORDER = `
  orderId order_id
  orderLinkId order_link_id
  symbol symbol
  side side side
  orderType order_type
  price price decimal
  orderPrice price decimal
  qty size decimal
  orderAllSize size decimal
  cumExecQty cum_exec_size decimal
  orderFilledSize cum_exec_size decimal
  cumExecValue cum_exec_value decimal
  cumExecFee cum_exec_fee decimal
  lastExecPrice last_exec_price decimal
  orderStatus order_status
  copyTradeOrderStatus order_status
  leavesQty leaves_size decimal
  triggerPrice trigger_price decimal
  timeInForce time_in_force
  cancelType cancel_type
  rejectReason reject_reason
  category category
  feeCurrency fee_coin
  cumFeeDetail cum_fee_detail json
  version version integer
  createTime created_ns ms
  updateTime updated_ns ms
  createTimeStamp created_ns ms
  updateTimeStamp updated_ns ms
  createdAt created_ns ms
  updatedAt updated_ns ms
  createdTime created_ns ms
  updatedTime updated_ns ms`;
const EXECUTION = `
  orderId order_id
  orderLinkId order_link_id
  symbol symbol
  side side side
  execQty exec_size decimal
  execId exec_id
  tradeId exec_id
  execPrice exec_price decimal
  price exec_price decimal
  execFee exec_fee decimal
  feeRate fee_rate decimal
  execType exec_type
  leavesQty leaves_size decimal
  orderPrice order_price decimal
  orderQty order_size decimal
  orderType order_type
  category category
  isMaker is_maker bool
  seq seq integer
  feeCurrency fee_coin
  tradeTime exec_ns ms
  execTime exec_ns ms`;
const POSITION = `
  symbol symbol
  size size decimal
  side side side
  entryPrice entry_price decimal
  positionValue position_value decimal
  unrealisedPnl unrealised_pnl decimal
  cumRealisedPnl cum_realised_pnl decimal
  positionMargin position_margin decimal
  positionBalance position_margin decimal
  positionSeq position_seq integer
  leverage leverage decimal
  markPrice mark_price decimal
  category category
  seq seq integer
  createdAt created_ns ms
  updatedAt updated_ns ms
  createdTime created_ns ms
  updatedTime updated_ns ms`;
const WALLET = `
  coin coin
  walletBalance wallet_balance decimal
  availableBalance available_balance decimal
  positionMargin position_margin decimal
  unrealisedPnl unrealised_pnl decimal
  cumRealisedPnl cum_realised_pnl decimal
  accountType account_type
  totalWalletBalance total_wallet_balance decimal
  totalAvailableBalance total_available_balance decimal
  totalPerpUPL total_unrealised_pnl decimal`;
const GREEKS = `
  coin coin
  baseCoin base_coin
  totalDelta delta decimal`;
const STRATEGY = `
  strategyId strategy_id
  strategyType strategy_type
  category category
  symbol symbol
  size size decimal
  side side side
  status strategy_status integer
  executedAvgPrice avg_price decimal
  createdTimeE3 created_ns ms
  updatedTimeE3 updated_ns ms`;
const NOTICE = `
  pushId push_id
  serviceType service_type
  version version integer
  triggerStatus state
  triggerTimestamp trigger_ns ms
  baseCoin base_coin`;

/** Spot: names of one letter, which mean different things in different events. */
const EVENT_SPOT = `
  E exchange_ns ms
  s symbol
  c order_link_id`;
const ORDER_SPOT = `${EVENT_SPOT}
  S side side
  o order_type
  f time_in_force
  q size decimal
  p price decimal
  X order_status
  i order_id`;
const REPORT_SPOT = `${ORDER_SPOT}
  l last_exec_size decimal
  z cum_exec_size decimal
  L last_exec_price decimal
  n exec_fee decimal
  N fee_coin
  O created_ns ms
  Z cum_exec_value decimal`;
const STOP_SPOT = `${ORDER_SPOT}
  T created_ns ms
  C updated_ns ms
  qp base_price decimal
  eo triggered_order_id`;
const TICKET_SPOT = `${EVENT_SPOT}
  q exec_size decimal
  t exec_ns ms
  p exec_price decimal
  T exec_id
  o order_id
  m is_maker bool`;
const BALANCE_SPOT = `
  a coin
  f available_balance decimal
  l locked_balance decimal`;

// ---- topics: the type of the message, the members of an entry, and which of them is the exchange's time of the message
// (undefined: in the envelope, or absent) ----

const topic = (type, text, time, more) => ({ type, members: members(text), time, ...more });

const v3 = (order, execution, position) =>
  [order, execution, position].map(([type, text, time]) => topic(type, text, time));
const [ORDER_V3, EXECUTION_V3, POSITION_V3] = v3(
  ["order", ORDER, "updated_ns"],
  ["execution", EXECUTION, "exec_ns"],
  ["position", POSITION, "updated_ns"]
);

const INVERSE = {
  order: topic("order", ORDER_OP, "exchange_ns"),
  stop_order: topic("stop_order", ORDER_OP, "exchange_ns"),
  execution: topic("execution", EXECUTION_OP, "exec_ns"),
  position: topic("position", POSITION_OP),
  wallet: topic("wallet", WALLET_OP),
};
const byCategory = (name, what, categories) =>
  Object.fromEntries(["", ...categories.map((c) => `.${c}`)].map((c) => [name + c, what]));
const CATEGORIES = ["linear", "inverse", "option", "spot"];

/** The topics of each family by name. */
export const FAMILIES = {
  inverse: INVERSE,
  linear: {
    ...INVERSE,
    order: topic("order", ORDER_OP, "updated_ns"),
    stop_order: topic("stop_order", ORDER_OP, "updated_ns"),
  },
  copytrade: {
    copyTradeOrder: topic("order", ORDER, "updated_ns"),
    copyTradeExecution: topic("execution", EXECUTION, "exec_ns"),
    copyTradePosition: topic("position", POSITION),
    copyTradeWallet: topic("wallet", WALLET),
  },
  "usdc-private": {
    ...Object.fromEntries(
      ["option", "perp"].flatMap((product) => [
        [`user.openapi.${product}.order`, topic("order", ORDER)],
        [`user.openapi.${product}.position`, topic("position", POSITION)],
        [`user.openapi.${product}.trade`, topic("execution", EXECUTION)],
      ])
    ),
    "user.order": topic("order", ORDER),
    "user.openapi.greeks": topic("greeks", GREEKS, undefined, { isSnapshot: true }),
    "user.service": topic("notice", NOTICE),
    "user.mmp.event": topic("notice", NOTICE),
  },
  "spot-private": {
    executionReport: topic("order", REPORT_SPOT),
    stop_executionReport: topic("stop_order", STOP_SPOT),
    ticketInfo: topic("execution", TICKET_SPOT),
    outboundAccountInfo: topic("wallet", BALANCE_SPOT),
  },
  "contract-v3": {
    "user.order.contractAccount": ORDER_V3,
    "user.execution.contractAccount": EXECUTION_V3,
    "user.position.contractAccount": POSITION_V3,
    "user.wallet.contractAccount": topic("wallet", WALLET),
  },
  "v5-private": {
    ...byCategory("order", ORDER_V3, CATEGORIES),
    ...byCategory("execution", EXECUTION_V3, CATEGORIES),
    ...byCategory("execution.fast", EXECUTION_V3, CATEGORIES),
    ...byCategory("position", POSITION_V3, CATEGORIES.slice(0, 3)),
    wallet: topic("wallet", WALLET, undefined, { hasNoSendTime: true }),
    greeks: topic("greeks", GREEKS, undefined, { hasNoSendTime: true }),
    strategy: topic("order", STRATEGY, "updated_ns"),
    "spread.order": ORDER_V3,
    "spread.execution": EXECUTION_V3,
  },
};

/** Members of an object as a map from name to node. */
const mapOf = (node) => new Map(node.members.map((m) => [m.name, m.value]));

/** The topic of a frame; undefined for an answer. */
export function topicOf(text) {
  const node = parse(text);
  return mapOf(node.is === "array" ? node.items[0] : node).get(node.is === "array" ? "e" : "topic")
    ?.text;
}

/** The entries of a frame, as maps. */
function entriesOf(node) {
  const isSpot = node.is === "array";
  const frame = mapOf(isSpot ? node.items[0] : node);
  if (isSpot) {
    const event = new Map([...frame].filter(([name]) => name !== "e"));
    return frame.has("B") ? frame.get("B").items.map(mapOf) : [event];
  }
  const data = frame.get("data");
  if (data.is === "array") {
    // v5 wallet: members of the coins and of the account
    return data.items.map(mapOf).flatMap((entry) => {
      const coins = entry.get("coin");
      if (coins?.is !== "array") return [entry];
      entry.delete("coin");
      return coins.items.map((coin) => new Map([...entry, ...mapOf(coin)]));
    });
  }
  const result = mapOf(data).get("result");
  return result === undefined ? [mapOf(data)] : result.items.map(mapOf);
}

function readEntry(what, entry) {
  const read = {};
  for (const [wire, node] of entry) {
    const known = what.members.find((m) => m.wire === wire);
    if (known === undefined)
      throw new Error(`the table has no member '${wire}' of ${what.type}: ${node.raw}`);
    const value = VALUES[known.type](node);
    if (value !== undefined) read[known.name] = value;
  }
  return read;
}

const KINDS = { NEW: "snapshot", CHANGE: "delta" };

/** A frame of a family as its message: members, then entries. */
export function read(family, text) {
  const node = parse(text);
  const name = topicOf(text);
  const what = FAMILIES[family][name];
  const items = entriesOf(node).map((entry) => readEntry(what, entry));
  const frame = mapOf(node.is === "array" ? node.items[0] : node);
  const data = frame.get("data")?.is === "object" ? mapOf(frame.get("data")) : new Map();
  const ns = (member) => (member === undefined ? undefined : VALUES.ms(member));
  const sentNs = ns(frame.get("creationTime"));
  const isUsdc = family === "usdc-private";
  const hasList = data.has("result");
  const kind = what.isSnapshot ? "snapshot" : KINDS[data.get("dataType")?.text];
  // Entries of a change of a keyed list have an action.
  if (kind !== undefined)
    for (const item of items) item.action = kind === "delta" ? "update" : "set";
  const head = {
    type: what.type,
    kind,
    topic: name,
    symbol: items[0]?.symbol ?? (hasList && items.length === 0 ? "*" : undefined),
    exchange_ns: what.time === undefined ? (sentNs ?? ns(frame.get("E"))) : items[0][what.time],
    frame_id: frame.get("id")?.text,
    send_ns: isUsdc || what.hasNoSendTime ? undefined : sentNs,
    push_action: frame.get("action")?.text || undefined,
    version: hasList ? data.get("version").text : undefined,
    base_line: data.get("baseLine")?.text,
  };
  return {
    head: Object.fromEntries(Object.entries(head).filter(([, value]) => value !== undefined)),
    items,
  };
}

/** A line of `replay --messages` in the same form. */
export function readMessage(line) {
  const isDecimal = (node) => node.is === "string" && /^-?\d+\.\d*0$/.test(node.text);
  const plain = (node) =>
    isDecimal(node)
      ? shortest(node.text)
      : node.is === "object" || node.is === "bool"
        ? node.raw
        : node.text;
  const valuesOf = (node, without) =>
    Object.fromEntries(
      node.members
        .filter((m) => m.value.is !== "null" && !without.includes(m.name))
        .map((m) => [m.name, plain(m.value)])
    );
  const node = parse(line);
  return {
    head: valuesOf(node, ["items", "feed", "line", "shard", "conn", "ordinal", "recv_ns"]),
    items: mapOf(node)
      .get("items")
      .items.map((item) => valuesOf(item, [])),
  };
}
