/* Implements tapedeck_tape_wait of embed/include/tapedeck/archive.h. */
#include "embed/tape.h"

#include <string.h>

#include "archive/archive_view.h"
#include "archive/ledger.h"
#include "base/clock.h"
#include "embed/library_error.h"

/* Interval of checks for new frames. It is short compared with the second after which a chunk is
 * durable. If checks take long, it is POLL_REST times as long as the last check. */
static const uint64_t POLL_NS = 200 * TD_NS_PER_MS;
enum { POLL_REST = 4 };

/* How the last session ended, if no recorder is running. */
typedef struct session_end {
    char session[SESSION_ID_BYTES]; /* "": no session, or a recorder is running */
    int how;                        /* TAPEDECK_WAIT_ENDED, TAPEDECK_WAIT_CRASHED */
} session_end;

/* Read the end of the last session. Call before checking for frames: then that check finds all
 * frames of the session. */
static td_result read_end(const tapedeck_tape *t, session_end *out, td_err *err)
{
    archive *of = t->of->of;
    char live[SESSION_ID_BYTES];
    archive_view *view = NULL;
    session_row *rows = NULL;
    size_t count = 0;
    *out = (session_end){.how = TAPEDECK_WAIT_ENDED};
    td_result rc = archive_live_session(of, live, err);
    if (rc != TD_OK || live[0] != '\0')
        return rc;
    rc = archive_view_open(of, VIEW_FILES, NULL, &view, err);
    if (rc == TD_OK)
        archive_sessions(view, &rows, &count);
    const session_row *last = count == 0 ? NULL : &rows[count - 1];
    if (last != NULL && !archive_session_is_live(&view->listing, view->live, last->session)) {
        memcpy(out->session, last->session, sizeof out->session);
        if (last->state != SESSION_STOPPED && !archive_is_single_file(of))
            out->how = TAPEDECK_WAIT_CRASHED;
    }
    archive_view_close(view);
    return rc;
}

/* Read the ledger again, after new frames were found and before they are applied. */
static td_result renew_gaps(tapedeck_tape *t, td_err *err)
{
    gap_list before;
    td_result rc = tape_gaps_renew(&t->gaps, t->of->of, cursor_get_window(t->cursor), &before, err);
    if (rc == TD_OK)
        tape_streams_renew(&t->streams, &before);
    gap_list_fini(&before);
    return rc;
}

/* Set *is_more to 1 if tapedeck_tape_next has something to return. */
static td_result find_more(tapedeck_tape *t, int *is_more, td_err *err)
{
    td_result rc = tape_read_lead_in(t, err);
    *is_more = t->pending_frame != NULL || tape_gaps_has_damage(&t->gaps, t->cursor);
    return rc == TD_EOF ? TD_OK : rc;
}

/* Check once for more frames. *result: as for tapedeck_tape_wait. */
static td_result poll_once(tapedeck_tape *t, int *result, td_err *err)
{
    session_end end;
    int is_more = 0;
    *result = TAPEDECK_WAIT_TIMEOUT;
    td_result rc = find_more(t, &is_more, err);
    if (rc == TD_OK && !is_more)
        rc = read_end(t, &end, err);
    td_result found = rc == TD_OK && !is_more ? cursor_poll(t->cursor, err) : TD_EOF;
    if (rc == TD_OK && found != TD_EOF)
        rc = found == TD_OK ? renew_gaps(t, err) : found;
    if (rc == TD_OK && !is_more)
        rc = find_more(t, &is_more, err);
    if (rc != TD_OK || is_more) {
        *result = TAPEDECK_WAIT_MORE;
        return rc;
    }
    if (end.session[0] == '\0' || strcmp(end.session, t->ended) == 0)
        return TD_OK;
    memcpy(t->ended, end.session, sizeof t->ended);
    *result = end.how;
    return renew_gaps(t, err); /* a crash adds gaps */
}

/* Sleep until the next check. Returns 0 if the timeout has passed. */
static int wait_for_poll(uint64_t begin_ns, uint64_t deadline_ns)
{
    const td_clock clock = clock_real();
    uint64_t now_ns = clock_mono_ns(clock);
    uint64_t wait_ns = (now_ns - begin_ns) * POLL_REST;
    uint64_t wake_ns = now_ns + (wait_ns > POLL_NS ? wait_ns : POLL_NS);
    wake_ns = wake_ns < deadline_ns ? wake_ns : deadline_ns;
    if (now_ns >= deadline_ns)
        return 0;
    while (clock_mono_ns(clock) < wake_ns)
        clock_sleep_until(clock, wake_ns); /* a signal may end it early */
    return 1;
}

int tapedeck_tape_wait(tapedeck_tape *t, int64_t timeout_ms, tapedeck_error *error)
{
    tapedeck_batch none;
    td_err err;
    td_err_clear(&err);
    td_result rc = TD_OK;
    int result = TAPEDECK_WAIT_TIMEOUT;
    uint64_t begin_ns = clock_mono_ns(clock_real());
    const uint64_t most_ms = (UINT64_MAX - begin_ns) / TD_NS_PER_MS;
    const uint64_t deadline_ns = timeout_ms < 0 || (uint64_t)timeout_ms >= most_ms
                                     ? UINT64_MAX
                                     : begin_ns + (uint64_t)timeout_ms * TD_NS_PER_MS;
    if (t->cursor == NULL)
        return tape_refuse(&none, error);
    if (!tape_is_following(t))
        rc = td_err_set(&err, TD_E_INVALID, "the tape was opened without TAPEDECK_WITH_FOLLOW");
    else
        tape_begin_batch(t);
    while (rc == TD_OK) {
        rc = poll_once(t, &result, &err);
        if (rc != TD_OK || result != TAPEDECK_WAIT_TIMEOUT || !wait_for_poll(begin_ns, deadline_ns))
            break;
        begin_ns = clock_mono_ns(clock_real());
    }
    if (rc == TD_OK)
        return result;
    library_error_set(error, rc, &err);
    return TAPEDECK_WAIT_FAILED;
}
