#include "regress/book_after.h"

#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/json/json_write.h"
#include "replay/play/stream.h"
#include "tape/selection.h"

typedef struct book_search {
    const regress_stream *of;
    char *text;
} book_search;

static void write_side(json_writer *json, const char *name, const book *b, msg_side side)
{
    book_level level;
    json_write_member_array_begin(json, name);
    for (size_t i = 0; book_level_at(b, side, i, &level); i++) {
        json_write_object_begin(json);
        json_write_member_decimal(json, "price", level.price);
        json_write_member_decimal(json, "size", level.size);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static char *write_book(const book *b)
{
    td_buf out;
    json_writer json;
    td_buf_init(&out, LIMIT_REGRESS_FRAME_BYTES * 4);
    json_write_begin(&json, &out);
    json_write_object_begin(&json);
    write_side(&json, "bids", b, SIDE_BUY);
    write_side(&json, "asks", b, SIDE_SELL);
    json_write_object_end(&json);
    td_result rc = json_write_end(&json, NULL);
    char *text = rc == TD_OK ? td_strndup((const char *)out.data, out.size) : NULL;
    td_buf_fini(&out);
    return text;
}

static td_result look(void *ctx, const stream *of, void **state, const applied_frame *seen,
                      td_err *err)
{
    book_search *search = ctx;
    const frame_ref *frame = seen->frame;
    const regress_difference *first = &search->of->first;
    const frame_conn *conn = frame_own_conn(frame);
    (void)state;
    (void)err;
    if (of->dir != CHANNEL_IN || frame->ordinal != first->ordinal || conn->number != first->conn ||
        conn->line != first->line || conn->shard != first->shard ||
        strcmp(conn->session_id, first->session_id) != 0)
        return TD_OK;
    const book *after = regress_book(seen);
    if (after != NULL)
        search->text = write_book(after);
    return TD_EOF;
}

td_result regress_book_after(const regress_options *options, const regress_stream *of, char **out,
                             td_err *err)
{
    static const observer_ops LOOK = {.name = "regress", .frame = look, .is_ordered = 1};
    *out = NULL;
    if (!of->first.has_frame || !of->first.has_book)
        return TD_OK;
    observe_options how = *options->how;
    how.threads = 1;
    selection wanted = *options->wanted;
    char symbol[SELECTION_GLOB_BYTES];
    const char *const symbols[] = {symbol};
    selection_glob_of(of->names.symbol, symbol);
    /* Names of feeds and of topics with a book need no escapes. */
    wanted.feeds = (selection_globs){&of->names.feed, 1};
    wanted.topics = (selection_globs){&of->names.topic, 1};
    wanted.symbols = (selection_globs){symbols, symbol[0] != '\0'};
    selection_window window = selection_resolve(&wanted, 0);
    window.to_ns = of->first.recv_ns + 1;
    selection_set_window(&wanted, window);
    book_search search = {.of = of};
    cursor_stats stats;
    td_result rc = observe_tape(&how, &wanted, regress_reading(options->decoder),
                                (observer){&LOOK, &search, NULL}, &stats, NULL, err);
    *out = search.text;
    return rc;
}
