/* Rows of the types that Tardis publishes, made from frames. Scripts have the rows that
 * docs/export.md requires, written by hand. captures/tardis/mapper-cases.jsonl has real frames with
 * the output of another normalizer, Tardis's own; it is compared by value, because it has
 * JavaScript numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "export/export_type.h"
#include "base/json/json.h"
#include "schema/decode.h"
#include "tests/testing/capture.h"

enum { STEPS_MAX = 9, NS_PER_US = 1000, FRAME_BYTES = 4096 };

/* ---- a topic with a maker ---- */

enum {
    STEP_LEAD_IN = 1,
    STEP_GAP = 2,        /* the ledger has a gap before the frame */
    STEP_RECONNECT = 4,  /* a new connection, without an earlier state of the topic */
    STEP_TAKEOVER = 8,   /* continues on another connection, which already had the topic */
    STEP_EARLY_GAP = 16, /* the row of the connection's end begins before this frame of it */
    STEP_LOST = 32,      /* instead of the frame: its topic lacks frames */
};

/* A topic with its maker. A simple trust is used: a snapshot starts it, and a step may end it. */
typedef struct stream_feed {
    decoder *decoder;
    frame_channel channel;
    frame_conn conns[2];
    size_t conn;
    book *book;
    const export_type *type;
    void *maker;
    int is_alive;
    td_bytes symbol;  /* expected in rows; empty: not compared */
    uint64_t recv_ns; /* of the last frame */
    td_buf rows;      /* NUL-terminated after apply_frame */
} stream_feed;

static void add_value(td_buf *out, const export_type *type, const msg_value *value)
{
    char text[TD_DECIMAL_TEXT_BYTES] = "-";
    if (value->type == VALUE_TIME_NS)
        (void)snprintf(text, sizeof text, "%llu",
                       (unsigned long long)value->as.time_ns / NS_PER_US);
    else if (value->type == VALUE_DECIMAL)
        (void)td_decimal_format(value->as.decimal, text); /* the length is not needed */
    else if (value->type == VALUE_BOOL)
        (void)snprintf(text, sizeof text, "%s", value->as.is_true ? "true" : "false");
    else if (value->type == VALUE_SIDE && type == &EXPORT_BOOK_DELTAS)
        (void)snprintf(text, sizeof text, "%s", value->as.side == SIDE_BUY ? "bid" : "ask");
    else if (value->type == VALUE_SIDE)
        (void)snprintf(text, sizeof text, "%s",
                       value->as.side == SIDE_BUY    ? "buy"
                       : value->as.side == SIDE_SELL ? "sell"
                                                     : "unknown");
    if (value->type == VALUE_TEXT)
        td_buf_add(out, value->as.text.data, value->as.text.size);
    else
        td_buf_add(out, text, strlen(text));
}

/* Writes "TIME: VALUE,VALUE; ": TIME is the exchange's time in us, VALUE is "-" if absent. */
static td_result put_one(void *ctx, const export_row *row, td_err *err)
{
    stream_feed *f = ctx;
    const td_bytes symbol = row->symbol.size > 0 ? row->symbol : f->channel.topic.symbol;
    assert_true(f->symbol.size == 0 || td_bytes_equal(f->symbol, symbol));
    assert_true(row->recv_ns == (row->is_initial ? 0 : f->recv_ns)); /* 0: the selection's start */
    td_result rc =
        td_buf_printf(&f->rows, err, "%llu: ", (unsigned long long)row->exchange_ns / NS_PER_US);
    for (size_t i = 0; i < f->type->column_count; i++) {
        const msg_value *value = &row->values[i];
        assert_true(value->type == VALUE_ABSENT || value->type == f->type->columns[i].type);
        if (i > 0)
            td_buf_add(&f->rows, ",", 1);
        add_value(&f->rows, f->type, value);
    }
    td_buf_add(&f->rows, "; ", 2);
    return rc;
}

static td_result put_row(void *ctx, const export_row *batch, td_err *err)
{
    export_row row = *batch;
    td_result rc;
    do
        rc = put_one(ctx, &row, err);
    while (rc == TD_OK && export_row_next(&row));
    return rc;
}

/* Finds the channel of a frame; 0 if it has no topic. */
static int find_channel(decoder *with, const char *family_name, const char *frame, uint64_t recv_ns,
                        frame_channel *out)
{
    static char padded[FRAME_BYTES + DECODE_PADDING_BYTES];
    static char symbol[LIMIT_SYMBOL_BYTES];
    classification what;
    size_t size = strlen(frame);
    assert_true(size < FRAME_BYTES);
    (void)snprintf(padded, sizeof padded, "%s", frame);
    *out = (frame_channel){.family = family_find(td_bytes_str(family_name))};
    assert_non_null(out->family);
    decoder_classify(with, out->family, td_bytes_of(padded, size), CHANNEL_IN, recv_ns, &what);
    out->topic = what.topic;
    (void)snprintf(symbol, sizeof symbol, "%.*s", (int)what.topic.symbol.size,
                   (const char *)what.topic.symbol.data);
    out->info.symbol = symbol;
    return what.frame_class == CLASS_DATA && what.topic.row != NULL;
}

static void open_feed(stream_feed *f, decoder *with, const frame_channel *channel,
                      const export_type *type, const book *before)
{
    static const export_settings SETTINGS = {0};
    *f = (stream_feed){.decoder = with, .channel = *channel, .type = type};
    assert_true(export_type_takes(type, &SETTINGS, &f->channel));
    f->is_alive = before != NULL;
    f->book = book_open(channel->topic.row->book_depth);
    if (before != NULL)
        book_copy(f->book, before);
    if (type->open != NULL)
        f->maker = type->open(&(maker_begin){type, &SETTINGS, &f->channel, before, NULL});
    td_buf_init(&f->rows, 1 << 20);
}

static void close_feed(stream_feed *f)
{
    if (f->type->close != NULL)
        f->type->close(f->maker);
    book_close(f->book);
    td_buf_fini(&f->rows);
}

