#include "import/import.h"

#include <inttypes.h>
#include <stdio.h>

#include "import/import_feed_map.h"
#include "import/import_secrets.h"
#include "import/import_slots.h"
#include "import/import_source.h"
#include "import/import_spool.h"
#include "base/alloc.h"
#include "base/assert.h"
#include "base/time_text.h"
#include "cli/units.h"
#include "archive/archive.h"
#include "archive/archive_recover.h"
#include "archive/archive_writer.h"
#include "archive/imports.h"
#include "archive/ledger.h"
#include "schema/decode.h"

/* One reading of the capture, line by line. */
typedef struct capture_reader {
    import_source *source;
    import_line_reader *lines;
    import_slots *slots;
    decoder *decoder;     /* for times of bare frames; NULL without a family */
    uint8_t is_reporting; /* 1: first reading: count and report malformed lines */
} capture_reader;

typedef struct import_job {
    const import_options *options;
    import_report *report;
    capture_reader reader;
    import_slots *survey; /* the slots as the first reading left them */
    import_spool *spool;  /* NULL: lines are in order of time */
    import_secrets *secrets;
    import_feed_map map;
    uint8_t is_ordered;
    uint64_t latest_ns; /* of the lines so far */
    uint64_t frame_count;
    archive *archive;
    archive_writer *writer;
    archive_past past; /* until the writer has it */
    gap_list earlier;  /* the ledger before this session */
    import_feed *feeds[LIMIT_FEEDS];
    uint64_t last_ns; /* receive time given out last */
} import_job;

/* ---- reading ---- */

/* Once per line: the second reading meets the same lines again. */
static void report_malformed(import_job *job, uint64_t line, const char *reason)
{
    if (!job->reader.is_reporting)
        return;
    job->report->malformed++;
    if (job->options->problem != NULL)
        job->options->problem(job->options->user, line, reason);
}

/* A bare frame: the exchange's own time is the best estimate of its receive time. */
static void time_bare_frame(import_job *job, import_record *record)
{
    classification what = {.exchange_ns = 0};
    if (job->reader.is_reporting)
        job->report->untimed++;
    if (job->reader.decoder == NULL)
        return;
    decoder_classify(job->reader.decoder, job->options->family, record->data, DIR_IN, TOPIC_NOW,
                     &what);
    if (what.exchange_ns >= LIMIT_IMPORT_FIRST_NS && what.exchange_ns < LIMIT_IMPORT_END_NS) {
        record->time_source = IMPORT_TIME_EXCHANGE;
        record->time_ns = what.exchange_ns;
    }
}

/* Read one line and place it. 0: it holds no record, whatever the reason. */
static int take_line(import_job *job, const import_text_line *line, import_record *record,
                     import_place *place)
{
    TD_ASSERT(job->reader.lines != NULL);
    TD_ASSERT(line->is_too_long || line->text.size <= LIMIT_IMPORT_LINE_BYTES);
    const char *reason = NULL;
    td_err refused;
    td_err_clear(&refused);
    if (line->is_too_long) {
        report_malformed(job, line->number, "longer than 16 MiB");
        return 0;
    }
    if (!import_line_read(job->reader.lines, line->text, record, &reason)) {
        report_malformed(job, line->number, reason);
        return 0;
    }
    if (record->kind == IMPORT_NOTHING) {
        job->report->other += job->reader.is_reporting;
        return 0;
    }
    if (record->kind == IMPORT_FRAME && record->time_source == IMPORT_TIME_NONE)
        time_bare_frame(job, record);
    if (import_slots_take(job->reader.slots, record, place, &refused) == TD_OK)
        return 1;
    report_malformed(job, line->number, refused.text);
    return 0;
}

/* The next record in the order of the file. TD_OK, TD_EOF, TD_E_IO. */
static td_result next_record(import_job *job, import_record *record, import_place *place,
                             td_err *err)
{
    import_text_line line = {.number = 0};
    for (;;) {
        td_result rc = import_source_next(job->reader.source, &line, err);
        if (rc == TD_E_TRUNCATED || rc == TD_E_CORRUPT) {
            report_malformed(job, line.number + 1, err == NULL ? "damaged" : err->text);
            continue;
        }
        if (rc != TD_OK)
            return rc;
        job->report->lines += job->reader.is_reporting;
        if (take_line(job, &line, record, place))
            return TD_OK;
    }
}

