#include "verbs/record_control.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/cli/result.h"
#include "base/cli/units.h"
#include "verbs/family_files.h"

enum { STATUS_FAILED = 4 };

const char *const CONTROL_COMMANDS[] = {"status", CONTROL_TOP, "reload", "rotate", "stop", NULL};

void record_control_init(record_control *self)
{
    pthread_mutex_init(&self->mutex, NULL);
}

void record_control_fini(record_control *self)
{
    td_free(self->reload_error);
    pthread_mutex_destroy(&self->mutex);
}

/* ---- reload ---- */

/* Threads run, and what they know of families stays as it is. */
static td_result check_families(const record_control *self, const recorder_config *wanted,
                                td_err *err)
{
    uint64_t hash;
    td_result rc = family_files_hash(&(family_files){wanted->families}, &hash, err);
    if (rc != TD_OK || hash == self->families_hash)
        return rc;
    td_err_set(err, TD_E_INVALID,
               "documents of families have changed: a recorder reads them only when it starts");
    td_err_hint(err, "start another one with 'tapedeck record --replace': it takes over without a "
                     "gap");
    return TD_E_INVALID;
}

static td_result read_again(const record_control *self, reload_changes *changes, td_err *err)
{
    recorder_config *wanted = td_alloc(sizeof *wanted); /* too large for a stack */
    *wanted = *self->given;
    td_result rc;
    if (self->config_file == NULL) {
        rc = td_err_set(err, TD_E_INVALID, "this recorder has no configuration file");
        td_err_hint(err, "start it with --config FILE");
    } else {
        rc = config_load(wanted, io_posix(), self->config_file, err);
    }
    if (rc == TD_OK)
        rc = check_families(self, wanted, err);
    if (rc == TD_OK)
        rc = config_finish(wanted, err);
    if (rc == TD_OK)
        rc = supervisor_reload(self->recorder, wanted, changes, err);
    config_fini(wanted);
    td_free(wanted);
    return rc;
}

static td_result reload(record_control *self, reload_changes *changes, td_err *err)
{
    td_result rc = read_again(self, changes, err);
    pthread_mutex_lock(&self->mutex);
    td_free(self->reload_error);
    self->reload_error = rc == TD_OK ? NULL : td_strdup(err->text);
    self->reload_ns = clock_wall_ns(clock_real());
    self->reloads += rc == TD_OK;
    pthread_mutex_unlock(&self->mutex);
    if (rc == TD_OK)
        td_log_emit(self->log, TD_LOG_INFO,
                    "the configuration was read again: %s added, %s removed; %s added, %s removed",
                    format_counted(changes->feeds_added, "feed").text,
                    format_count(changes->feeds_removed).text,
                    format_counted(changes->topics_added, "topic").text,
                    format_count(changes->topics_removed).text);
    else
        td_log_emit(self->log, TD_LOG_ERROR,
                    "the new configuration is not used, recording continues with the old one: %s",
                    err->text);
    return rc;
}

static void describe_reload(result_writer *r, const reload_changes *changes)
{
    result_object_begin(r, NULL);
    result_object_begin(r, "reload");
    result_count(r, "feeds_added", changes->feeds_added);
    result_count(r, "feeds_removed", changes->feeds_removed);
    result_count(r, "topics_added", changes->topics_added);
    result_count(r, "topics_removed", changes->topics_removed);
    result_object_end(r, "{feeds_added feed} added, {feeds_removed} removed; {topics_added topic} "
                         "added, {topics_removed} removed");
    result_object_end(r, "{reload}\n");
}

/* ---- status ---- */

/* Describe the recorder, with the rates since an earlier moment, which becomes this one. */
static td_result describe_status(result_writer *r, record_control *self, record_counts *since,
                                 td_err *err)
{
    record_moment *now = td_alloc_zero(1, sizeof *now);
    now->session = self->session;
    now->archive = self->archive;
    td_result rc =
        supervisor_get_status(self->recorder, &now->status, now->feeds, &now->feed_count, err);
    if (rc == TD_OK) {
        pthread_mutex_lock(&self->mutex);
        now->reloads = self->reloads;
        now->reload_ns = self->reload_ns;
        now->reload_error = self->reload_error;
        record_describe(now, since, r);
        pthread_mutex_unlock(&self->mutex);
        record_counts_take(since, now);
    }
    td_free(now);
    return rc;
}

