/* Compares a recording with what a simulated exchange sent (the truth file of `tapedeck sim`,
 * docs/sim.md):
 *
 * compare [--json] ARCHIVE TRUTH
 *
 * Each recorded connection is matched with one of the exchange's; its data frames must be those
 * that were sent, in order and complete. After each frame for which the exchange noted its book,
 * the book must be the same. Trades and candles, as decoders read them, must have the values that
 * the exchange intended. Frames after the last recorded one of a connection were in flight when the
 * recorder stopped, or were lost in a crash: they are counted separately.
 *
 * Status 0: equal; 1: something differs, or nothing was compared; 4: the input cannot be read. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/archive.h"
#include "base/alloc.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/io_posix.h"
#include "book/book.h"
#include "book/symbol_state.h"
#include "base/json/json.h"
#include "base/json/json_write.h"
#include "schema/decode.h"
#include "schema/family.h"
#include "schema/message_json.h"
#include "tape/cursor.h"

#define TRUTH_BYTES_MAX ((size_t)1 << 30) /* about five million frames */

enum { STATUS_DIFFERS = 1, STATUS_FAILED = 4, TEXT_BYTES_MAX = 64 << 20 };

/* A data frame on a connection, as it was sent or recorded. */
typedef struct frame_mark {
    uint64_t n; /* ordinal on its connection, including control frames */
    uint64_t xxh64;
    const char *topic; /* of a recorded frame */
} frame_mark;

typedef struct frame_list {
    frame_mark *frames; /* in the order of n */
    size_t count;
} frame_list;

/* A connection of the exchange. */
typedef struct sent_conn {
    uint64_t conn;
    td_bytes path;
    frame_list list;
} sent_conn;

/* The exchange's book after the frame with this hash. */
typedef struct book_mark {
    uint64_t xxh64;
    size_t line; /* the last of several marks with one hash counts */
    td_bytes path, levels_sha1;
} book_mark;

typedef enum item_kind { ITEM_TRADE, ITEM_CANDLE, ITEM_KINDS } item_kind;

static const char *const KINDS[ITEM_KINDS] = {"trade", "candle"};
static const char *const KINDS_NAMES[ITEM_KINDS] = {"trades", "candles"};

/* The expected decoded values of an entry of the frame with this hash. */
typedef struct item {
    uint64_t xxh64;
    uint64_t index; /* of the entry */
    item_kind kind;
    uint8_t is_seen;
    td_bytes values; /* a JSON object: names of message members, and their values */
} item;

typedef struct truth {
    uint8_t *bytes; /* of the file; texts point into it */
    sent_conn *conns;
    size_t conn_count;
    book_mark *marks; /* in the order of hash and line */
    size_t mark_count;
    item *items; /* in the order of hash and index */
    size_t item_count;
} truth;

/* A recorded connection. */
typedef struct recorded_conn {
    const char *feed;
    const family *family;
    const frame_conn *conn;
    frame_list list;
    uint64_t fetched; /* snapshots among its frames that did not come over it */
} recorded_conn;

/* The books of a topic, for each of its connections. */
typedef struct checked_stream {
    symbol_state *state; /* NULL before the first frame */
    symbol_topic *topic;
} checked_stream;

typedef struct comparison {
    truth truth;
    json_parser *decoded_parser, *values_parser;
    td_buf text; /* a message as JSON */
    recorded_conn *conns;
    size_t conn_count;
    checked_stream *streams;
    size_t stream_capacity;
    uint64_t sent, matched, missing, unexpected, after_end;
    uint64_t marks, marks_equal;
    struct {
        uint64_t compared, equal, not_recorded;
    } items[ITEM_KINDS];
    char first[256]; /* the first difference; differences of frames take precedence */
} comparison;

/* Ends the program on an error. */
static void must(td_result rc, const td_err *err)
{
    if (rc == TD_OK)
        return;
    (void)fprintf(stderr, "compare: %s\n", err->text);
    exit(STATUS_FAILED);
}

/* ---- the truth file ---- */

static uint64_t hash_of(json_value line)
{
    td_bytes hex;
    td_err err;
    char *end = NULL;
    if (!json_find_text(line, "xxh64", &hex) || hex.size != 16)
        must(td_err_set(&err, TD_E_INVALID, "a line of the truth needs a hash of 16 digits"), &err);
    return strtoull((const char *)hex.data, &end, 16);
}

