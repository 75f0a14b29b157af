/* Implements embed/include/tapedeck/archive.h for tapes: their batches, streams and gaps. */
#include "embed/tape.h"

#include <string.h>

#include "archive/ledger.h"
#include "base/alloc.h"
#include "embed/library_error.h"
#include "tape/coverage.h"
#include "tape/empty_selection.h"

/* How long frames are held back when there are several feeds. By default a frame is durable one
 * second after its receipt; this is twice as long. */
static const uint64_t HOLD_NS = 2 * TD_NS_PER_S;

int tape_is_following(const tapedeck_tape *t)
{
    return (t->request.with & TAPEDECK_WITH_FOLLOW) != 0;
}

static selection_window window_of(const tapedeck_tape *t)
{
    return t->coverage != NULL ? t->coverage->window : cursor_get_window(t->cursor);
}

/* ---- opening ---- */

/* Open the cursor of a tape with TAPEDECK_WITH_COVERAGE: trades that were made in the window may be
 * received before and after it. */
static td_result open_covered(tapedeck_tape *t, td_err *err)
{
    archive *of = t->of->of;
    selection read = t->request.wanted;
    selection_window window;
    td_result rc = cursor_find_window(of, &t->request.wanted, t->reading.log, &window, err);
    if (rc != TD_OK)
        return rc;
    selection_window wider = window;
    if (wider.to_ns < UINT64_MAX - COVERAGE_DELAY_NS)
        wider.to_ns += COVERAGE_DELAY_NS;
    selection_set_window(&read, wider);
    t->reading.before_ns = COVERAGE_DELAY_NS;
    rc = cursor_open(of, &read, &t->reading, &t->cursor, err);
    if (rc != TD_OK)
        return rc;
    window.from_ns = cursor_get_window(t->cursor).from_ns; /* later in a cut */
    return trade_coverage_open(of, window, &t->gaps.ledger, &t->coverage, err);
}

static td_result open_tape(tapedeck_tape *t, td_err *err)
{
    archive *of = t->of->of;
    const tape_request *request = &t->request;
    /* If the selection is one feed by name, its frames become durable in order. */
    const selection_globs *feeds = &request->wanted.feeds;
    const int is_one_feed = feeds->count == 1 && strpbrk(feeds->items[0], "*?[\\") == NULL;
    t->reading = (cursor_options){.threads = request->threads,
                                  .log = &t->of->damage.log,
                                  .reads = (request->with & TAPEDECK_WITH_MESSAGES) != 0
                                               ? TAPE_READS_ALL
                                               : TAPE_READS_MESSAGES,
                                  .states = TAPE_STATES_BOOKS,
                                  .is_following = tape_is_following(t) != 0,
                                  .hold_ns = tape_is_following(t) && !is_one_feed ? HOLD_NS : 0};
    td_result rc = TD_OK;
    if (tape_is_following(t) && t->of->remote != NULL)
        return td_err_set(
            err, TD_E_UNSUPPORTED,
            "'%s' cannot be followed: an archive in a store is read as it was when it "
            "was opened; follow the folder that the recorder writes",
            archive_path(of));
    if (!tape_is_following(t)) /* when following, the selected names may be recorded later */
        rc = selection_check_names(of, &request->wanted, err);
    if (rc == TD_OK && !tape_is_following(t))
        rc = selection_check_each_name(of, &request->wanted, err);
    if (rc == TD_OK)
        rc = archive_gaps(of, &t->gaps.ledger, err);
    if (rc == TD_OK)
        rc = (request->with & TAPEDECK_WITH_COVERAGE) != 0
                 ? open_covered(t, err)
                 : cursor_open(of, &request->wanted, &t->reading, &t->cursor, err);
    if (rc == TD_OK)
        tape_gaps_begin(&t->gaps, window_of(t));
    t->rows = batch_rows_open(request, &t->streams, t->coverage);
    return rc;
}

tapedeck_tape *tapedeck_tape_open(tapedeck_archive *from, const tapedeck_selection *wanted,
                                  tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    tapedeck_tape *t = td_alloc_zero(1, sizeof *t);
    t->of = from;
    t->gaps = (tape_gaps){.wanted = &t->request.wanted, .reports = &from->damage};
    tape_streams_init(&t->streams, &t->gaps.ledger);
    td_result rc = tape_request_read(wanted, &t->request, &err);
    if (rc == TD_OK)
        rc = open_tape(t, &err);
    if (rc == TD_OK)
        return t;
    library_error_set(error, rc, &err);
    tapedeck_tape_close(t);
    return NULL;
}

void tapedeck_tape_close(tapedeck_tape *t)
{
    if (t == NULL)
        return;
    cursor_close(t->cursor);
    batch_rows_close(t->rows);
    trade_coverage_close(t->coverage);
    tape_streams_fini(&t->streams);
    gap_list_fini(&t->gaps.ledger);
    td_free(t);
}

/* ---- frames ---- */

tape_stream *tape_apply(tapedeck_tape *t, const frame_ref *frame, applied_frame *out)
{
    tape_stream *of = tape_streams_at(&t->streams, frame);
    tape_topic_apply(&of->tape, frame, out);
    if (out->trust == NULL || frame->is_copy)
        return of;
    /* Changes of a state that no frames have, only books. */
    const int is_lacking = out->trust->needs_saved && (t->request.with & TAPEDECK_WITH_BOOKS) == 0;
    of->is_suspect = !out->trust->is_trusted || is_lacking;
    return of;
}

/* Apply a frame, and add its row to the batch. Frames that are not selected only update the states.
 */
