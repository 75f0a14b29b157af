#include "archive/import_feed.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/url.h"
#include "capture/channel_router.h"
#include "format/archive_recover.h"
#include "format/chunk_builder.h"
#include "format/event.h"

enum {
    /* A chunk closes after this much of the capture's own time too, so that a slow one can be read
     * by time without unpacking an hour. */
    CHUNK_INTERVAL_S = 60,
    EVENT_BYTES_MAX = 1 << 20, /* 256 slots of a segment event have some 40 KiB */
    GAPS_PENDING_MAX = 64,     /* events of one chunk that are gaps; then it is sealed */
};

/* A slot's present connection. */
typedef struct feed_slot {
    uint32_t conn; /* 0: none yet */
    uint64_t in, out;
    uint64_t since_ns;
    uint64_t last_ns; /* of its last frame, or of its connect */
} feed_slot;

/* What the builder calls a channel of the router's. */
typedef struct feed_channel {
    chunk_channel channel;
    uint8_t is_known;
} feed_channel;

struct import_feed {
    import_feed_options options;
    size_t index; /* in the writer */
    channel_router *router;
    chunk_builder *builder;
    sealed_chunk *chunk;
    feed_channel *channels; /* by index of the router */
    size_t channel_capacity;
    td_buf event_text;
    event_slot event_slots[LIMIT_FEED_SLOTS];
    feed_slot slots[LIMIT_FEED_SLOTS];
    uint32_t slot_count;
    gap_row gaps[GAPS_PENDING_MAX]; /* of the pending chunk */
    size_t gap_count;
    size_t earlier_next; /* rows of the ledger before this one are seen to */
    uint32_t segment_number;
    import_feed_counts counts;
};

td_result import_feed_open(const import_feed_options *options, import_feed **out, td_err *err)
{
    import_feed *f = td_alloc_zero(1, sizeof *f);
    if (f == NULL)
        return td_err_set(err, TD_E_NOMEM, "feed %s: no memory", options->name);
    f->options = *options;
    td_buf_init(&f->event_text, EVENT_BYTES_MAX);
    const chunk_builder_options building = {.interval_ns = CHUNK_INTERVAL_S * TD_NS_PER_S};
    td_result rc = archive_writer_add_feed(options->writer, options->name, options->family->name,
                                           &f->index, NULL, err);
    if (rc == TD_OK)
        rc = channel_router_open(options->name, options->family, &f->router, err);
    if (rc == TD_OK)
        rc = chunk_builder_open(&building, &f->builder, err);
    if (rc == TD_OK && (f->chunk = sealed_chunk_open()) == NULL)
        rc = td_err_set(err, TD_E_NOMEM, "feed %s: no memory for a chunk", options->name);
    if (rc != TD_OK) {
        import_feed_close(f);
        return rc;
    }
    *out = f;
    return TD_OK;
}

void import_feed_close(import_feed *feed)
{
    if (feed == NULL)
        return;
    sealed_chunk_close(feed->chunk);
    chunk_builder_close(feed->builder);
    channel_router_close(feed->router);
    td_buf_fini(&feed->event_text);
    td_free(feed->channels);
    td_free(feed);
}

import_feed_counts import_feed_get_counts(const import_feed *feed)
{
    import_feed_counts counts = feed->counts;
    channel_router_stats stats;
    channel_router_get_stats(feed->router, &stats);
    counts.overflow = stats.overflow_frames;
    return counts;
}

/* ---- chunks ---- */

/* Seal what is pending and write it. */
static td_result write_chunk(import_feed *f, td_err *err)
{
    td_result rc = chunk_builder_seal(f->builder, f->chunk, err);
    if (rc == TD_EOF)
        return TD_OK;
    if (rc == TD_OK)
        rc = archive_writer_put(f->options.writer, f->index, f->chunk, f->gaps, f->gap_count, err);
    if (rc == TD_OK)
        rc = archive_writer_check_lock(f->options.writer, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "feed %s", f->options.name);
    f->gap_count = 0;
    return TD_OK;
}

