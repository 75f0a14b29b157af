#include "recorder/retention.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cli/units.h"
#include "archive/prune.h"

/* What one run keeps of a feed. */
typedef struct kept_feed {
    char name[LIMIT_NAME_BYTES];
    uint64_t age_ns; /* 0: everything */
} kept_feed;

struct retention {
    const recorder_config *config;
    archive *archive;
    const td_log *log;
    uint64_t due_ns, space_due_ns; /* of the next run */
    pthread_t thread;
    uint8_t is_started;
    atomic_int is_done; /* release/acquire */
    /* Of the thread while it runs. */
    kept_feed feeds[LIMIT_FEEDS];
    size_t feed_count;
    uint64_t keep_bytes, free_bytes;
};

static int keeps_everything(const recorder_config *config)
{
    for (size_t i = 0; i < config->feed_count; i++)
        if (config->feeds[i].retain_ns != 0)
            return 0;
    return config->retain_bytes == 0 && config->retain_free_bytes == 0;
}

retention *retention_open(const recorder_config *config, archive *into, const td_log *log)
{
    if (keeps_everything(config))
        return NULL;
    retention *made = td_alloc_zero(1, sizeof *made);
    made->config = config;
    made->archive = into;
    made->log = log;
    return made;
}

/* ---- the thread ---- */

static int is_feed(void *user, const char *feed)
{
    return strcmp(user, feed) == 0;
}

static void prune_once(const retention *self, archive *from, prune_options options)
{
    prune_report report;
    td_err err;
    options.is_all = 1; /* a segment that is being written always stays */
    if (archive_prune(from, &options, &report, &err) != TD_OK)
        td_log_emit(self->log, TD_LOG_WARNING, "old segments cannot be removed: %s", err.text);
    else if (report.segments > 0)
        td_log_emit(self->log, TD_LOG_INFO, "removed as configured: %s, %s",
                    format_counted(report.segments, "old segment").text,
                    format_size(report.bytes).text);
}

static void *run(void *arg)
{
    retention *self = arg;
    archive *from = NULL;
    td_err err;
    const archive_options opening = {.io = archive_io(self->archive),
                                     .clock = archive_clock(self->archive),
                                     .log = self->log,
                                     .verb = "record"};
    /* Another maintainer may be running: next time. */
    if (archive_open(&opening, archive_path(self->archive), ARCHIVE_MAINTAIN, &from, &err) ==
        TD_OK) {
        for (size_t i = 0; i < self->feed_count; i++)
            if (self->feeds[i].age_ns != 0)
                prune_once(self, from,
                           (prune_options){.older_than_ns = self->feeds[i].age_ns,
                                           .keep_bytes = UINT64_MAX,
                                           .wants_feed = is_feed,
                                           .user = self->feeds[i].name});
        if (self->keep_bytes != 0 || self->free_bytes != 0)
            prune_once(
                self, from,
                (prune_options){.keep_bytes = self->keep_bytes == 0 ? UINT64_MAX : self->keep_bytes,
                                .free_bytes = self->free_bytes});
    }
    archive_close(from);
    atomic_store_explicit(&self->is_done, 1, memory_order_release);
    return NULL;
}

/* ---- when ---- */

/* 1 if too little is free. */
static int lacks_space(const retention *self)
{
    td_space space;
    return self->config->retain_free_bytes != 0 &&
           td_io_space(archive_io(self->archive), archive_path(self->archive), &space, NULL) ==
               TD_OK &&
           space.total_bytes != 0 && space.free_bytes < self->config->retain_free_bytes;
}

static void start(retention *self)
{
    const recorder_config *config = self->config;
    self->feed_count = config->feed_count;
    for (size_t i = 0; i < config->feed_count; i++) {
        (void)snprintf(self->feeds[i].name, sizeof self->feeds[i].name, "%s",
                       config->feeds[i].name);
        self->feeds[i].age_ns = config->feeds[i].is_removed ? 0 : config->feeds[i].retain_ns;
    }
    self->keep_bytes = config->retain_bytes;
    self->free_bytes = config->retain_free_bytes;
    atomic_store_explicit(&self->is_done, 0, memory_order_relaxed);
    self->is_started = pthread_create(&self->thread, NULL, run, self) == 0;
    if (!self->is_started)
        td_log_emit(self->log, TD_LOG_WARNING, "old segments cannot be removed: no thread");
}

void retention_tick(retention *self, uint64_t mono_ns)
{
    if (self == NULL)
        return;
    if (self->is_started && atomic_load_explicit(&self->is_done, memory_order_acquire)) {
        pthread_join(self->thread, NULL);
        self->is_started = 0;
    }
    if (self->is_started || mono_ns < self->space_due_ns)
        return;
    self->space_due_ns = mono_ns + RETENTION_SPACE_NS;
    if (mono_ns < self->due_ns && !lacks_space(self))
        return;
    self->due_ns = mono_ns + RETENTION_NS;
    start(self);
}

void retention_close(retention *self)
{
    if (self != NULL && self->is_started)
        pthread_join(self->thread, NULL);
    td_free(self);
}
