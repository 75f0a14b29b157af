#include "recorder/merge/merge_archives.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/archive_view.h"
#include "archive/archive_writer.h"
#include "archive/event.h"
#include "archive/ledger.h"
#include "format/chunk_builder.h"
#include "recorder/capture/feed_writer.h"
#include "schema/dialect.h"
#include "schema/family.h"
#include "tape/cursor.h"
#include "tape/gap_cover.h"

/* A configured connection of a source, and its present connection. */
typedef struct merge_slot {
    uint32_t line, shard; /* in the new archive */
    char session[SESSION_ID_BYTES];
    uint32_t number; /* of its present connection in the source; 0: none yet */
    uint32_t conn;   /* in the new archive; rises */
    uint8_t is_open;
} merge_slot;

/* A connection of a source, and its number in the new archive. */
typedef struct merge_conn {
    uint32_t line, shard; /* in the new archive */
    uint32_t number, conn;
    uint64_t since_ns;
} merge_conn;

typedef struct merge_feed {
    struct merge_job *job;
    const family *family;
    char name[LIMIT_NAME_BYTES];
    size_t index; /* in the writer */
    feed_writer *writer;
    merge_slot *slots;
    size_t slot_count;
    merge_conn *conns; /* by time */
    size_t conn_count;
    size_t hole_next[MERGE_SOURCES]; /* in the source's ledger */
} merge_feed;

typedef struct merge_job {
    const merge_options *options;
    merge_report *report;
    archive_writer *writer;
    sealed_chunk *chunk;
    merge_feed *feeds[LIMIT_FEEDS];
    size_t feed_count;
    archive_view *views[MERGE_SOURCES];
    gap_list ledgers[MERGE_SOURCES];
    cursor *cursors[MERGE_SOURCES];
    const frame_ref *heads[MERGE_SOURCES]; /* NULL: at its end */
    uint64_t recv_ns;                      /* of the present frame */
} merge_job;

/* ---- feeds ---- */

static td_result write_chunk(void *user, td_err *err)
{
    const merge_feed *feed = user;
    const merge_job *job = feed->job;
    const merge_report *report = job->report;
    if (!feed_writer_seal(feed->writer, CHUNK_LEVEL_DEFAULT, job->chunk))
        return TD_OK;
    td_result rc = archive_writer_put(job->writer, feed->index, job->chunk, err);
    if (rc == TD_OK && job->options->progress(job->options->user,
                                              report->frames[0] + report->frames[1], job->recv_ns))
        rc = td_err_set(err, TD_E_BUSY, "stopped: the new archive is incomplete");
    return rc;
}

static td_result add_feed(merge_job *job, const channel_info *info, merge_feed **out, td_err *err)
{
    enum { CHUNK_INTERVAL_S = 60 };
    const family *known = family_find(td_bytes_str(info->family));
    if (job->feed_count == LIMIT_FEEDS)
        return td_err_set(err, TD_E_LIMIT, "more than %u feeds", LIMIT_FEEDS);
    if (known == NULL)
        return td_err_set(err, TD_E_UNSUPPORTED, "feed %s: this version has no family '%s'",
                          info->feed, info->family);
    merge_feed *made = td_alloc_zero(1, sizeof *made);
    *out = job->feeds[job->feed_count++] = made;
    made->job = job;
    made->family = known;
    (void)snprintf(made->name, sizeof made->name, "%s", info->feed);
    const feed_writer_options writing = {.name = made->name,
                                         .family = known,
                                         .session = archive_session(job->options->target),
                                         .log = archive_log(job->options->target),
                                         .interval_ns = CHUNK_INTERVAL_S * TD_NS_PER_S,
                                         .is_copy = 1,
                                         .full = write_chunk,
                                         .user = made};
    made->writer = feed_writer_open(&writing);
    return archive_writer_add_feed(job->writer, made->name, known->name, family_documents(known),
                                   &made->index, err);
}

