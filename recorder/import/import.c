#include "recorder/import/import.h"

#include <stdio.h>
#include <string.h>

#include "recorder/import/import_line.h"
#include "recorder/import/import_order.h"
#include "recorder/import/import_source.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "base/url.h"
#include "archive/archive.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/event.h"
#include "archive/gap.h"
#include "archive/imports.h"
#include "archive/ledger.h"
#include "base/cli/units.h"
#include "recorder/capture/fetched_books.h"
#include "recorder/capture/slot_gaps.h"
#include "recorder/pipeline/live_check.h"
#include "schema/decode.h"
#include "schema/dialect.h"
#include "schema/exchange.h"
#include "schema/family.h"

enum {
    /* A chunk closes also after this much of the capture's time, so that readers of a short time
     * need not unpack an hour of a slow capture. */
    CHUNK_INTERVAL_S = 60,
    URL_SHOWN_BYTES = 200,
    NAME_SHOWN_BYTES = 60,
};

/* A feed of the session. */
typedef struct import_feed {
    struct import_job *job;
    import_feed_report *report;
    uint32_t slot_count;
    size_t index; /* in the archive's writer */
    feed_writer *writer;
    size_t earlier_next; /* rows of job->earlier before this index have been handled */
    gap_list open;       /* the capture's own gaps, as they were when they opened */
    gap_list found;      /* gaps that the live check found: up to LIMIT_IMPORT_FINDINGS */
    fetched_books books;
    slot_outage outages[LIMIT_FEED_SLOTS];
} import_feed;

/* Feed and shard of a slot's frames. */
typedef struct slot_target {
    uint32_t feed;
    uint32_t shard;
    uint8_t is_chosen; /* 1: shard is set */
} slot_target;

typedef struct import_job {
    const import_options *options;
    import_report *report;
    import_source *source;
    import_line_reader *lines;
    dialect_parser *requests;
    decoder *decoder; /* for times of lines without one, and for snapshots over HTTP */
    import_order *order;
    uint8_t is_survey;    /* 1: the first reading, which counts and reports malformed lines */
    uint8_t is_read;      /* 1: this reading has no more lines */
    import_order *survey; /* the first reading's slots */
    uint64_t first_ns;    /* earliest time of the capture; 0: no line has a time */
    uint64_t frame_count;
    capture_content *contents; /* one per file */
    size_t content_count;
    redactor secrets;        /* the capture's secrets */
    sent_secrets *sent;      /* searches requests for secrets */
    uint8_t has_credentials; /* 1: a request had some, so that later answers may have new ones */
    slot_target targets[LIMIT_FEED_SLOTS];
    archive *archive;
    archive_writer *writer;
    sealed_chunk *chunk;
    uint64_t start_ns; /* start of the session, wall clock */
    gap_list earlier;  /* the ledger before this session; empty if no gap needs to be closed */
    import_feed feeds[LIMIT_FEEDS];
    pipeline_config check_config; /* the feeds, for the live check */
    live_check *live_check;       /* makes checkpoints, and finds gaps */
    uint64_t last_ns;             /* receive time of the last frame */
} import_job;

/* ---- secrets ----
 *
 * The first reading finds secrets in requests (schema/sent_secrets.h) and in URLs
 * (base/url.h). These secrets are hidden everywhere: acks echo them (docs/design.md, P2). */

static td_result learn_secrets(import_job *job, const import_record *record, td_err *err)
{
    const int has_topic = (record->form & FORM_FETCHED) != 0; /* instead of a URL */
    const int is_frame = record->kind == IMPORT_FRAME;
    td_bytes secret;
    size_t url_at = 0;
    td_result rc =
        has_topic ? TD_OK : redactor_add_url(&job->secrets, REDACT_FOR_GOOD, record->url, err);
    if (rc == TD_OK && is_frame && record->dir == CHANNEL_OUT) {
        td_bytes ignored;
        size_t at = 0;
        (void)sent_secrets_find(job->sent, record->data,
                                0); /* the result is ignored: only the values are needed */
        job->has_credentials |= (uint8_t)sent_secrets_next(job->sent, &at, &ignored);
        rc = redactor_add_sent(&job->secrets, REDACT_FOR_GOOD, job->sent, err);
    }
    /* A capture need not have the login that was answered. */
    if (rc == TD_OK && is_frame && record->dir == CHANNEL_IN &&
        sent_secrets_find_issued(job->sent, record->data))
        rc = redactor_add_sent(&job->secrets, REDACT_FOR_GOOD, job->sent, err);
    const int has_credentials =
        job->has_credentials || td_url_next_secret(record->url, &url_at, &secret);
    if (rc == TD_OK && is_frame && record->dir == CHANNEL_HTTP &&
        sent_secrets_find_answer(job->sent, record->data, has_credentials))
        rc = redactor_add_sent(&job->secrets, REDACT_FOR_GOOD, job->sent, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "keys and signatures of the capture");
}

