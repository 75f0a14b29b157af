#include "import/import_feed.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/url.h"
#include "archive/crash_gaps.h"
#include "archive/event.h"

/* A chunk closes after this much of the capture's own time too, so that a slow one can be read by
 * time without unpacking an hour. */
enum { CHUNK_INTERVAL_S = 60 };

struct import_feed {
    import_feed_options options;
    size_t index; /* in the archive's writer */
    feed_writer *writer;
    sealed_chunk *chunk;
    size_t earlier_next; /* rows of the ledger before this one are seen to */
    uint64_t connections, gaps, first_ns, last_ns;
};

/* ---- chunks ---- */

/* Seal what is pending and write it. */
static td_result write_chunk(void *user, td_err *err)
{
    import_feed *f = user;
    gap_list gaps = {0};
    if (!feed_writer_seal(f->writer, CHUNK_LEVEL_DEFAULT, f->chunk, &gaps))
        return TD_OK;
    td_result rc =
        archive_writer_put(f->options.writer, f->index, f->chunk, gaps.rows, gaps.count, err);
    if (rc == TD_OK)
        rc = archive_writer_check_lock(f->options.writer, err);
    gap_list_fini(&gaps);
    return rc == TD_OK ? rc : td_err_add(err, rc, "feed %s", f->options.name);
}

td_result import_feed_open(const import_feed_options *options, import_feed **out, td_err *err)
{
    import_feed *f = td_alloc_zero(1, sizeof *f);
    f->options = *options;
    const feed_writer_options writing = {.name = options->name,
                                         .family = options->family,
                                         .session = options->session,
                                         .secrets = options->secrets,
                                         .log = options->log,
                                         .interval_ns = CHUNK_INTERVAL_S * TD_NS_PER_S,
                                         .full = write_chunk,
                                         .user = f};
    td_result rc = archive_writer_add_feed(options->writer, options->name, options->family->name,
                                           &f->index, err);
    if (rc != TD_OK) {
        import_feed_close(f);
        return rc;
    }
    f->writer = feed_writer_open(&writing);
    f->chunk = sealed_chunk_open();
    *out = f;
    return TD_OK;
}

void import_feed_close(import_feed *feed)
{
    if (feed == NULL)
        return;
    sealed_chunk_close(feed->chunk);
    feed_writer_close(feed->writer);
    td_free(feed);
}

import_feed_counts import_feed_get_counts(const import_feed *feed)
{
    return (import_feed_counts){.frames = feed_writer_get_counts(feed->writer),
                                .connections = feed->connections,
                                .gaps = feed->gaps,
                                .first_ns = feed->first_ns,
                                .last_ns = feed->last_ns};
}

/* The session begins with the feed's first message, and ends with its last. */
static td_result put_session(import_feed *f, const char *state, uint64_t recv_ns, td_err *err)
{
    const event session = {.kind = EVENT_SESSION,
                           .state = state,
                           .session = f->options.session,
                           .start_ns = f->options.start_ns,
                           .verb = "import",
                           .version = f->options.version};
    return feed_writer_event(f->writer, recv_ns, &session, err);
}

static td_result begin_session(import_feed *f, uint64_t recv_ns, td_err *err)
{
    return feed_writer_segment(f->writer) > 0 ? TD_OK : put_session(f, "start", recv_ns, err);
}

/* ---- connections ---- */

/* The slot's connection ended somewhere before recv_ns, where the next one begins. */
static td_result end_connection(import_feed *f, const feed_slot *slot, uint64_t recv_ns,
                                td_err *err)
{
    const uint32_t shard = slot->at.shard;
    const event ended = {.kind = EVENT_DISCONNECT,
                         .shard = shard,
                         .conn = slot->at.conn,
                         .in = slot->at.in,
                         .out = slot->at.out,
                         .cause = "the capture goes on with another connection"};
    event told = {
        .kind = EVENT_GAP,
        .gap = gap_row_of(GAP_DISCONNECT, f->options.name, slot->last_ns, recv_ns, ended.cause)};
    told.gap.shard = shard;
    told.gap.conn = slot->at.conn;
    td_result rc = feed_writer_event(f->writer, recv_ns, &ended, err);
    if (rc != TD_OK)
        return rc;
    feed_writer_closed(f->writer, 0, shard, 0);
    f->gaps++;
    return feed_writer_event(f->writer, recv_ns, &told, err);
}