/* Find or add the feed of a channel. */
static td_result get_feed(merge_job *job, const channel_info *info, merge_feed **out, td_err *err)
{
    for (size_t i = 0; i < job->feed_count; i++) {
        *out = job->feeds[i];
        if (strcmp((*out)->name, info->feed) != 0)
            continue;
        if (strcmp((*out)->family->name, info->family) == 0)
            return TD_OK;
        return td_err_set(err, TD_E_INVALID,
                          "feed %s is of family %s in one archive, and of %s in "
                          "the other",
                          info->feed, (*out)->family->name, info->family);
    }
    return add_feed(job, info, out, err);
}

/* ---- connections ---- */

static td_result get_slot(merge_feed *feed, int source, uint32_t line, uint32_t shard,
                          merge_slot **out, td_err *err)
{
    const uint32_t mapped = (uint32_t)source * MERGE_LINES + line;
    if (line >= MERGE_LINES)
        return td_err_set(err, TD_E_INVALID,
                          "feed %s has line %u: only archives of recorders can be merged, with "
                          "lines below %d",
                          feed->name, line, (int)MERGE_LINES);
    for (size_t i = 0; i < feed->slot_count; i++) {
        *out = &feed->slots[i];
        if ((*out)->line == mapped && (*out)->shard == shard)
            return TD_OK;
    }
    if (feed->slot_count == LIMIT_FEED_SLOTS)
        return td_err_set(err, TD_E_LIMIT, "feed %s has more than %u connections", feed->name,
                          LIMIT_FEED_SLOTS);
    feed->slots = td_array_grow(feed->slots, feed->slot_count, sizeof *feed->slots);
    *out = &feed->slots[feed->slot_count++];
    **out = (merge_slot){.line = mapped, .shard = shard};
    return TD_OK;
}

static td_result end_connection(merge_feed *feed, merge_slot *slot, const event *as, td_err *err)
{
    const feed_slot *written = feed_writer_slot(feed->writer, slot->line, slot->shard);
    event ended = as != NULL ? *as
                             : (event){.kind = EVENT_DISCONNECT,
                                       .in = written == NULL ? 0 : written->at.in,
                                       .out = written == NULL ? 0 : written->at.out,
                                       .cause = "the recording ended without an end"};
    ended.line = slot->line;
    ended.shard = slot->shard;
    ended.conn = slot->conn;
    slot->is_open = 0;
    td_result rc = feed_writer_event(feed->writer, feed->job->recv_ns, &ended, err);
    if (rc == TD_OK)
        feed_writer_closed(feed->writer, slot->line, slot->shard, 0);
    return rc;
}

/* The slot has this connection of the source now. began: its event; NULL: it is not read. */
static td_result begin_connection(merge_feed *feed, merge_slot *slot, const char *session,
                                  const event_slot *at, const event *began, td_err *err)
{
    td_result rc = slot->is_open ? end_connection(feed, slot, NULL, err) : TD_OK;
    event connect = began != NULL ? *began : (event){.kind = EVENT_CONNECT};
    (void)snprintf(slot->session, sizeof slot->session, "%s", session);
    slot->number = at->conn;
    slot->conn++;
    slot->is_open = 1;
    feed->conns = td_array_grow(feed->conns, feed->conn_count, sizeof *feed->conns);
    feed->conns[feed->conn_count++] = (merge_conn){.line = slot->line,
                                                   .shard = slot->shard,
                                                   .number = at->conn,
                                                   .conn = slot->conn,
                                                   .since_ns = feed->job->recv_ns};
    connect.line = slot->line;
    connect.shard = slot->shard;
    connect.conn = slot->conn;
    if (rc == TD_OK)
        rc = feed_writer_event(feed->writer, feed->job->recv_ns, &connect, err);
    const event_slot begun = {.line = slot->line,
                              .shard = slot->shard,
                              .conn = slot->conn,
                              .in = at->in,
                              .out = at->out,
                              .since_ns = feed->job->recv_ns};
    return rc == TD_OK ? feed_writer_ordinals(feed->writer, &begun, err) : rc;
}

