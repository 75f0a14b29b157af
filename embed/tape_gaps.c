#include "embed/tape_gaps.h"

#include "archive/ledger.h"

/* 1 if a row of the ledger is damage of the selection. */
static int is_damage(const tape_gaps *self, selection_window window, const gap_row *gap)
{
    return gap->reason == GAP_CORRUPT && selection_wants_gap(self->wanted, window, gap);
}

/* Search the ledger for damage that it did not have before. */
static void search(tape_gaps *self, selection_window window, const gap_list *before)
{
    const gap_list *now = &self->ledger;
    for (size_t i = 0; !self->has_old_damage && i < now->count; i++)
        self->has_old_damage =
            is_damage(self, window, &now->rows[i]) && gap_list_find(before, &now->rows[i]) == NULL;
}

void tape_gaps_begin(tape_gaps *self, selection_window window)
{
    search(self, window, &(gap_list){0});
}

int tape_gaps_has_damage(const tape_gaps *self, const cursor *at)
{
    return self->has_old_damage || cursor_get_damage(at)->count > self->reported_rows;
}

void tape_gaps_report(tape_gaps *self, const cursor *at, selection_window window,
                      tapedeck_error *error)
{
    const gap_list *found = cursor_get_damage(at);
    gap_list_join(&self->reports->rows, found);
    for (size_t i = 0; self->has_old_damage && i < self->ledger.count; i++)
        if (is_damage(self, window, &self->ledger.rows[i]))
            gap_list_add(&self->reports->rows, &self->ledger.rows[i]);
    self->has_old_damage = 0;
    self->reported_rows = found->count;
    damage_report_set_error(self->reports, error);
}

td_result tape_gaps_renew(tape_gaps *self, archive *from, selection_window window, gap_list *before,
                          td_err *err)
{
    gap_list now = {0};
    td_result rc = archive_gaps(from, &now, err);
    *before = rc == TD_OK ? self->ledger : now;
    if (rc != TD_OK)
        return rc;
    self->ledger = now;
    search(self, window, before);
    return TD_OK;
}

int tape_gaps_next(const tape_gaps *self, selection_window window, size_t *at, tapedeck_gap *out)
{
    const gap_list *damage = &self->reports->rows;
    while (*at < self->ledger.count + damage->count) {
        const size_t i = (*at)++;
        const gap_row *gap =
            i < self->ledger.count ? &self->ledger.rows[i] : &damage->rows[i - self->ledger.count];
        int is_again = i >= self->ledger.count && gap_list_find(&self->ledger, gap) != NULL;
        if (is_again || !selection_wants_gap(self->wanted, window, gap))
            continue;
        *out = damage_report_gap(gap);
        return 1;
    }
    return 0;
}
