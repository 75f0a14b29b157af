#include "book/loss_trial.h"

#include "base/assert.h"
#include "base/limits.h"
#include "book/state_io.h"

void loss_trial_init(loss_trial *trial)
{
    *trial = (loss_trial){0};
    td_buf_init(&trial->saved, LIMIT_STATE_BYTES);
}

void loss_trial_fini(loss_trial *trial)
{
    loss_trial_end(trial);
    td_buf_fini(&trial->saved);
}

void loss_trial_end(loss_trial *trial)
{
    track_close(trial->without);
    trial->without = NULL;
}

void loss_trial_save(loss_trial *trial, track *of)
{
    state_io io = {.out = &trial->saved, .version = TRACK_WINDOW_VERSION};
    td_buf_clear(&trial->saved);
    trial->of = of;
    trial->row = track_row(of);
    if (track_is_broken(of))
        return;
    track_serialize(of, &io);
    if (io.is_failed)
        td_buf_clear(&trial->saved);
}

int loss_trial_continues(const loss_trial *trial, const track *of)
{
    return of == trial->of && track_row(of) == trial->row;
}

void loss_trial_begin(loss_trial *trial)
{
    state_io io = {.in = td_buf_view(&trial->saved), .version = TRACK_WINDOW_VERSION};
    if (trial->saved.size == 0)
        return;
    trial->without = track_open(trial->row);
    track_serialize(trial->without, &io);
    TD_ASSERT(!io.is_failed);
    TD_ASSERT(io.in.size == 0);
    td_buf_clear(&trial->saved);
}

rule_id loss_trial_judge(loss_trial *trial, const message *next)
{
    verdict found;
    track_apply(trial->without, next, &found);
    const verdict_item *shown = verdict_violation(&found);
    return shown == NULL ? RULE_NONE : shown->rule;
}