static trust_answer next_trust(stream_feed *f, const message *m, unsigned flags)
{
    static const trust_break NONE = {.reason = TIME_IS_RIGHT};
    static const trust_break CONNECTION = {.reason = DOUBT_CONNECTION};
    trust_answer out = {.is_snapshot = m != NULL && m->head.kind != FRAME_DELTA, .broke = &NONE};
    out.exchange_ns = m == NULL ? 0 : m->head.exchange_ns;
    if ((flags & (STEP_GAP | STEP_RECONNECT | STEP_TAKEOVER)) != 0 || m == NULL) {
        if (f->is_alive)
            out.broke = &CONNECTION;
        f->is_alive = 0;
    }
    out.was_alive = (uint8_t)f->is_alive;
    out.is_taken_over = (flags & STEP_TAKEOVER) != 0;
    f->is_alive |= out.is_snapshot || out.is_taken_over;
    out.is_trusted = (uint8_t)f->is_alive;
    return out;
}

/* The rows of a frame, or NULL if it cannot be decoded. */
static const char *apply_frame(stream_feed *f, const char *text, uint64_t recv_ns, unsigned flags)
{
    static char padded[FRAME_BYTES + DECODE_PADDING_BYTES];
    static const gap_row GAP = {.to_ns = 1};
    message m;
    decode_error why;
    td_err err;
    book_outcome ignored;
    const row_out out = {put_row, f};
    f->recv_ns = recv_ns;
    f->conn ^= (flags & (STEP_RECONNECT | STEP_TAKEOVER)) != 0;
    frame_ref frame = {.recv_ns = recv_ns,
                       .channel = &f->channel,
                       .conn = &f->conns[f->conn],
                       .row = f->channel.topic.row,
                       .is_lead_in = (flags & STEP_LEAD_IN) != 0};
    const gap_row lost = {.reason = GAP_DISCONNECT, .to_ns = recv_ns + 1};
    maker_frame seen = {.frame = &frame,
                        .gap = (flags & STEP_GAP) != 0         ? &GAP
                               : (flags & STEP_EARLY_GAP) != 0 ? &lost
                                                               : NULL};
    if (text != NULL) {
        size_t size = strlen(text);
        assert_true(size < FRAME_BYTES);
        (void)snprintf(padded, sizeof padded, "%s", text);
        if (!decoder_decode(f->decoder, &f->channel.topic, td_bytes_of(padded, size),
                            f->type->also != NULL ? DECODE_PATH_WHOLE : DECODE_PATH_FAST, &m, &why))
            fail_msg("%s: %s", decode_reason_name(why.reason), text);
        seen.message = frame.content.message = &m;
    }
    const trust_answer trust = next_trust(f, seen.message, flags);
    seen.trust = topic_row_has_state(frame.row) ? &trust : NULL;
    if (seen.message != NULL && m.head.type == MSG_BOOK_CHANGE)
        book_apply(f->book, &m.book, &ignored);
    seen.book = frame.row->type == MSG_BOOK_CHANGE ? f->book : NULL;
    td_buf_clear(&f->rows);
    assert_int_equal(f->type->frame(f->maker, &seen, &out, &err), TD_OK);
    assert_int_equal(td_buf_append(&f->rows, "", 1, &err), TD_OK);
    return (const char *)f->rows.data;
}

/* ---- scripts ---- */

typedef struct script_step {
    const char *frame;
    const char *rows;
    unsigned flags; /* STEP_* */
} script_step;

typedef struct script {
    const char *name;
    const char *family;
    const export_type *type;
    script_step steps[STEPS_MAX]; /* ends with a row of NULL, or with the array */
} script;

/* A v5 book frame: kind, time in ms, bids, asks. */
#define BOOK(topic, kind, ts, bids, asks)                                                          \
    "{\"topic\":\"orderbook." topic ".X\",\"type\":\"" kind "\",\"ts\":" ts                        \
    ",\"data\":{\"s\":\"X\",\"b\":[" bids "],\"a\":[" asks "],\"u\":1,\"seq\":1}}"
#define LEVEL(price, size) "[\"" price "\",\"" size "\"]"

#define TICKER(kind, ts, values)                                                                   \
    "{\"topic\":\"tickers.X\",\"type\":\"" kind "\",\"data\":{\"symbol\":\"X\"" values             \
    "},\"cs\":1,\"ts\":" ts "}"

#define INSTRUMENT(timestamp_e6, values)                                                           \
    "{\"topic\":\"instrument_info.100ms.X\",\"type\":\"delta\",\"data\":{\"delete\":[],"           \
    "\"update\":[{\"id\":1,\"symbol\":\"X\"" values                                                \
    "}],\"insert\":[]},\"cross_seq\":1" timestamp_e6 "}"

#define OPTION(symbol, values)                                                                     \
    "{\"id\":\"i\",\"topic\":\"tickers." symbol "\",\"ts\":7,\"data\":{\"symbol\":\"" symbol       \
    "\"" values "},\"type\":\"snapshot\"}"

/* Binance's frames of two topics with prices of a contract, and its ticker. */
#define MARK(topic, ts, mark, rate, next)                                                          \
    "{\"stream\":\"x@" topic "\",\"data\":{\"e\":\"markPriceUpdate\",\"E\":" ts                    \
    ",\"s\":\"X\",\"p\":\"" mark "\",\"i\":\"8\",\"r\":\"" rate "\",\"T\":" next "}}"
#define DAY_TICKER(ts, last)                                                                       \
    "{\"stream\":\"x@ticker\",\"data\":{\"e\":\"24hrTicker\",\"E\":" ts                            \
    ",\"s\":\"X\",\"c\":\"" last "\"}}"

/* OKX's frames of a contract. */
#define OKX_FRAME(channel, values)                                                                 \
    "{\"arg\":{\"channel\":\"" channel "\",\"instId\":\"X-USDT-SWAP\"},\"data\":[{\"instId\":"     \
    "\"X-USDT-SWAP\",\"instType\":\"SWAP\"," values "}]}"

/* Deribit's ticker of an instrument. */
#define DERIBIT(symbol, values)                                                                    \
    "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":\"ticker." symbol    \
    ".raw\",\"data\":{\"timestamp\":7,\"instrument_name\":\"" symbol "\"," values "}}}"

/* Deribit's trades of a contract. */
#define DERIBIT_TRADE(id, side, values)                                                            \
    "{\"trade_seq\":" id ",\"trade_id\":\"" id "\",\"timestamp\":7,\"price\":3,"                   \
    "\"instrument_name\":\"X-PERPETUAL\",\"direction\":\"" side "\",\"amount\":2" values "}"
