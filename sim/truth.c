#include "sim/truth.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/json/json_write.h"

struct truth {
    td_file *file;
    td_buf lines;
};

td_result truth_open(td_io io, const char *path, truth **out, td_err *err)
{
    truth *t = td_alloc_zero(1, sizeof *t);
    td_buf_init(&t->lines, SIZE_MAX);
    td_result rc = td_io_open(io, path, TD_OPEN_CREATE, &t->file, err);
    if (rc != TD_OK) {
        truth_close(t);
        return td_err_add(err, rc, "truth file");
    }
    *out = t;
    return TD_OK;
}

void truth_close(truth *t)
{
    if (t == NULL)
        return;
    td_io_close(t->file);
    td_buf_fini(&t->lines);
    td_free(t);
}

/* End a line: close the object and append LF. */
static void end_line(truth *t, json_writer *json)
{
    json_write_object_end(json);
    td_result rc = json_write_end(json, NULL);
    if (rc == TD_OK)
        rc = td_buf_append(&t->lines, "\n", 1, NULL);
    TD_ASSERT(rc == TD_OK); /* cannot fail: the buffer is unlimited */
}

static void begin_line(truth *t, json_writer *json, const char *kind, const char *path)
{
    TD_ASSERT(kind != NULL && path != NULL);
    json_write_begin(json, &t->lines);
    json_write_object_begin(json);
    json_write_member_text(json, "t", kind);
    json_write_member_text(json, "path", path);
}

static void put_topic(json_writer *json, const truth_subject *about)
{
    json_write_member_text(json, "topic", about->topic);
    json_write_member_text(json, "symbol", about->symbol);
}

static void put_hash(json_writer *json, td_bytes frame)
{
    char hash[24];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64,
                   td_xxh64(frame.data, frame.size)); /* 16 digits fit */
    json_write_member_text(json, "xxh64", hash);
}

void truth_put_message(truth *t, const char *kind, const truth_subject *about, uint64_t conn,
                       uint64_t n, uint64_t ts_ns)
{
    json_writer json;
    TD_ASSERT(conn > 0 && n > 0); /* both count from 1 */
    if (t == NULL)
        return;
    begin_line(t, &json, kind, about->path);
    json_write_member_u64(&json, "conn", conn);
    json_write_member_u64(&json, "n", n);
    put_topic(&json, about);
    json_write_member_u64(&json, "bytes", about->frame.size);
    put_hash(&json, about->frame);
    json_write_member_u64(&json, "ts_ns", ts_ns);
    end_line(t, &json);
}

void truth_put_book(truth *t, const truth_subject *about, int64_t seq, int64_t u,
                    const instrument *traded, const book_window *shown)
{
    json_writer json;
    char sha1[TD_SHA1_HEX_BYTES];
    if (t == NULL)
        return;
    truth_levels_sha1(traded, shown, sha1);
    begin_line(t, &json, "book", about->path);
    put_topic(&json, about);
    json_write_member_i64(&json, "seq", seq);
    json_write_member_i64(&json, "u", u);
    put_hash(&json, about->frame);
    json_write_member_text(&json, "levels_sha1", sha1);
    end_line(t, &json);
}

static void put_decimal(json_writer *json, const char *name, const sim_value *value)
{
    json_write_key(json, name);
    json_write_decimal(json, (td_decimal){value->n, value->places});
}

/* The values have the names of the members of messages (docs/topics.md). */
void truth_put_entry(truth *t, const truth_subject *about, stream_kind kind, size_t index,
                     const sim_value *values)
{
    json_writer json;
    int is_candle = kind == STREAM_CANDLE;
    if (t == NULL)
        return;
    begin_line(t, &json, is_candle ? "candle" : "trade", about->path);
    put_topic(&json, about);
    put_hash(&json, about->frame);
    json_write_member_u64(&json, "item", index);
    json_write_key(&json, "values");
    json_write_object_begin(&json);
    if (is_candle) {
        json_write_member_i64(&json, "start_ns", values[SIM_START].n);
        put_decimal(&json, "open", &values[SIM_OPEN]);
        put_decimal(&json, "high", &values[SIM_HIGH]);
        put_decimal(&json, "low", &values[SIM_LOW]);
        put_decimal(&json, "close", &values[SIM_CLOSE]);
        put_decimal(&json, "volume", &values[SIM_VOLUME]);
        put_decimal(&json, "turnover", &values[SIM_TURNOVER]);
        json_write_member_bool(&json, "is_confirmed", values[SIM_CONFIRM].n != 0);
    } else {
        json_write_member_text(&json, "side", values[SIM_SIDE].text);
        put_decimal(&json, "price", &values[SIM_PRICE]);
        put_decimal(&json, "size", &values[SIM_SIZE]);
        /* Frames have this time in whole milliseconds. */
        int64_t ns = values[SIM_TRADE_TIME].n;
        json_write_member_i64(&json, "exchange_ns", ns - ns % (int64_t)TD_NS_PER_MS);
    }
    json_write_object_end(&json);
    end_line(t, &json);
}

void truth_put_fault(truth *t, const truth_subject *about, uint64_t n, const char *what)
{
    json_writer json;
    if (t == NULL)
        return;
    begin_line(t, &json, "fault", about->path);
    json_write_member_text(&json, "conn", NULL); /* faults here concern all connections */
    json_write_member_u64(&json, "n", n);
    json_write_member_text(&json, "what", what);
    put_topic(&json, about);
    end_line(t, &json);
}

td_result truth_flush(truth *t, td_err *err)
{
    if (t == NULL || t->lines.size == 0)
        return TD_OK;
    td_result rc = td_io_append(t->file, t->lines.data, t->lines.size, err);
    td_buf_clear(&t->lines);
    return rc == TD_OK ? rc : td_err_add(err, rc, "truth file");
}

static void put_level_line(td_buf *text, const char *side, const instrument *traded,
                           const market_level *level)
{
    char price[TD_DECIMAL_TEXT_BYTES];
    char size[TD_DECIMAL_TEXT_BYTES];
    (void)td_decimal_format((td_decimal){level->price, traded->price_places}, price);
    (void)td_decimal_format((td_decimal){level->size, traded->size_places}, size);
    td_result rc =
        td_buf_printf(text, NULL, "%s%s %s %s", text->size > 0 ? "\n" : "", side, price, size);
    TD_ASSERT(rc == TD_OK);
}

void truth_levels_sha1(const instrument *traded, const book_window *shown,
                       char out[TD_SHA1_HEX_BYTES])
{
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    const market_level *bids = window_side(shown, MARKET_BUY);
    const market_level *asks = window_side(shown, MARKET_SELL);
    for (size_t i = shown->counts[MARKET_BUY]; i-- > 0;)
        put_level_line(&text, "Buy", traded, &bids[i]);
    for (size_t i = 0; i < shown->counts[MARKET_SELL]; i++)
        put_level_line(&text, "Sell", traded, &asks[i]);
    td_sha1_hex(text.data, text.size, out);
    td_buf_fini(&text);
}
