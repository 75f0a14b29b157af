#include "sim/truth.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "json/json_write.h"
#include "sim/text_out.h"

enum {
    BUFFER_BYTES_MAX = 64 << 20, /* some 300,000 lines between two flushes */
    LEVEL_LINE_BYTES = 64,       /* "Sell", a price and a size of 19 digits each */
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
    TD_ASSERT(kind != NULL && path != NULL);
    json_write_begin(json, &t->lines);
    json_write_object_begin(json);
    json_write_member_text(json, "t", kind);
    json_write_member_text(json, "path", path);
}

static void put_hash(json_writer *json, td_bytes frame)
{
    char hash[24];
    (void)snprintf(hash, sizeof hash, "%016" PRIx64,
                   td_xxh64(frame.data, frame.size)); /* 16 digits fit */
    json_write_member_text(json, "xxh64", hash);
}

td_result truth_put_frame(truth *t, const truth_frame *frame, td_err *err)
{
    json_writer json;
    TD_ASSERT(frame->conn > 0 && frame->n > 0); /* both count from 1 */
    begin_line(t, &json, "frame", frame->path);
    json_write_member_u64(&json, "conn", frame->conn);
    json_write_member_u64(&json, "n", frame->n);
    json_write_member_text(&json, "topic", frame->topic);
    json_write_member_text(&json, "symbol", frame->symbol);
    json_write_member_u64(&json, "bytes", frame->bytes.size);
    put_hash(&json, frame->bytes);
    json_write_member_u64(&json, "ts_ns", frame->ts_ns);
    return end_line(t, &json, err);
}

td_result truth_put_book(truth *t, const truth_book *book, td_err *err)
{
    json_writer json;
    char sha1[TD_SHA1_HEX_BYTES];
    td_result rc = truth_levels_sha1(book->traded, book->shown, sha1, err);
    if (rc != TD_OK)
        return rc;
    begin_line(t, &json, "book", book->path);
    json_write_member_text(&json, "topic", book->topic);
    json_write_member_text(&json, "symbol", book->symbol);
    json_write_member_i64(&json, "seq", book->seq);
    json_write_member_i64(&json, "u", book->u);
    put_hash(&json, book->frame);
    json_write_member_text(&json, "levels_sha1", sha1);
    return end_line(t, &json, err);
}

static void put_value(json_writer *json, const truth_value *value)
{
    char digits[64];
    text_out text = {.data = digits, .capacity = sizeof digits};
    int64_t n = value->value.n;
    json_write_key(json, value->name);
    switch (value->form) {
    case TRUTH_TEXT:
        json_write_text(json, value->value.text);
        break;
    case TRUTH_DECIMAL:
        text_puts(&text, n < 0 ? "-" : "");
        text_put_shortest(&text, n < 0 ? -n : n, value->value.places);
        json_write_bytes(json, td_bytes_of(text.data, text.size));
        break;
    case TRUTH_WHOLE:
        json_write_i64(json, n);
        break;
    case TRUTH_BOOL:
        json_write_bool(json, n != 0);
        break;
    }
}

td_result truth_put_entry(truth *t, const truth_entry *entry, td_err *err)
{
    json_writer json;
    begin_line(t, &json, entry->kind, entry->path);
    json_write_member_text(&json, "topic", entry->topic);
    json_write_member_text(&json, "symbol", entry->symbol);
    put_hash(&json, entry->frame);
    json_write_member_u64(&json, "item", entry->index);
    json_write_key(&json, "values");
    json_write_object_begin(&json);
    for (size_t i = 0; i < entry->value_count; i++)
        put_value(&json, &entry->values[i]);
    json_write_object_end(&json);
    return end_line(t, &json, err);
}

td_result truth_put_fault(truth *t, const truth_fault *injected, td_err *err)
{
    json_writer json;
    begin_line(t, &json, "fault", injected->path);
    if (injected->conn > 0)
        json_write_member_u64(&json, "conn", injected->conn);
    else
        json_write_member_null(&json, "conn");
    json_write_member_u64(&json, "n", injected->n);
    json_write_member_text(&json, "what", injected->what);
    json_write_member_text(&json, "topic", injected->topic);
    json_write_member_text(&json, "symbol", injected->symbol);
    return end_line(t, &json, err);
}

td_result truth_flush(truth *t, td_err *err)
{
    TD_ASSERT(t->file != NULL);
    if (t->lines.size == 0)
        return TD_OK;
    td_result rc = td_io_append(t->file, t->lines.data, t->lines.size, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "truth file");
    td_buf_clear(&t->lines);
    return TD_OK;
}

static void put_level_line(text_out *text, const char *side, const instrument *traded,
                           const window_level *level)
{
    if (text->size > 0)
        text_puts(text, "\n");
    text_puts(text, side);
    text_puts(text, level->price < 0 ? "-" : "");
    text_put_shortest(text, level->price < 0 ? -level->price : level->price, traded->price_places);
    text_puts(text, " ");
    text_put_shortest(text, level->size, traded->size_places);
}

td_result truth_levels_sha1(const instrument *traded, const book_window *shown,
                            char out[TD_SHA1_HEX_BYTES], td_err *err)
{
    char lines[2 * WINDOW_DEPTH_MAX * LEVEL_LINE_BYTES];
    text_out text = {.data = lines, .capacity = sizeof lines};
    TD_ASSERT(shown->counts[MARKET_BUY] <= WINDOW_DEPTH_MAX);
    TD_ASSERT(shown->counts[MARKET_SELL] <= WINDOW_DEPTH_MAX);
    const window_level *bids = window_side(shown, MARKET_BUY);
    const window_level *asks = window_side(shown, MARKET_SELL);
    for (size_t i = shown->counts[MARKET_BUY]; i-- > 0;)
        put_level_line(&text, "Buy ", traded, &bids[i]);
    for (size_t i = 0; i < shown->counts[MARKET_SELL]; i++)
        put_level_line(&text, "Sell ", traded, &asks[i]);
    return td_sha1_hex(text.data, text.size, out, err);
}