/* ---- reading ---- */

/* Report a malformed line. Only the first reading does, because the second has the same lines. */
static void report_malformed(import_job *job, uint64_t line, const char *reason)
{
    if (!job->is_survey)
        return;
    import_report *report = job->report;
    report->malformed++;
    if (report->problem_count == IMPORT_PROBLEMS_MAX)
        return;
    report->problems =
        td_array_grow(report->problems, report->problem_count, sizeof *report->problems);
    import_problem *problem = &report->problems[report->problem_count++];
    problem->line = line;
    (void)snprintf(problem->reason, sizeof problem->reason, "%s", reason); /* cut is fine */
}

/* Set the receive time of a frame whose line has no time: the exchange's own time is the best
 * estimate. */
static void time_bare_frame(import_job *job, import_record *record)
{
    classification what = {.exchange_ns = 0};
    job->report->untimed += job->is_survey;
    if (job->options->family == NULL)
        return;
    decoder_classify(job->decoder, job->options->family, record->data, CHANNEL_IN, TOPIC_NOW,
                     &what);
    if (what.exchange_ns >= LIMIT_IMPORT_FIRST_NS && what.exchange_ns < LIMIT_IMPORT_END_NS) {
        record->time_ns = what.exchange_ns;
        record->is_estimated = 1;
    }
}

/* Read a line. Returns 0 if it has no record, or is malformed. */
static int read_record(import_job *job, const import_text_line *line, import_record *record)
{
    const char *reason;
    if (!import_line_read(job->lines, line->text, record, &reason)) {
        report_malformed(job, line->number, reason);
        return 0;
    }
    if (record->kind == IMPORT_NOTHING)
        return 0;
    if (job->options->family == NULL && record->family.size > 0 &&
        family_find(record->family) == NULL) {
        report_malformed(job, line->number, "\"family\" is unknown");
        return 0;
    }
    if (record->kind == IMPORT_FRAME && record->time_ns == 0)
        time_bare_frame(job, record);
    return 1;
}

/* Read the next line into the window. TD_OK, TD_EOF, TD_E_IO; TD_E_INVALID: the line is too far out
 * of order; TD_E_LIMIT: the line is too long, or there are too many connections. */
static td_result read_into_window(import_job *job, td_err *err)
{
    import_text_line line = {.number = 0};
    import_record record;
    import_place place;
    td_result rc = import_source_next(job->source, &line, err);
    if (rc == TD_E_TRUNCATED || rc == TD_E_CORRUPT) {
        report_malformed(job, line.number, err == NULL ? "damaged" : err->text);
        return TD_OK;
    }
    if (rc != TD_OK)
        return rc;
    job->report->lines += job->is_survey;
    if (!read_record(job, &line, &record))
        return TD_OK;
    rc = import_order_place(job->order, &record, &place, err);
    if (rc == TD_OK && job->is_survey) {
        job->frame_count += record.kind == IMPORT_FRAME;
        rc = learn_secrets(job, &record, err);
    }
    return rc == TD_OK ? import_order_put(job->order, &record, &place, line.number, err) : rc;
}

/* Get the next record in order of time. */
static td_result next_record(import_job *job, import_record *record, import_place *place,
                             td_err *err)
{
    while (!job->is_read && !import_order_is_full(job->order)) {
        td_result rc = read_into_window(job, err);
        if (rc != TD_OK && rc != TD_EOF)
            return rc;
        job->is_read = rc == TD_EOF;
    }
    return import_order_next(job->order, record, place) ? TD_OK : TD_EOF;
}

static void close_source(import_job *job)
{
    import_source_close(job->source);
    job->source = NULL;
}

static td_result open_source(import_job *job, td_err *err)
{
    const import_options *options = job->options;
    close_source(job);
    td_result rc = import_source_open(options->io, options->path, &job->source, err);
    for (size_t i = 0; rc == TD_OK && i < options->more_count; i++)
        import_source_append(job->source, options->io, options->more_paths[i]);
    return rc;
}

static td_result open_reader(import_job *job, td_err *err)
{
    const import_options *options = job->options;
    job->lines = import_line_reader_open(options->format);
    job->order = import_order_open(NULL);
    redactor_init(&job->secrets);
    redactor_hide_sent(&job->secrets);
    job->sent = sent_secrets_open();
    job->decoder = decoder_open();
    job->requests = dialect_parser_open();
    return open_source(job, err);
}

static void close_reader(import_job *job)
{
    close_source(job);
    import_line_reader_close(job->lines);
    decoder_close(job->decoder);
    dialect_parser_close(job->requests);
    import_order_close(job->order);
    import_order_close(job->survey);
    redactor_fini(&job->secrets);
    sent_secrets_close(job->sent);
    td_free(job->contents);
}