#define DERIBIT_TRADES(entries)                                                                    \
    "{\"jsonrpc\":\"2.0\",\"method\":\"subscription\",\"params\":{\"channel\":"                    \
    "\"trades.X-PERPETUAL.raw\",\"data\":[" entries "]}}"

static const script SCRIPTS[] = {
    {"quotes change with the best price or amount of a side",
     "v5-linear",
     &EXPORT_QUOTES,
     {{BOOK("50", "snapshot", "1", LEVEL("100", "1") "," LEVEL("99", "5"), LEVEL("101", "2")),
       "1000: 2,101,100,1; ", 0},
      {BOOK("50", "delta", "2", LEVEL("99", "6"), ""), "", 0},
      {BOOK("50", "delta", "3", LEVEL("100.0", "1.00"), ""), "", 0},
      {BOOK("50", "delta", "4", LEVEL("100", "3"), ""), "4000: 2,101,100,3; ", 0},
      {BOOK("50", "snapshot", "5", LEVEL("100", "3"), LEVEL("101", "2")), "", 0},
      {BOOK("50", "delta", "6", "", LEVEL("101", "0")), "6000: -,-,100,3; ", 0},
      {BOOK("50", "delta", "7", "", LEVEL("102", "1")), "7000: 1,102,100,3; ", 0}}},
    {"quotes have no rows of a broken book, then its first state even if it is the former one",
     "v5-linear",
     &EXPORT_QUOTES,
     {{BOOK("50", "delta", "1", LEVEL("100", "1"), ""), "", 0},
      {BOOK("50", "snapshot", "2", LEVEL("100", "1"), ""), "2000: -,-,100,1; ", 0},
      {BOOK("50", "delta", "3", LEVEL("100", "2"), ""), "", STEP_GAP},
      {BOOK("50", "snapshot", "4", LEVEL("100", "1"), ""), "4000: -,-,100,1; ", 0},
      {NULL, "", 0},
      {BOOK("50", "snapshot", "5", LEVEL("100", "1"), ""), "5000: -,-,100,1; ", 0},
      {BOOK("50", "snapshot", "6", LEVEL("100", "1"), ""), "6000: -,-,100,1; ", STEP_RECONNECT},
      {BOOK("50", "delta", "7", LEVEL("99", "1"), ""), "7000: -,-,100,1; ", STEP_TAKEOVER}}},
    {"a file of quotes begins with the book as it is after its first frame",
     "v5-linear",
     &EXPORT_QUOTES,
     {{BOOK("50", "snapshot", "1", LEVEL("100", "1"), ""), "", STEP_LEAD_IN},
      {BOOK("50", "delta", "2", LEVEL("99", "1"), ""), "2000: -,-,100,1; ", 0},
      {BOOK("50", "delta", "3", LEVEL("98", "1"), ""), "", 0}}},
    {"book_snapshot_5: asks and bids in turn, the best first, and nothing below the fifth",
     "v5-linear",
     &EXPORT_BOOK_SNAPSHOT_5,
     {{BOOK("50", "snapshot", "1",
            LEVEL("9", "1") "," LEVEL("8", "2") "," LEVEL("7", "3") "," LEVEL("6", "4") "," LEVEL(
                "5", "5") "," LEVEL("4", "6"),
            LEVEL("11", "1") "," LEVEL("10", "2")),
       "1000: 10,2,9,1,11,1,8,2,-,-,7,3,-,-,6,4,-,-,5,5; ", 0},
      {BOOK("50", "delta", "2", LEVEL("4", "7"), ""), "", 0},
      {BOOK("50", "delta", "3", LEVEL("8", "0"), ""),
       "3000: 10,2,9,1,11,1,7,3,-,-,6,4,-,-,5,5,-,-,4,7; ", 0}}},
    {"book_ticker: a row for each frame; a side without a level keeps its own",
     "contract-v3",
     &EXPORT_BOOK_TICKER,
     {{BOOK("1", "delta", "1", LEVEL("100", "1"), ""), "", 0},
      {BOOK("1", "snapshot", "2", LEVEL("100", "1"), LEVEL("101", "2")), "2000: 2,101,100,1; ", 0},
      {BOOK("1", "snapshot", "3", LEVEL("100", "1"), LEVEL("101", "2")), "3000: 2,101,100,1; ", 0},
      {BOOK("1", "delta", "4", LEVEL("100", "0") "," LEVEL("99", "4"), ""), "4000: 2,101,99,4; ",
       0},
      {BOOK("1", "delta", "5", "", LEVEL("101", "0")), "5000: 2,101,99,4; ", 0},
      {BOOK("1", "delta", "6", LEVEL("99", "5"), ""), "", STEP_GAP},
      {BOOK("1", "snapshot", "7", LEVEL("98", "1"), ""), "7000: -,-,98,1; ", 0},
      {BOOK("1", "delta", "8", "", LEVEL("99", "1")), "8000: 1,99,98,1; ", STEP_TAKEOVER}}},
    {"book_ticker continues what came before the selection",
     "contract-v3",
     &EXPORT_BOOK_TICKER,
     {{BOOK("1", "snapshot", "2", LEVEL("100", "1"), LEVEL("101", "2")), "", STEP_LEAD_IN},
      {BOOK("1", "delta", "3", LEVEL("100", "3"), ""), "3000: 2,101,100,3; ", 0}}},
    {"book_ticker of spot-v2",
     "spot-v2",
     &EXPORT_BOOK_TICKER,
     {{"{\"topic\":\"bookTicker\",\"params\":{\"symbol\":\"X\",\"binary\":\"false\",\"symbolName\":"
       "\"X\"},\"data\":{\"symbol\":\"X\",\"bidPrice\":\"9.50\",\"bidQty\":\"2\",\"askPrice\":"
       "\"9.6\",\"askQty\":\"1\",\"time\":3}}",
       "3000: 1,9.6,9.5,2; ", 0}}},
    {"derivative_ticker: what a frame has is merged; a row only where one of the seven changed",
     "v5-linear",
     &EXPORT_DERIVATIVE_TICKER,
     {{TICKER("snapshot", "10",
              ",\"lastPrice\":\"5.0\",\"markPrice\":\"6\",\"fundingRate\":\"\",\"nextFundingTime\":"
              "\"\",\"bid1Price\":\"4\""),
       "10000: -,-,-,-,5,-,6; ", 0},
      {TICKER("delta", "11", ",\"bid1Price\":\"4.5\",\"volume24h\":\"7\""), "", 0},
      {TICKER("delta", "12", ",\"lastPrice\":\"5\",\"nextFundingTime\":\"0\""), "", 0},
      {TICKER("delta", "13", ",\"nextFundingTime\":\"2000\",\"fundingRate\":\"-0.0001\""),
       "13000: 2000000,-0.0001,-,-,5,-,6; ", 0},
      {TICKER("delta", "12", ",\"openInterest\":\"3\",\"indexPrice\":\"8\""),
       "13000: 2000000,-0.0001,-,3,5,8,6; ", 0},
      {TICKER("snapshot", "14", ",\"lastPrice\":\"5\",\"markPrice\":\"6\""), "", 0}}},
    {"derivative_ticker forgets where frames may be missing",
     "v5-linear",
     &EXPORT_DERIVATIVE_TICKER,
     {{TICKER("snapshot", "10", ",\"lastPrice\":\"5\",\"markPrice\":\"6\""), "", STEP_LEAD_IN},
      {TICKER("delta", "11", ",\"markPrice\":\"7\""),
       "10000: -,-,-,-,5,-,6; 11000: -,-,-,-,5,-,7; ", 0},
      {TICKER("delta", "12", ",\"markPrice\":\"7\""), "12000: -,-,-,-,-,-,7; ", STEP_GAP},
      {TICKER("delta", "11", ",\"markPrice\":\"7\""), "11000: -,-,-,-,-,-,7; ", STEP_RECONNECT},
      {TICKER("snapshot", "13", ",\"lastPrice\":\"5\""), "13000: -,-,-,-,5,-,7; ", 0},
      {NULL, "", 0},
      {TICKER("delta", "14", ",\"markPrice\":\"7\""), "14000: -,-,-,-,-,-,7; ", 0}}},
    {"derivative_ticker keeps its values up to the connection's last frame",
     "v5-linear",
     &EXPORT_DERIVATIVE_TICKER,
     {{TICKER("snapshot", "10", ",\"lastPrice\":\"5\",\"markPrice\":\"6\""),
       "10000: -,-,-,-,5,-,6; ", 0},
      {TICKER("delta", "11", ",\"markPrice\":\"7\""), "11000: -,-,-,-,5,-,7; ", STEP_EARLY_GAP},
      {TICKER("delta", "12", ",\"markPrice\":\"8\""), "12000: -,-,-,-,5,-,8; ", 0},
      {TICKER("delta", "13", ",\"markPrice\":\"9\""), "13000: -,-,-,-,-,-,9; ", STEP_RECONNECT}}},
    {"derivative_ticker: times of legacy frames are compared in whole ms, then in updated_at",
     "linear",
     &EXPORT_DERIVATIVE_TICKER,
     {{INSTRUMENT(",\"timestamp_e6\":\"5000900\"", ",\"last_price_e4\":\"50000\""),
       "5000900: -,-,-,-,5,-,-; ", 0},
      {INSTRUMENT(",\"timestamp_e6\":\"5000100\"", ",\"funding_rate_e6\":\"-12\""),
       "5000100: -,-0.000012,-,-,5,-,-; ", 0},
      {INSTRUMENT(",\"timestamp_e6\":\"4999999\"", ",\"open_interest_e8\":\"150000000\""),
       "5000100: -,-0.000012,-,1.5,5,-,-; ", 0},
      {INSTRUMENT("", ",\"last_price_e4\":\"60000\",\"last_price\":\"6.00\",\"updated_at\":"
                      "\"1970-01-01T00:00:06Z\",\"next_funding_time\":\"1970-01-01T00:00:00Z\""),
       "6000000: -,-0.000012,-,1.5,6,-,-; ", 0}}},
    {"derivative_ticker of several topics: values are joined, the preferred topic's are kept",
     "binance-usdm",
     &EXPORT_DERIVATIVE_TICKER,
     {{MARK("markPrice", "1", "5", "0.1", "50"), "1000: 50000,0.1,-,-,-,8,5; ", 0},
      {DAY_TICKER("2", "6"), "2000: 50000,0.1,-,-,6,8,5; ", 0},
      {DAY_TICKER("3", "6"), "", 0},
      {MARK("markPrice@1s", "4", "7", "0.1", "50"), "4000: 50000,0.1,-,-,6,8,7; ", 0},
      {MARK("markPrice", "5", "9", "0.2", "50"), "", 0},
      {MARK("markPrice@1s", "6", "7", "", "0"), "6000: -,-,-,-,6,8,7; ", 0}}},
    {"derivative_ticker of several topics: a loss clears what is from the topic that has it",
     "binance-usdm",
     &EXPORT_DERIVATIVE_TICKER,
     {{MARK("markPrice@1s", "1", "5", "0.1", "50"), "1000: 50000,0.1,-,-,-,8,5; ", 0},
      {DAY_TICKER("2", "6"), "2000: 50000,0.1,-,-,6,8,5; ", 0},
      {MARK("markPrice@1s", "0", "5", "0.1", "50"), "", STEP_LOST},
      {DAY_TICKER("3", "7"), "3000: -,-,-,-,7,-,-; ", 0},
      {MARK("markPrice", "4", "6", "0.1", "50"), "4000: 50000,0.1,-,-,7,8,6; ", 0},
      {DAY_TICKER("5", "7"), "5000: 50000,0.1,-,-,7,8,6; ", STEP_GAP},
      {DAY_TICKER("0", "7"), "", STEP_LOST},
      {MARK("markPrice", "6", "5", "0.1", "50"), "6000: 50000,0.1,-,-,-,8,5; ", 0}}},
    {"derivative_ticker of OKX: four topics",
     "okx",
     &EXPORT_DERIVATIVE_TICKER,
     {{OKX_FRAME("open-interest", "\"oi\":\"3\",\"oiCcy\":\"0.3\",\"ts\":\"1\""),
       "1000: -,-,-,3,-,-,-; ", 0},
      {OKX_FRAME("funding-rate", "\"fundingRate\":\"-0.1\",\"fundingTime\":\"50\",\"ts\":\"2\""),
       "2000: 50000,-0.1,-,3,-,-,-; ", 0},
      {OKX_FRAME("mark-price", "\"markPx\":\"5\",\"ts\":\"3\""), "3000: 50000,-0.1,-,3,-,-,5; ", 0},
      {OKX_FRAME("tickers", "\"last\":\"6\",\"ts\":\"4\""), "4000: 50000,-0.1,-,3,6,-,5; ", 0}}},
    {"derivative_ticker of Deribit",
     "deribit",
     &EXPORT_DERIVATIVE_TICKER,
     {{DERIBIT("BTC-PERPETUAL", "\"open_interest\":3,\"mark_price\":5.5,\"last_price\":6,"
                                "\"index_price\":8,\"current_funding\":0.1"),
       "7000: -,0.1,-,3,6,8,5.5; ", 0}}},
    {"options_chain of Deribit: greeks beside the entry, a strike with a d for the decimal point",
     "deribit",
     &EXPORT_OPTIONS_CHAIN,
     {{DERIBIT("XRP_USDC-30JUN23-0d625-C",
               "\"underlying_index\":\"XRP_USDC-30JUN23\",\"underlying_price\":9,\"mark_iv\":61.5,"
               "\"best_bid_price\":0,\"greeks\":{\"vega\":2,\"theta\":-1,\"rho\":0.5,\"gamma\":0,"
               "\"delta\":0.25}"),
       "7000: call,0.625,1688112000000000,-,-,-,-,-,-,-,-,-,61.5,XRP_USDC-30JUN23,9,0.25,-,2,-1,"
       "0.5; ",
       0}}},
    {"options_chain: the contract from the symbol; zero and no text are no value",
     "v5-option",
     &EXPORT_OPTIONS_CHAIN,
     {{OPTION("BTC-30JUN23-45000-P-USDT",
              ",\"bidPrice\":\"0.10\",\"bidSize\":\"0\",\"bidIv\":\"\",\"delta\":\"-0.5\","
              "\"markPriceIv\":\"1.5\",\"underlyingPrice\":\"9\",\"openInterest\":\"2\""),
       "7000: put,45000,1688112000000000,2,-,0.1,-,-,-,-,-,-,1.5,-,9,-0.5,-,-,-,-; ", 0},
      {OPTION("BTC-5JUL23-500-C", ",\"lastPrice\":\"1\""),
       "7000: call,500,1688544000000000,-,1,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-; ", 0},
      {OPTION("BTC-31FEB23-x-C", ""), "7000: call,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-; ", 0},
      {OPTION("BTC-05EBM23-1-C", ""), "7000: call,1,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-; ", 0},
      {OPTION("BTC", ""), "7000: call,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-,-; ", 0},
      {OPTION("BTC-5JUL23-1-C", ""), "", STEP_LEAD_IN}}},
    {"liquidations: the side of the closing order, and the frame's time",
     "v5-linear",
     &EXPORT_LIQUIDATIONS,
     {{"{\"topic\":\"liquidation.X\",\"type\":\"snapshot\",\"ts\":9,\"data\":{\"updatedTime\":8,"
       "\"symbol\":\"X\",\"side\":\"Buy\",\"size\":\"2\",\"price\":\"0.50\"}}",
       "9000: -,sell,0.5,2; ", 0}}},
    {"liquidations: each with its own time; what is not Buy was a short",
     "v5-linear",
     &EXPORT_LIQUIDATIONS,
     {{"{\"topic\":\"allLiquidation.X\",\"type\":\"snapshot\",\"ts\":9,\"data\":[{\"T\":7,\"s\":"
       "\"X\",\"S\":\"Sell\",\"v\":\"2\",\"p\":\"3\"},{\"T\":8,\"s\":\"X\",\"S\":\"?\",\"v\":\"1\","
       "\"p\":\"3\"}]}",
       "7000: -,buy,3,2; 8000: -,buy,3,1; ", 0}}},
    {"liquidations of the first generation",
     "inverse",
     &EXPORT_LIQUIDATIONS,
     {{"{\"topic\":\"liquidation.X\",\"data\":{\"symbol\":\"X\",\"side\":\"Buy\",\"price\":\"3\","
       "\"qty\":\"4\",\"time\":5}}",
       "5000: -,sell,3,4; ", 0}}},
    {"liquidations of trades: the taker, the maker, both",
     "deribit",
     &EXPORT_LIQUIDATIONS,
     {{DERIBIT_TRADES(DERIBIT_TRADE("1", "buy", ",\"liquidation\":\"T\"") "," DERIBIT_TRADE(
           "2", "buy", "") "," DERIBIT_TRADE("3", "buy", ",\"liquidation\":\"M\"")),
       "7000: 1,buy,3,2; 7000: 3,sell,3,2; ", 0},
      {DERIBIT_TRADES(DERIBIT_TRADE("4", "sell", ",\"liquidation\":\"MT\"")), "7000: 4,buy,3,2; ",
       0}}},
};

