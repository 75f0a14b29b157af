/* The exchange's row: hosts, limits, and how control frames differ from data. */
#include "schema/bybit/topics.h"
#include "schema/bybit/values.h"
#include "schema/exchange.h"
#include "schema/instrument.h"

/* The second main host and the regional ones (docs/wire.md 1.4). */
static const char *const OTHER_HOSTS[] = {
    "stream.bytick.com",      "stream.bybit.tr", "stream.bybit.kz",
    "stream.bybit.eu",        "stream.bybit.nl", "stream.bybit.hk",
    "stream.bybitgeorgia.ge", "stream.bybit.id", NULL,
};

/* Words for the kind of a frame. Most families send snapshot and delta; USDC families NEW and
 * CHANGE, or MergedSnapshot. For spot it is the value of "f": true, or "True", in the first frame.
 */
const kind_word BYBIT_KINDS[] = {
    {"snapshot", FRAME_SNAPSHOT}, {"NEW", FRAME_SNAPSHOT},  {"MergedSnapshot", FRAME_SNAPSHOT},
    {"True", FRAME_SNAPSHOT},     {"true", FRAME_SNAPSHOT}, {"delta", FRAME_DELTA},
    {"CHANGE", FRAME_DELTA},      {"False", FRAME_DELTA},   {"false", FRAME_DELTA},
    {NULL, FRAME_UNTYPED},
};

/* The keys by which frames are classified, sorted by size (frame_keys.first_of_size). */
enum {
    KEY_E,
    KEY_TIME_E,
    KEY_OP,
    KEY_TYPE,
    KEY_DATA,
    KEY_PONG,
    KEY_PING,
    KEY_AUTH,
    KEY_CODE,
    KEY_TOPIC,
    KEY_EVENT,
    KEY_RET_MSG,
    KEY_SUCCESS,
    KEY_REQUEST,
    KEY_RET_CODE,
    KEY_COUNT,
};

static const td_bytes KEYS[KEY_COUNT] = {
    [KEY_E] = FRAME_TEXT("e"),
    [KEY_TIME_E] = FRAME_TEXT("E"),
    [KEY_OP] = FRAME_TEXT("op"),
    [KEY_TYPE] = FRAME_TEXT("type"),
    [KEY_DATA] = FRAME_TEXT("data"),
    [KEY_PONG] = FRAME_TEXT("pong"),
    [KEY_PING] = FRAME_TEXT("ping"),
    [KEY_AUTH] = FRAME_TEXT("auth"),
    [KEY_CODE] = FRAME_TEXT("code"),
    [KEY_TOPIC] = FRAME_TEXT("topic"),
    [KEY_EVENT] = FRAME_TEXT("event"),
    [KEY_RET_MSG] = FRAME_TEXT("ret_msg"),
    [KEY_SUCCESS] = FRAME_TEXT("success"),
    [KEY_REQUEST] = FRAME_TEXT("request"),
    [KEY_RET_CODE] = FRAME_TEXT("retCode"),
};

static const char *const SUCCESS[] = {"true", "True", "success", NULL};
static const char *const FAILURE[] = {"false", "False", "fail", NULL};

/* Documented topics without rows (docs/wire.md 3.7). */
static const char *const RAW_TOPICS[] = {"rfq.", "earn.", NULL};

/* All members of answers, pings and errors, in all dialects (docs/wire.md 1). */
static const char *const CONTROL_KEYS[] = {
    "success", "ret_msg", "retMsg", "retCode", "retExtInfo", "conn_id", "connId", "req_id",
    "reqId",   "id",      "op",     "args",    "request",    "data",    "type",   "pong",
    "ping",    "auth",    "code",   "msg",     "desc",       "event",   "topic",  "symbol",
    "params",  "usIn",    "usOut",  "usDiff",  "header",     "time",    NULL,
};

#define TEXT(text) FRAME_TEXT(text)
#define ANY                                                                                        \
    {                                                                                              \
        NULL, 0                                                                                    \
    }