static void add_frame(truth *t, json_value line)
{
    td_err err;
    sent_conn *conn = NULL;
    sent_conn sent = {.conn = 0};
    frame_mark frame = {.xxh64 = hash_of(line)};
    if (!json_find_text(line, "path", &sent.path) || !json_find_u64(line, "conn", &sent.conn) ||
        !json_find_u64(line, "n", &frame.n))
        must(td_err_set(&err, TD_E_INVALID, "a frame needs path, conn and n"), &err);
    for (size_t i = t->conn_count; conn == NULL && i-- > 0;)
        conn = t->conns[i].conn == sent.conn ? &t->conns[i] : NULL;
    if (conn == NULL) {
        t->conns = td_array_grow(t->conns, t->conn_count, sizeof *t->conns);
        conn = &t->conns[t->conn_count++];
        *conn = sent;
    }
    conn->list.frames =
        td_array_grow(conn->list.frames, conn->list.count, sizeof *conn->list.frames);
    conn->list.frames[conn->list.count++] = frame;
}

static void add_mark(truth *t, json_value line)
{
    td_err err;
    book_mark mark = {.xxh64 = hash_of(line), .line = t->mark_count};
    if (!json_find_text(line, "path", &mark.path) ||
        !json_find_text(line, "levels_sha1", &mark.levels_sha1))
        must(td_err_set(&err, TD_E_INVALID, "a book needs path and levels_sha1"), &err);
    t->marks = td_array_grow(t->marks, t->mark_count, sizeof *t->marks);
    t->marks[t->mark_count++] = mark;
}

static void add_item(truth *t, item_kind kind, json_value line)
{
    td_err err;
    json_value values = {0};
    item added = {.kind = kind, .xxh64 = hash_of(line)};
    if (!json_find_u64(line, "item", &added.index) || !json_find(line, "values", &values))
        must(td_err_set(&err, TD_E_INVALID, "a %s needs item and values", KINDS[kind]), &err);
    added.values = json_raw(values);
    t->items = td_array_grow(t->items, t->item_count, sizeof *t->items);
    t->items[t->item_count++] = added;
}

