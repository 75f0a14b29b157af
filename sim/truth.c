#include "sim/truth.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "schema/json_write.h"
#include "sim/text_out.h"

enum {
    BUFFER_BYTES_MAX = 64 << 20, /* some 300,000 lines between two flushes */
    LEVEL_LINE_BYTES = 64,       /* "Sell", a price and a size of 19 digits each */
    DEPTH_MAX = 256,
};

struct truth {
    td_file *file;
    td_buf lines;
};

td_result truth_open(td_io io, const char *path, truth **out, td_err *err)
{
    truth *t = td_alloc_zero(1, sizeof *t);
    if (t == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a truth file");
    td_buf_init(&t->lines, BUFFER_BYTES_MAX);
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

/* End a line: the object's closing bracket, and LF. */
static td_result end_line(truth *t, json_writer *json, td_err *err)
{
    json_write_object_end(json);
    td_result rc = json_write_end(json, err);
    if (rc == TD_OK)
        rc = td_buf_append(&t->lines, "\n", 1, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "truth file");
}

static void begin_line(truth *t, json_writer *json, const char *kind, const char *path)
{
    json_write_begin(json, &t->lines);
    json_write_object_begin(json);
    json_write_member_text(json, "t", kind);
    json_write_member_text(json, "path", path);
}

td_result truth_put_frame(truth *t, const truth_frame *frame, td_err *err)
{
    json_writer json;
    char hash[24];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64,
                   td_xxh64(frame->bytes.data, frame->bytes.size)); /* 16 digits fit */
    begin_line(t, &json, "frame", frame->path);
    json_write_member_u64(&json, "conn", frame->conn);
    json_write_member_u64(&json, "n", frame->n);
    json_write_member_text(&json, "topic", frame->topic);
    json_write_member_text(&json, "symbol", frame->symbol);
    json_write_member_u64(&json, "bytes", frame->bytes.size);
    json_write_member_text(&json, "xxh64", hash);
    json_write_member_u64(&json, "ts_ns", frame->ts_ns);
    return end_line(t, &json, err);
}

td_result truth_put_book(truth *t, const char *path, const char *topic, const char *symbol,
                         int64_t seq, const instrument *traded, const market *m, uint32_t depth,
                         td_err *err)
{
    json_writer json;
    char sha1[TD_SHA1_HEX_BYTES];
    td_result rc = truth_levels_sha1(traded, m, depth, sha1, err);
    if (rc != TD_OK)
        return rc;
    begin_line(t, &json, "book", path);
    json_write_member_text(&json, "topic", topic);
    json_write_member_text(&json, "symbol", symbol);
    json_write_member_i64(&json, "seq", seq);
    json_write_member_text(&json, "levels_sha1", sha1);
    return end_line(t, &json, err);
}

td_result truth_put_fault(truth *t, const char *path, uint64_t conn, uint64_t n, const char *what,
                          td_err *err)
{
    json_writer json;
    begin_line(t, &json, "fault", path);
    if (conn > 0)
        json_write_member_u64(&json, "conn", conn);
    else
        json_write_member_null(&json, "conn");
    json_write_member_u64(&json, "n", n);
    json_write_member_text(&json, "what", what);
    return end_line(t, &json, err);
}

td_result truth_flush(truth *t, td_err *err)
{
    if (t->lines.size == 0)
        return TD_OK;
    td_result rc = td_io_append(t->file, t->lines.data, t->lines.size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "truth file");
    td_buf_clear(&t->lines);
    return TD_OK;
}

static void put_level_line(text_out *text, const char *side, const instrument *traded,
                           market_level level)
{
    if (text->size > 0)
        text_puts(text, "\n");
    text_puts(text, side);
    text_put_shortest(text, level.price * traded->tick, traded->price_places);
    text_puts(text, " ");
    text_put_shortest(text, level.size, traded->size_places);
}

td_result truth_levels_sha1(const instrument *traded, const market *m, uint32_t depth,
                            char out[TD_SHA1_HEX_BYTES], td_err *err)
{
    char lines[2 * DEPTH_MAX * LEVEL_LINE_BYTES];
    text_out text = {.data = lines, .capacity = sizeof lines};
    TD_ASSERT(depth <= DEPTH_MAX);
    size_t bids = market_level_count(m, MARKET_BUY);
    size_t asks = market_level_count(m, MARKET_SELL);
    for (size_t i = bids < depth ? bids : depth; i-- > 0;)
        put_level_line(&text, "Buy ", traded, market_level_at(m, MARKET_BUY, i));
    for (size_t i = 0; i < asks && i < depth; i++)
        put_level_line(&text, "Sell ", traded, market_level_at(m, MARKET_SELL, i));
    return td_sha1_hex(text.data, text.size, out, err);
}