static int has_connection(const merge_slot *slot, const char *session, uint32_t number)
{
    return slot->is_open && slot->number == number && strcmp(slot->session, session) == 0;
}

/* ---- events ---- */

/* A source whose frames were pruned from some time on has no connection then: otherwise its line
 * would count as open and silent, and the other source's frames as copies. */
static td_result end_at_holes(merge_feed *feed, int source, uint64_t recv_ns, td_err *err)
{
    const gap_list *ledger = &feed->job->ledgers[source];
    td_result rc = TD_OK;
    for (size_t *at = &feed->hole_next[source]; rc == TD_OK && *at < ledger->count; (*at)++) {
        const gap_row *row = &ledger->rows[*at];
        const int order = strcmp(row->feed, feed->name);
        if (order > 0 || (order == 0 && row->from_ns >= recv_ns))
            break;
        for (size_t i = 0; order == 0 && row->reason == GAP_PRUNED && row->topic[0] == '\0' &&
                           rc == TD_OK && i < feed->slot_count;
             i++)
            if (feed->slots[i].is_open && feed->slots[i].line / MERGE_LINES == (uint32_t)source)
                rc = end_connection(feed, &feed->slots[i], NULL, err);
    }
    return rc;
}

static int is_listed(const merge_slot *slot, int source, const event *restated)
{
    for (size_t i = 0; i < restated->slot_count; i++) {
        const event_slot *at = &restated->slots[i];
        if ((uint32_t)source * MERGE_LINES + at->line == slot->line && at->shard == slot->shard)
            return 1;
    }
    return 0;
}

/* A segment restates the open connections: those that are not known began in a part that is not
 * there, and those that it lacks have ended without an event. */
static td_result take_segment(merge_feed *feed, int source, const char *session,
                              const event *restated, td_err *err)
{
    const int is_beside =
        restated->state != NULL && strcmp(restated->state, EVENT_STATE_BESIDE) == 0;
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && !is_beside && i < feed->slot_count; i++) {
        merge_slot *slot = &feed->slots[i];
        if (slot->is_open && slot->line / MERGE_LINES == (uint32_t)source &&
            !is_listed(slot, source, restated))
            rc = end_connection(feed, slot, NULL, err);
    }
    for (size_t i = 0; rc == TD_OK && i < restated->slot_count; i++) {
        const event_slot *at = &restated->slots[i];
        merge_slot *slot = NULL;
        rc = get_slot(feed, source, at->line, at->shard, &slot, err);
        if (rc == TD_OK && !has_connection(slot, session, at->conn))
            rc = begin_connection(feed, slot, session, at, NULL, err);
    }
    return rc;
}

/* Events that the writer, the ledger or the new session has of its own. */
static int is_own(event_kind kind)
{
    return kind == EVENT_SESSION || kind == EVENT_GRANT || kind == EVENT_GRANT_END ||
           kind == EVENT_GAP || kind == EVENT_ROTATE || kind == EVENT_LIMIT;
}

static td_result take_event(merge_feed *feed, int source, const frame_ref *frame, td_err *err)
{
    const char *session = frame->conn->session_id;
    merge_slot *slot = NULL;
    if (frame->event == NULL)
        return TD_OK;
    if (is_own(frame->event->kind))
        return TD_OK;
    event copy = *frame->event;
    if (copy.kind == EVENT_SEGMENT)
        return take_segment(feed, source, session, &copy, err);
    if (copy.conn == 0 && copy.kind != EVENT_OVERLOAD)
        return feed_writer_event(feed->writer, feed->job->recv_ns, &copy, err);
    td_result rc = get_slot(feed, source, copy.line, copy.shard, &slot, err);
    if (rc != TD_OK)
        return rc;
    if (copy.kind == EVENT_CONNECT) {
        const event_slot at = {.conn = copy.conn};
        return begin_connection(feed, slot, session, &at, &copy, err);
    }
    if (copy.kind == EVENT_DISCONNECT)
        return has_connection(slot, session, copy.conn) ? end_connection(feed, slot, &copy, err)
                                                        : TD_OK;
    copy.line = slot->line;
    copy.conn = copy.conn == 0 ? 0 : slot->conn;
    return feed_writer_event(feed->writer, feed->job->recv_ns, &copy, err);
}

