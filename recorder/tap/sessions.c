#include "recorder/tap/sessions.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/io_posix.h"
#include "archive/archive.h"
#include "archive/ledger.h"
#include "recorder/pipeline/recording.h"

typedef enum sessions_state {
    STATE_RECORDING, /* the network thread uses the session */
    STATE_WORKING,   /* the worker thread opens or ends a session */
    STATE_WAITING,   /* until a session is tried again */
} sessions_state;

struct tap_sessions {
    tap_sessions_options options;     /* without config */
    pipeline_config config;           /* in STATE_WORKING the worker reads it */
    pipeline_feed added[LIMIT_FEEDS]; /* feeds that config does not have yet */
    size_t added_count;
    sessions_state state;
    pthread_t worker;        /* in STATE_WORKING */
    atomic_int is_work_done; /* release/acquire: the worker is done */
    td_result work_result;   /* its result */
    td_err work_err;
    uint64_t retry_mono_ns;
    uint32_t number;
    uint8_t is_failing; /* 1: the failure has been logged */
    td_result failure;  /* the first failure, or TD_OK */
    td_err failure_err;
    tap_totals totals;
    /* The session. One thread uses it at a time: state determines which. NULL: no session. */
    archive *archive;
    recording *recording;
    tap_slot *slots;    /* LIMIT_FEED_SLOTS for each of LIMIT_FEEDS, since feeds may be added */
    uint8_t *has_begun; /* for each of LIMIT_FEEDS: 1 if its `session` event was written */
    gap_list open_rows; /* gaps of earlier sessions without an end */
};

/* ---- opening and ending, on either thread ---- */

/* Find the open gaps that end with the feed's next frame. */
static td_result find_open_rows(tap_sessions *self, td_err *err)
{
    gap_list ledger = {0};
    td_result rc = archive_gaps(self->archive, &ledger, err);
    for (size_t i = 0; i < ledger.count && rc == TD_OK; i++) {
        const gap_row *row = &ledger.rows[i];
        if (row->to_ns == GAP_OPEN && row->topic[0] == '\0' && row->reason != GAP_CORRUPT)
            gap_list_add(&self->open_rows, row);
    }
    gap_list_fini(&ledger);
    return rc;
}

static td_result open_session(tap_sessions *self, td_err *err)
{
    const tap_sessions_options *o = &self->options;
    const archive_options opening = {
        .io = io_posix(), .clock = o->clock, .log = o->log, .verb = "tap"};
    td_result rc = archive_open(&opening, o->path, ARCHIVE_APPEND, &self->archive, err);
    if (rc != TD_OK)
        return rc;
    const recording_options options = {.session = archive_session(self->archive),
                                       .verb = opening.verb,
                                       .config = &self->config,
                                       .clock = o->clock,
                                       .log = o->log};
    self->slots = td_alloc_zero((size_t)LIMIT_FEEDS * LIMIT_FEED_SLOTS, sizeof *self->slots);
    self->has_begun = td_alloc_zero(LIMIT_FEEDS, sizeof *self->has_begun);
    rc = recording_open(&options, &self->recording, err);
    if (rc == TD_OK)
        rc = recording_begin(self->recording, self->archive, 0, err);
    if (rc == TD_OK)
        rc = find_open_rows(self, err);
    return rc == TD_OK ? recording_start(self->recording, err) : rc;
}

static void free_session(tap_sessions *self)
{
    recording_close(self->recording);
    archive_close(self->archive);
    td_free(self->slots);
    td_free(self->has_begun);
    gap_list_fini(&self->open_rows);
    self->recording = NULL;
    self->archive = NULL;
    self->slots = NULL;
    self->has_begun = NULL;
}

static void add_totals(tap_sessions *self)
{
    recording_stats stats;
    recording_get_stats(self->recording, &stats);
    self->totals.frames +=
        stats.intake.frames_in + stats.intake.frames_out - stats.intake.frames_dropped;
    self->totals.dropped += stats.intake.frames_dropped;
    self->totals.bytes += stats.file_bytes;
}

static td_result end_session(tap_sessions *self, td_err *err)
{
    td_result rc = recording_finish(self->recording, err);
    add_totals(self);
    free_session(self);
    return rc;
}

/* ---- the worker thread ---- */

static void *work(void *arg)
{
    tap_sessions *self = arg;
    if (self->recording != NULL) {
        self->work_result = end_session(self, &self->work_err);
    } else {
        self->work_result = open_session(self, &self->work_err);
        if (self->work_result != TD_OK)
            free_session(self);
    }
    atomic_store_explicit(&self->is_work_done, 1, memory_order_release);
    return NULL;
}

static void wait_for_retry(tap_sessions *self, uint64_t wait_ns)
{
    self->state = STATE_WAITING;
    self->retry_mono_ns = clock_mono_ns(self->options.clock) + wait_ns;
}

static void start_work(tap_sessions *self)
{
    atomic_store_explicit(&self->is_work_done, 0, memory_order_relaxed);
    if (pthread_create(&self->worker, NULL, work, self) == 0)
        self->state = STATE_WORKING;
    else
        wait_for_retry(self, TAP_RETRY_NS); /* if a session must end, frames are lost meanwhile */
}