static void play(decoder *with, const script *of)
{
    frame_channel channel;
    stream_feed f;
    assert_true(find_channel(with, of->family, of->steps[0].frame, TOPIC_NOW, &channel));
    open_feed(&f, with, &channel, of->type, NULL);
    for (size_t i = 0; i < STEPS_MAX && of->steps[i].rows != NULL; i++) {
        const script_step *step = &of->steps[i];
        /* A step's frame may be of another topic or, of options, of another contract. */
        if (step->frame != NULL)
            assert_true(find_channel(with, of->family, step->frame, TOPIC_NOW, &f.channel));
        if ((step->flags & STEP_LOST) != 0) {
            of->type->lost(f.maker, &f.channel);
            continue;
        }
        const char *rows = apply_frame(&f, step->frame, 1000 + i, step->flags);
        if (strcmp(rows, step->rows) != 0)
            fail_msg("%s, step %zu:\n  %s\ninstead of\n  %s", of->name, i + 1, rows, step->rows);
    }
    close_feed(&f);
}

static void test_scripts(void **state)
{
    (void)state;
    decoder *with = decoder_open();
    for (size_t i = 0; i < sizeof SCRIPTS / sizeof SCRIPTS[0]; i++)
        play(with, &SCRIPTS[i]);
    decoder_close(with);
}