/* Read everything once, to find the capture's connections and secrets. */
static td_result survey(import_job *job, td_err *err)
{
    import_record record;
    import_place place;
    td_result rc;
    job->is_survey = 1;
    while ((rc = next_record(job, &record, &place, err)) == TD_OK)
        if (job->first_ns == 0)
            job->first_ns = place.effective_ns;
    job->report->compression = import_source_compression(job->source);
    if (rc != TD_EOF)
        return rc;
    const capture_content *contents = import_source_contents(job->source, &job->content_count);
    job->contents = td_alloc_zero(job->content_count, sizeof *contents);
    memcpy(job->contents, contents, job->content_count * sizeof *contents);
    return TD_OK;
}

/* Start the second reading, in which the same lines get the same slots and the same order. */
static td_result start_second_reading(import_job *job, td_err *err)
{
    job->survey = job->order;
    job->order = import_order_open(job->survey);
    job->is_survey = job->is_read = 0;
    return open_source(job, err);
}

/* ---- feeds ---- */

/* Refuse a slot without a known family. URLs of the capture's other connections prove nothing about
 * this slot's family. */
static td_result refuse_family(const import_slot *slot, td_err *err)
{
    char shown[LIMIT_URL_BYTES];
    if (slot->url != NULL)
        td_err_set(err, TD_E_INVALID, "no family has the URL '%.*s'", URL_SHOWN_BYTES,
                   td_url_redacted_plain(slot->url, shown, sizeof shown));
    else
        td_err_set(err, TD_E_INVALID, "connection '%.*s' has no URL, so its family is unknown",
                   NAME_SHOWN_BYTES, slot->name);
    td_err_hint(err, "give --family for the whole file: %s", family_names());
    return TD_E_INVALID;
}

/* Find or add a slot's feed in the report. A feed has one family. */
static td_result find_feed(import_job *job, const import_slot *slot, const family *wanted,
                           uint32_t *index, td_err *err)
{
    import_report *report = job->report;
    const char *name = job->options->feed != NULL ? job->options->feed
                       : slot->feed != NULL       ? slot->feed
                                                  : wanted->name;
    for (*index = 0; *index < report->feed_count; ++*index) {
        const import_feed_report *feed = &report->feeds[*index];
        if (strcmp(feed->name, name) != 0)
            continue;
        if (feed->family == wanted)
            return TD_OK;
        td_err_set(err, TD_E_INVALID, "feed '%s' cannot be both %s and %s: the capture has both",
                   name, feed->family->name, wanted->name);
        td_err_hint(err, "leave --feed away: each family then gets a feed of its own");
        return TD_E_INVALID;
    }
    if (report->feed_count == LIMIT_FEEDS)
        return td_err_set(err, TD_E_LIMIT, "more than %d feeds", LIMIT_FEEDS);
    import_feed_report *made = &report->feeds[report->feed_count++];
    *made = (import_feed_report){.family = wanted};
    (void)snprintf(made->name, sizeof made->name, "%s", name);
    return TD_OK;
}

/* Choose the shard of a slot: the one that the file names, else the next number. TD_E_INVALID:
 * another slot of the feed has that shard. */
static td_result choose_shard(import_job *job, uint32_t index, td_err *err)
{
    const import_slot *slot = import_order_slot(job->order, index);
    slot_target *target = &job->targets[index];
    uint32_t *count = &job->feeds[target->feed].slot_count;
    target->shard = slot->feed != NULL ? slot->shard : *count;
    for (uint32_t i = 0; i < import_order_slot_count(job->order); i++)
        if (i != index && job->targets[i].is_chosen && job->targets[i].feed == target->feed &&
            job->targets[i].shard == target->shard)
            return td_err_set(err, TD_E_INVALID, "two connections are shard %u of feed '%s'",
                              target->shard, job->report->feeds[target->feed].name);
    target->is_chosen = 1;
    ++*count;
    return TD_OK;
}

/* Choose the feed and the shard of a slot. */
static td_result choose_feed(import_job *job, uint32_t index, td_err *err)
{
    const import_slot *slot = import_order_slot(job->order, index);
    slot_target *target = &job->targets[index];
    const family *chosen = job->options->family;
    if (chosen == NULL)
        chosen = slot->family;
    if (chosen == NULL && slot->url != NULL && !slot->is_http)
        chosen = family_find_by_url(td_bytes_str(slot->url));
    if (chosen == NULL)
        return refuse_family(slot, err);
    td_result rc = find_feed(job, slot, chosen, &target->feed, err);
    return rc == TD_OK && !slot->is_http ? choose_shard(job, index, err) : rc;
}

/* Choose the feeds of all slots. Slots of HTTP answers are last. Their answers are written, without
 * a shard, to the feed that the file names, else to the feed of the first WebSocket connection. */
