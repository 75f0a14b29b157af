/* Frames received = written + dropped: within a segment segment_verify has looked; here the
 * counters go on from one segment of a session to the next, and what a session dropped is in the
 * ledger. */
#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "archive/ledger.h"
#include "archive/verify_impl.h"

/* The segment of the same feed and session with this number, if its counters could be read. */
static const checked_segment *find_number(const verification *v, const checked_segment *segment,
                                          uint32_t number)
{
    for (size_t i = verify_first_of(v, segment->session, segment->feed, number);
         i < v->segment_count; i++) {
        const checked_segment *other = v->ordered[i];
        if (other->number != number || strcmp(other->session, segment->session) != 0 ||
            strcmp(other->feed, segment->feed) != 0)
            break;
        if (other->rc == TD_OK && other->result.has_counters)
            return other;
    }
    return NULL;
}

static void check_step(verification *v, const checked_segment *segment)
{
    uint64_t before = 0;
    TD_ASSERT(segment->result.has_counters);
    if (segment->number > 1) {
        const checked_segment *previous = find_number(v, segment, segment->number - 1);
        if (previous == NULL)
            return; /* pruned, or missing, which others say */
        before = previous->result.counters.frames_written;
    }
    if (segment->result.written_before != before)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "counters: it begins at %" PRIu64
                     " frames, what is before it ends at %" PRIu64,
                     segment->result.written_before, before);
}

/* ---- the ledger ---- */

/* 1 if every segment of the session is here, and it stopped in order: a crash may have taken the
 * last gap with it, and is one itself. */
static int is_whole(const verification *v, const checked_segment *last)
{
    const past_session *session = archive_past_session(&v->past, last->session);
    if (session == NULL || !session->has_stopped || session->is_crashed || last->is_live)
        return 0;
    for (uint32_t number = 1; number < last->number; number++) {
        if (find_number(v, last, number) == NULL)
            return 0;
    }
    return find_number(v, last, last->number + 1) == NULL;
}

/* Overload gaps say how many frames were received and discarded. */
static td_result sum_lost(const verification *v, const checked_segment *last, uint64_t *lost,
                          td_err *err)
{
    gap_list told = {0};
    td_result rc = TD_OK;
    for (uint32_t number = 1; number <= last->number && rc == TD_OK; number++) {
        const checked_segment *segment = find_number(v, last, number);
        TD_ASSERT(segment != NULL);
        rc = segment_gaps(v->archive, segment->listed->path, &told, err);
    }
    *lost = 0;
    for (size_t i = 0; i < told.count; i++) {
        const gap_row *row = &told.rows[i];
        if (row->reason == GAP_OVERLOAD && row->frames_lost != GAP_FRAMES_UNKNOWN)
            *lost += row->frames_lost;
    }
    gap_list_fini(&told);
    return rc;
}

/* Reading events costs: only for a session that dropped something. */
static td_result check_ledger(verification *v, const checked_segment *segment, td_err *err)
{
    uint64_t lost;
    uint64_t dropped = segment->result.counters.frames_dropped;
    if (dropped == 0 || !is_whole(v, segment))
        return TD_OK;
    td_result rc = sum_lost(v, segment, &lost, err);
    if (rc == TD_OK && lost != dropped)
        findings_add(&v->findings, VERIFY_DAMAGED, segment->listed->path, 0,
                     "counters: %" PRIu64
                     " frames of session %s were dropped, the ledger has %" PRIu64,
                     dropped, segment->session, lost);
    /* What cannot be read has been found before. */
    return rc == TD_E_NOMEM ? rc : TD_OK;
}

static int is_counted(const checked_segment *segment)
{
    return segment->rc == TD_OK && segment->result.is_ours && segment->result.has_counters;
}

td_result verify_counters(verification *v, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < v->segment_count && rc == TD_OK; i++) {
        if (!is_counted(&v->segments[i]))
            continue;
        check_step(v, &v->segments[i]);
        rc = check_ledger(v, &v->segments[i], err);
    }
    return rc;
}
