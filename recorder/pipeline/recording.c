#include "recorder/pipeline/recording.h"
#include "recorder/pipeline/live_findings.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/version.h"
#include "base/cli/units.h"
#include "archive/archive_recover.h"
#include "recorder/pipeline/disk.h"
#include "recorder/pipeline/free_space.h"

/* Size of the live check's ring: how far it may lag before it skips frames. */
enum { LIVE_CHECK_RING_BYTES = 32 << 20 };
_Static_assert(LIVE_CHECK_RING_BYTES > LIMIT_FRAME_BYTES, "the largest frame can be checked");

struct recording {
    recording_options options;
    archive *archive; /* NULL before recording_begin */
    uint64_t start_ns;
    td_ring *ring;
    intake *intake;
    live_check *live_check;
    encoder *encoder;
    archive_writer *writer;
    size_t writer_feeds;   /* feeds of the writer; disk thread, once it runs */
    uint64_t file_bytes;   /* size of the session's segments, once writer is closed */
    free_space free_space; /* set before the disk thread, which reads it, starts */
    lag *lag;
    disk *disk;
};

/* ---- what the threads report ---- */

static void on_durable(void *user, size_t feed_index, const sealed_chunk *chunk)
{
    recording *self = user;
    uint64_t lag_ns = lag_durable(self->lag);
    if (self->options.durable != NULL)
        self->options.durable(self->options.user, feed_index, chunk, lag_ns);
}

static void on_finished(void *user, const char *relative)
{
    const recording *self = user;
    char path[LIMIT_PATH_BYTES];
    if (self->options.finished != NULL &&
        archive_join(self->archive, relative, path, NULL) == TD_OK)
        self->options.finished(self->options.user, path);
}

/* ---- opening ---- */

/* Add feeds to the writer, up to this one. */
static td_result add_feed(void *user, size_t feed_index, td_err *err)
{
    recording *self = user;
    td_result rc = TD_OK;
    while (rc == TD_OK && self->writer_feeds <= feed_index) {
        const pipeline_feed *feed = &self->options.config->feeds[self->writer_feeds];
        size_t index;
        rc = archive_writer_add_feed(self->writer, feed->name, feed->family->name,
                                     family_documents(feed->family), &index, err);
        TD_ASSERT(rc != TD_OK || index == self->writer_feeds);
        if (rc != TD_OK)
            break;
        if (feed->redactor != NULL)
            archive_writer_make_private(self->writer, index);
        self->writer_feeds++;
    }
    return rc;
}

/* Recover after a crash, and begin the session. */
static td_result open_session(recording *self, uint64_t start_ns, td_err *err)
{
    const pipeline_config *config = self->options.config;
    recover_report report;
    td_result rc = archive_recover(self->archive, NULL, NULL, &report, err);
    if (rc == TD_OK && report.segments_recovered > 0)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "the recorder was killed before; kept of its last segments: %s; torn: %s",
                    format_counted(report.frames_kept, "frame").text,
                    format_counted(report.torn_bytes, "byte").text);
    self->start_ns = start_ns != 0 ? start_ns : clock_wall_ns(self->options.clock);
    archive_writer_options options = {.version = TAPEDECK_VERSION,
                                      .start_ns = self->start_ns,
                                      .continues = start_ns != 0,
                                      .durable = on_durable,
                                      .finished = on_finished,
                                      .user = self,
                                      .file_bytes = &self->file_bytes};
    if (rc == TD_OK)
        rc = archive_writer_open(self->archive, &options, &self->writer, err);
    return rc == TD_OK ? add_feed(self, config->feed_count - 1, err) : rc;
}

static void open_intake(recording *self)
{
    const intake_options options = {.ring = self->ring,
                                    .clock = self->options.clock,
                                    .config = self->options.config,
                                    .log = self->options.log,
                                    .pause = self->options.pause,
                                    .resume = self->options.resume,
                                    .user = self->options.user};
    self->intake = intake_open(&options);
}