static td_result choose_feeds(import_job *job, td_err *err)
{
    td_result rc = TD_OK;
    for (uint8_t is_http = 0; is_http < 2; is_http++)
        for (uint32_t i = 0; rc == TD_OK && i < import_order_slot_count(job->order); i++)
            if (import_order_slot(job->order, i)->is_http == is_http &&
                (!is_http || job->report->feed_count == 0 ||
                 import_order_slot(job->order, i)->feed != NULL))
                rc = choose_feed(job, i, err);
    return rc;
}

/* ---- the beginning ---- */

/* Refuse to import the same content twice: each frame would be stored twice, with a gap in between.
 */
static td_result refuse_repeat(const past_import *past, td_err *err)
{
    char when[TD_TIME_TEXT_BYTES];
    td_time_format(past->stop_ns, when);
    td_err_set(err, TD_E_INVALID, "feed '%s' got this content already, at %s (session %s)",
               past->feed, when, past->session);
    td_err_hint(err,
                "nothing was imported; --again imports it a second time, --feed NAME as another "
                "feed");
    return TD_E_INVALID;
}

/* Check earlier imports: refuse to repeat one, and find out whether one was killed. */
static td_result check_imports(import_job *job, int *was_killed, td_err *err)
{
    const import_report *report = job->report;
    const size_t count = job->content_count * report->feed_count;
    past_import *rows = td_alloc_zero(count + 1, sizeof *rows);
    for (size_t i = 0; i < count; i++)
        rows[i].feed = report->feeds[i % report->feed_count].name;
    td_result rc = imports_find(job->archive, job->contents, job->content_count, rows,
                                report->feed_count, was_killed, err);
    for (size_t i = 0; i < count && rc == TD_OK && !job->options->is_again; i++)
        rc = rows[i].session[0] == '\0' ? TD_OK : refuse_repeat(&rows[i], err);
    td_free(rows);
    return rc;
}

/* Recover after a crash. The ledger grows with the archive, so it is read only if an import was
 * killed, which left a gap that must be closed. */
static td_result recover_archive(import_job *job, td_err *err)
{
    int was_killed = 0;
    td_result rc = check_imports(job, &was_killed, err);
    recover_report recovered = {0};
    if (rc == TD_OK)
        rc = archive_recover(job->archive, NULL, NULL, &recovered, err);
    if (rc == TD_OK && recovered.segments_recovered > 0)
        td_log_emit(job->options->log, TD_LOG_WARNING,
                    "an earlier session was killed; kept of its last segments: %s",
                    format_counted(recovered.frames_kept, "frame").text);
    was_killed |= recovered.gaps_opened > 0;
    return rc == TD_OK && was_killed ? archive_gaps(job->archive, &job->earlier, err) : rc;
}

/* Seal a feed's pending messages and write the chunk. */
static td_result write_chunk(void *user, td_err *err)
{
    const import_feed *feed = user;
    import_job *job = feed->job;
    live_check_write_checkpoint(job->live_check, (uint16_t)(feed - job->feeds), feed->writer);
    if (!feed_writer_seal(feed->writer, CHUNK_LEVEL_DEFAULT, job->chunk))
        return TD_OK;
    td_result rc = archive_writer_put(job->writer, feed->index, job->chunk, err);
    if (rc == TD_OK)
        rc = archive_writer_check_lock(job->writer, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "feed %s", feed->report->name);
}

static td_result add_feed(import_job *job, uint32_t number, td_err *err)
{
    import_feed *feed = &job->feeds[number];
    feed->job = job;
    feed->report = &job->report->feeds[number];
    feed->books.family = feed->report->family;
    const feed_writer_options writing = {.name = feed->report->name,
                                         .family = feed->report->family,
                                         .session = archive_session(job->archive),
                                         .secrets = job->secrets.count > 0 ? &job->secrets : NULL,
                                         .log = job->options->log,
                                         .interval_ns = CHUNK_INTERVAL_S * TD_NS_PER_S,
                                         .full = write_chunk,
                                         .user = feed};
    td_result rc = archive_writer_add_feed(job->writer, writing.name, writing.family->name,
                                           family_documents(writing.family), &feed->index, err);
    if (rc == TD_OK)
        feed->writer = feed_writer_open(&writing);
    job->check_config.feeds[job->check_config.feed_count++] =
        (pipeline_feed){.name = writing.name, .family = writing.family};
    return rc;
}

/* Open the archive, recover after a crash, and begin the session. */
static td_result open_archive(import_job *job, td_err *err)
{
    const import_options *options = job->options;
    const archive_options opening = {.io = options->io,
                                     .clock = options->clock,
                                     .log = options->log,
                                     .verb = "import",
                                     .catalog_path = options->catalog_path};
    td_result rc =
        archive_open(&opening, options->archive_path, ARCHIVE_APPEND, &job->archive, err);
    if (rc == TD_OK)
        rc = recover_archive(job, err);
    if (rc != TD_OK)
        return rc;
    job->start_ns = clock_wall_ns(options->clock);
    const archive_writer_options writing = {
        .version = options->version, .start_ns = job->start_ns, .sync = SYNC_SEGMENTS};
    rc = archive_writer_open(job->archive, &writing, &job->writer, err);
    for (uint32_t i = 0; rc == TD_OK && i < job->report->feed_count; i++)
        rc = add_feed(job, i, err);
    const live_check_options checking = {.config = &job->check_config,
                                         .session = archive_session(job->archive)};
    return rc == TD_OK ? live_check_open(&checking, &job->live_check, err) : rc;
}