/* ---- frames ---- */

static td_result take_frame(merge_feed *feed, int source, const frame_ref *frame, td_err *err)
{
    static const char HTTP[] = "http.";
    const channel_info *info = &frame->channel->info;
    const frame_conn *conn = frame->conn;
    merge_slot *slot = NULL;
    feed_written written;
    feed_frame copy = {.dir = info->dir,
                       .opcode = info->opcode,
                       .form = info->form,
                       .recv_ns = feed->job->recv_ns,
                       .publish_ns = frame->publish_ns,
                       .bytes = frame->bytes};
    if (info->dir == CHANNEL_HTTP) {
        copy.http_name = strncmp(info->topic, HTTP, sizeof HTTP - 1) == 0
                             ? info->topic + sizeof HTTP - 1
                             : info->topic;
    } else {
        td_result rc = get_slot(feed, source, conn->line, conn->shard, &slot, err);
        if (rc == TD_OK && !has_connection(slot, conn->session_id, conn->number)) {
            const event_slot at = {.conn = conn->number}; /* its event cannot be read */
            rc = begin_connection(feed, slot, conn->session_id, &at, NULL, err);
        }
        if (rc != TD_OK)
            return rc;
        copy.http_name = info->exchange_topic; /* used with FORM_FETCHED */
        copy.line = slot->line;
        copy.shard = slot->shard;
        copy.conn = slot->conn;
        copy.ordinal = frame->ordinal;
    }
    feed->job->report->frames[source]++;
    return feed_writer_frame(feed->writer, &copy, &written, err);
}

static td_result advance(merge_job *job, int source, td_err *err)
{
    td_result rc = cursor_next(job->cursors[source], &job->heads[source], err);
    if (rc == TD_EOF)
        job->heads[source] = NULL;
    return rc == TD_EOF ? TD_OK : rc;
}

/* Take the earlier head. 0: both are at their end. */
static int choose(const merge_job *job)
{
    const frame_ref *a = job->heads[0];
    const frame_ref *b = job->heads[1];
    return a == NULL || (b != NULL && b->recv_ns < a->recv_ns) ? 1 : 0;
}

static td_result copy_frames(merge_job *job, td_err *err)
{
    td_result rc = TD_OK;
    for (int i = 0; rc == TD_OK && i < MERGE_SOURCES; i++)
        rc = advance(job, i, err);
    while (rc == TD_OK && (job->heads[0] != NULL || job->heads[1] != NULL)) {
        const int source = choose(job);
        const frame_ref *frame = job->heads[source];
        merge_feed *feed = NULL;
        /* Frames of a session rise in time; events may repeat it. */
        const int is_event = frame->channel->info.dir == CHANNEL_EVENT;
        const uint64_t least_ns = job->recv_ns + (is_event ? 0 : 1);
        job->recv_ns = frame->recv_ns > least_ns ? frame->recv_ns : least_ns;
        rc = get_feed(job, &frame->channel->info, &feed, err);
        for (int i = 0; rc == TD_OK && i < MERGE_SOURCES; i++)
            rc = end_at_holes(feed, i, frame->recv_ns, err);
        if (rc == TD_OK)
            rc = is_event ? take_event(feed, source, frame, err)
                          : take_frame(feed, source, frame, err);
        if (rc == TD_OK)
            rc = advance(job, source, err);
    }
    for (size_t i = 0; rc == TD_OK && i < job->feed_count; i++)
        rc = write_chunk(job->feeds[i], err);
    return rc;
}