/* The columns made by a macro have the right names. */
static void test_snapshot_columns(void **state)
{
    (void)state;
    assert_int_equal(EXPORT_BOOK_SNAPSHOT_25.column_count, 100);
    assert_int_equal(EXPORT_BOOK_SNAPSHOT_5.column_count, 20);
    for (size_t i = 0; i < 100; i++) {
        const export_column *column = &EXPORT_BOOK_SNAPSHOT_25.columns[i];
        char name[32];
        (void)snprintf(name, sizeof name, "%s[%zu].%s", i % 4 < 2 ? "asks" : "bids", i / 4,
                       i % 2 == 0 ? "price" : "size");
        assert_string_equal(column->name, name);
        assert_int_equal(column->type, VALUE_DECIMAL);
    }
}

/* ---- which topics ---- */

static int takes(decoder *with, const export_type *type, const char *family_name, const char *frame)
{
    static const export_settings SETTINGS = {0};
    frame_channel channel;
    assert_true(find_channel(with, family_name, frame, TOPIC_NOW, &channel));
    return export_type_takes(type, &SETTINGS, &channel);
}

static void test_topics(void **state)
{
    (void)state;
    decoder *with = decoder_open();
    const char *ticker = TICKER("snapshot", "1", "");
    const char *depth_50 = BOOK("50", "snapshot", "1", "", "");
    const char *depth_1 = BOOK("1", "snapshot", "1", "", "");
    const char *old_instrument =
        "{\"topic\":\"instrument.X\",\"data\":[{\"symbol\":\"X\",\"last_price\":1}]}";
    assert_true(takes(with, &EXPORT_DERIVATIVE_TICKER, "v5-linear", ticker));
    assert_true(takes(with, &EXPORT_DERIVATIVE_TICKER, "contract-v3", ticker));
    assert_false(takes(with, &EXPORT_DERIVATIVE_TICKER, "v5-spot", ticker));
    assert_false(takes(with, &EXPORT_DERIVATIVE_TICKER, "v5-option", ticker));
    assert_false(takes(with, &EXPORT_DERIVATIVE_TICKER, "inverse", old_instrument));
    assert_true(takes(with, &EXPORT_OPTIONS_CHAIN, "v5-option", ticker));
    assert_false(takes(with, &EXPORT_OPTIONS_CHAIN, "v5-linear", ticker));
    assert_true(
        takes(with, &EXPORT_DERIVATIVE_TICKER, "deribit", DERIBIT("BTC-27MAR26", "\"x\":1")));
    assert_false(takes(with, &EXPORT_DERIVATIVE_TICKER, "deribit", DERIBIT("BTC_USDC", "\"x\":1")));
    assert_false(
        takes(with, &EXPORT_DERIVATIVE_TICKER, "deribit", DERIBIT("BTC-27MAR26-1-C", "\"x\":1")));
    assert_false(takes(with, &EXPORT_OPTIONS_CHAIN, "deribit", DERIBIT("BTC-27MAR26", "\"x\":1")));
    assert_false(
        takes(with, &EXPORT_DERIVATIVE_TICKER, "okx",
              "{\"arg\":{\"channel\":\"tickers\",\"instId\":\"BTC-USDT\"},\"data\":[{}]}"));
    assert_true(takes(with, &EXPORT_BOOK_TICKER, "v5-spot", depth_1));
    assert_false(takes(with, &EXPORT_BOOK_TICKER, "v5-spot", depth_50));
    assert_true(takes(with, &EXPORT_QUOTES, "v5-spot", depth_50));
    decoder_close(with);
}