/* Write a `session` event of the feed: the session begins with the feed's first message, and ends
 * with its last. */
static td_result put_session(import_feed *f, const char *state, uint64_t recv_ns, td_err *err)
{
    const import_job *job = f->job;
    const event session = {.kind = EVENT_SESSION,
                           .state = state,
                           .session = archive_session(job->archive),
                           .start_ns = job->start_ns,
                           .verb = "import",
                           .version = job->options->version};
    return feed_writer_event(f->writer, recv_ns, &session, err);
}

/* ---- connections ---- */

static const char CONTINUES[] = "the capture continues with another connection";

/* End the slot's connection, because its next one begins at recv_ns. */
static td_result end_connection(import_feed *f, const feed_slot *slot, uint64_t recv_ns,
                                td_err *err)
{
    const uint32_t shard = slot->at.shard;
    const event ended = {.kind = EVENT_DISCONNECT,
                         .shard = shard,
                         .conn = slot->at.conn,
                         .in = slot->at.in,
                         .out = slot->at.out,
                         .cause = CONTINUES};
    td_result rc = feed_writer_event(f->writer, recv_ns, &ended, err);
    slot_outage_begin(&f->outages[shard], slot->at.conn, slot->last_ns, CONTINUES);
    if (rc == TD_OK)
        feed_writer_closed(f->writer, 0, shard, 0);
    return rc;
}

/* End the gap between two connections. A connection has no topics before its first inbound frame,
 * so the gap ends with that frame. */
static td_result end_outage(import_feed *f, uint32_t shard, uint64_t recv_ns, td_err *err)
{
    event lost;
    if (!slot_outage_end(&f->outages[shard], f->report->name, shard, recv_ns, &lost))
        return TD_OK;
    f->report->counts.gaps++;
    return feed_writer_event(f->writer, recv_ns, &lost, err);
}

/* Begin a slot's next connection (number 1, 2 …). If the slot had a connection before, this opens a
 * gap. */
static td_result begin_connection(import_feed *f, uint32_t shard, const import_place *place,
                                  uint64_t recv_ns, const char *url, td_err *err)
{
    const feed_slot *slot = feed_writer_slot(f->writer, 0, shard);
    TD_ASSERT(place->conn == (slot == NULL ? 1 : slot->at.conn + 1));
    char plain_url[LIMIT_URL_BYTES];
    const event began = {
        .kind = EVENT_CONNECT,
        .shard = shard,
        .conn = place->conn,
        .url = td_url_redacted_plain(url == NULL ? "" : url, plain_url, sizeof plain_url),
        .attempt = 1};
    const event_slot at = {.shard = shard, .conn = place->conn, .since_ns = recv_ns};
    td_result rc = slot != NULL ? end_connection(f, slot, recv_ns, err) : TD_OK;
    if (rc == TD_OK)
        rc = feed_writer_event(f->writer, recv_ns, &began, err);
    f->report->counts.connections++;
    return rc == TD_OK ? feed_writer_ordinals(f->writer, &at, err) : rc;
}

/* ---- frames ---- */

/* Close the gaps that a killed import left: they end with the feed's next frame. Other open gaps
 * stay open: they end when a recorder's topics are granted again, and a capture cannot prove such a
 * grant. Rows of a feed are sorted by their beginning. */
static td_result close_earlier(import_feed *f, uint64_t recv_ns, td_err *err)
{
    const gap_list *earlier = &f->job->earlier;
    td_result rc = TD_OK;
    for (; rc == TD_OK && f->earlier_next < earlier->count; f->earlier_next++) {
        event closed = {.kind = EVENT_GAP, .gap = earlier->rows[f->earlier_next]};
        if (closed.gap.to_ns != GAP_OPEN || strcmp(closed.gap.cause, GAP_CAUSE_IMPORT) != 0 ||
            strcmp(closed.gap.feed, f->report->name) != 0)
            continue;
        if (closed.gap.from_ns >= recv_ns)
            break;
        closed.gap.to_ns = recv_ns;
        rc = feed_writer_event(f->writer, recv_ns, &closed, err);
    }
    return rc;
}

/* Return the receive time of the next frame: the capture's time, raised if it is not later than the
 * last frame's. */