static int compare_u64(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int compare_marks(const void *left, const void *right)
{
    const book_mark *a = left, *b = right;
    return a->xxh64 != b->xxh64 ? compare_u64(a->xxh64, b->xxh64) : compare_u64(a->line, b->line);
}

static int compare_items(const void *left, const void *right)
{
    const item *a = left, *b = right;
    return a->xxh64 != b->xxh64 ? compare_u64(a->xxh64, b->xxh64) : compare_u64(a->index, b->index);
}

/* Sorts the marks. Frames without a time can be sent twice with the same bytes; their items are
 * equal. */
static void sort_truth(truth *t)
{
    size_t kept = 0;
    if (t->mark_count > 0)
        qsort(t->marks, t->mark_count, sizeof *t->marks, compare_marks);
    if (t->item_count > 0)
        qsort(t->items, t->item_count, sizeof *t->items, compare_items);
    for (size_t i = 0; i < t->item_count; i++)
        if (kept == 0 || compare_items(&t->items[kept - 1], &t->items[i]) != 0)
            t->items[kept++] = t->items[i];
    t->item_count = kept;
}

static void read_truth(truth *t, const char *path)
{
    td_err err;
    size_t size = 0;
    uint8_t *bytes = NULL;
    must(td_io_read_file(io_posix(), path, TRUTH_BYTES_MAX, &bytes, &size, &err), &err);
    t->bytes = td_realloc(bytes, size + JSON_PADDING_BYTES, 1);
    json_parser *parser = json_parser_open(0);
    /* A last line without its end was being written when the exchange was killed. */
    uint8_t *at = t->bytes, *end;
    while ((end = memchr(at, '\n', size - (size_t)(at - t->bytes))) != NULL) {
        json_value line;
        td_bytes kind = {0};
        must(json_parse(parser, td_bytes_of(at, (size_t)(end - at)), JSON_PADDED, &line, &err),
             &err);
        (void)json_find_text(line, "t", &kind);
        if (td_bytes_is(kind, "frame"))
            add_frame(t, line);
        else if (td_bytes_is(kind, "book"))
            add_mark(t, line);
        for (int i = 0; i < ITEM_KINDS; i++)
            if (td_bytes_is(kind, KINDS[i]))
                add_item(t, (item_kind)i, line);
        at = end + 1;
    }
    json_parser_close(parser);
    sort_truth(t);
}

static int has_path(const family *of, td_bytes path)
{
    unsigned accesses;
    return of != NULL && family_find_path(of, path, &accesses) != NULL;
}

/* The first of count rows whose hash is not less; each row begins with its hash. */
static size_t find_hash(const void *rows, size_t count, size_t size, uint64_t xxh64)
{
    size_t low = 0;
    while (count > 0) {
        uint64_t found;
        memcpy(&found, (const char *)rows + (low + count / 2) * size, sizeof found);
        low += found < xxh64 ? count / 2 + 1 : 0;
        count = found < xxh64 ? count - count / 2 - 1 : count / 2;
    }
    return low;
}

/* ---- frames ---- */

/* Records the first difference; differences of frames are found later than those of books, but
 * explain them. */
static void differs(comparison *c, const char *what, const recorded_conn *conn,
                    const frame_mark *frame)
{
    (void)snprintf(c->first, sizeof c->first,
                   "%s: feed %s, %s, connection %" PRIu32 ", frame %" PRIu64, what, conn->feed,
                   frame->topic, conn->conn->number, frame->n);
}

static recorded_conn *conn_of(comparison *c, const frame_ref *frame)
{
    for (size_t i = c->conn_count; i-- > 0;)
        if (c->conns[i].conn == frame->conn)
            return &c->conns[i];
    c->conns = td_array_grow(c->conns, c->conn_count, sizeof *c->conns);
    recorded_conn *conn = &c->conns[c->conn_count++];
    *conn = (recorded_conn){
        .feed = frame->channel->info.feed, .family = frame->channel->family, .conn = frame->conn};
    return conn;
}

/* The result of matching a recorded connection with one of the exchange's. */
typedef struct match {
    uint64_t matched, missing, unexpected;
    const frame_mark *first; /* first recorded one that differs or follows a missing one */
    const char *what;
} match;

/* Both lists are in the order of ordinals, so a missing frame is noticed at the next recorded one.
 */
static match match_with(const frame_list *recorded, const frame_list *sent)
{
    match m = {.matched = 0};
    size_t next = 0;
    for (size_t i = 0; i < recorded->count; i++) {
        const frame_mark *frame = &recorded->frames[i];
        const char *what = NULL;
        for (; next < sent->count && sent->frames[next].n < frame->n; next++) {
            what = "a frame before this one was sent and is not recorded";
            m.missing++;
        }
        int is_sent = next < sent->count && sent->frames[next].n == frame->n;
        if (is_sent && sent->frames[next].xxh64 == frame->xxh64) {
            m.matched++;
        } else {
            what = "this frame was recorded and was not sent so";
            m.unexpected++;
        }
        next += is_sent != 0;
        if (m.first == NULL && what != NULL) {
            m.first = frame;
            m.what = what;
        }
    }
    return m;
}

/* Connections with the same subscriptions begin alike: choose the one with the fewest unexpected
 * frames, and among equals the one with the fewest missing frames. */
static void match_conn(comparison *c, const recorded_conn *conn)
{
    static const frame_list NOTHING = {.count = 0};
    match best = match_with(&conn->list, &NOTHING);
    for (size_t i = 0; i < c->truth.conn_count; i++) {
        if (!has_path(conn->family, c->truth.conns[i].path))
            continue;
        match m = match_with(&conn->list, &c->truth.conns[i].list);
        if (m.unexpected < best.unexpected ||
            (m.unexpected == best.unexpected && m.matched > 0 && m.missing < best.missing))
            best = m;
    }
    c->matched += best.matched;
    c->missing += best.missing;
    c->unexpected += best.unexpected;
    if (best.first != NULL)
        differs(c, best.what, conn, best.first);
}

static void match_conns(comparison *c)
{
    for (size_t i = c->conn_count; i-- > 0;)
        match_conn(c, &c->conns[i]);
    for (size_t i = 0; i < c->truth.conn_count; i++)
        c->sent += c->truth.conns[i].list.count;
    /* If one tape was recorded twice into an archive, there is more than was sent. */
    uint64_t seen = c->matched + c->missing;
    c->after_end = c->sent > seen ? c->sent - seen : 0;
}

/* ---- books ---- */

static symbol_topic *topic_of(comparison *c, const frame_ref *frame)
{
    uint32_t number = frame->channel->stream;
    c->streams = td_array_reach(c->streams, &c->stream_capacity, number, sizeof *c->streams);
    checked_stream *stream = &c->streams[number];
    if (stream->state == NULL) {
        stream->state = symbol_state_open(SYMBOL_WITHOUT_AUDITS);
        stream->topic = symbol_state_topic(stream->state, td_bytes_str(""), 0);
    }
    return stream->topic;
}

static void compare_book(comparison *c, const frame_ref *frame, const recorded_conn *conn,
                         const frame_mark *mark)
{
    symbol_verdict found;
    char sha1[TD_SHA1_HEX_BYTES];
    const truth *t = &c->truth;
    const book_mark *expected = NULL;
    symbol_topic_apply(topic_of(c, frame), frame, &found);
    for (size_t i = find_hash(t->marks, t->mark_count, sizeof *t->marks, mark->xxh64);
         i < t->mark_count && t->marks[i].xxh64 == mark->xxh64; i++)
        expected = &t->marks[i];
    if (expected == NULL || !has_path(conn->family, expected->path) ||
        track_book(found.track) == NULL ||
        (frame->row->snapshot_request != NULL && !track_has_snapshot(found.track)))
        return; /* no such book, or its snapshot is yet to be fetched */
    book_levels_sha1(track_book(found.track), sha1);
    c->marks++;
    if (td_bytes_is(expected->levels_sha1, sha1))
        c->marks_equal++;
    else if (c->first[0] == '\0')
        differs(c, "the book after this frame is not the exchange's", conn, mark);
}

/* ---- entries ---- */

/* The entries of a message: its list of trades or items. 0 without a list. */
static int entries_of(comparison *c, const message *decoded, json_value *out)
{
    static const char *const LISTS[] = {"trades", "items"};
    td_err err;
    json_writer writer;
    json_value root;
    td_buf_clear(&c->text);
    json_write_begin(&writer, &c->text);
    json_write_object_begin(&writer);
    message_json_entries(&writer, decoded);
    json_write_object_end(&writer);
    must(json_write_end(&writer, &err), &err);
    must(json_parse(c->decoded_parser, td_buf_view(&c->text), JSON_COPIED, &root, &err), &err);
    for (size_t i = 0; i < sizeof LISTS / sizeof LISTS[0]; i++)
        if (json_find(root, LISTS[i], out))
            return json_type_of(*out) == JSON_ARRAY;
    return 0;
}

/* 1 if an entry has the values, by the names in a message's JSON: the truth has one name per
 * member, whatever the families call it. Members that the message lacks are ignored. */
static int has_values(comparison *c, json_value entries, const item *wanted)
{
    td_err err;
    json_value entry, values, key, expected, found;
    json_iter iter = json_iter_of(entries);
    for (uint64_t i = 0; i <= wanted->index; i++)
        if (!json_next(&iter, NULL, &entry))
            return 0;
    size_t compared = 0;
    must(json_parse(c->values_parser, wanted->values, JSON_COPIED, &values, &err), &err);
    iter = json_iter_of(values);
    while (json_next(&iter, &key, &expected)) {
        td_bytes name;
        if (!json_text(key, &name) || !json_find_key(entry, name, &found) || json_is_null(found))
            continue;
        if (!td_bytes_equal(json_raw(expected), json_raw(found)))
            return 0;
        compared++;
    }
    return compared > 0;
}

/* A frame recorded over several connections counts once. */
static void compare_entries(comparison *c, const frame_ref *frame, const recorded_conn *conn,
                            const frame_mark *mark)
{
    truth *t = &c->truth;
    size_t i = find_hash(t->items, t->item_count, sizeof *t->items, mark->xxh64);
    if (i == t->item_count || t->items[i].xxh64 != mark->xxh64 || t->items[i].is_seen)
        return;
    json_value entries;
    const message *decoded = frame->content.message;
    int has_entries = decoded != NULL && entries_of(c, decoded, &entries);
    for (; i < t->item_count && t->items[i].xxh64 == mark->xxh64; i++) {
        item *wanted = &t->items[i];
        wanted->is_seen = 1;
        c->items[wanted->kind].compared++;
        if (has_entries && has_values(c, entries, wanted))
            c->items[wanted->kind].equal++;
        else if (c->first[0] == '\0')
            differs(c, "the content of this frame is not decoded to what the exchange sent", conn,
                    mark);
    }
}

/* ---- everything ---- */

static void add_recorded(comparison *c, const frame_ref *frame)
{
    /* Topics without a row in this version were sent nevertheless. */
    if (!frame_role_is_of_topic(frame->channel->role))
        return;
    recorded_conn *conn = conn_of(c, frame);
    int is_fetched = (frame->channel->info.form & FORM_FETCHED) != 0;
    conn->fetched += (uint64_t)is_fetched;
    const frame_mark mark = {.n = frame->ordinal - conn->fetched,
                             .xxh64 = td_xxh64(frame->bytes.data, frame->bytes.size),
                             .topic = frame->channel->info.exchange_topic};
    frame_list *list = &conn->list;
    if (!is_fetched) {
        list->frames = td_array_grow(list->frames, list->count, sizeof *list->frames);
        list->frames[list->count++] = mark;
    }
    if (frame->row != NULL && frame->row->type == MSG_BOOK_CHANGE && frame->content.message != NULL)
        compare_book(c, frame, conn, &mark);
    compare_entries(c, frame, conn, &mark);
}

/* Reads the archive. Names of channels are valid until the tape is closed, so the frames are
 * matched before. */
static void read_archive(comparison *c, const char *path)
{
    static const selection EVERYTHING = {.has_from = 0};
    const cursor_options reading = {.reads = TAPE_READS_ALL};
    const archive_options opening = {.io = io_posix(), .clock = clock_real()};
    archive *from = NULL;
    cursor *t = NULL;
    const frame_ref *frame;
    cursor_stats stats;
    td_err err;
    must(archive_open(&opening, path, ARCHIVE_READ, &from, &err), &err);
    must(cursor_open(from, &EVERYTHING, &reading, &t, &err), &err);
    td_result rc;
    while ((rc = cursor_next(t, &frame, &err)) == TD_OK)
        add_recorded(c, frame);
    must(rc == TD_EOF ? TD_OK : rc, &err);
    cursor_get_stats(t, &stats);
    if (cursor_is_damaged(&stats))
        must(td_err_set(&err, TD_E_CORRUPT, "%s is damaged: see tapedeck verify", path), &err);
    match_conns(c);
    cursor_close(t);
    archive_close(from);
}

static int is_equal(const comparison *c)
{
    return c->first[0] == '\0' && c->matched > 0;
}

static void print_json(const comparison *c)
{
    printf("{\"equal\":%s,\"frames\":%" PRIu64 ",\"matched\":%" PRIu64 ",\"missing\":%" PRIu64
           ",\"unexpected\":%" PRIu64 ",\"after_end\":%" PRIu64 ",\"marks\":%" PRIu64
           ",\"marks_equal\":%" PRIu64,
           is_equal(c) ? "true" : "false", c->sent, c->matched, c->missing, c->unexpected,
           c->after_end, c->marks, c->marks_equal);
    for (int i = 0; i < ITEM_KINDS; i++)
        printf(",\"%s\":{\"compared\":%" PRIu64 ",\"equal\":%" PRIu64 ",\"not_recorded\":%" PRIu64
               "}",
               KINDS_NAMES[i], c->items[i].compared, c->items[i].equal, c->items[i].not_recorded);
    printf(",\"first\":\"%s\"}\n", c->first); /* only names and numbers: no escapes needed */
}

static void print_text(const comparison *c)
{
    printf("Against the exchange's own account: %s.\n"
           "  frames    %" PRIu64 " data frames sent, %" PRIu64 " recorded as sent, %" PRIu64
           " missing, %" PRIu64 " that were never sent,\n"
           "            %" PRIu64 " in flight when the recorder stopped\n"
           "  books     %" PRIu64 " of %" PRIu64 " marks agree\n",
           is_equal(c) ? "equal" : "DIFFERENT", c->sent, c->matched, c->missing, c->unexpected,
           c->after_end, c->marks_equal, c->marks);
    for (int i = 0; i < ITEM_KINDS; i++)
        if (c->items[i].compared + c->items[i].not_recorded > 0)
            printf("  %-9s %" PRIu64 " of %" PRIu64 " agree, %" PRIu64
                   " in frames that are not here\n",
                   KINDS_NAMES[i], c->items[i].equal, c->items[i].compared,
                   c->items[i].not_recorded);
    if (c->first[0] != '\0')
        printf("  first     %s\n", c->first);
}

int main(int argc, char **argv)
{
    int is_json = argc == 4 && strcmp(argv[1], "--json") == 0;
    if (argc != 3 + is_json) {
        (void)fprintf(stderr, "usage: compare [--json] ARCHIVE TRUTH\n");
        return STATUS_FAILED;
    }
    static comparison c; /* not freed before the end */
    c.decoded_parser = json_parser_open(0);
    c.values_parser = json_parser_open(0);
    td_buf_init(&c.text, TEXT_BYTES_MAX);
    read_truth(&c.truth, argv[2 + is_json]);
    read_archive(&c, argv[1 + is_json]);
    for (size_t i = 0; i < c.truth.item_count; i++)
        c.items[c.truth.items[i].kind].not_recorded += !c.truth.items[i].is_seen;
    if (is_json)
        print_json(&c);
    else
        print_text(&c);
    return is_equal(&c) ? 0 : STATUS_DIFFERS;
}