/* Rules for control frames: docs/wire.md 1, points 3 to 9, in that order. */
static const control_rule RULES[] = {
    {KEY_PONG, ANY, ANY, CLASS_PONG, CLASS_PONG, 0, SUCCESS_NOT_STATED},
    {KEY_PING, ANY, ANY, CLASS_PING, CLASS_PING, 0, SUCCESS_NOT_STATED},
    {KEY_OP, TEXT("pong"), ANY, CLASS_PONG, CLASS_PONG, 0, SUCCESS_NOT_STATED},
    {KEY_RET_MSG, TEXT("pong"), ANY, CLASS_PONG, CLASS_PONG, 0, SUCCESS_NOT_STATED},
    {KEY_TYPE, TEXT("AUTH_RESP"), ANY, CLASS_AUTH, CLASS_AUTH, KEY_SUCCESS, SUCCESS_WORD},
    {KEY_TYPE, TEXT("COMMAND_RESP"), ANY, CLASS_ACK, CLASS_ACK, KEY_SUCCESS, SUCCESS_WORD},
    {KEY_AUTH, ANY, ANY, CLASS_AUTH, CLASS_AUTH, KEY_AUTH, SUCCESS_WORD},
    {KEY_SUCCESS, ANY, TEXT("auth"), CLASS_AUTH, CLASS_AUTH, KEY_SUCCESS, SUCCESS_WORD},
    {KEY_SUCCESS, ANY, TEXT("subscribe"), CLASS_ACK, CLASS_ACK, KEY_SUCCESS, SUCCESS_WORD},
    {KEY_SUCCESS, ANY, TEXT("unsubscribe"), CLASS_ACK, CLASS_ACK, KEY_SUCCESS, SUCCESS_WORD},
    {KEY_SUCCESS, ANY, ANY, CLASS_ACK, CLASS_ERROR, KEY_SUCCESS, SUCCESS_WORD},
    {KEY_EVENT, ANY, ANY, CLASS_ACK, CLASS_ACK, KEY_CODE, SUCCESS_CODE},
    {KEY_CODE, ANY, ANY, CLASS_ACK, CLASS_ERROR, KEY_CODE, SUCCESS_CODE},
    {KEY_RET_CODE, ANY, TEXT("auth"), CLASS_AUTH, CLASS_AUTH, KEY_RET_CODE, SUCCESS_CODE},
    {KEY_RET_CODE, ANY, ANY, CLASS_ACK, CLASS_ERROR, KEY_RET_CODE, SUCCESS_CODE},
};

/* The members of instruments in all lists of the exchange, old and new. */
static const char *const INSTRUMENT_MEMBERS[INSTRUMENT_VALUE_COUNT] = {
    [INSTRUMENT_SYMBOL] = "symbol|name",
    [INSTRUMENT_SYMBOL_ID] = "symbolId",
    [INSTRUMENT_ALIAS] = "alias",
    [INSTRUMENT_CONTRACT_TYPE] = "contractType|optionsType",
    [INSTRUMENT_SYMBOL_TYPE] = "symbolType",
    [INSTRUMENT_STATUS] = "status|showStatus",
    [INSTRUMENT_BASE] = "baseCoin|base_currency|baseCurrency",
    [INSTRUMENT_QUOTE] = "quoteCoin|quote_currency|quoteCurrency",
    [INSTRUMENT_SETTLE] = "settleCoin",
    [INSTRUMENT_TICK] = "priceFilter.tickSize|price_filter.tick_size|tickSize|minPricePrecision",
    [INSTRUMENT_MIN_PRICE] = "priceFilter.minPrice|price_filter.min_price|minPrice|minOrderPrice",
    [INSTRUMENT_MAX_PRICE] = "priceFilter.maxPrice|price_filter.max_price|maxPrice|maxOrderPrice",
    [INSTRUMENT_QTY_STEP] =
        ("lotSizeFilter.qtyStep|lotSizeFilter.basePrecision|lot_size_filter.qty_step|"
         "qtyStep|minOrderSizeIncrement|basePrecision|lotSize"),
    [INSTRUMENT_MIN_QTY] =
        ("lotSizeFilter.minOrderQty|lot_size_filter.min_trading_qty|minTradingQty|"
         "minOrderSize|minTradeQuantity|minTradeQty|minSize"),
    [INSTRUMENT_MAX_QTY] =
        ("lotSizeFilter.maxLimitOrderQty|lotSizeFilter.maxOrderQty|"
         "lot_size_filter.max_trading_qty|maxTradingQty|maxOrderSize|maxTradeQuantity|"
         "maxTradeQty|maxSize"),
    [INSTRUMENT_MAX_MARKET_QTY] = "lotSizeFilter.maxMktOrderQty|lotSizeFilter.maxMarketOrderQty",
    [INSTRUMENT_MIN_NOTIONAL] = "lotSizeFilter.minNotionalValue|lotSizeFilter.minOrderAmt",
    [INSTRUMENT_LAUNCH] = "launchTime",
    [INSTRUMENT_DELIVERY] = "deliveryTime",
    [INSTRUMENT_FUNDING_MIN] = "fundingInterval|funding_interval",
    [INSTRUMENT_FUNDING_CAP] = "upperFundingRate",
    [INSTRUMENT_FUNDING_FLOOR] = "lowerFundingRate",
    [INSTRUMENT_PHASES] = "preListingInfo.phases",
    [INSTRUMENT_SHARE_MULTIPLIER] = "xstockMultiplier",
};