static uint64_t next_recv_ns(import_job *job, const import_record *record,
                             const import_place *place)
{
    import_report *report = job->report;
    uint64_t recv_ns = place->effective_ns;
    if (recv_ns == 0)
        recv_ns = job->first_ns;
    if (recv_ns == 0)
        recv_ns = clock_wall_ns(job->options->clock); /* no line of the capture has a time */
    if (recv_ns <= job->last_ns)
        recv_ns = job->last_ns + 1;
    if (record->time_ns > 0 && !record->is_estimated && recv_ns != record->time_ns) {
        uint64_t by_ns = recv_ns - record->time_ns;
        report->adjusted++;
        if (report->adjusted_ns_max < by_ns)
            report->adjusted_ns_max = by_ns;
    }
    job->last_ns = recv_ns;
    return recv_ns;
}

/* ---- snapshots over HTTP ----
 *
 * A capture has the reply that is a book's snapshot among its other HTTP replies. */

static void note_request(import_feed *f, td_bytes frame, uint32_t shard)
{
    dialect_request request;
    const dialect *spoken = f->report->family->dialect;
    if (request_parse(f->job->requests, spoken, frame, &request, NULL) == TD_OK)
        fetched_books_note_request(&f->books, &request, shard);
}

/* If an HTTP reply is the snapshot of a book, make it a frame of the book's connection. Returns the
 * book's topic, or NULL. */
static const char *place_snapshot(const import_feed *f, import_record *record, import_place *place,
                                  uint32_t *shard)
{
    const fetched_book *book =
        fetched_books_find(&f->books, f->job->decoder, record->url, record->data);
    const feed_slot *slot = book == NULL ? NULL : feed_writer_slot(f->writer, 0, book->shard);
    if (slot == NULL)
        return NULL;
    record->dir = CHANNEL_IN;
    record->form |= FORM_FETCHED;
    record->url = td_bytes_str(book->topic);
    place->conn = slot->at.conn;
    *shard = book->shard;
    return book->topic;
}

/* Write which request an HTTP reply is of, so that `serve` can answer it. topic: of a snapshot;
 * NULL: another reply. */
static td_result put_request(import_feed *f, const import_record *reply, const char *topic,
                             uint64_t recv_ns, td_err *err)
{
    char name[LIMIT_NAME_BYTES];
    char url[LIMIT_URL_BYTES];
    if (td_url_split(reply->url).scheme.size == 0 || reply->url.size >= sizeof url)
        return TD_OK; /* lines of another archive have a name only */
    (void)snprintf(url, sizeof url, "%.*s", (int)reply->url.size, (const char *)reply->url.data);
    td_url_redact(url);
    redactor_apply(&f->job->secrets, (uint8_t *)url, strlen(url));
    channel_router_http_name(reply->url, name);
    const event kept = {.kind = EVENT_HTTP,
                        .what = topic == NULL ? name : topic,
                        .url = url,
                        .state = "kept",
                        .code = 200,
                        .bytes = reply->data.size};
    return feed_writer_event(f->writer, recv_ns, &kept, err);
}

/* ---- what the frames show ---- */

/* Record a finding. Beyond the limit, one gap of all topics lasts until the import's end. */
static td_result put_finding(import_feed *f, event *found, uint64_t recv_ns, td_err *err)
{
    gap_row *gap = &found->gap;
    const int is_known = gap_list_find(&f->found, gap) != NULL;
    if (!is_known && f->found.count == LIMIT_IMPORT_FINDINGS)
        return TD_OK;
    if (!is_known && f->found.count == LIMIT_IMPORT_FINDINGS - 1) {
        gap->reason = GAP_SEQUENCE;
        gap->shard = gap->conn = 0;
        gap->topic = gap->symbol = gap->detail = "";
        gap->to_ns = GAP_OPEN;
        gap->frames_lost = GAP_FRAMES_UNKNOWN;
        gap->cause = "more gaps were found than an import records";
    }
    gap_list_add(&f->found, gap);
    f->report->counts.gaps += !is_known && gap_list_find(&f->open, gap) == NULL;
    return feed_writer_event(f->writer, recv_ns, found, err);
}

static td_result put_findings(import_job *job, uint64_t recv_ns, td_err *err)
{
    uint16_t feed_index;
    event found = {.kind = EVENT_GAP};
    td_result rc = TD_OK;
    while (rc == TD_OK && live_check_next_finding(job->live_check, &feed_index, &found.gap))
        if (live_check_is_gap(&found.gap))
            rc = put_finding(&job->feeds[feed_index], &found, recv_ns, err);
    return rc;
}

/* What is broken at the end of the feed stays so until another connection begins: the gap ends with
 * the feed's last frame, and what follows it is a gap between two sessions. */
static td_result end_findings(import_feed *f, uint64_t end_ns, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < f->found.count; i++) {
        event ended = {.kind = EVENT_GAP, .gap = f->found.rows[i]};
        if (ended.gap.to_ns != GAP_OPEN)
            continue;
        ended.gap.to_ns = end_ns;
        rc = feed_writer_event(f->writer, end_ns, &ended, err);
    }
    return rc;
}