td_result recording_open(const recording_options *options, recording **out, td_err *err)
{
    TD_ASSERT(options->config->feed_count > 0);
    TD_ASSERT(options->config->feed_count <= LIMIT_FEEDS);
    recording *self = td_alloc_zero(1, sizeof *self);
    *out = self;
    self->options = *options;
    td_result rc = td_ring_open(options->config->ring_bytes, &self->ring, err);
    if (rc == TD_OK)
        open_intake(self);
    return rc;
}

td_result recording_begin(recording *self, archive *into, uint64_t start_ns, td_err *err)
{
    self->archive = into;
    self->free_space = (free_space){.io = archive_io(into),
                                    .path = archive_path(into),
                                    .min_bytes = self->options.config->min_free_bytes};
    /* Checked before anything is written, even by recovery. */
    td_result rc = free_space_check(&self->free_space, err);
    return rc == TD_OK ? open_session(self, start_ns, err) : rc;
}

archive_writer *recording_writer(recording *self)
{
    return self->writer;
}

uint64_t recording_start_ns(const recording *self)
{
    return self->start_ns;
}

/* Start the threads from the disk backwards, so that each can use the next one. */
td_result recording_start(recording *self, td_err *err)
{
    /* The disk thread needs the writer. */
    TD_ASSERT(self->writer != NULL);
    TD_ASSERT(self->encoder == NULL);
    const pipeline_config *config = self->options.config;
    live_check_options checking = {.config = config,
                                   .log = self->options.log,
                                   .session = self->options.session,
                                   .is_recorder = strcmp(self->options.verb, "record") == 0,
                                   .ring_bytes = LIVE_CHECK_RING_BYTES};
    self->lag = lag_open(self->options.clock, config->commit_interval_ns, DISK_CHUNKS);
    td_result rc = live_check_open(&checking, &self->live_check, err);
    disk_options writing = {.writer = self->writer,
                            .free_space = &self->free_space,
                            .idle_check_ns = TD_NS_PER_S,
                            .add_feed = add_feed,
                            .user = self};
    if (rc == TD_OK)
        rc = disk_open(&writing, &self->disk, err);
    encoder_options encoding = {.ring = self->ring,
                                .disk = self->disk,
                                .live_check = self->live_check,
                                .lag = self->lag,
                                .config = config,
                                .session = self->options.session,
                                .clock = self->options.clock,
                                .log = self->options.log};
    return rc == TD_OK ? encoder_open(&encoding, &self->encoder, err) : rc;
}

/* ---- running ---- */

intake *recording_intake(recording *self)
{
    return self->intake;
}

static event session_event(const recording *self, const char *state)
{
    return (event){.kind = EVENT_SESSION,
                   .session = self->options.session,
                   .state = state,
                   .verb = self->options.verb,
                   .version = TAPEDECK_VERSION,
                   .start_ns = clock_wall_ns(self->options.clock)};
}

void recording_begin_feed(recording *self, uint16_t feed_index)
{
    const event begins = session_event(self, "starts");
    intake_event(self->intake, feed_index, &begins);
}

static void record_findings(recording *self)
{
    uint16_t feed_index;
    event found = {.kind = EVENT_GAP};
    while (live_check_next_finding(self->live_check, &feed_index, &found.gap)) {
        if (live_check_is_gap(&found.gap))
            (void)intake_event(self->intake, feed_index, &found); /* its time is not needed */
        if (self->options.found != NULL)
            self->options.found(self->options.user, feed_index, &found.gap);
    }
}

/* Record and log that chunks began or ceased to be late. */
static void report_lag(recording *self, lag_change change, const lag_period *period)
{
    if (change == LAG_UNCHANGED)
        return;
    const event overload = {.kind = EVENT_OVERLOAD,
                            .what = EVENT_OVERLOAD_DURABILITY,
                            .state = change == LAG_BEGINS ? "begins" : "ends",
                            .from_ns = period->first_ns,
                            .to_ns = change == LAG_BEGINS ? 0 : period->last_ns,
                            .frames = change == LAG_BEGINS ? 0 : period->frames,
                            .lag_ns = period->worst_ns};
    intake_event_all(self->intake, &overload);
    if (change == LAG_BEGINS)
        td_log_emit(self->options.log, TD_LOG_WARNING,
                    "frames are not durable after %.3f s; commit_interval is %.3f s",
                    (double)period->worst_ns / 1e9,
                    (double)self->options.config->commit_interval_ns / 1e9);
    else
        td_log_emit(self->options.log, TD_LOG_INFO,
                    "frames are durable in time again; they became so up to %.3f s after receipt",
                    (double)period->worst_ns / 1e9);
}