/* Room for what is known about the router's channel of this index. */
static td_result reserve_channel(import_feed *f, uint32_t index, td_err *err)
{
    feed_channel *grown = td_array_reach(f->channels, &f->channel_capacity, index, sizeof *grown);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for channels");
    f->channels = grown;
    return TD_OK;
}

/* Append to the pending chunk. The builder is asked for the channel once in a segment. */
static td_result append(import_feed *f, const channel_route *route, chunk_frame *frame, td_err *err)
{
    td_result rc = reserve_channel(f, route->index, err);
    if (rc != TD_OK)
        return rc;
    feed_channel *known = &f->channels[route->index];
    if (known->is_known) {
        frame->channel = known->channel;
        rc = chunk_builder_append(f->builder, frame, err);
        if (rc != TD_E_NOTFOUND)
            return rc;
    }
    rc = chunk_builder_channel(f->builder, route->info, &known->channel, err);
    known->is_known = rc == TD_OK;
    if (rc != TD_OK)
        return rc;
    frame->channel = known->channel;
    return chunk_builder_append(f->builder, frame, err);
}

/* ---- events ---- */

/* Append an event as it is: neither seals nor looks for a new segment. */
static td_result append_event(import_feed *f, const event *what, uint64_t recv_ns, td_err *err)
{
    channel_route route;
    td_buf_clear(&f->event_text);
    td_result rc = event_encode(what, &f->event_text, err);
    if (rc == TD_OK)
        rc = channel_router_events(f->router, &route, err);
    if (rc != TD_OK)
        return rc;
    chunk_frame frame = {
        .recv_ns = recv_ns, .publish_ns = recv_ns, .bytes = td_buf_view(&f->event_text)};
    rc = append(f, &route, &frame, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "event %s", event_kind_name(what->kind));
}

/* A segment begins: its channels are new ones. Restate the open connections, and in the first
 * segment say who writes. */
static td_result begin_segment(import_feed *f, uint64_t recv_ns, td_err *err)
{
    channel_router_forget(f->router);
    if (f->channel_capacity > 0)
        memset(f->channels, 0, f->channel_capacity * sizeof *f->channels);
    size_t count = 0;
    for (uint32_t i = 0; i < f->slot_count; i++) {
        const feed_slot *slot = &f->slots[i];
        if (slot->conn > 0)
            f->event_slots[count++] = (event_slot){.shard = i,
                                                   .conn = slot->conn,
                                                   .in = slot->in,
                                                   .out = slot->out,
                                                   .since_ns = slot->since_ns};
    }
    event segment = {.kind = EVENT_SEGMENT,
                     .session = f->options.session,
                     .number = ++f->segment_number,
                     .slots = f->event_slots,
                     .slot_count = count};
    td_result rc = append_event(f, &segment, recv_ns, err);
    if (rc != TD_OK || f->segment_number > 1)
        return rc;
    event session = {.kind = EVENT_SESSION,
                     .state = "start",
                     .session = f->options.session,
                     .start_ns = f->options.start_ns,
                     .verb = "import",
                     .version = f->options.version};
    return append_event(f, &session, recv_ns, err);
}

/* Make the builder ready for a message of this time. */
static td_result make_room(import_feed *f, uint64_t recv_ns, td_err *err)
{
    td_result rc = TD_OK;
    if (chunk_builder_wants_seal(f->builder, recv_ns) || f->gap_count == GAPS_PENDING_MAX)
        rc = write_chunk(f, err);
    if (rc == TD_OK && chunk_builder_starts_segment(f->builder, recv_ns))
        rc = begin_segment(f, recv_ns, err);
    return rc;
}

static td_result put_event(import_feed *f, const event *what, uint64_t recv_ns, td_err *err)
{
    td_result rc = make_room(f, recv_ns, err);
    return rc == TD_OK ? append_event(f, what, recv_ns, err) : rc;
}

/* ---- connections ---- */

