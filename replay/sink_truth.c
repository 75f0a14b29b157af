#include "replay/sink_truth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "book/follower.h"
#include "replay/truth_content.h"
#include "replay/truth_match.h"
#include "replay/truth_table.h"

/* A recorded connection, and which of the exchange's it is. */
typedef struct recorded_conn {
    const char *feed;
    uint32_t line, shard, session, conn;
    truth_match *match;
} recorded_conn;

/* A stream's books, by place. */
typedef struct checked_stream {
    follower *books;
    size_t count;
} checked_stream;

struct sink_truth {
    truth_table *table;
    truth_content *content;
    recorded_conn *conns;
    size_t conn_count;
    checked_stream *streams; /* by number */
    size_t stream_capacity;
    truth_result result;
};

td_result sink_truth_open(td_io io, const char *path, sink_truth **out, td_err *err)
{
    sink_truth *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to compare with the truth");
    td_result rc = truth_table_open(io, path, &self->table, err);
    if (rc == TD_OK)
        rc = truth_content_open(&self->content, err);
    if (rc != TD_OK) {
        sink_truth_close(self);
        return rc;
    }
    *out = self;
    return TD_OK;
}

void sink_truth_close(sink_truth *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->stream_capacity; i++) {
        for (size_t k = 0; k < self->streams[i].count; k++)
            follower_close(&self->streams[i].books[k]);
        td_free(self->streams[i].books);
    }
    for (size_t i = 0; i < self->conn_count; i++)
        truth_match_close(self->conns[i].match);
    td_free(self->streams);
    td_free(self->conns);
    truth_content_close(self->content);
    truth_table_close(self->table);
    td_free(self);
}

/* ---- frames ---- */

/* The first difference is reported; the others are counted. */
static void differs(sink_truth *self, const frame_ref *frame, const char *what)
{
    if (self->result.first[0] != '\0')
        return;
    snprintf(self->result.first, sizeof self->result.first,
             "%s: feed %s, %s, connection %" PRIu32 ", frame %" PRIu64, what,
             frame->channel->info.feed, frame->channel->info.exchange_topic, frame->conn->number,
             frame->ordinal);
}

static recorded_conn *find_conn(sink_truth *self, const frame_ref *frame)
{
    const channel_info *info = &frame->channel->info;
    for (size_t i = self->conn_count; i-- > 0;) {
        recorded_conn *conn = &self->conns[i];
        if (conn->session == frame->conn->session && conn->conn == frame->conn->number &&
            conn->line == info->line && conn->shard == info->shard &&
            strcmp(conn->feed, info->feed) == 0)
            return conn;
    }
    return NULL;
}