void recording_tick(recording *self)
{
    lag_period slow;
    intake_tick(self->intake);
    record_findings(self);
    report_lag(self, lag_check(self->lag, 0, &slow), &slow);
}

int recording_must_end(recording *self)
{
    return disk_must_end(self->disk);
}

uint64_t recording_ring_percent(const recording *self)
{
    return td_ring_used_bytes(self->ring) * 100 / td_ring_capacity_bytes(self->ring);
}

grants_counts recording_get_topics(const recording *self, uint16_t feed_index)
{
    return encoder_get_feed_counts(self->encoder, feed_index).topics;
}

void recording_get_stats(const recording *self, recording_stats *out)
{
    memset(out, 0, sizeof *out);
    intake_get_stats(self->intake, &out->intake);
    encoder_get_stats(self->encoder, &out->encoder);
    out->intake.frames_dropped += out->encoder.discarded;
    out->intake.gaps += out->encoder.gaps;
    live_check_get_stats(self->live_check, &out->live_check);
    lag_get_stats(self->lag, &out->lag);
    out->ring_percent = recording_ring_percent(self);
    out->file_bytes = self->file_bytes;
}

/* ---- its end ---- */

/* Wait until everything received is encoded and checked, so that the check's findings are recorded.
 */
static void drain(recording *self)
{
    intake_expect_pause(self->intake);
    while (!disk_has_failed(self->disk) &&
           (td_ring_used_bytes(self->ring) > 0 || !live_check_is_idle(self->live_check)))
        clock_sleep_until(self->options.clock, clock_mono_ns(self->options.clock) + TD_NS_PER_MS);
    intake_tick(self->intake);
    record_findings(self);
}

/* Keep the first of several errors: it is the cause. */
static void keep_first(td_result *first, td_result rc, const td_err *failure, td_err *err)
{
    if (rc == TD_OK || *first != TD_OK)
        return;
    *first = rc;
    if (err != NULL)
        *err = *failure;
}

td_result recording_finish(recording *self, td_err *err)
{
    td_err failure;
    td_err end_reason;
    td_result first = TD_OK;
    lag_period slow;
    drain(self);
    report_lag(self, lag_check(self->lag, 1, &slow), &slow);
    const event stops = session_event(self, "stops");
    intake_event_all(self->intake, &stops);
    intake_stop(self->intake);
    td_result encoded = encoder_join(self->encoder, &failure);
    keep_first(&first, encoded, &failure, err);
    td_result rc = disk_close(self->disk, &end_reason, &failure);
    self->disk = NULL;
    keep_first(&first, rc, &failure, err);
    /* A clean stop requires that everything was written; otherwise the next session records a gap.
     */
    int is_whole = encoded == TD_OK && rc == TD_OK;
    rc = archive_writer_close(self->writer, is_whole ? WRITER_STOP : WRITER_ABANDON,
                              clock_wall_ns(self->options.clock), &failure);
    self->writer = NULL;
    keep_first(&first, rc, &failure, err);
    keep_first(&first, end_reason.code, &end_reason, err);
    return first;
}

void recording_close(recording *self)
{
    td_err ignored;
    if (self == NULL)
        return;
    /* End the threads first: they use everything else. */
    if (self->encoder != NULL && self->writer != NULL) {
        intake_stop(self->intake);
        td_result unfinished = encoder_join(self->encoder, &ignored);
        (void)unfinished; /* the first error was returned already */
    }
    encoder_close(self->encoder);
    td_result opened_half = disk_close(self->disk, &ignored, &ignored);
    (void)opened_half; /* an earlier error was returned already, or nothing was recorded */
    live_check_close(self->live_check);
    lag_close(self->lag);
    td_result abandoned = archive_writer_close(self->writer, WRITER_ABANDON, 0, &ignored);
    (void)abandoned; /* an earlier error was returned already, or the writer was closed */
    intake_close(self->intake);
    td_ring_close(self->ring);
    td_free(self);
}
