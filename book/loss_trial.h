/* Tries the loss of a frame: a second track (book/continuity.h) judges the frames after it as if it
 * had not come. One thread. */
#ifndef TD_BOOK_LOSS_TRIAL_H
#define TD_BOOK_LOSS_TRIAL_H

#include "base/buf.h"
#include "book/continuity.h"

/* Callers may read without; the other members are private. */
typedef struct loss_trial {
    td_buf saved;         /* the recorded frames' track after the last frame; empty: not saved */
    const track *of;      /* that track; compared only */
    const topic_row *row; /* its row then */
    track *without;       /* the track without the left-out frame; NULL: no trial runs */
} loss_trial;

void loss_trial_init(loss_trial *trial);
void loss_trial_fini(loss_trial *trial);

/* End the trial that runs. */
void loss_trial_end(loss_trial *trial);

/* Save the track of the recorded frames, so that a trial may leave out the next frame. A broken
 * track, and one that is too large, is not saved. */
void loss_trial_save(loss_trial *trial, track *of);

/* 1 if the track and its row are those of the last loss_trial_save. */
int loss_trial_continues(const loss_trial *trial, const track *of);

/* Begin a trial without the frame after loss_trial_save. Does nothing if no track was saved. */
void loss_trial_begin(loss_trial *trial);

/* The rule of strength error that the next frame breaks without the left-out one, or RULE_NONE. */
rule_id loss_trial_judge(loss_trial *trial, const message *next);

#endif
