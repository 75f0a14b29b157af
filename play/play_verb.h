/* What every verb that reads frames of an archive, until all are read or a signal comes, has: the
 * common options, a log, a status line, and an output. A verb lists its option groups with their
 * targets here, begins, does its own work, closes what is its own, and ends. One thread.
 * (verbs/verb_run.h is the same for verbs on an archive that a signal just ends.) */
#ifndef TD_PLAY_PLAY_VERB_H
#define TD_PLAY_PLAY_VERB_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "cli/option_groups.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/rate.h"
#include "cli/stop_signal.h"
#include "cli/verbs.h"
#include "play/source.h"

/* A segment of the selection, for the part that is done. */
typedef struct play_stretch {
    uint64_t from_ns, to_ns;
    uint64_t bytes;
} play_stretch;

typedef struct play_verb {
    /* Targets of the option groups; a verb need not have all of them. */
    play_source source;
    threads_options threads;
    json_options json;
    talk_options talk;
    /* Set by the verb, or zero. */
    stop_signal_calls calls; /* what a signal does beside the stop */
    const char *phase;       /* in the status line; NULL: none */
    rate_window *rate;       /* in the status line; NULL: left out */
    /* Set by play_verb_begin. */
    reporter *report;
    td_clock clock;
    td_log log;
    stop_signal *signals;
    progress_line progress;
    output_stream output; /* on stdout */
    td_err err;           /* where the verb's work says why it failed */
    /* Set once the part that is done is shown. */
    play_stretch *stretches;
    size_t stretch_count;
    uint8_t has_stretches;
} play_verb;

/* Parse the command line, and from here on let signals stop the work. Opens no archive. Returns 1
 * to continue, and then play_verb_end must be called; 0: end with *status. */
int play_verb_begin(play_verb *verb, const verb_context *context, const options_spec *spec,
                    int argc, char **argv, options_operands *operands, exit_code *status);

/* The progress function of what is run, with the play_verb as its user: shows the status line.
 * 1 once a signal came. */
int play_verb_progress(void *user, uint64_t frames, uint64_t recv_ns);

/* "37 %  2 m 5 s left": how far the frame that was received then is in the selection, by the bytes
 * of its segments. "" if that is not known. */
unit_text play_verb_part(play_verb *verb, uint64_t now_ns, uint64_t recv_ns);

/* Close the source and everything that play_verb_begin opened; print the error of rc, or that of
 * the output where there is no other. Returns the exit status: done if nothing failed. */
exit_code play_verb_end(play_verb *verb, td_result rc, exit_code done);

#endif