/* ---- the ledgers ---- */

static merge_feed *find_feed(const merge_job *job, const char *name)
{
    for (size_t i = 0; i < job->feed_count; i++)
        if (strcmp(job->feeds[i]->name, name) == 0)
            return job->feeds[i];
    return NULL;
}

/* The number in the new archive of a row's connection; 0: unknown. The merge may have put its begin
 * a little later. */
static uint32_t conn_of_row(const merge_feed *feed, const gap_row *row, uint32_t line)
{
    uint32_t found = 0;
    for (size_t i = 0; row->conn != 0 && i < feed->conn_count; i++) {
        const merge_conn *at = &feed->conns[i];
        if (at->line == line && at->shard == row->shard && at->number == row->conn &&
            at->since_ns <= row->from_ns + TD_NS_PER_MS)
            found = at->conn;
    }
    return found;
}

static void get_accounts(const merge_job *job, gap_account accounts[MERGE_SOURCES])
{
    for (int i = 0; i < MERGE_SOURCES; i++)
        accounts[i] = (gap_account){.view = job->views[i], .ledger = &job->ledgers[i]};
}

/* Write the parts of a row that the other archive does not have, if it has some part. *covered_ns:
 * end of the last part that it has; 0: it has no part. */
static td_result write_parts(merge_job *job, int source, const gap_row *row, const gap_row *written,
                             uint64_t *covered_ns, td_err *err)
{
    gap_account accounts[MERGE_SOURCES];
    get_accounts(job, accounts);
    const gap_parts parts =
        gap_cover_divide(accounts, MERGE_SOURCES, (size_t)source, row, TIME_SPAN_ALL);
    td_result rc = TD_OK;
    for (size_t i = 0; i < parts.count; i++)
        if (parts.items[i].has != 0)
            *covered_ns = parts.items[i].time.to_ns;
    for (size_t i = 0; rc == TD_OK && *covered_ns != 0 && i < parts.count; i++) {
        gap_row part = *written;
        if (parts.items[i].has != 0)
            continue;
        /* The row itself has the key of a part that begins with it. A part of 1 ns is moved. */
        part.from_ns = parts.items[i].time.from_ns;
        part.from_ns += part.from_ns == row->from_ns;
        part.to_ns = parts.items[i].time.to_ns;
        part.to_ns =
            part.to_ns == UINT64_MAX ? GAP_OPEN : part.to_ns + (part.to_ns == part.from_ns);
        job->report->gaps++;
        rc = archive_writer_put_gaps(job->writer, &part, 1, err);
    }
    td_free(parts.items);
    return rc;
}

static td_result write_gaps(merge_job *job, int source, td_err *err)
{
    const gap_list *ledgers = job->ledgers;
    char covered_by[16];
    td_result rc = TD_OK;
    (void)snprintf(covered_by, sizeof covered_by, "line %d", (1 - source) * (int)MERGE_LINES);
    for (size_t i = 0; rc == TD_OK && i < ledgers[source].count; i++) {
        const gap_row *row = &ledgers[source].rows[i];
        uint64_t covered_ns = 0;
        merge_feed *feed = find_feed(job, row->feed);
        if (feed == NULL)
            continue; /* pruned */
        gap_row written = *row;
        /* A hole is of no slot: with line 0 it concerns all shards (gap_row_affects_channel). */
        if (!gap_reason_is_hole(row->reason))
            written.line += (uint32_t)source * MERGE_LINES;
        written.conn = conn_of_row(feed, row, written.line);
        if (row->covered_by[0] == '\0')
            rc = write_parts(job, source, row, &written, &covered_ns, err);
        if (covered_ns != 0) {
            written.covered_by = covered_by;
            written.to_ns = row->to_ns == GAP_OPEN ? covered_ns : row->to_ns;
            job->report->gaps_covered++;
        }
        job->report->gaps++;
        if (rc == TD_OK)
            rc = archive_writer_put_gaps(job->writer, &written, 1, err);
    }
    return rc;
}

