/* What every verb has: its command line, the opened archive, a log that ends on stderr, an output,
 * a result in one of two forms, and its exit status. A verb describes itself in a verb_spec, whose
 * work computes a plain struct and describes it (cli/result.h).
 *
 * (play/play_verb.h is the same for verbs that play a tape until a signal stops them.) */
#ifndef TD_VERBS_VERB_RUN_H
#define TD_VERBS_VERB_RUN_H

#include <pthread.h>
#include <stdint.h>

#include "cli/option_groups.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/result.h"
#include "cli/verbs.h"
#include "archive/archive.h"
#include "tape/selection.h"

/* Lines that are remembered, so that they are logged once; further ones are logged each time. */
enum { VERB_LINES_LOGGED_MAX = 256 };

typedef struct verb_run {
    void *state; /* the verb's own, as given to verb_run_all */
    archive_choice choice;
    selection_options selection;
    entry_options entries;
    threads_options threads;
    json_options json;
    talk_options talk;
    options_operands operands;
    reporter *report;
    td_log log; /* of report, each line once: a verb may ask the archive the same thing often */
    pthread_mutex_t logged_mutex;
    uint64_t logged[VERB_LINES_LOGGED_MAX]; /* hashes of the lines that were logged */
    size_t logged_count;
    archive *archive; /* NULL with VERB_HAS_NO_ARCHIVE */
    output_stream output;
    result_writer result; /* described for output, as --json says */
    progress_line progress;
    exit_code status; /* EXIT_CODE_DONE; set by the work */
    td_err err;       /* why the work failed */
} verb_run;

/* Which of the common groups a verb takes; archive and talk always, but for the last. */
enum {
    VERB_TAKES_SELECTION = 1 << 0,
    VERB_TAKES_THREADS = 1 << 1,
    VERB_TAKES_JSON = 1 << 2,
    VERB_TAKES_ENTRIES = 1 << 3,
    VERB_HAS_NO_ARCHIVE = 1 << 4, /* and has -q alone of talk */
};

/* A verb's description. */
typedef struct verb_spec {
    const char *name;
    const char *summary;
    const char *examples;
    const char *statuses[OPTIONS_STATUSES]; /* as in options_spec; NULL: EXIT_CODE_DONE and _FAILED
                                               mean what they do for most */
    const char *operands;                   /* likewise; at most one. NULL: none */
    unsigned takes;
    option_group own; /* rows NULL: none */
    archive_mode mode;
    const uint8_t *only_looks; /* 1 once the line is parsed: open for reading all the same. May be
                                  NULL */
    td_result (*work)(verb_run *verb);
} verb_spec;

/* Parse the command line, do the work, print what it described. Returns the exit status: that of
 * the work, or what stopped it. */
exit_code verb_run_all(const verb_spec *spec, void *state, const verb_context *context, int argc,
                       char **argv);

/* The selection of the command line; borrows from verb. */
selection verb_run_selection(const verb_run *verb);

/* The window of that selection with relative times resolved, which may read the archive. */
TD_MUST_USE td_result verb_run_window(verb_run *verb, const selection *wanted,
                                      selection_window *out);

/* The verb found nothing that its selection fits, though everything could be read: the error of
 * that (tape/nothing.h); TD_OK if the command line selects nothing in particular. */
TD_MUST_USE td_result verb_run_nothing(verb_run *verb);

/* Add counts of which UINT64_MAX means unknown: a finished segment with a damaged summary has none
 * for its channels. A sum with an unknown part is unknown. */
uint64_t verb_run_add_count(uint64_t a, uint64_t b);

#endif
