/* Finds a small cut for which a user's command still fails (replay/cut/judge.h): the least time
 * from its end, then from its beginning, by bisection; then which channels, then which frames can
 * be left out, in halves, quarters and so on down to single ones, until none can. A time is
 * searched as if a cut that contains a failing one failed as well.
 *
 * Only cuts that the exchange could have sent are shown to the command: those whose frames break no
 * rule of books and audits (book/continuity.h, book/audit.h) that the whole does not break with the
 * same frames. One thread. */
#ifndef TD_CUT_SHRINK_H
#define TD_CUT_SHRINK_H

#include <stdint.h>

#include "base/err.h"
#include "replay/cut/cut.h"
#include "replay/cut/judge.h"

typedef struct shrink_options {
    cut_options cut; /* of the whole; its path gets the smallest */
    const char *command;
    uint8_t with_server;
    uint8_t allows_any; /* 1: also cuts that break a rule */
    /* Called before each run, with their number and the frames of the smallest cut so far. */
    void (*progress)(void *user, uint64_t runs, uint64_t frames);
    void *user;
} shrink_options;

typedef struct shrink_result {
    cut_result cut;      /* that was written */
    uint64_t frames_all; /* of the whole, with its state */
    uint64_t runs;
    uint64_t skipped;   /* cuts that broke a rule */
    uint8_t is_stopped; /* 1: by a signal; a smaller one may exist */
} shrink_result;

/* TD_E_NOTFOUND: nothing is selected; TD_E_INVALID: the command cannot be run, or does not fail
 * with the whole cut; others as cut_write. */
TD_MUST_USE td_result shrink_write(const shrink_options *options, shrink_result *out, td_err *err);

#endif