static void test_one_topic_has_a_symbols_trades(void **state)
{
    (void)state;
    static const char *const CHOSEN[][3] = {
        /* family, preferred topic, another one */
        {"binance-spot", "trade", "aggTrade"},
        {"okx", "trades-all", "trades"},
        {"deribit", "trades.raw", "trades.100ms"},
    };
    for (size_t i = 0; i < sizeof CHOSEN / sizeof CHOSEN[0]; i++) {
        const family *of = family_find(td_bytes_str(CHOSEN[i][0]));
        const topic_row *first = family_topic_named(of, CHOSEN[i][1]);
        const topic_row *second = family_topic_named(of, CHOSEN[i][2]);
        assert_non_null(first);
        assert_non_null(second);
        assert_true(EXPORT_TRADES.prefers(&of->market, first, second));
        assert_false(EXPORT_TRADES.prefers(&of->market, second, first));
        assert_ptr_equal(EXPORT_BARS.prefers, EXPORT_TRADES.prefers);
    }
}

/* A family whose symbols have several topics of trades names the one for datasets. */
static void test_families_with_several_topics_of_trades(void **state)
{
    (void)state;
    size_t families;
    const family *const *table = family_table(&families);
    for (size_t i = 0; i < families; i++) {
        const family *of = table[i];
        size_t count = 0;
        for (size_t k = 0; k < of->topic_count; k++)
            count += of->topics[k].type == MSG_TRADE && topic_row_has_symbol(&of->topics[k]) &&
                     !topic_row_has_coin(&of->topics[k]);
        if (count > 1 && of->market.trade_topic == NULL)
            fail_msg("%s has %zu topics of trades and no 'trades' in its datasets", of->name,
                     count);
    }
}

static void test_all_liquidations_are_preferred(void **state)
{
    (void)state;
    const family *of = family_find(td_bytes_str("v5-linear"));
    const topic_row *some = family_topic_named(of, "liquidation");
    const topic_row *all = family_topic_named(of, "allLiquidation");
    assert_true(EXPORT_LIQUIDATIONS.prefers(&of->market, all, some));
    assert_false(EXPORT_LIQUIDATIONS.prefers(&of->market, some, all));
    assert_false(EXPORT_LIQUIDATIONS.prefers(&of->market, all, all));
}

/* ---- the cases of another normalizer ---- */

enum { CASES = 36, COLUMNS_MAX = 20 };

/* The other normalizer's types, and its key for each of tapedeck's columns; NULL if tapedeck's
 * column is empty. */
