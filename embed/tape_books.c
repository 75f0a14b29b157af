/* Implements tapedeck_tape_books of embed/include/tapedeck/archive.h. */
#include "embed/tape.h"

#include "archive/archive_view.h"
#include "archive/read_plan.h"
#include "archive/time_account.h"
#include "tape/coverage.h"

/* Find the receive time of the last frame of the selection's feeds, or 0. */
static td_result find_last(tapedeck_tape *t, uint64_t *last_ns, td_err *err)
{
    selection wanted = t->request.wanted;
    read_query all = selection_query(&wanted, SELECTION_ALL_TIME);
    archive_view *view = NULL;
    read_plan *plan = NULL;
    *last_ns = 0;
    all.is_quiet = 1;
    all.is_for_channels = 1;
    td_result rc = archive_view_open(t->of->of, VIEW_ALL, NULL, &view, err);
    all.view = view;
    if (rc == TD_OK)
        rc = read_plan_open(t->of->of, &all, &plan, err);
    const char *feed = rc == TD_OK ? read_plan_next_feed(plan, NULL) : NULL;
    for (; feed != NULL; feed = read_plan_next_feed(plan, feed)) {
        uint64_t first_ns = 0;
        uint64_t end_ns = 0;
        archive_feed_range(view, feed, &first_ns, &end_ns);
        *last_ns = end_ns > *last_ns ? end_ns : *last_ns;
    }
    read_plan_close(plan);
    archive_view_close(view);
    return rc;
}

/* If the tape begins after the archive's last frame, load the states for its books. No connection
 * is open at that time, so the cursor has no states. Reopen the cursor at the last frame, and keep
 * the states from there. */
static td_result load_states_at_end(tapedeck_tape *t, td_err *err)
{
    const uint64_t from_ns = cursor_get_window(t->cursor).from_ns;
    td_result rc = find_last(t, &t->last_ns, err);
    if (rc != TD_OK || t->last_ns == 0 || from_ns < t->last_ns)
        return rc;
    selection wanted = t->request.wanted;
    selection_set_window(&wanted, (selection_window){t->last_ns - 1, UINT64_MAX});
    cursor_close(t->cursor);
    t->cursor = NULL;
    t->is_over = 1;
    t->position_ns = from_ns;
    rc = cursor_open(t->of->of, &wanted, &t->reading, &t->cursor, err);
    if (rc == TD_OK)
        tape_begin_batch(t);
    while (rc == TD_OK) {
        const frame_ref *frame = NULL;
        applied_frame ignored;
        rc = cursor_next(t->cursor, &frame, err);
        if (rc == TD_OK && frame->recv_ns < from_ns)
            (void)tape_apply(t, frame, &ignored);
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static void add_whole_book(tapedeck_tape *t, const tape_stream *of, uint64_t at_ns)
{
    const symbol_topic *state = of->tape.state;
    const track *on = state == NULL ? NULL : symbol_topic_track(state);
    if (on == NULL || track_book(on) == NULL)
        return;
    const choice_conn *conn = &state->choice.conns[state->choice.followed];
    const uint64_t damaged_until_ns = cursor_damaged_until_ns(t->cursor, of->info.feed);
    int is_right = at_ns > damaged_until_ns &&
                   topic_trust_holds(&of->tape.trust, &t->gaps.ledger, damaged_until_ns, at_ns) &&
                   (!t->is_over || at_ns - t->last_ns <= COVERAGE_DELAY_NS);
    const tapedeck_frame_row row = {
        .recv_ns = conn->last_ns,
        .stream = of->index,
        .connection = conn->number,
        .content = TAPEDECK_BOOK,
        .kind = TAPEDECK_SNAPSHOT,
        .flags = is_right ? TAPEDECK_ROW_SNAPSHOT : TAPEDECK_ROW_SNAPSHOT | TAPEDECK_ROW_SUSPECT};
    batch_rows_add_book(t->rows, &row, track_book(on));
}

int tapedeck_tape_books(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error)
{
    td_result rc = TD_OK;
    td_err err;
    td_err_clear(&err);
    if (t->cursor == NULL)
        return tape_refuse(out, error);
    if (!t->is_begun && !tape_is_following(t))
        rc = load_states_at_end(t, &err);
    if (rc == TD_OK)
        tape_begin_batch(t);
    if (rc == TD_OK && t->position_ns == 0) {
        rc = tape_read_lead_in(t, &err);
        t->position_ns = cursor_get_window(t->cursor).from_ns;
    }
    if ((rc == TD_OK || rc == TD_EOF) && tape_gaps_has_damage(&t->gaps, t->cursor))
        return tape_report_damage(t, out, error);
    for (size_t i = 0; (rc == TD_OK || rc == TD_EOF) && i < t->streams.count; i++)
        add_whole_book(t, t->streams.items[i], t->position_ns);
    return tape_end_batch(t, out, rc, &err, error);
}