/* ---- answers ---- */

static void describe_word(result_writer *r, const char *name, const char *text)
{
    result_object_begin(r, NULL);
    result_bool(r, name, 1);
    result_note(r, "text", "%s", text);
    result_object_end(r, "{text}\n");
}

static td_result run_command(record_control *self, const char *command, result_writer *r,
                             td_err *err)
{
    reload_changes changes;
    record_counts beginning = {0};
    td_result rc;
    if (strcmp(command, "status") == 0) {
        rc = describe_status(r, self, &beginning, err);
    } else if (strcmp(command, CONTROL_TOP) == 0) {
        rc = describe_status(r, self, &self->top, err);
    } else if (strcmp(command, "reload") == 0) {
        rc = reload(self, &changes, err);
        if (rc == TD_OK)
            describe_reload(r, &changes);
    } else if (strcmp(command, "rotate") == 0) {
        rc = supervisor_rotate(self->recorder, err);
        if (rc == TD_OK)
            describe_word(r, "rotating", "each feed's next frame begins a segment");
    } else if (strcmp(command, "stop") == 0) {
        supervisor_stop(self->recorder);
        describe_word(r, "stopping", "the recorder stops, as by SIGTERM");
        rc = TD_OK;
    } else {
        rc = td_err_set(err, TD_E_INVALID, "the recorder has no command '%.60s'", command);
        td_err_hint(err, "its version may be older than that of this program");
    }
    return rc;
}

/* Answer a request of a process that replaces this one. 0: another request. */
static int answer_takeover(const record_control *self, const char *request, td_buf *out,
                           td_result *rc, td_err *err)
{
    takeover of = {0};
    if (strcmp(request, TAKEOVER_PREPARE " text") == 0) {
        *rc = supervisor_prepare_replace(self->recorder, &of, err);
        if (*rc == TD_OK)
            *rc = takeover_write(&of, out, err);
        takeover_fini(&of);
        return 1;
    }
    if (strcmp(request, TAKEOVER_END " text") != 0)
        return 0;
    td_log_emit(self->log, TD_LOG_INFO, "another recorder has connected, and replaces this one");
    *rc = supervisor_stop_replaced(self->recorder, err);
    return 1;
}

/* A stream that writes to a td_buf. */
static ssize_t write_to_buf(void *cookie, const char *bytes, size_t size)
{
    return td_buf_append(cookie, bytes, size, NULL) == TD_OK ? (ssize_t)size : 0;
}

void record_control_answer(void *user, const char *request, td_buf *out)
{
    record_control *self = user;
    char command[CONTROL_REQUEST_BYTES];
    output_stream output;
    result_writer r;
    td_err err;
    td_err_clear(&err);
    FILE *memory = fopencookie(out, "w", (cookie_io_functions_t){.write = write_to_buf});
    if (memory == NULL)
        td_out_of_memory(0);
    td_buf_add(out, "0\n", 2);
    const size_t length = strcspn(request, " ");
    const json_options form = {.is_json = strcmp(request + length, " json") == 0};
    (void)snprintf(command, sizeof command, "%.*s", (int)length, request); /* fits */
    output_init(&output, memory);
    result_begin(&r, &output, &form);
    td_result rc;
    if (!answer_takeover(self, request, out, &rc, &err))
        rc = run_command(self, command, &r, &err);
    result_end(&r);
    td_result written = output_finish(&output, rc == TD_OK ? &err : NULL);
    rc = rc == TD_OK ? written : rc;
    (void)fclose(memory);
    if (rc != TD_OK) {
        td_buf_clear(out);
        (void)!td_buf_printf(out, NULL, "%d\n%s\n%s\n", STATUS_FAILED, err.text,
                             err.hint); /* fits */
    }
}