static td_result add_frame(tapedeck_tape *t, const frame_ref *frame, td_err *err)
{
    applied_frame seen;
    const tape_stream *of = tape_apply(t, frame, &seen);
    td_result rc = t->coverage == NULL ? TD_OK
                                       : trade_coverage_add(t->coverage, of->index, &of->info,
                                                            frame, seen.trust, err);
    if (rc == TD_OK && batch_rows_add_frame(t->rows, of, frame, seen.trust))
        t->position_ns = frame->recv_ns;
    return rc;
}

td_result tape_read_lead_in(tapedeck_tape *t, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && t->pending_frame == NULL) {
        const frame_ref *frame = NULL;
        rc = cursor_next(t->cursor, &frame, err);
        if (rc == TD_OK && frame->is_lead_in)
            rc = add_frame(t, frame, err);
        else if (rc == TD_OK)
            t->pending_frame = frame;
    }
    return rc;
}

/* ---- batches ---- */

void tape_begin_batch(tapedeck_tape *t)
{
    if (!t->is_begun) {
        t->is_begun = 1;
        tape_streams_load(&t->streams, cursor_states(t->cursor));
    }
    batch_rows_begin(t->rows, window_of(t));
}

int tape_end_batch(const tapedeck_tape *t, tapedeck_batch *out, td_result rc, const td_err *err,
                   tapedeck_error *error)
{
    const int result = batch_rows_get(t->rows, out);
    if (rc == TD_OK || rc == TD_EOF)
        return result;
    library_error_set(error, rc, err);
    return TAPEDECK_TAPE_FAILED;
}

int tape_report_damage(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error)
{
    *out = (tapedeck_batch){0};
    tape_gaps_report(&t->gaps, t->cursor, window_of(t), error);
    return TAPEDECK_TAPE_DAMAGED;
}

int tape_refuse(tapedeck_batch *out, tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    td_result rc = td_err_set(&err, TD_E_INVALID, "the tape is over");
    *out = (tapedeck_batch){0};
    library_error_set(error, rc, &err);
    return TAPEDECK_TAPE_FAILED;
}

int tapedeck_tape_next(tapedeck_tape *t, tapedeck_batch *out, tapedeck_error *error)
{
    td_result rc = TD_OK;
    td_err err;
    td_err_clear(&err);
    if (t->cursor == NULL)
        return tape_refuse(out, error);
    tape_begin_batch(t);
    if (tape_gaps_has_damage(&t->gaps, t->cursor))
        return tape_report_damage(t, out, error);
    while (rc == TD_OK && !t->is_over && !batch_rows_is_full(t->rows)) {
        const frame_ref *frame = t->pending_frame;
        t->pending_frame = NULL;
        rc = frame != NULL ? TD_OK : cursor_next(t->cursor, &frame, &err);
        if (rc == TD_OK && tape_gaps_has_damage(&t->gaps, t->cursor)) {
            t->pending_frame = frame;
            break;
        }
        if (rc == TD_OK)
            rc = add_frame(t, frame, &err);
    }
    if (rc == TD_EOF && t->coverage != NULL &&
        trade_coverage_end(t->coverage, t->cursor, &err) != TD_OK)
        rc = TD_E_IO;
    const int result = tape_end_batch(t, out, rc, &err, error);
    return result == TAPEDECK_TAPE_END && tape_gaps_has_damage(&t->gaps, t->cursor)
               ? tape_report_damage(t, out, error)
               : result;
}

/* ---- another time ---- */

int tapedeck_tape_seek(tapedeck_tape *t, const char *from, tapedeck_error *error)
{
    td_err err;
    td_err_clear(&err);
    td_result rc = t->coverage == NULL
                       ? tape_request_move(&t->request, from, &err)
                       : td_err_set(&err, TD_E_INVALID, "a tape with coverage cannot be sought");
    if (rc == TD_OK) {
        cursor_close(t->cursor);
        t->cursor = NULL;
        tape_streams_forget(&t->streams);
        t->gaps.reported_rows = 0;
        t->pending_frame = NULL;
        t->position_ns = 0;
        t->is_begun = t->is_over = 0;
        rc = cursor_open(t->of->of, &t->request.wanted, &t->reading, &t->cursor, &err);
    }
    if (rc != TD_OK)
        library_error_set(error, rc, &err);
    return rc == TD_OK;
}

/* ---- streams, gaps and coverage ---- */

int tapedeck_tape_stream(const tapedeck_tape *t, size_t index, tapedeck_stream *out)
{
    if (index >= t->streams.count)
        return 0;
    const channel_info *info = &t->streams.items[index]->info;
    const symbol_topic *state = t->streams.items[index]->tape.state;
    *out = (tapedeck_stream){.feed = info->feed,
                             .family = info->family,
                             .topic = info->topic,
                             .symbol = info->symbol,
                             .exchange_topic = info->exchange_topic,
                             .line = info->line,
                             .is_grouped =
                                 state != NULL && state->row != NULL && state->row->is_grouped};
    return 1;
}

int tapedeck_tape_gap(const tapedeck_tape *t, size_t *at, tapedeck_gap *out)
{
    return t->cursor != NULL && tape_gaps_next(&t->gaps, window_of(t), at, out);
}

uint64_t tapedeck_tape_missing_ns(const tapedeck_tape *t, size_t stream, uint64_t from_ns,
                                  uint64_t to_ns)
{
    if (to_ns <= from_ns)
        return 0;
    return t->coverage != NULL ? trade_coverage_missing_ns(t->coverage, stream, from_ns, to_ns)
                               : to_ns - from_ns;
}
