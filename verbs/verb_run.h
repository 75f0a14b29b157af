/* The common part of verbs that read or maintain an archive: command line, opened archive,
 * selection, log, output, result as text or JSON, status line, exit status. A verb_spec describes
 * a verb. Its function `work` computes a plain struct and prints the struct through
 * base/cli/result.h. One thread. */
#ifndef TD_VERBS_VERB_RUN_H
#define TD_VERBS_VERB_RUN_H

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
#include "remote/remote_io.h"
#include "replay/play/observe.h"
#include "tape/cursor.h"
#include "tape/gap_cover.h"
#include "tape/selection.h"
#include "verbs/family_files.h"

/* A segment's selected time and its bytes, to estimate progress. */
typedef struct verb_segment {
    time_span span;
    uint64_t bytes;
} verb_segment;

typedef struct verb_run {
    void *state; /* the verb's own, as given to verb_run_main */
    archive_choice choice;
    const char *catalog; /* NULL: the catalog in the archive */
    selection_options given;
    entry_options entries;
    threads_options threads;
    json_options json;
    family_files families;
    verbosity_options verbosity;
    options_operands operands;
    reporter *report;
    td_clock clock;
    td_log log;
    archive *archives[GAP_ACCOUNTS_MAX];  /* with VERB_TAKES_ARCHIVES all that are given */
    remote_io *remotes[GAP_ACCOUNTS_MAX]; /* of archives in a store; else NULL */
    size_t archive_count;                 /* 0 with VERB_HAS_NO_ARCHIVE, and before they are open */
    archive *archive;     /* the first, or the present one of VERB_RUNS_EACH; else NULL */
    selection wanted;     /* from the command line; borrows the texts of given */
    stop_signal *signals; /* NULL without VERB_STOPS */
    output_stream output; /* on stdout */
    result_writer result; /* written to output, in the form that --json selects */
    progress_line progress;
    const char *phase; /* name of the work's present phase, for the status line; NULL: one phase */
    rate_window rate;  /* frames per second in this phase */
    verb_segment *segments; /* set when progress is first shown */
    size_t segment_count;
    uint8_t has_segments;
    exit_code status; /* EXIT_CODE_DONE unless the work sets it */
    td_err err;       /* why the work failed */
} verb_run;

/* The common option groups and the behaviour of a verb. Every verb also has a group for messages
 * and, unless VERB_HAS_NO_ARCHIVE is set, the archive's group. */
enum {
    VERB_TAKES_SELECTION = 1 << 0,
    VERB_TAKES_THREADS = 1 << 1,
    VERB_TAKES_JSON = 1 << 2,
    VERB_TAKES_ENTRIES = 1 << 3,
    VERB_HAS_NO_ARCHIVE = 1 << 4, /* also: the only option for messages is -q */
    VERB_STOPS = 1 << 5, /* a signal asks the work to end; otherwise a signal ends the process */
    VERB_READS_ONCE = 1 << 7,     /* all reads see the archive as of one time (archive_view_hold) */
    VERB_TAKES_FAMILIES = 1 << 8, /* --families; families that the archive keeps are read, too */
    VERB_MAKES_CATALOG = 1 << 6,  /* has --catalog; if given, the archive is opened for reading */
    VERB_TAKES_ARCHIVES = 1 << 9, /* several archives may be given; the verb answers for them as
                                     one (verbs/fleet.h) */
    VERB_RUNS_EACH = 1 << 10,     /* several archives may be given; the work runs for each of them,
                                     and the greatest exit status counts */
};

enum { VERB_OWN_GROUPS = 3 };

/* A verb's description. */
typedef struct verb_spec {
    const char *name;
    const char *summary;
    const char *examples;
    const char *statuses[OPTIONS_STATUSES]; /* as in options_spec; NULL for EXIT_CODE_DONE and
                                               _FAILED: the usual text */
    const char *operands;                   /* as in options_spec */
    size_t operand_min, operand_max;
    unsigned takes;
    option_group own[VERB_OWN_GROUPS]; /* the verb's groups; the first one without rows ends them */
    archive_mode mode;
    const uint8_t *opens_read_only; /* may be NULL; 1 after parsing: open the archive for reading,
                                  whatever `mode` is */
    stop_signal_calls calls;        /* with VERB_STOPS: what a signal does in addition */
    /* Check options before the archive is opened. May be NULL. */
    td_result (*check)(verb_run *verb);
    td_result (*work)(verb_run *verb);
} verb_spec;

/* Parse the command line, open the archive, do the work, print the result. Returns the exit status
 * of the work, or the exit status for the error that ended it. */
exit_code verb_run_main(const verb_spec *spec, void *state, const verb_context *context, int argc,
                        char **argv);

/* Continue with another one of the given archives: verb->archive, and the status line's part. */
void verb_run_choose(verb_run *verb, size_t index);

/* Make the times of a selection absolute, which may read the archive. *out is the selection's
 * window. TD_E_INVALID: a glob or a time is malformed. */
TD_MUST_USE td_result verb_run_window(verb_run *verb, selection *wanted, selection_window *out);

/* Call after the whole selection was read, if no frame matched. Returns the error that explains why
 * (tape/empty_selection.h), or TD_OK if the command line has no selection. */
TD_MUST_USE td_result verb_run_why_empty(verb_run *verb);

/* Options to play a tape for an observer: the number of threads from the command line (default: all
 * cores), and the verb's log, status line and signals. */
observe_options verb_run_observing(verb_run *verb);

/* A progress function whose user is the verb_run: shows the status line. Returns 1 after a signal.
 */
int verb_run_progress(void *user, uint64_t frames, uint64_t recv_ns);

/* As verb_run_progress, for work that knows its progress: `done` of `total`. */
int verb_run_progress_part(void *user, uint64_t frames, uint64_t done, uint64_t total);

/* "37 %  2 m 5 s left": the progress when a frame received at recv_ns is read, as a part of the
 * bytes of the selection's segments. "" if unknown. */
unit_text verb_run_part(verb_run *verb, uint64_t now_ns, uint64_t recv_ns);

#endif