/* The slot's connection ended somewhere before recv_ns, where the next one begins. */
static td_result end_connection(import_feed *f, uint32_t shard, uint64_t recv_ns, td_err *err)
{
    const feed_slot *slot = &f->slots[shard];
    event ended = {.kind = EVENT_DISCONNECT,
                   .shard = shard,
                   .conn = slot->conn,
                   .in = slot->in,
                   .out = slot->out,
                   .cause = "the capture goes on with another connection"};
    td_result rc = put_event(f, &ended, recv_ns, err);
    if (rc != TD_OK)
        return rc;
    chunk_builder_note_closed(f->builder, 0, shard);
    gap_row gap = gap_row_of(GAP_DISCONNECT, f->options.name, slot->last_ns, recv_ns, ended.cause);
    gap.shard = shard;
    gap.conn = slot->conn;
    event told = {.kind = EVENT_GAP, .shard = shard, .conn = slot->conn, .gap = gap};
    rc = put_event(f, &told, recv_ns, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(f->gap_count < GAPS_PENDING_MAX);
    f->gaps[f->gap_count++] = gap;
    f->counts.gaps++;
    return TD_OK;
}

td_result import_feed_connect(import_feed *feed, uint32_t shard, uint32_t conn, uint64_t recv_ns,
                              const char *url, td_err *err)
{
    TD_ASSERT(shard < LIMIT_FEED_SLOTS);
    feed_slot *slot = &feed->slots[shard];
    TD_ASSERT(conn == slot->conn + 1);
    if (shard >= feed->slot_count)
        feed->slot_count = shard + 1;
    td_result rc = slot->conn > 0 ? end_connection(feed, shard, recv_ns, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    char plain_url[LIMIT_URL_BYTES];
    event began = {.kind = EVENT_CONNECT,
                   .shard = shard,
                   .conn = conn,
                   .url = td_url_shown_plain(url == NULL ? "" : url, plain_url, sizeof plain_url),
                   .attempt = 1};
    rc = put_event(feed, &began, recv_ns, err);
    if (rc == TD_OK)
        rc = chunk_builder_note_ordinals(feed->builder, 0, shard, conn, 0, 0, err);
    *slot = (feed_slot){.conn = conn, .since_ns = recv_ns, .last_ns = recv_ns};
    feed->counts.connections++;
    return rc;
}

/* ---- gaps of earlier sessions ---- */

static td_result close_gap(import_feed *f, const gap_row *open, uint64_t to_ns, td_err *err)
{
    event told = {.kind = EVENT_GAP,
                  .line = open->line,
                  .shard = open->shard,
                  .conn = open->conn,
                  .gap = *open};
    told.gap.to_ns = to_ns;
    td_result rc = put_event(f, &told, to_ns, err);
    if (rc != TD_OK)
        return rc;
    TD_ASSERT(f->gap_count < GAPS_PENDING_MAX);
    f->gaps[f->gap_count++] = told.gap;
    return TD_OK;
}

/* An import that was killed: both sides of its gap are there only now. What a recorder lacks ends
 * when its topics are granted again: a capture does not prove that it has them. Rows of a feed are
 * in order of their beginning. */
static td_result close_earlier(import_feed *f, uint64_t recv_ns, td_err *err)
{
    const gap_list *earlier = f->options.earlier;
    td_result rc = TD_OK;
    while (rc == TD_OK && f->earlier_next < earlier->count) {
        const gap_row *row = &earlier->rows[f->earlier_next];
        int is_open = row->to_ns == GAP_OPEN && strcmp(row->cause, RECOVER_CAUSE_IMPORT) == 0 &&
                      strcmp(row->feed, f->options.name) == 0;
        if (is_open && row->from_ns >= recv_ns)
            break;
        if (is_open)
            rc = close_gap(f, row, recv_ns, err);
        f->earlier_next++;
    }
    return rc;
}

/* ---- frames ---- */

static void count_frame(import_feed *f, const import_feed_frame *frame, const channel_route *route)
{
    import_feed_counts *counts = &f->counts;
    counts->in += frame->dir == DIR_IN;
    counts->out += frame->dir == DIR_OUT;
    counts->http += frame->dir == DIR_HTTP;
    counts->bytes += frame->bytes.size;
    if (frame->dir == DIR_IN) {
        counts->control += strcmp(route->info->topic, CHANNEL_TOPIC_CONTROL) == 0;
        counts->unknown += strcmp(route->info->topic, CHANNEL_TOPIC_UNKNOWN) == 0;
    }
    if (counts->first_ns == 0)
        counts->first_ns = frame->recv_ns;
    counts->last_ns = frame->recv_ns;
}

td_result import_feed_frame_put(import_feed *feed, const import_feed_frame *frame, td_err *err)
{
    TD_ASSERT(frame->shard < LIMIT_FEED_SLOTS);
    TD_ASSERT(frame->recv_ns > feed->counts.last_ns);
    feed_slot *slot = &feed->slots[frame->shard];
    int is_http = frame->dir == DIR_HTTP;
    TD_ASSERT(is_http || slot->conn > 0);
    td_result rc = close_earlier(feed, frame->recv_ns, err);
    if (rc == TD_OK)
        rc = make_room(feed, frame->recv_ns, err);
    if (rc != TD_OK)
        return rc;
    const router_frame routed = {.shard = frame->shard,
                                 .dir = frame->dir,
                                 .opcode = OPCODE_TEXT,
                                 .recv_ns = frame->recv_ns,
                                 .bytes = frame->bytes,
                                 .http_name = channel_router_http_name(frame->url)};
    channel_route route;
    rc = channel_router_route(feed->router, &routed, &route, err);
    if (rc != TD_OK)
        return rc;
    uint64_t *ordinal = frame->dir == DIR_IN ? &slot->in : &slot->out;
    chunk_frame queued = {.conn = is_http ? 0 : slot->conn,
                          .ordinal = is_http ? 0 : *ordinal + 1,
                          .recv_ns = frame->recv_ns,
                          .publish_ns = route.publish_ns,
                          .bytes = frame->bytes};
    rc = append(feed, &route, &queued, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "feed %s", feed->options.name);
    if (!is_http) {
        ++*ordinal;
        slot->last_ns = frame->recv_ns;
    }
    count_frame(feed, frame, &route);
    return TD_OK;
}

td_result import_feed_redacted(import_feed *feed, const import_feed_frame *frame,
                               const frame_redaction *hidden, td_err *err)
{
    const feed_slot *slot = &feed->slots[frame->shard];
    int is_http = frame->dir == DIR_HTTP;
    event told = {.kind = EVENT_REDACTED,
                  .shard = frame->shard,
                  .conn = is_http ? 0 : slot->conn,
                  .what = "frame",
                  .dir = is_http                ? "http"
                         : frame->dir == DIR_IN ? "in"
                                                : "out",
                  .ordinal = is_http                ? 0
                             : frame->dir == DIR_IN ? slot->in + 1
                                                    : slot->out + 1,
                  .state = redact_how_name(hidden->how),
                  .offset = hidden->done.first_offset,
                  .bytes = hidden->done.bytes};
    feed->counts.redacted += hidden->done.count;
    return put_event(feed, &told, frame->recv_ns, err);
}

td_result import_feed_finish(import_feed *feed, td_err *err)
{
    uint64_t end_ns = feed->counts.last_ns;
    for (uint32_t i = 0; i < feed->slot_count; i++)
        if (end_ns < feed->slots[i].last_ns)
            end_ns = feed->slots[i].last_ns;
    if (end_ns == 0)
        return TD_OK; /* nothing came in: no segment either */
    event stopped = {.kind = EVENT_SESSION,
                     .state = "stop",
                     .session = feed->options.session,
                     .start_ns = feed->options.start_ns,
                     .verb = "import",
                     .version = feed->options.version};
    td_result rc = put_event(feed, &stopped, end_ns, err);
    return rc == TD_OK ? write_chunk(feed, err) : rc;
}