/* Write the times between the two recordings. */
static td_result write_between(merge_job *job, td_err *err)
{
    gap_account accounts[MERGE_SOURCES];
    gap_list between = {0};
    get_accounts(job, accounts);
    gap_cover_between(accounts, MERGE_SOURCES, &between);
    job->report->gaps += between.count;
    td_result rc = archive_writer_put_gaps(job->writer, between.rows, between.count, err);
    gap_list_fini(&between);
    return rc;
}

static td_result read_ledgers(merge_job *job, td_err *err)
{
    td_result rc = TD_OK;
    for (int i = 0; rc == TD_OK && i < MERGE_SOURCES; i++) {
        rc = archive_view_open(job->options->sources[i], VIEW_ALL, NULL, &job->views[i], err);
        if (rc == TD_OK)
            archive_gaps_of(job->views[i], &job->ledgers[i]);
    }
    return rc;
}

static td_result copy_ledgers(merge_job *job, td_err *err)
{
    td_result rc = TD_OK;
    for (int i = 0; i < MERGE_SOURCES; i++)
        gap_list_join(&job->ledgers[i], cursor_get_damage(job->cursors[i]));
    for (int i = 0; rc == TD_OK && i < MERGE_SOURCES; i++)
        rc = write_gaps(job, i, err);
    return rc == TD_OK ? write_between(job, err) : rc;
}

/* ---- all ---- */

static void free_feed(merge_feed *feed)
{
    feed_writer_close(feed->writer);
    td_free(feed->slots);
    td_free(feed->conns);
    td_free(feed);
}

/* Open both tapes, with all lines and events. */
static td_result open_sources(merge_job *job, td_err *err)
{
    static const selection EVERYTHING = {0};
    const cursor_options reading = {.log = archive_log(job->options->target),
                                    .reads = TAPE_READS_FRAMES,
                                    .with_events = 1,
                                    .with_lines = 1};
    td_result rc = TD_OK;
    for (int i = 0; rc == TD_OK && i < MERGE_SOURCES; i++)
        rc = cursor_open(job->options->sources[i], &EVERYTHING, &reading, &job->cursors[i], err);
    return rc;
}

td_result merge_archives(const merge_options *options, merge_report *report, td_err *err)
{
    merge_job job = {.options = options, .report = report, .chunk = sealed_chunk_open()};
    const archive_writer_options writing = {.version = options->version,
                                            .start_ns =
                                                clock_wall_ns(archive_clock(options->target)),
                                            .sync = SYNC_SEGMENTS};
    td_err ignored;
    *report = (merge_report){0};
    td_result rc = archive_writer_open(options->target, &writing, &job.writer, err);
    if (rc == TD_OK)
        rc = open_sources(&job, err);
    if (rc == TD_OK)
        rc = read_ledgers(&job, err);
    if (rc == TD_OK)
        rc = copy_frames(&job, err);
    if (rc == TD_OK)
        rc = copy_ledgers(&job, err);
    td_result ended = archive_writer_close(job.writer, rc == TD_OK ? WRITER_STOP : WRITER_ABANDON,
                                           clock_wall_ns(archive_clock(options->target)),
                                           rc == TD_OK ? err : &ignored);
    report->feeds = job.feed_count;
    for (int i = 0; i < MERGE_SOURCES; i++) {
        cursor_stats stats = {0};
        if (job.cursors[i] != NULL)
            cursor_get_stats(job.cursors[i], &stats);
        report->damaged_chunks[i] = stats.damaged_chunks;
        report->segments_unreadable[i] = stats.segments_unreadable;
        cursor_close(job.cursors[i]);
        gap_list_fini(&job.ledgers[i]);
        archive_view_close(job.views[i]);
    }
    for (size_t i = 0; i < job.feed_count; i++)
        free_feed(job.feeds[i]);
    sealed_chunk_close(job.chunk);
    return rc == TD_OK ? ended : rc;
}
