/* Finds a small cut with which a user's command still fails (replay/cut/shrink_command.h). First it
 * finds the earliest end, then the latest beginning, by bisection, which assumes that a range of
 * time fails if a part of it fails. Then it leaves out feeds, then channels, then frames: in
 * halves, quarters and so on down to single ones, until no further one can be left out. With a
 * server a feed keeps its connections and grants, because a client's requests need them.
 *
 * The command gets only cuts that the exchange could have sent: a frame breaks a rule of books or
 * audits (book/continuity.h, book/audit.h) only if it also breaks a rule in the whole cut. One
 * thread. */
#ifndef TD_CUT_SHRINK_H
#define TD_CUT_SHRINK_H

#include <stdint.h>

#include "base/err.h"
#include "replay/cut/cut.h"

typedef struct shrink_options {
    cut_options cut; /* the whole cut; the smallest cut is written to its path */
    const char *command;
    uint8_t with_server;
    uint8_t allows_any; /* 1: cuts that break a rule are tried, too */
    /* Called before each run, with its number and the frames of the smallest cut so far. */
    void (*progress)(void *user, uint64_t runs, uint64_t frames);
    void *user;
} shrink_options;

typedef struct shrink_result {
    cut_result cut;      /* the cut that was written */
    uint64_t frames_all; /* frames of the whole cut, state included */
    uint64_t runs;
    uint64_t skipped;   /* cuts not run because they broke a rule */
    uint8_t is_stopped; /* 1: a signal ended the search; a smaller cut may exist */
} shrink_result;

/* Find a small cut and write it. TD_E_NOTFOUND: nothing is selected; TD_E_INVALID: the command
 * cannot be run, or does not fail with the whole cut; other errors as cut_write. */
TD_MUST_USE td_result shrink_write(const shrink_options *options, shrink_result *out, td_err *err);

#endif