static td_result meet_conn(sink_truth *self, const frame_ref *frame, recorded_conn **out,
                           td_err *err)
{
    recorded_conn *conns = td_array_grow(self->conns, self->conn_count, sizeof *conns);
    if (conns == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu connections", self->conn_count + 1);
    self->conns = conns;
    truth_match *match = NULL;
    td_result rc = truth_match_open(self->table, frame->channel->family, &match, err);
    if (rc != TD_OK)
        return rc;
    const channel_info *info = &frame->channel->info;
    *out = &self->conns[self->conn_count++];
    **out = (recorded_conn){.feed = info->feed,
                            .line = info->line,
                            .shard = info->shard,
                            .session = frame->conn->session,
                            .conn = frame->conn->number,
                            .match = match};
    return TD_OK;
}

static void compare_frame(sink_truth *self, recorded_conn *conn, const frame_ref *frame,
                          uint64_t xxh64)
{
    switch (truth_match_take(conn->match, frame->ordinal, xxh64)) {
    case TRUTH_FITS:
        break;
    case TRUTH_MISSED:
        differs(self, frame, "a frame before this one was sent and is not recorded");
        break;
    case TRUTH_NOT_SENT:
        differs(self, frame, "this frame was recorded and was not sent so");
        break;
    }
}

/* ---- books ---- */

static td_result get_stream(sink_truth *self, uint32_t number, checked_stream **out, td_err *err)
{
    TD_ASSERT(number != FRAME_NO_STREAM);
    checked_stream *streams =
        td_array_reach(self->streams, &self->stream_capacity, number, sizeof *streams);
    if (streams == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %u streams", number + 1);
    self->streams = streams;
    *out = &self->streams[number];
    return TD_OK;
}

/* The book of the frame's connection; a new one begins with its own snapshot. */
static td_result find_book(sink_truth *self, const frame_ref *frame, follower **out, td_err *err)
{
    checked_stream *stream = NULL;
    td_result rc = get_stream(self, frame->channel->stream, &stream, err);
    if (rc != TD_OK)
        return rc;
    follower *books = td_array_reach(stream->books, &stream->count, frame->place, sizeof *books);
    if (books == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for a book");
    stream->books = books;
    *out = &books[frame->place];
    const follower_conn from = {frame->conn->session, frame->channel->info.shard,
                                frame->conn->number};
    (void)follower_meet(*out, &from, frame->row); /* the book restarts by itself */
    return TD_OK;
}

/* Only frames for which the truth has a mark: one in a hundred. */
static td_result compare_book(sink_truth *self, const frame_ref *frame, uint64_t xxh64,
                              const message *decoded, td_err *err)
{
    follower *held = NULL;
    verdict found;
    char sha1[TD_SHA1_HEX_BYTES];
    td_result rc = find_book(self, frame, &held, err);
    if (rc != TD_OK)
        return rc;
    follower_take(held, decoded, &found);
    const char *expected = truth_table_mark(self->table, frame->channel->family, xxh64);
    if (expected == NULL || track_book(held->track) == NULL)
        return TD_OK;
    rc = book_levels_sha1(track_book(held->track), sha1, err);
    if (rc != TD_OK)
        return rc;
    self->result.marks++;
    if (strcmp(sha1, expected) == 0)
        self->result.marks_equal++;
    else
        differs(self, frame, "the book after this frame is not the exchange's");
    return TD_OK;
}

/* ---- entries ---- */

/* A frame that was recorded over several connections counts once. */
static td_result compare_items(sink_truth *self, const frame_ref *frame, truth_item *items,
                               size_t count, const message *decoded, td_err *err)
{
    td_result rc = truth_content_take(self->content, decoded, err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        int is_equal = 0;
        if (items[i].is_seen)
            continue;
        items[i].is_seen = 1;
        rc = truth_content_compare(self->content, items[i].index,
                                   truth_item_values(self->table, &items[i]), &is_equal, err);
        self->result.items[items[i].kind]++;
        self->result.items_equal[items[i].kind] += is_equal != 0;
        if (!is_equal)
            differs(self, frame, "the decoded content of this frame is not what the exchange sent");
    }
    return rc;
}

/* The items of a frame that could not be decoded. */
static void miss_items(sink_truth *self, const frame_ref *frame, truth_item *items, size_t count)
{
    if (count > 0)
        differs(self, frame, "the content of this frame cannot be decoded");
    for (size_t i = 0; i < count; i++) {
        self->result.items[items[i].kind] += !items[i].is_seen;
        items[i].is_seen = 1;
    }
}

static td_result compare_content(sink_truth *self, const frame_ref *frame, uint64_t xxh64,
                                 td_err *err)
{
    int is_book = frame->row != NULL && frame->row->type == MSG_BOOK_CHANGE;
    const message *decoded = frame->content.message;
    size_t count = 0;
    truth_item *items = truth_table_items(self->table, xxh64, &count);
    if (decoded == NULL) {
        miss_items(self, frame, items, count);
        return TD_OK;
    }
    td_result rc = is_book ? compare_book(self, frame, xxh64, decoded, err) : TD_OK;
    if (rc == TD_OK && count > 0)
        rc = compare_items(self, frame, items, count, decoded, err);
    return rc;
}

/* ---- the sink ---- */

static td_result take_frame(void *ctx, const frame_ref *frame, uint64_t deadline_ns, td_err *err)
{
    sink_truth *self = ctx;
    (void)deadline_ns;
    /* Topics that this version has no row for were sent all the same. */
    if (!frame_role_is_of_topic(frame->channel->role))
        return TD_OK;
    uint64_t xxh64 = td_xxh64(frame->bytes.data, frame->bytes.size);
    recorded_conn *conn = find_conn(self, frame);
    if (conn == NULL) {
        td_result rc = meet_conn(self, frame, &conn, err);
        if (rc != TD_OK)
            return rc;
    }
    compare_frame(self, conn, frame, xxh64);
    return compare_content(self, frame, xxh64, err);
}

sink sink_truth_get(sink_truth *self)
{
    static const sink_ops OPS = {.name = "truth", .frame = take_frame, .wants_copies = 1};
    return (sink){&OPS, self};
}

void sink_truth_result(const sink_truth *self, truth_result *out)
{
    const truth_conn *conns;
    size_t count = truth_table_conns(self->table, &conns);
    *out = self->result;
    for (size_t i = 0; i < count; i++)
        out->frames += conns[i].entry_count;
    for (size_t i = 0; i < self->conn_count; i++) {
        truth_counts counts = truth_match_counts(self->conns[i].match);
        out->matched += counts.matched;
        out->missing += counts.missing;
        out->unexpected += counts.unexpected;
    }
    /* More than was sent is seen where one tape was recorded twice into this archive. */
    uint64_t seen = out->matched + out->missing;
    out->after_end = out->frames > seen ? out->frames - seen : 0;
    const truth_item *items = truth_table_all_items(self->table, &count);
    for (size_t i = 0; i < count; i++)
        out->items_away[items[i].kind] += !items[i].is_seen;
}
