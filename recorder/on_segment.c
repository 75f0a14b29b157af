#include "recorder/on_segment.h"

#include <pthread.h>
#include <string.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/cli/units.h"

struct on_segment {
    const recorder_config *config;
    const td_log *log;
    pid_t running;        /* 0: none */
    pthread_mutex_t lock; /* guards the members below */
    char *waiting[ON_SEGMENT_WAITING_MAX];
    size_t waiting_count;
    uint64_t left_out; /* since the last start */
};

/* ---- the shell's script ---- */

/* Make the script: feeds, and with them credentials, may have been added since the last one. */
static void make_script(const recorder_config *config, td_buf *out)
{
    td_buf_init(out, LIMIT_RECORD_BYTES);
    config_add_unsets(config, out);
    td_buf_add(out, config->on_segment, strlen(config->on_segment));
    td_buf_add(out, " \"$@\"", sizeof " \"$@\""); /* with its NUL */
}

/* ---- segments ---- */

on_segment *on_segment_open(const recorder_config *config, const td_log *log)
{
    if (config->on_segment == NULL)
        return NULL;
    on_segment *made = td_alloc_zero(1, sizeof *made);
    made->config = config;
    made->log = log;
    pthread_mutex_init(&made->lock, NULL);
    return made;
}

void on_segment_add(on_segment *self, const char *path)
{
    if (self == NULL)
        return;
    pthread_mutex_lock(&self->lock);
    if (self->waiting_count < ON_SEGMENT_WAITING_MAX)
        self->waiting[self->waiting_count++] = td_strdup(path);
    else
        self->left_out++;
    pthread_mutex_unlock(&self->lock);
}

/* Start the command for all that waits. */
static void start(on_segment *self)
{
    char shell[] = "sh";
    char option[] = "-c";
    char name[] = "on_segment"; /* $0 */
    char *words[ON_SEGMENT_WAITING_MAX + 5] = {shell, option, NULL, name};
    td_buf script;
    td_err err;
    pthread_mutex_lock(&self->lock);
    const size_t count = self->waiting_count;
    const uint64_t left_out = self->left_out;
    memcpy((void *)(words + 4), (const void *)self->waiting, count * sizeof *words);
    self->waiting_count = 0;
    self->left_out = 0;
    pthread_mutex_unlock(&self->lock);
    if (count == 0)
        return;
    if (left_out > 0)
        td_log_emit(self->log, TD_LOG_WARNING,
                    "on_segment does not get %s: the command before took too long",
                    format_counted(left_out, "segment").text);
    make_script(self->config, &script);
    words[2] = (char *)script.data;
    const td_child_ends ends = {-1, STDERR_FILENO, STDERR_FILENO};
    if (td_child_start("/bin/sh", words, ends, &self->running, &err) != TD_OK) {
        self->running = 0;
        td_log_emit(self->log, TD_LOG_WARNING, "on_segment: %s", err.text);
    }
    td_buf_fini(&script);
    for (size_t i = 0; i < count; i++)
        td_free(words[4 + i]);
}

/* 1 if the command still runs. */
static int is_running(on_segment *self)
{
    int status = 0;
    char end[TD_CHILD_END_BYTES];
    if (self->running == 0 || waitpid(self->running, &status, WNOHANG) == 0)
        return self->running != 0;
    self->running = 0;
    if (status != 0)
        td_log_emit(self->log, TD_LOG_WARNING, "on_segment %s", td_child_end_text(status, end));
    return 0;
}

void on_segment_tick(on_segment *self)
{
    if (self != NULL && !is_running(self))
        start(self);
}

void on_segment_close(on_segment *self)
{
    if (self == NULL)
        return;
    (void)is_running(self);
    start(self);
    pthread_mutex_destroy(&self->lock);
    td_free(self);
}
