/* What a running recorder answers on its control socket (recorder/control.h), and what SIGHUP does
 * to it. A request is "COMMAND FORM": status, reload, rotate or stop; json or text. The answer is
 * the exit status of `tapedeck ctl` and a newline; then what that prints, or with another status
 * than 0 the error and, on a line of its own, how to fix it. */
#ifndef TD_VERBS_RECORD_CONTROL_H
#define TD_VERBS_RECORD_CONTROL_H

#include <pthread.h>

#include "base/log.h"
#include "recorder/control.h"
#include "recorder/supervisor.h"
#include "verbs/record_describe.h"

/* The commands, for the client's check and help; NULL at the end. */
extern const char *const CONTROL_COMMANDS[];

typedef struct record_control {
    supervisor *recorder;
    const recorder_config *given; /* the command line's settings, before the file was read */
    const char *config_file;      /* NULL: the feed is the command line's */
    uint64_t families_hash;       /* of the documents that were added (verbs/family_files.h) */
    const char *session;
    const char *archive; /* path */
    const td_log *log;
    pthread_mutex_t mutex; /* guards what follows */
    uint64_t reloads;      /* that succeeded */
    uint64_t reload_ns;    /* wall clock of the last reload, successful or not; 0: none */
    char *reload_error;    /* of the last reload; NULL: it succeeded */
    record_counts top;     /* of the latest screen of `ctl top`; control thread */
} record_control;

/* Zero-initialise, set the first members, then init. */
void record_control_init(record_control *self);
void record_control_fini(record_control *self);

/* The socket's answer; user: a record_control. Control thread. */
void record_control_answer(void *user, const char *request, td_buf *out);

#endif
