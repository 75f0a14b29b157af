/* Tries the loss of a frame: a second track (book/continuity.h) judges the next LOSS_TRIAL_FRAMES
 * frames as if the frame had not come. Trials follow each other. One thread. */
#ifndef TD_BOOK_LOSS_TRIAL_H
#define TD_BOOK_LOSS_TRIAL_H

#include "base/buf.h"
#include "book/symbol_state.h"

enum { LOSS_TRIAL_FRAMES = 16 };

typedef struct loss_trial {
    td_buf saved;         /* the recorded frames' track after the last frame; empty: not saved */
    const track *of;      /* that track; compared only */
    const topic_row *row; /* its row then */
    track *without;       /* the track without the left-out frame; NULL: no trial runs */
    uint32_t seen;        /* frames that `without` has judged */
} loss_trial;

/* No trial runs after init; fini ends one that runs. */
void loss_trial_init(loss_trial *trial);
void loss_trial_fini(loss_trial *trial);

/* Pass the next recorded frame of a track, with its verdict; m is NULL if it was not decoded.
 * shown: a rule of no track that the frame would break without the left-out one, or RULE_NONE.
 * 1: a trial has ended, and *by is the rule that shows the loss, RULE_NONE if none does. A trial
 * that meets a frame that broke a rule as recorded, or the end of the connection, has no end. */
int loss_trial_next(loss_trial *trial, const message *m, const symbol_verdict *found, rule_id shown,
                    rule_id *by);

#endif
