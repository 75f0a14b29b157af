/* What every verb on an archive has: the common options, the opened archive, a log that ends on
 * stderr, and an output. A verb fills its own rows in and calls begin; end closes and says what
 * went wrong. */
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
    const verb_context *context;
    archive_choice choice;
    selection_options selection;
    entry_options entries;
    threads_options threads;
    json_options json;
    talk_options talk;
    td_log
        log; /* ends on stderr, each line once: a verb may ask the archive the same thing often */
    pthread_mutex_t logged_mutex;
    uint64_t logged[VERB_LINES_LOGGED_MAX]; /* hashes of the lines that were logged */
    size_t logged_count;
    archive *archive;
    output_stream output;
    result_writer result; /* described for output, as --json says */
    progress_line progress;
    td_err err;
} verb_run;

/* Which of the common groups a verb takes; archive and talk always. */
enum {
    VERB_TAKES_SELECTION = 1 << 0,
    VERB_TAKES_THREADS = 1 << 1,
    VERB_TAKES_JSON = 1 << 2,
    VERB_TAKES_ENTRIES = 1 << 3,
};

/* A verb's description. */
typedef struct verb_run_spec {
    const char *name;
    const char *summary;
    const char *examples;
    const char *statuses[OPTIONS_STATUSES]; /* as in options_spec */
    unsigned takes;
    option_group own; /* rows NULL: none */
    archive_mode mode;
    const uint8_t *only_looks; /* 1 once the line is parsed: open for reading all the same. May be
                                  NULL */
} verb_run_spec;

/* Parse, open the archive, make the output on stdout. Returns 1 to continue, and then verb_run_end
 * must be called; 0: end with *status. verb is zeroed by the caller. */
int verb_run_begin(verb_run *verb, const verb_context *context, const verb_run_spec *spec, int argc,
                   char **argv, exit_code *status);

/* Close everything. rc is what stopped the verb, TD_OK if nothing did; done is the status then. */
exit_code verb_run_end(verb_run *verb, td_result rc, exit_code done);

/* The selection of the command line; borrows from verb. */
selection verb_run_selection(const verb_run *verb);

/* The window of that selection with relative times resolved, which may read the archive. */
TD_MUST_USE td_result verb_run_window(verb_run *verb, const selection *wanted,
                                      selection_window *out);

/* The verb found nothing that its selection fits, though everything could be read: the error of
 * that (tape/nothing.h); TD_OK if the command line selects nothing in particular. */
TD_MUST_USE td_result verb_run_nothing(verb_run *verb);

/* Counts of which UINT64_MAX means unknown: files of other programs may lack them. A sum
 * with such a part is not known either. */
uint64_t verb_run_add_count(uint64_t a, uint64_t b);

#endif
