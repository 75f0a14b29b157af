#include "import/import.h"

#include <inttypes.h>
#include <stdio.h>

#include "import/import_feed_map.h"
#include "import/import_secrets.h"
#include "import/import_slots.h"
#include "import/import_source.h"
#include "import/import_window.h"
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

typedef struct import_job {
    const import_options *options;
    import_report *report;
    import_source *source;
    import_line_reader *lines;
    decoder *decoder; /* for times of bare frames; NULL without a family */
    import_slots *slots;
    import_window *window;
    uint8_t is_survey;    /* first reading: counts and reports malformed lines */
    uint8_t is_read;      /* no line is left in this reading */
    import_slots *survey; /* the slots as the first reading left them */
    uint64_t first_ns;    /* earliest time of the capture; 0: it has no time */
    uint64_t frame_count;
    import_secrets *secrets;
    import_feed_map map;
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
    if (!job->is_survey)
        return;
    job->report->malformed++;
    if (job->options->problem != NULL)
        job->options->problem(job->options->user, line, reason);
}

/* A bare frame: the exchange's own time is the best estimate of its receive time. */
static void time_bare_frame(import_job *job, import_record *record)
{
    classification what = {.exchange_ns = 0};
    job->report->untimed += job->is_survey;
    if (job->decoder == NULL)
        return;
    decoder_classify(job->decoder, job->options->family, record->data, DIR_IN, TOPIC_NOW, &what);
    if (what.exchange_ns >= LIMIT_IMPORT_FIRST_NS && what.exchange_ns < LIMIT_IMPORT_END_NS) {
        record->time_source = IMPORT_TIME_EXCHANGE;
        record->time_ns = what.exchange_ns;
    }
}

/* Read one line and place it. 0: it holds no record, whatever the reason. */
static int read_line(import_job *job, const import_text_line *line, import_record *record,
                     import_place *place)
{
    TD_ASSERT(line->is_too_long || line->text.size <= LIMIT_IMPORT_LINE_BYTES);
    const char *reason = "longer than 16 MiB";
    td_err refused;
    td_err_clear(&refused);
    if (line->is_too_long || !import_line_read(job->lines, line->text, record, &reason)) {
        report_malformed(job, line->number, reason);
        return 0;
    }
    if (record->kind == IMPORT_NOTHING) {
        job->report->other += job->is_survey;
        return 0;
    }
    if (record->kind == IMPORT_FRAME && record->time_source == IMPORT_TIME_NONE)
        time_bare_frame(job, record);
    if (import_slots_take(job->slots, record, place, &refused) == TD_OK)
        return 1;
    report_malformed(job, line->number, refused.text);
    return 0;
}

/* Read the next line into the window. TD_OK, TD_EOF, TD_E_IO, TD_E_INVALID: it is too late. */
static td_result read_into_window(import_job *job, td_err *err)
{
    import_text_line line = {.number = 0};
    import_record record;
    import_place place;
    td_result rc = import_source_next(job->source, &line, err);
    if (rc == TD_E_TRUNCATED || rc == TD_E_CORRUPT) {
        report_malformed(job, line.number + 1, err == NULL ? "damaged" : err->text);
        return TD_OK;
    }
    if (rc != TD_OK)
        return rc;
    job->report->lines += job->is_survey;
    if (!read_line(job, &line, &record, &place))
        return TD_OK;
    return import_window_put(job->window, &record, &place, line.number, err);
}

/* The next record in order of time. */
static td_result next_record(import_job *job, import_record *record, import_place *place,
                             td_err *err)
{
    while (!job->is_read && !import_window_is_full(job->window)) {
        td_result rc = read_into_window(job, err);
        if (rc != TD_OK && rc != TD_EOF)
            return rc;
        job->is_read = rc == TD_EOF;
    }
    return import_window_take(job->window, record, place) ? TD_OK : TD_EOF;
}

static td_result open_reader(import_job *job, td_err *err)
{
    const import_options *options = job->options;
    job->lines = import_line_reader_open(options->format);
    job->slots = import_slots_open();
    job->window = import_window_open();
    job->secrets = import_secrets_open();
    if (options->family != NULL)
        job->decoder = decoder_open();
    if (options->path != NULL)
        return import_source_open(options->io, options->path, &job->source, err);
    job->source = import_source_open_pipe(options->descriptor);
    return import_source_keep(job->source, options->io, options->scratch, err);
}

static void close_reader(import_job *job)
{
    import_source_close(job->source);
    import_line_reader_close(job->lines);
    decoder_close(job->decoder);
    import_slots_close(job->slots);
    import_slots_close(job->survey);
    import_window_close(job->window);
    import_secrets_close(job->secrets);
}

/* Read everything once: what the capture's connections are, and what must be hidden. */
static td_result survey(import_job *job, td_err *err)
{
    import_record record;
    import_place place;
    job->is_survey = 1;
    td_result rc = next_record(job, &record, &place, err);
    while (rc == TD_OK) {
        job->frame_count += record.kind == IMPORT_FRAME;
        if (job->first_ns == 0)
            job->first_ns = place.effective_ns;
        rc = import_secrets_learn(job->secrets, &record, err);
        if (rc == TD_OK)
            rc = next_record(job, &record, &place, err);
    }
    job->report->compression = import_source_compression(job->source);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Start the second reading: the same lines give the same slots and the same order again. */
static void read_again(import_job *job)
{
    job->survey = job->slots;
    job->slots = import_slots_open();
    import_window_close(job->window);
    job->window = import_window_open();
    import_source_rewind(job->source);
    job->is_survey = job->is_read = 0;
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
    const capture_content content = import_source_content(job->source);
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
        recv_ns = job->first_ns;
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
    td_result rc = next_record(job, &record, &place, err);
    while (rc == TD_OK) {
        TD_ASSERT(place.slot < import_slots_count(job->survey));
        rc = record.kind == IMPORT_CONNECT ? write_connect(job, &place, err)
                                           : write_frame(job, &record, &place, err);
        if (rc == TD_OK)
            rc = next_record(job, &record, &place, err);
    }
    if (rc != TD_EOF)
        return rc;
    rc = TD_OK;
    const capture_content content = import_source_content(job->source);
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
    read_again(job);
    td_result rc = open_archive(job, err);
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
    td_result rc = open_reader(job, err);
    if (rc == TD_OK)
        rc = survey(job, err);
    if (rc == TD_OK)
        rc = import_feed_map_make(job->slots, options->family, options->feed, &job->map, err);
    report->other_family_slots = job->map.other_family_slots;
    if (rc == TD_OK && job->frame_count > 0)
        rc = write_session(job, err);
    close_reader(job);
    td_free(job);
    return rc;
}
