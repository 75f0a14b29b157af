#include "recorder/push_child.h"

#include <signal.h>
#include <stdio.h>

#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/child.h"
#include "base/time_text.h"
#include "recorder/backoff.h"

/* Follows the lines that remove credentials. setpriv, if installed, ends the child together with a
 * recorder that is killed: otherwise it would push beside the next recorder's. */
static const char SCRIPT[] =
    "command -v setpriv > /dev/null && set -- setpriv --pdeathsig TERM nice -n 10 \"$0\" \"$@\" ||"
    " set -- nice -n 10 \"$0\" \"$@\"\n"
    "exec \"$@\"";

struct push_child {
    const recorder_config *config;
    const char *path;
    const td_log *log;
    pid_t running; /* 0: none */
    backoff waits;
    uint64_t due_ns; /* of the next start */
};

push_child *push_child_open(const recorder_config *config, const char *path, const td_log *log)
{
    if (config->push == NULL)
        return NULL;
    push_child *made = td_alloc_zero(1, sizeof *made);
    *made = (push_child){.config = config, .path = path, .log = log};
    backoff_init(&made->waits, (uint64_t)getpid());
    return made;
}

static void start(push_child *self, uint64_t mono_ns)
{
    char shell[] = "sh", option[] = "-c", verb[] = "push", every[] = "--every", interval[] = "5m";
    char program[LIMIT_PATH_BYTES], path[LIMIT_PATH_BYTES], url[LIMIT_PATH_BYTES];
    td_buf script;
    td_err err;
    td_buf_init(&script, LIMIT_RECORD_BYTES);
    config_add_unsets(self->config, &script);
    td_buf_add(&script, SCRIPT, sizeof SCRIPT);
    td_child_program("tapedeck", program);
    (void)snprintf(path, sizeof path, "%s", self->path);
    (void)snprintf(url, sizeof url, "%s", self->config->push);
    char *const words[] = {shell,    option, (char *)script.data, program, verb, path, url, every,
                           interval, NULL};
    const td_child_ends ends = {-1, STDERR_FILENO, STDERR_FILENO};
    backoff_live(&self->waits, mono_ns);
    if (td_child_start("/bin/sh", words, ends, &self->running, &err) != TD_OK) {
        self->running = 0;
        self->due_ns = mono_ns + backoff_next_ns(&self->waits, BACKOFF_REFUSED, mono_ns);
        td_log_emit(self->log, TD_LOG_WARNING, "push: %s", err.text);
    }
    td_buf_fini(&script);
}

void push_child_tick(push_child *self, uint64_t mono_ns)
{
    int status = 0;
    char end[TD_CHILD_END_BYTES], wait[TD_TIME_TEXT_BYTES];
    if (self == NULL)
        return;
    if (self->running != 0) {
        if (waitpid(self->running, &status, WNOHANG) == 0)
            return;
        self->running = 0;
        const uint64_t wait_ns = backoff_next_ns(&self->waits, BACKOFF_REFUSED, mono_ns);
        self->due_ns = mono_ns + wait_ns;
        td_duration_format(wait_ns, wait);
        td_log_emit(self->log, TD_LOG_WARNING, "the push to %s %s; it starts again in %s",
                    self->config->push, td_child_end_text(status, end), wait);
    }
    if (mono_ns >= self->due_ns)
        start(self, mono_ns);
}

void push_child_close(push_child *self)
{
    if (self == NULL)
        return;
    if (self->running != 0)
        (void)kill(self->running, SIGTERM); /* one that ended meanwhile was not waited for */
    td_free(self);
}
