/* What every verb that reads or maintains an archive has: its command line, the opened archive, the
 * selection, a log, an output, a result in one of two forms, a status line, and its exit status. A
 * verb describes itself in a verb_spec, whose work computes a plain struct and describes it
 * (base/cli/result.h). One thread. */
#ifndef TD_PLAY_VERB_RUN_H
#define TD_PLAY_VERB_RUN_H

#include <stdint.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/cli/option_groups.h"
#include "base/cli/output.h"
#include "base/cli/progress.h"
#include "base/cli/rate.h"
#include "base/cli/result.h"
#include "base/cli/stop_signal.h"
#include "base/cli/verbs.h"
#include "archive/archive.h"
#include "replay/play/observe.h"
#include "tape/cursor.h"
#include "tape/selection.h"

/* A segment of the selection, for the part that is done. */
typedef struct verb_stretch {
    uint64_t from_ns, to_ns;
    uint64_t bytes;
} verb_stretch;

typedef struct verb_run {
    void *state; /* the verb's own, as given to verb_run_all */
    archive_choice choice;
    const char *catalog; /* NULL: the one in the archive */
    selection_options selecting;
    entry_options entries;
    threads_options threads;
    json_options json;
    verbosity_options verbosity;
    options_operands operands;
    reporter *report;
    td_clock clock;
    td_log log;
    archive *archive;     /* NULL with VERB_HAS_NO_ARCHIVE, and before it is opened */
    selection wanted;     /* of the command line; borrows selecting's texts */
    stop_signal *signals; /* NULL without VERB_STOPS */
    output_stream output; /* on stdout */
    result_writer result; /* described for output, as --json says */
    progress_line progress;
    const char *phase;       /* begins the status line; NULL: the work has one phase */
    rate_window rate;        /* of that phase */
    verb_stretch *stretches; /* set once the part that is done is shown */
    size_t stretch_count;
    uint8_t has_stretches;
    exit_code status; /* EXIT_CODE_DONE; set by the work */
    td_err err;       /* why the work failed */
} verb_run;

/* Which of the common groups a verb takes; archive and messages always, except VERB_HAS_NO_ARCHIVE.
 */
enum {
    VERB_TAKES_SELECTION = 1 << 0,
    VERB_TAKES_THREADS = 1 << 1,
    VERB_TAKES_JSON = 1 << 2,
    VERB_TAKES_ENTRIES = 1 << 3,
    VERB_HAS_NO_ARCHIVE = 1 << 4, /* and of the messages -q only */
    VERB_STOPS = 1 << 5,          /* the work ends after a signal; else a signal just ends it */
    VERB_READS_ONCE = 1 << 7,     /* what it finds is of one moment (archive_view_hold) */
    VERB_MAKES_CATALOG = 1 << 6,  /* and with --catalog opens the archive for reading */
};

enum { VERB_OWN_GROUPS = 3 };

/* A verb's description. */
typedef struct verb_spec {
    const char *name;
    const char *summary;
    const char *examples;
    const char *statuses[OPTIONS_STATUSES]; /* as in options_spec; NULL: EXIT_CODE_DONE and _FAILED
                                               mean what they do for most */
    const char *operands;                   /* likewise */
    size_t operand_min, operand_max;
    unsigned takes;
    option_group own[VERB_OWN_GROUPS]; /* the first without rows ends them */
    archive_mode mode;
    const uint8_t *only_looks; /* 1 once the line is parsed: open for reading all the same. May be
                                  NULL */
    stop_signal_calls calls;   /* with VERB_STOPS: what a signal does besides */
    /* Refuse what can be refused before the archive is opened. May be NULL. */
    td_result (*check)(verb_run *verb);
    td_result (*work)(verb_run *verb);
} verb_spec;

/* Parse the command line, open the archive, do the work, print what it described. Returns the exit
 * status: that of the work, or what stopped it. */
exit_code verb_run_all(const verb_spec *spec, void *state, const verb_context *context, int argc,
                       char **argv);

/* Resolve a selection's relative times, which may read the archive: *out is its window, and its
 * times are absolute. TD_E_INVALID: globs that cannot be read, or no time. */
TD_MUST_USE td_result verb_run_window(verb_run *verb, selection *wanted, selection_window *out);

/* The verb found nothing that its selection fits, though everything could be read: the error of
 * that (tape/empty_selection.h); TD_OK if the command line selects nothing in particular. */
TD_MUST_USE td_result verb_run_why_empty(verb_run *verb);

/* Add counts of which UINT64_MAX means unknown: a finished segment with a damaged summary has none
 * for its channels. A sum with an unknown part is unknown. */
uint64_t verb_run_add_count(uint64_t a, uint64_t b);

/* How a tape is played for an observer: on all cores, with the verb's log, status line and signals.
 */
observe_options verb_run_observing(verb_run *verb);

/* The progress function of what is run, with the verb_run as its user: shows the status line. 1
 * once a signal came. */
int verb_run_progress(void *user, uint64_t frames, uint64_t recv_ns);

/* The same for work that knows itself what part of all is done. */
int verb_run_progress_part(void *user, uint64_t frames, uint64_t done, uint64_t total);

/* "37 %  2 m 5 s left": how far the frame that was received then is in the selection, by the bytes
 * of its segments. "" if that is not known. */
unit_text verb_run_part(verb_run *verb, uint64_t now_ns, uint64_t recv_ns);

#endif