/* A pipe is read once only, so it goes through the spool. */
static td_result open_reader(import_job *job, td_err *err)
{
    const import_options *options = job->options;
    capture_reader *reader = &job->reader;
    td_result rc = TD_OK;
    if (options->path != NULL)
        rc = import_source_open(options->io, options->path, &reader->source, err);
    else
        reader->source = import_source_open_pipe(options->descriptor);
    if (rc == TD_OK && options->family != NULL)
        rc = decoder_open(&reader->decoder, err);
    reader->lines = import_line_reader_open(options->format);
    reader->slots = import_slots_open();
    reader->is_reporting = 1;
    return rc;
}

static void close_reader(capture_reader *reader)
{
    import_source_close(reader->source);
    import_line_reader_close(reader->lines);
    import_slots_close(reader->slots);
    decoder_close(reader->decoder);
    *reader = (capture_reader){.source = NULL};
}

/* Start the second reading: the same lines give the same slots again. */
static void read_again(import_job *job)
{
    capture_reader *reader = &job->reader;
    TD_ASSERT(reader->slots == job->survey);
    reader->slots = import_slots_open();
    reader->is_reporting = 0;
    import_source_rewind(reader->source);
}

/* Records on their way to being sorted, beyond what fits into memory. */
static td_result open_spool(import_job *job, td_err *err)
{
    /* A capture is sorted once. */
    TD_ASSERT(job->spool == NULL);
    job->report->is_sorted = 1;
    return import_spool_open(job->options->io, job->options->scratch, &job->spool, err);
}