static const struct mapped_type {
    const char *name;
    const export_type *type;
    const char *keys[COLUMNS_MAX];
} MAPPED[] = {
    {"trade", &EXPORT_TRADES, {"id", "side", "price", "amount"}},
    {"book_change", &EXPORT_BOOK_DELTAS, {"isSnapshot", NULL, "price", "amount"}},
    {"book_ticker", &EXPORT_BOOK_TICKER, {"askAmount", "askPrice", "bidPrice", "bidAmount"}},
    {"derivative_ticker",
     &EXPORT_DERIVATIVE_TICKER,
     {"fundingTimestamp", "fundingRate", "predictedFundingRate", "openInterest", "lastPrice",
      "indexPrice", "markPrice"}},
    {"option_summary",
     &EXPORT_OPTIONS_CHAIN,
     {"optionType",   "strikePrice",   "expirationDate", "openInterest",    "lastPrice",
      "bestBidPrice", "bestBidAmount", "bestBidIV",      "bestAskPrice",    "bestAskAmount",
      "bestAskIV",    "markPrice",     "markIV",         "underlyingIndex", "underlyingPrice",
      "delta",        "gamma",         "vega",           "theta",           "rho"}},
    /* tapedeck's rows have no id; the other's have one only in frames made from HTTP answers. */
    {"liquidation", &EXPORT_LIQUIDATIONS, {NULL, "side", "price", "amount"}},
};
enum { MAPPED_COUNT = sizeof MAPPED / sizeof MAPPED[0] };

typedef struct mapper_fixture {
    json_parser *parser;
    decoder *decoder;
    unsigned cases;
    unsigned rows[MAPPED_COUNT];
} mapper_fixture;

static td_bytes text_of(json_value object, const char *key)
{
    td_bytes text = {0};
    if (!json_find_text(object, key, &text))
        fail_msg("a case without %s", key);
    return text;
}

static uint64_t time_of(json_value object, const char *key)
{
    uint64_t ns = 0;
    assert_int_equal(td_time_parse_rfc3339(text_of(object, key), &ns, NULL), TD_OK);
    return ns;
}

static int ends_with(td_bytes text, const char *tail)
{
    size_t size = strlen(tail);
    return text.size >= size && memcmp(text.data + text.size - size, tail, size) == 0;
}

/* The family of a frame, from its exchange, its topic, and the date of the normalizer's rules. */
static const char *family_of(json_value input, td_bytes exchange, td_bytes as_of)
{
    int is_v5 = memcmp(as_of.data, "2023-04-05", 10) >= 0;
    td_bytes topic = td_bytes_str("");
    (void)json_find_text(input, "topic", &topic); /* absent in an ack */
    if (td_bytes_is(exchange, "bybit-options"))
        return "v5-option";
    if (td_bytes_is(exchange, "bybit-spot"))
        return is_v5 ? "v5-spot" : "spot-v2";
    assert_true(td_bytes_is(exchange, "bybit"));
    if (ends_with(topic, "PERP"))
        return is_v5 ? "v5-linear" : "usdc-perp";
    if (ends_with(topic, "USDT"))
        return is_v5 ? "v5-linear" : "linear";
    return is_v5 ? "v5-inverse" : "inverse";
}

/* Writes the expected text of a cell, as add_value does for tapedeck's. */
static void add_expected(td_buf *out, json_value object, const char *key, value_type type)
{
    json_value value = {0};
    msg_value as = {.type = VALUE_ABSENT};
    td_bytes text = {0};
    int is_true = 0;
    if (key != NULL && json_find(object, key, &value) &&
        !(json_find_text(object, key, &text) && text.size == 0)) {
        as.type = type;
        if (type == VALUE_TEXT)
            as.as.text = text;
        else if (type == VALUE_SIDE)
            as.as.side = td_bytes_is(text, "buy")    ? SIDE_BUY
                         : td_bytes_is(text, "sell") ? SIDE_SELL
                                                     : SIDE_NONE;
        else if (type == VALUE_TIME_NS)
            as.as.time_ns = time_of(object, key);
        else if (type == VALUE_BOOL && json_bool(value, &is_true))
            as.as.is_true = is_true != 0;
        else
            assert_int_equal(td_decimal_parse(json_raw(value), &as.as.decimal, NULL), TD_OK);
    }
    add_value(out, NULL, &as);
}

static void add_expected_row(td_buf *out, const struct mapped_type *of, json_value output,
                             json_value level, const char *side)
{
    td_err err;
    assert_int_equal(td_buf_printf(out, &err, "%llu: ",
                                   (unsigned long long)time_of(output, "timestamp") / NS_PER_US),
                     TD_OK);
    for (size_t i = 0; i < of->type->column_count; i++) {
        int is_of_level = side != NULL && i > 1;
        if (i > 0)
            td_buf_add(out, ",", 1);
        if (side != NULL && i == 1)
            td_buf_add(out, side, strlen(side));
        else
            add_expected(out, is_of_level ? level : output, of->keys[i], of->type->columns[i].type);
    }
    td_buf_add(out, "; ", 2);
}

static void add_expected_side(mapper_fixture *f, td_buf *out, size_t type, json_value output,
                              const char *list, const char *side)
{
    json_value levels = {0};
    json_value level = {0};
    assert_true(json_find(output, list, &levels));
    for (json_iter it = json_iter_of(levels); json_next(&it, NULL, &level);) {
        add_expected_row(out, &MAPPED[type], output, level, side);
        f->rows[type]++;
    }
}

/* Makes the expected rows of a type from a case's outputs, with tapedeck's order of columns;
 * *symbol: their symbol. */
static void expected_rows(mapper_fixture *f, json_value outputs, size_t type,
                          const frame_channel *channel, td_buf *out, td_bytes *symbol)
{
    json_value output = {0};
    td_err err;
    for (json_iter it = json_iter_of(outputs); json_next(&it, NULL, &output);) {
        if (!td_bytes_is(text_of(output, "type"), MAPPED[type].name))
            continue;
        *symbol = text_of(output, "symbol");
        assert_true(td_bytes_is(text_of(output, "exchange"), channel->family->market.exchange));
        if (MAPPED[type].type == &EXPORT_BOOK_DELTAS) {
            add_expected_side(f, out, type, output, "asks", "ask");
            add_expected_side(f, out, type, output, "bids", "bid");
            continue;
        }
        add_expected_row(out, &MAPPED[type], output, output, NULL);
        f->rows[type]++;
    }
    assert_int_equal(td_buf_append(out, "", 1, &err), TD_OK);
}