/* ---- one record ---- */

static td_result put_frame(import_feed *f, uint32_t shard, const import_place *place,
                           const import_record *record, uint64_t recv_ns, td_err *err)
{
    int is_http = record->dir == CHANNEL_HTTP;
    int is_fetched = (record->form & FORM_FETCHED) != 0;
    char http_name[LIMIT_TOPIC_BYTES];
    _Static_assert(LIMIT_NAME_BYTES <= LIMIT_TOPIC_BYTES, "a name fits");
    if (is_http)
        channel_router_http_name(record->url, http_name);
    else if (is_fetched)
        (void)snprintf(http_name, sizeof http_name, "%.*s", (int)record->url.size,
                       (const char *)record->url.data); /* a topic that is cut has no row */
    const feed_slot *slot = is_http ? NULL : feed_writer_slot(f->writer, 0, shard);
    uint64_t last = slot == NULL                ? UINT64_MAX
                    : record->dir == CHANNEL_IN ? slot->at.in
                                                : slot->at.out;
    feed_frame frame = {.shard = shard,
                        .conn = is_http ? 0 : place->conn,
                        .dir = record->dir,
                        .opcode = record->opcode == 0 ? OPCODE_TEXT : record->opcode,
                        .form = record->form,
                        .ordinal = record->ordinal > last ? record->ordinal : 0,
                        .recv_ns = recv_ns,
                        .bytes = record->data,
                        .http_name = is_http || is_fetched ? http_name : NULL};
    import_feed_counts *counts = &f->report->counts;
    counts->first_ns = counts->first_ns == 0 ? recv_ns : counts->first_ns;
    counts->last_ns = recv_ns;
    feed_written written;
    td_result rc = close_earlier(f, recv_ns, err);
    if (rc == TD_OK && record->dir == CHANNEL_IN)
        rc = end_outage(f, shard, recv_ns, err);
    if (rc == TD_OK)
        rc = feed_writer_frame(f->writer, &frame, &written, err);
    if (rc == TD_OK && record->dir == CHANNEL_OUT)
        note_request(f, record->data, shard);
    else if (rc == TD_OK && written.route.notes->live == NULL) /* the segment's first of a topic */
        fetched_books_note(&f->books, channel_exchange_topic(frame.info), shard);
    if (rc != TD_OK)
        return rc;
    live_check_put(f->job->live_check, (uint16_t)(f - f->job->feeds), &frame, &written);
    return put_findings(f->job, recv_ns, err);
}

/* The file is from another archive and has a gap of that archive: write it, unless it is a gap
 * between two connections. end_outage writes those gaps. */
static td_result put_gap(import_feed *f, uint32_t shard, const import_place *place,
                         const import_record *record, uint64_t recv_ns, td_err *err)
{
    static const uint8_t IS_BETWEEN[GAP_REASON_COUNT] = {
        [GAP_DISCONNECT] = 1, [GAP_STALE] = 1, [GAP_RESTART] = 1, [GAP_CRASH] = 1};
    event gap = *import_line_event(f->job->lines, record->data);
    if (IS_BETWEEN[gap.gap.reason] && gap.gap.topic[0] == '\0')
        return TD_OK;
    gap.gap.feed = f->report->name;
    gap.gap.line = 0;
    gap.gap.shard = shard;
    gap.gap.conn = place->conn;
    /* A gap may end on a later connection of the slot than the one it began on. The row with the
     * end must have the number of the connection on which the gap began, or it would be a different
     * gap. */
    const feed_slot *slot = feed_writer_slot(f->writer, 0, shard);
    gap_row began = gap.gap;
    if (slot != NULL && began.from_ns < slot->at.since_ns)
        while (began.conn > 0 && gap_list_find(&f->open, &began) == NULL)
            began.conn--;
    if (began.conn > 0)
        gap.gap.conn = began.conn;
    f->report->counts.gaps +=
        gap_list_find(&f->open, &gap.gap) == NULL && gap_list_find(&f->found, &gap.gap) == NULL;
    if (gap.gap.to_ns == GAP_OPEN)
        gap_list_add(&f->open, &gap.gap);
    return feed_writer_event(f->writer, recv_ns, &gap, err);
}

/* Write a record. Only the times of frames must rise: an event may have the time of the frame
 * before it. */