/* Signs of an instrument's category, which replies before v5 do not name. */
static const category_sign CATEGORY_SIGNS[] = {
    {"lotSize", NULL, NULL, "spread"},      {"minPricePrecision", NULL, NULL, "spot"},
    {"minOrderSize", NULL, NULL, "option"}, {"price_filter", "quote_currency", "USD", "inverse"},
    {NULL, NULL, NULL, "linear"},
};

static const instrument_lists INSTRUMENTS = {
    .lists = (const char *const[]){"list", "dataList", NULL},
    .category = "category",
    .page = "nextPageCursor",
    .page_query = "&cursor=",
    .coin_query = "&baseCoin=",
    .signs = CATEGORY_SIGNS,
    .members = INSTRUMENT_MEMBERS,
    .traded = (const char *const[]){"Trading", "ONLINE", "Available", NULL},
    .ended = (const char *const[]){"Closed", "Delivered", NULL},
};

/* docs/wire.md 1.5 */
static const named_dialect DIALECTS[] = {
    {"op", &BYBIT_OP},
    {"v3", &BYBIT_V3},
    {"v5", &BYBIT_V5},
    {"v5-spot", &BYBIT_V5_SPOT},
    {"v5-option", &BYBIT_V5_OPTION},
    {"v5-private", &BYBIT_V5_PRIVATE},
    {"v5-trade", &BYBIT_V5_TRADE},
    {"usdc", &BYBIT_USDC},
    {"spot", &BYBIT_SPOT},
    {"spot-v2", &BYBIT_SPOT_V2},
    {"spot-private", &BYBIT_SPOT_PRIVATE},
    {NULL, NULL},
};

const exchange_row BYBIT = {
    .name = "bybit",
    .dialects = DIALECTS,
    .kinds = BYBIT_KINDS,
    .instruments = &INSTRUMENTS,
    .other_hosts = OTHER_HOSTS,
    .connects = {500, UINT64_C(300) * 1000000000}, /* docs/wire.md 1.3 */
    .frames =
        {
            .names = KEYS,
            .count = KEY_COUNT,
            .first_of_size = {KEY_E, KEY_E, KEY_OP, KEY_TYPE, KEY_TYPE, KEY_TOPIC, KEY_RET_MSG,
                              KEY_RET_MSG, KEY_COUNT, KEY_COUNT, KEY_COUNT, KEY_COUNT, KEY_COUNT,
                              KEY_COUNT},
            .topic = KEY_TOPIC,
            .data = KEY_DATA,
            .event = KEY_E,
            .event_time = KEY_TIME_E,
            .op = KEY_OP,
            .request = KEY_REQUEST,
            .shared = KEY_TYPE,
            .shared_first = 4,
            .shared_count = 2,
            .data_start = FRAME_TEXT("{\"topic\":\""),
            .success_words = SUCCESS,
            .failure_words = FAILURE,
            .rules = RULES,
            .rule_count = sizeof RULES / sizeof RULES[0],
        },
    .values = BYBIT_VALUES,
    .raw_topics = RAW_TOPICS,
    .control_keys = CONTROL_KEYS,
};