static void note_failure(tap_sessions *self)
{
    if (!self->is_failing)
        td_log_emit(self->options.log, TD_LOG_ERROR,
                    "nothing is recorded now, relaying continues: %s", self->work_err.text);
    if (self->failure == TD_OK) {
        self->failure = self->work_result;
        self->failure_err = self->work_err;
    }
    self->is_failing = 1;
}

/* Let the session, if there is one, have the feeds that were added. The worker is not running. */
static void take_added_feeds(tap_sessions *self)
{
    for (size_t i = 0; i < self->added_count; i++) {
        self->config.feeds[self->config.feed_count] = self->added[i];
        self->config.feed_count++; /* last: see recording_options.config */
    }
    self->added_count = 0;
}

/* The worker has opened or ended a session, or failed to. */
static void finish_work(tap_sessions *self)
{
    pthread_join(self->worker, NULL);
    take_added_feeds(self);
    if (self->work_result != TD_OK) {
        note_failure(self);
        wait_for_retry(self, TAP_RETRY_NS);
    } else if (self->recording == NULL) {
        wait_for_retry(self, 0);
    } else {
        self->state = STATE_RECORDING;
        self->number++;
        td_log_emit(self->options.log, self->is_failing ? TD_LOG_WARNING : TD_LOG_INFO,
                    "session %s records%s", archive_session(self->archive),
                    self->is_failing ? " again" : "");
        self->is_failing = 0;
    }
}

/* ---- the network thread ---- */

td_result tap_sessions_open(const tap_sessions_options *options, tap_sessions **out, td_err *err)
{
    tap_sessions *self = td_alloc_zero(1, sizeof *self);
    self->options = *options;
    self->options.config = NULL;
    self->config = *options->config;
    td_result rc = open_session(self, err);
    if (rc != TD_OK) {
        free_session(self);
        td_free(self);
        return rc;
    }
    self->number = 1;
    *out = self;
    return TD_OK;
}

void tap_sessions_tick(tap_sessions *self)
{
    switch (self->state) {
    case STATE_RECORDING:
        recording_tick(self->recording);
        if (recording_must_end(self->recording) ||
            intake_is_clock_wrong(recording_intake(self->recording)))
            start_work(self);
        break;
    case STATE_WORKING:
        if (atomic_load_explicit(&self->is_work_done, memory_order_acquire))
            finish_work(self);
        break;
    case STATE_WAITING:
        if (clock_mono_ns(self->options.clock) >= self->retry_mono_ns)
            start_work(self);
        break;
    }
}

uint32_t tap_sessions_number(const tap_sessions *self)
{
    return self->state == STATE_RECORDING ? self->number : 0;
}

void tap_sessions_add_feed(tap_sessions *self, const pipeline_feed *feed)
{
    TD_ASSERT(self->config.feed_count + self->added_count < LIMIT_FEEDS);
    self->added[self->added_count++] = *feed;
    if (self->state != STATE_WORKING)
        take_added_feeds(self);
}

intake *tap_sessions_intake(tap_sessions *self)
{
    TD_ASSERT(self->state == STATE_RECORDING);
    return recording_intake(self->recording);
}

tap_slot *tap_sessions_slot(tap_sessions *self, uint16_t feed_index, uint32_t shard)
{
    TD_ASSERT(self->state == STATE_RECORDING);
    TD_ASSERT(shard < LIMIT_FEED_SLOTS);
    return &self->slots[feed_index * LIMIT_FEED_SLOTS + shard];
}

void tap_sessions_begin(tap_sessions *self, uint16_t feed_index)
{
    TD_ASSERT(self->state == STATE_RECORDING);
    if (!self->has_begun[feed_index])
        recording_begin_feed(self->recording, feed_index);
    self->has_begun[feed_index] = 1;
}

void tap_sessions_received(tap_sessions *self, uint16_t feed_index, uint64_t recv_ns)
{
    const char *feed = self->config.feeds[feed_index].name;
    for (size_t i = 0; i < self->open_rows.count; i++) {
        gap_row *row = &self->open_rows.rows[i];
        if (row->to_ns != GAP_OPEN || strcmp(row->feed, feed) != 0)
            continue;
        row->to_ns = recv_ns > row->from_ns ? recv_ns : row->from_ns;
        const event ended = {.kind = EVENT_GAP, .gap = *row};
        intake_event(recording_intake(self->recording), feed_index, &ended);
    }
}

td_result tap_sessions_stop(tap_sessions *self, td_err *err)
{
    td_result rc = TD_OK;
    if (self->state == STATE_WORKING) {
        finish_work(self);
    }
    if (self->state == STATE_RECORDING)
        rc = end_session(self, err);
    self->state = STATE_WAITING;
    if (rc == TD_OK && self->failure != TD_OK) {
        *err = self->failure_err;
        rc = td_err_add(err, self->failure, "recording was interrupted");
    }
    return rc;
}

tap_totals tap_sessions_totals(const tap_sessions *self)
{
    return self->totals;
}

void tap_sessions_close(tap_sessions *self)
{
    if (self == NULL)
        return;
    TD_ASSERT(self->state == STATE_WAITING);
    free_session(self);
    td_free(self);
}