static td_result put_record(import_job *job, const import_record *record, const import_place *place,
                            td_err *err)
{
    const import_slot *slot = import_order_slot(job->survey, place->slot);
    const slot_target *target = &job->targets[place->slot];
    import_feed *f = &job->feeds[target->feed];
    td_result rc = TD_OK;
    uint64_t recv_ns = place->effective_ns > job->last_ns ? place->effective_ns : job->last_ns;
    if (record->kind == IMPORT_FRAME)
        recv_ns = next_recv_ns(job, record, place);
    if (feed_writer_segment(f->writer) == 0)
        rc = put_session(f, "start", recv_ns, err);
    if (rc == TD_OK && place->is_new_conn && !slot->is_http)
        rc = begin_connection(f, target->shard, place, recv_ns, slot->url, err);
    if (rc == TD_OK && record->kind == IMPORT_FRAME) {
        import_record frame = *record;
        import_place at = *place;
        uint32_t shard = target->shard;
        if (record->dir == CHANNEL_HTTP) {
            const char *topic = place_snapshot(f, &frame, &at, &shard);
            rc = put_request(f, record, topic, recv_ns, err);
        }
        if (rc == TD_OK)
            rc = put_frame(f, shard, &at, &frame, recv_ns, err);
    } else if (rc == TD_OK && record->kind == IMPORT_GAP)
        rc = put_gap(f, target->shard, place, record, recv_ns, err);
    return rc;
}

/* ---- the end ---- */

/* Write the end of a feed and its pending messages. A feed without a message has no segment. */
static td_result finish_feed(import_feed *f, td_err *err)
{
    uint64_t end_ns = feed_writer_last_ns(f->writer);
    td_result rc = TD_OK;
    for (uint32_t shard = 0; end_ns > 0 && rc == TD_OK && shard < LIMIT_FEED_SLOTS; shard++)
        rc = end_outage(f, shard, end_ns, err);
    if (end_ns > 0 && rc == TD_OK)
        rc = end_findings(f, end_ns, err);
    if (end_ns > 0 && rc == TD_OK) {
        rc = put_session(f, "stop", end_ns, err);
        if (rc == TD_OK)
            rc = write_chunk(f, err);
    }
    f->report->counts.frames = feed_writer_get_counts(f->writer);
    f->report->counts.gaps += f->report->counts.frames.sequence_gaps;
    if (rc != TD_OK)
        return rc;
    for (size_t i = 0; rc == TD_OK && i < f->job->content_count; i++)
        rc = archive_writer_put_import(f->job->writer, f->report->name, &f->job->contents[i], err);
    return rc;
}

/* End the session. After a failure (rc) it is left for recovery. */
static td_result close_archive(import_job *job, td_result rc, td_err *err)
{
    import_report *report = job->report;
    for (uint32_t i = 0; rc == TD_OK && i < report->feed_count; i++)
        rc = finish_feed(&job->feeds[i], err);
    if (rc == TD_OK) {
        (void)snprintf(report->session, sizeof report->session, "%s",
                       archive_session(job->archive)); /* 8 digits */
        report->is_written = 1;
    }
    for (uint32_t i = 0; i < report->feed_count; i++) {
        feed_writer_close(job->feeds[i].writer);
        gap_list_fini(&job->feeds[i].open);
        gap_list_fini(&job->feeds[i].found);
        fetched_books_fini(&job->feeds[i].books);
    }
    live_check_close(job->live_check);
    sealed_chunk_close(job->chunk);
    td_result closed =
        archive_writer_close(job->writer, rc == TD_OK ? WRITER_STOP : WRITER_ABANDON,
                             clock_wall_ns(job->options->clock), rc == TD_OK ? err : NULL);
    gap_list_fini(&job->earlier);
    archive_close(job->archive);
    return rc == TD_OK ? closed : rc;
}

/* ---- all of it ---- */

/* Read the file a second time, and write the session. */
static td_result write_session(import_job *job, td_err *err)
{
    import_record record;
    import_place place;
    job->chunk = sealed_chunk_open();
    td_result rc = open_archive(job, err);
    while (rc == TD_OK) {
        rc = next_record(job, &record, &place, err);
        if (rc == TD_OK)
            rc = put_record(job, &record, &place, err);
    }
    return close_archive(job, rc == TD_EOF ? TD_OK : rc, err);
}

td_result import_run(const import_options *options, import_report *report, td_err *err)
{
    *report = (import_report){.lines = 0};
    if (options->feed != NULL && !feed_name_is_valid(options->feed))
        return td_err_set(err, TD_E_INVALID,
                          "'%s' cannot be a feed's name: letters, digits, '.', '_' and '-' only",
                          options->feed);
    import_job *job = td_alloc_zero(1, sizeof *job);
    job->options = options;
    job->report = report;
    td_result rc = open_reader(job, err);
    if (rc == TD_OK)
        rc = survey(job, err);
    if (rc == TD_OK)
        rc = choose_feeds(job, err);
    if (rc == TD_OK && job->frame_count > 0)
        rc = start_second_reading(job, err);
    if (rc == TD_OK && job->frame_count > 0)
        rc = write_session(job, err);
    if (!report->is_written)
        report->feed_count = 0;
    close_reader(job);
    td_free(job);
    return rc;
}

void import_report_fini(import_report *report)
{
    td_free(report->problems);
}
