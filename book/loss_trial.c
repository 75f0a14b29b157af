#include "book/loss_trial.h"

#include "base/assert.h"
#include "base/limits.h"
#include "book/state_io.h"

void loss_trial_init(loss_trial *t)
{
    *t = (loss_trial){0};
    td_buf_init(&t->saved, LIMIT_STATE_BYTES);
}

static void end(loss_trial *t)
{
    track_close(t->without);
    t->without = NULL;
}

void loss_trial_fini(loss_trial *t)
{
    end(t);
    td_buf_fini(&t->saved);
}

/* Save the track, so that a trial may leave out the next frame. */
static void save(loss_trial *t, track *of)
{
    state_io io = {.out = &t->saved, .version = TRACK_WINDOW_VERSION};
    td_buf_clear(&t->saved);
    t->of = of;
    t->row = track_row(of);
    if (track_is_broken(of))
        return;
    track_serialize(of, &io);
    if (io.is_failed)
        td_buf_clear(&t->saved);
}

/* Begin a trial without this frame: the track is as before it. */
static void begin(loss_trial *t)
{
    state_io io = {.in = td_buf_view(&t->saved), .version = TRACK_WINDOW_VERSION};
    t->without = track_open(t->row);
    t->seen = 0;
    track_serialize(t->without, &io);
    TD_ASSERT(!io.is_failed);
    TD_ASSERT(io.in.size == 0);
    td_buf_clear(&t->saved);
}

/* Judge a frame after the left-out one. As loss_trial_next. */
static int judge(loss_trial *t, const message *m, rule_id shown, rule_id *by)
{
    verdict found;
    track_apply(t->without, m, &found);
    t->seen++;
    const verdict_item *violation = verdict_violation(&found);
    *by = violation != NULL ? violation->rule : shown;
    if (*by == RULE_NONE && t->seen < LOSS_TRIAL_FRAMES)
        return 0;
    end(t);
    return 1;
}

int loss_trial_next(loss_trial *t, const message *m, const symbol_verdict *found, rule_id shown,
                    rule_id *by)
{
    const int is_next = found->step == SYMBOL_CONTINUES && found->track == t->of &&
                        track_row(found->track) == t->row;
    int has_ended = 0;
    /* A connection that begins hides the loss, and what this frame breaks need not be the loss. */
    if (!is_next || m == NULL || verdict_violation(&found->rules) != NULL)
        end(t);
    if (t->without != NULL)
        has_ended = judge(t, m, shown, by);
    else if (is_next && m != NULL && t->saved.size > 0)
        begin(t);
    if (t->without == NULL)
        save(t, found->track);
    return has_ended;
}