td_result import_feed_connect(import_feed *feed, uint32_t shard, uint32_t conn, uint64_t recv_ns,
                              const char *url, td_err *err)
{
    const feed_slot *slot = feed_writer_slot(feed->writer, 0, shard);
    TD_ASSERT(conn == (slot == NULL ? 1 : slot->at.conn + 1));
    char plain_url[LIMIT_URL_BYTES];
    const event began = {
        .kind = EVENT_CONNECT,
        .shard = shard,
        .conn = conn,
        .url = td_url_shown_plain(url == NULL ? "" : url, plain_url, sizeof plain_url),
        .attempt = 1};
    const event_slot at = {.shard = shard, .conn = conn, .since_ns = recv_ns};
    td_result rc = begin_session(feed, recv_ns, err);
    if (rc == TD_OK && slot != NULL)
        rc = end_connection(feed, slot, recv_ns, err);
    if (rc == TD_OK)
        rc = feed_writer_event(feed->writer, recv_ns, &began, err);
    if (rc != TD_OK)
        return rc;
    feed->connections++;
    return feed_writer_ordinals(feed->writer, &at, err);
}

/* ---- gaps of earlier sessions ---- */

static td_result close_gap(import_feed *f, const gap_row *open, uint64_t to_ns, td_err *err)
{
    event told = {.kind = EVENT_GAP, .gap = *open};
    told.gap.to_ns = to_ns;
    return feed_writer_event(f->writer, to_ns, &told, err);
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
        int is_open = row->to_ns == GAP_OPEN && strcmp(row->cause, CRASH_CAUSE_IMPORT) == 0 &&
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

td_result import_feed_frame_put(import_feed *feed, const import_feed_frame *frame, td_err *err)
{
    TD_ASSERT(frame->recv_ns > feed->last_ns);
    const feed_slot *slot = feed_writer_slot(feed->writer, 0, frame->shard);
    int is_http = frame->dir == DIR_HTTP;
    TD_ASSERT(is_http || slot != NULL);
    char http_name[LIMIT_NAME_BYTES];
    if (is_http)
        channel_router_http_name(frame->url, http_name);
    const feed_frame next = {.shard = frame->shard,
                             .conn = is_http ? 0 : slot->at.conn,
                             .dir = frame->dir,
                             .opcode = OPCODE_TEXT,
                             .recv_ns = frame->recv_ns,
                             .bytes = frame->bytes,
                             .http_name = is_http ? http_name : NULL};
    td_result rc = begin_session(feed, frame->recv_ns, err);
    if (rc == TD_OK)
        rc = close_earlier(feed, frame->recv_ns, err);
    if (rc == TD_OK)
        rc = feed_writer_frame(feed->writer, &next, NULL, err);
    if (rc != TD_OK)
        return rc;
    if (feed->first_ns == 0)
        feed->first_ns = frame->recv_ns;
    feed->last_ns = frame->recv_ns;
    return TD_OK;
}

td_result import_feed_finish(import_feed *feed, td_err *err)
{
    uint64_t end_ns = feed_writer_last_ns(feed->writer);
    if (end_ns == 0)
        return TD_OK; /* nothing came in: no segment either */
    td_result rc = put_session(feed, "stop", end_ns, err);
    if (rc == TD_OK)
        rc = feed_writer_finish(feed->writer, err);
    return rc == TD_OK ? write_chunk(feed, err) : rc;
}