/* Read everything once. A pipe's records are kept on the way: it cannot be read again. */
static td_result survey(import_job *job, td_err *err)
{
    TD_ASSERT(job->reader.is_reporting);
    TD_ASSERT(job->latest_ns == 0);
    import_record record;
    import_place place;
    td_result rc = TD_OK;
    job->is_ordered = 1;
    if (!import_source_can_rewind(job->reader.source))
        rc = open_spool(job, err);
    while (rc == TD_OK) {
        rc = next_record(job, &record, &place, err);
        if (rc != TD_OK)
            break;
        job->is_ordered &= place.effective_ns >= job->latest_ns;
        job->latest_ns = place.effective_ns > job->latest_ns ? place.effective_ns : job->latest_ns;
        job->frame_count += record.kind == IMPORT_FRAME;
        rc = import_secrets_learn(job->secrets, &record, err);
        if (rc == TD_OK && job->spool != NULL)
            rc = import_spool_put(job->spool, &record, &place, err);
    }
    job->survey = job->reader.slots;
    job->report->compression = import_source_compression(job->reader.source);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Put the records of a file whose lines are not in order of time into a scratch file. */
static td_result spool_file(import_job *job, td_err *err)
{
    import_record record;
    import_place place;
    td_result rc = open_spool(job, err);
    while (rc == TD_OK) {
        rc = next_record(job, &record, &place, err);
        if (rc == TD_OK)
            rc = import_spool_put(job->spool, &record, &place, err);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

/* The next record in order of time. */
static td_result next_in_order(import_job *job, import_record *record, import_place *place,
                               td_err *err)
{
    TD_ASSERT(job->survey != NULL);
    if (job->spool != NULL)
        return import_spool_next(job->spool, job->survey, record, place, err);
    td_result rc = next_record(job, record, place, err);
    if (rc != TD_OK)
        return rc;
    uint64_t first_ns = import_slots_at(job->survey, place->slot)->first_ns;
    if (place->effective_ns < first_ns)
        place->effective_ns = first_ns;
    return TD_OK;
}

/* ---- writing ---- */

/* Each frame would be there twice, with a gap between two sessions that are one. */
static td_result refuse_repeat(const past_import *past, td_err *err)
{
    char when[TD_TIME_TEXT_BYTES];
    td_time_format(past->stop_ns, when);
    td_err_set(err, TD_E_INVALID, "feed '%s' got this content already, at %s (session %s)",
               past->feed, when, past->session);
    td_err_hint(err, "nothing was imported; --again imports it once more, --feed NAME as another "
                     "feed");
    return TD_E_INVALID;
}

/* What earlier imports left. */
static td_result look_at_imports(import_job *job, int *was_killed, td_err *err)
{
    past_import rows[LIMIT_FEEDS] = {{.feed = NULL}};
    const capture_content content = import_source_content(job->reader.source);
    const uint32_t count = job->map.feed_count;
    for (uint32_t i = 0; i < count; i++)
        rows[i].feed = job->map.feeds[i].name;
    td_result rc = imports_find(job->archive, &content, rows, count, was_killed, &job->past, err);
    if (job->options->repeat == IMPORT_REFUSE)
        for (uint32_t i = 0; i < count && rc == TD_OK; i++)
            rc = rows[i].session[0] == '\0' ? TD_OK : refuse_repeat(&rows[i], err);
    return rc;
}

/* Close what a crash left open, and see which gaps are. The whole ledger grows with the archive,
 * and is read only for the gap of an import that was killed. */
static td_result look_back(import_job *job, td_err *err)
{
    int was_killed = 0;
    td_result rc = look_at_imports(job, &was_killed, err);
    for (uint32_t i = 0; rc == TD_OK && i < job->map.feed_count; i++) {
        const char *feed = job->map.feeds[i].name;
        recover_report recovered;
        rc = archive_recover_past(job->archive, feed, &job->past, &recovered, err);
        if (rc == TD_OK && recovered.segments_recovered > 0)
            td_log_emit(job->options->log, TD_LOG_WARNING,
                        "%s: an earlier session was killed; safe of its last segment: %s", feed,
                        format_counted(recovered.frames_kept, "frame").text);
        was_killed |= recovered.gaps_opened > 0;
    }
    return rc == TD_OK && was_killed ? archive_gaps(job->archive, &job->earlier, err) : rc;
}

static td_result open_archive(import_job *job, td_err *err)
{
    const import_options *options = job->options;
    archive_options opening = {.io = options->io,
                               .clock = options->clock,
                               .log = options->log,
                               .verb = "import",
                               .catalog_path = options->catalog_path};
    td_result rc =
        archive_open(&opening, options->archive_path, ARCHIVE_APPEND, &job->archive, err);
    if (rc == TD_OK)
        rc = look_back(job, err);
    if (rc != TD_OK)
        return rc;
    archive_writer_options writing = {
        .version = options->version, .start_ns = clock_wall_ns(options->clock), .past = &job->past};
    rc = archive_writer_open(job->archive, &writing, &job->writer, err);
    for (uint32_t i = 0; rc == TD_OK && i < job->map.feed_count; i++) {
        import_feed_options feed = {.writer = job->writer,
                                    .session = archive_session(job->archive),
                                    .version = options->version,
                                    .start_ns = writing.start_ns,
                                    .earlier = &job->earlier,
                                    .secrets = import_secrets_learnt(job->secrets),
                                    .log = options->log,
                                    .name = job->map.feeds[i].name,
                                    .family = job->map.feeds[i].family};
        rc = import_feed_open(&feed, &job->feeds[i], err);
    }
    return rc;
}

/* The receive time of the next record: the file's, or the smallest that rises. */
static uint64_t give_time(import_job *job, const import_record *record, const import_place *place)
{
    uint64_t recv_ns = place->effective_ns;
    if (recv_ns == 0)
        recv_ns = clock_wall_ns(job->options->clock); /* the capture holds no time at all */
    if (recv_ns <= job->last_ns)
        recv_ns = job->last_ns + 1;
    if (record->time_source == IMPORT_TIME_FILE && recv_ns != record->time_ns) {
        uint64_t by_ns = recv_ns - record->time_ns;
        job->report->adjusted++;
        if (job->report->adjusted_ns_max < by_ns)
            job->report->adjusted_ns_max = by_ns;
    }
    job->last_ns = recv_ns;
    return recv_ns;
}

static td_result write_frame(import_job *job, const import_record *record,
                             const import_place *place, td_err *err)
{
    import_feed *feed = job->feeds[job->map.feed_of_slot[place->slot]];
    uint32_t shard = job->map.shard_of_slot[place->slot];
    const import_slot *slot = import_slots_at(job->survey, place->slot);
    td_result rc = TD_OK;
    uint64_t recv_ns = give_time(job, record, place);
    if (place->is_new_conn && !slot->is_http)
        rc = import_feed_connect(feed, shard, place->conn, recv_ns, slot->url, err);
    if (rc != TD_OK)
        return rc;
    const import_feed_frame frame = {.shard = shard,
                                     .dir = record->dir,
                                     .recv_ns = recv_ns,
                                     .bytes = record->data,
                                     .url = record->url};
    return import_feed_frame_put(feed, &frame, err);
}

/* A connect line keeps its time: an event may have the time of the frame before it. */
static td_result write_connect(import_job *job, const import_place *place, td_err *err)
{
    import_feed *feed = job->feeds[job->map.feed_of_slot[place->slot]];
    const import_slot *slot = import_slots_at(job->survey, place->slot);
    uint64_t recv_ns = place->effective_ns > job->last_ns ? place->effective_ns : job->last_ns;
    if (slot->is_http)
        return TD_OK;
    return import_feed_connect(feed, job->map.shard_of_slot[place->slot], place->conn, recv_ns,
                               slot->url, err);
}

static td_result write_records(import_job *job, td_err *err)
{
    import_record record;
    import_place place;
    td_result rc = next_in_order(job, &record, &place, err);
    while (rc == TD_OK) {
        TD_ASSERT(place.slot < import_slots_count(job->survey));
        rc = record.kind == IMPORT_CONNECT ? write_connect(job, &place, err)
                                           : write_frame(job, &record, &place, err);
        if (rc == TD_OK)
            rc = next_in_order(job, &record, &place, err);
    }
    if (rc != TD_EOF)
        return rc;
    rc = TD_OK;
    const capture_content content = import_source_content(job->reader.source);
    for (uint32_t i = 0; rc == TD_OK && i < job->map.feed_count; i++) {
        rc = import_feed_finish(job->feeds[i], err);
        if (rc == TD_OK)
            rc = archive_writer_put_import(job->writer, job->map.feeds[i].name, &content, err);
    }
    return rc;
}

static void report_feeds(import_job *job)
{
    import_report *report = job->report;
    report->feed_count = job->map.feed_count;
    for (uint32_t i = 0; i < report->feed_count; i++) {
        const import_mapped_feed *feed = &job->map.feeds[i];
        report->feeds[i].family = feed->family;
        report->feeds[i].counts = import_feed_get_counts(job->feeds[i]);
        (void)snprintf(report->feeds[i].name, sizeof report->feeds[i].name, "%s",
                       feed->name); /* fits: the writer took it as a feed's name */
    }
    (void)snprintf(report->session, sizeof report->session, "%s",
                   archive_session(job->archive)); /* 8 digits */
    report->is_written = 1;
}

/* Close what writing opened, also after a failure. */
static td_result close_archive(import_job *job, td_result rc, td_err *err)
{
    for (uint32_t i = 0; i < job->map.feed_count; i++)
        import_feed_close(job->feeds[i]);
    td_result closed =
        archive_writer_close(job->writer, rc == TD_OK ? WRITER_STOP : WRITER_ABANDON,
                             clock_wall_ns(job->options->clock), rc == TD_OK ? err : NULL);
    gap_list_fini(&job->earlier);
    archive_past_fini(&job->past);
    archive_close(job->archive);
    return rc == TD_OK ? closed : rc;
}

static td_result write_session(import_job *job, td_err *err)
{
    td_result rc = TD_OK;
    if (job->spool == NULL) {
        read_again(job);
        if (!job->is_ordered)
            rc = spool_file(job, err);
    }
    if (rc != TD_OK)
        return rc;
    rc = open_archive(job, err);
    if (rc == TD_OK)
        rc = write_records(job, err);
    if (rc == TD_OK)
        report_feeds(job);
    return close_archive(job, rc, err);
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
    job->secrets = import_secrets_open();
    td_result rc = open_reader(job, err);
    if (rc == TD_OK)
        rc = survey(job, err);
    if (rc == TD_OK)
        rc =
            import_feed_map_make(job->reader.slots, options->family, options->feed, &job->map, err);
    report->other_family_slots = job->map.other_family_slots;
    if (rc == TD_OK && job->frame_count > 0)
        rc = write_session(job, err);
    if (job->survey != job->reader.slots)
        import_slots_close(job->survey);
    import_spool_close(job->spool);
    import_secrets_close(job->secrets);
    close_reader(&job->reader);
    td_free(job);
    return rc;
}