static void copy_text(json_value from, char out[FRAME_BYTES])
{
    td_bytes text = json_raw(from);
    assert_true(text.size < FRAME_BYTES);
    memcpy(out, text.data, text.size);
    out[text.size] = '\0';
}

/* The other normalizer writes changes of a book whose snapshot is missing, tapedeck does not. A
 * book to begin with makes tapedeck write them, after rows of that book. */
static book *book_before(const export_type *type, json_value input)
{
    static const msg_level LEVEL = {.price = 1, .size = 1, .side = SIDE_BUY, .action = ACTION_SET};
    td_bytes kind = {0};
    book_outcome ignored;
    if (type != &EXPORT_BOOK_DELTAS || !json_find_text(input, "type", &kind) ||
        !td_bytes_is(kind, "delta"))
        return NULL;
    book *made = book_open(25);
    const msg_book holding = {.head = {.kind = FRAME_SNAPSHOT}, .levels = &LEVEL, .level_count = 1};
    book_apply(made, &holding, &ignored);
    return made;
}

static const char *skip_rows_before(const char *rows, const book *before)
{
    const char *end = strstr(rows, "; ");
    return before == NULL || end == NULL ? rows : end + 2;
}

/* 1 if the outputs must differ: tapedeck exports everything that was recorded (docs/export.md), the
 * other reads this topic only from a later day on. */
static int is_other_by_rule(json_value one, json_value input)
{
    td_bytes topic = {0};
    return json_find_text(input, "topic", &topic) &&
           td_bytes_is(topic, "allLiquidation.PIPPINUSDT") &&
           td_bytes_is(text_of(one, "mappers_as_of"), "2023-04-05");
}

static void check_type(mapper_fixture *f, json_value one, const frame_channel *channel, size_t type)
{
    static const export_settings SETTINGS = {0};
    const struct mapped_type *of = &MAPPED[type];
    const uint64_t recv_ns = time_of(one, "localTimestamp");
    char text[FRAME_BYTES];
    json_value input = {0};
    json_value outputs = {0};
    json_value prior = {0};
    json_value earlier = {0};
    td_bytes symbol = {0};
    td_buf should;
    assert_true(json_find(one, "input", &input));
    assert_true(json_find(one, "output", &outputs));
    assert_true(json_find(one, "prior", &prior));
    td_buf_init(&should, 1 << 20);
    expected_rows(f, outputs, type, channel, &should, &symbol);
    int is_taken = channel->topic.row != NULL && export_type_takes(of->type, &SETTINGS, channel);
    if (is_taken && of->type == &EXPORT_BOOK_DELTAS)
        is_taken = strcmp(channel->topic.row->name, channel->family->market.book_topic) == 0;
    if (!is_taken) {
        assert_string_equal((const char *)should.data, "");
        td_buf_fini(&should);
        return;
    }
    stream_feed feed;
    book *before = book_before(of->type, input);
    open_feed(&feed, f->decoder, channel, of->type, before);
    feed.symbol = symbol;
    for (json_iter it = json_iter_of(prior); json_next(&it, NULL, &earlier);) {
        copy_text(earlier, text);
        (void)apply_frame(&feed, text, recv_ns, 0); /* frames of other cases fail */
    }
    copy_text(input, text);
    const char *rows = skip_rows_before(apply_frame(&feed, text, recv_ns, 0), before);
    if (of->type == &EXPORT_LIQUIDATIONS && is_other_by_rule(one, input))
        assert_string_equal(rows, "1740480207110000: -,buy,0.02456,2846; ");
    else if (strcmp(rows, (const char *)should.data) != 0)
        fail_msg("%s of %s:\n  %s\ninstead of\n  %s", of->name, text, rows,
                 (const char *)should.data);
    close_feed(&feed);
    book_close(before);
    td_buf_fini(&should);
}

static void check_case(mapper_fixture *f, td_bytes line)
{
    json_value one = {0};
    json_value input = {0};
    td_err err;
    char text[FRAME_BYTES];
    frame_channel channel;
    assert_int_equal(json_parse(f->parser, line, JSON_PADDED, &one, &err), TD_OK);
    assert_true(json_find(one, "input", &input));
    copy_text(input, text);
    const char *of = family_of(input, text_of(one, "exchange"), text_of(one, "mappers_as_of"));
    decoder *with = decoder_open(); /* stays open, because it owns the channel's texts */
    (void)find_channel(with, of, text, time_of(one, "localTimestamp"), &channel); /* not an ack */
    for (size_t i = 0; i < MAPPED_COUNT; i++)
        check_type(f, one, &channel, i);
    decoder_close(with);
    f->cases++;
}

static void test_mapper_cases(void **state)
{
    (void)state;
    /* The numbers of rows by type, counted in the file by a script. */
    static const unsigned ROWS[MAPPED_COUNT] = {7, 22, 2, 5, 1, 5};
    const char *path = capture_path_or_skip("tardis/mapper-cases.jsonl");
    mapper_fixture f = {.parser = json_parser_open(0), .decoder = decoder_open()};
    size_t size = 0;
    uint8_t *file = capture_read_file(path, &size);
    for (uint8_t *line = file; line < file + size;) {
        uint8_t *end = memchr(line, '\n', (size_t)(file + size - line));
        if (end == NULL)
            end = file + size;
        if (end > line)
            check_case(&f, td_bytes_of(line, (size_t)(end - line)));
        line = end + 1;
    }
    assert_int_equal(f.cases, CASES);
    for (size_t i = 0; i < MAPPED_COUNT; i++)
        assert_int_equal(f.rows[i], ROWS[i]);
    decoder_close(f.decoder);
    json_parser_close(f.parser);
    td_free(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_snapshot_columns),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_one_topic_has_a_symbols_trades),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_families_with_several_topics_of_trades),
        cmocka_unit_test(test_topics),
        cmocka_unit_test(test_all_liquidations_are_preferred),
        cmocka_unit_test(test_mapper_cases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
