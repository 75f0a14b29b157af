#include "archive/lost_data.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "archive/name_index.h"
#include "archive/time_account.h"

static const char UNREADABLE[] = "segment cannot be read";

static gap_row gap_of(const char *feed, const char *path, uint64_t from_ns, uint64_t to_ns,
                      const char *cause)
{
    /* the segment of a cut may have frames of any later time */
    gap_row row =
        gap_row_of(GAP_CORRUPT, feed, from_ns, to_ns == UINT64_MAX ? GAP_OPEN : to_ns, cause);
    row.detail = path;
    return row;
}

/* ---- segments ---- */

gap_row lost_data_frames(const char *feed, const char *path, uint64_t first_ns, uint64_t last_ns)
{
    return gap_of(feed, path, first_ns, last_ns + 1, "stored frames cannot be read");
}

gap_row lost_data_segment(const char *feed, const char *path, uint64_t from_ns, uint64_t to_ns)
{
    return gap_of(feed, path, from_ns, to_ns, UNREADABLE);
}

gap_row lost_data_changed(const char *feed, const char *path, const chain_conn *slot,
                          uint64_t from_ns)
{
    gap_row row =
        gap_of(feed, path, from_ns, GAP_OPEN, "segment removed or changed by another program");
    row.line = slot->line;
    row.shard = slot->shard;
    row.conn = slot->conn;
    return row;
}

gap_row lost_data_discarded(archive *a, const archive_history *past, const past_segment *segment,
                            const segment_name *name)
{
    const uint64_t from_ns = name->first_s == 0 ? 1 : name->first_s * TD_NS_PER_S;
    return gap_of(name->feed, segment->path, from_ns,
                  time_account_next_ns(a, past, segment, from_ns),
                  archive_history_is_import(past, name->session) ? GAP_CAUSE_IMPORT : UNREADABLE);
}

void lost_data_add_missing(const archive_view *view, gap_list *ledger)
{
    for (size_t i = 0; i < view->past.segment_count; i++) {
        const past_segment *segment = &view->past.segments[i];
        segment_name name;
        if (!segment->is_lost)
            continue;
        td_log_emit(archive_log(view->archive), TD_LOG_WARNING, "missing: %s: %s", segment->path,
                    past_segment_missing_text(segment));
        if (segment->is_corrupt || !segment_name_parse(segment_file_name(segment->path), &name))
            continue;
        time_span lost = archive_segment_time(&view->listing, &name);
        if (segment->is_chained)
            lost.from_ns = segment->first_ns;
        else if (archive_history_is_crashed(&view->past, segment->session) &&
                 archive_history_is_last(&view->past, segment))
            lost.to_ns = time_account_next_ns(view->archive, &view->past, segment, lost.from_ns);
        const gap_row row =
            gap_of(name.feed, segment->path, lost.from_ns, lost.to_ns, "segment is missing");
        gap_list_add(ledger, &row);
    }
}

/* ---- entries of the journal ---- */

/* For one feed, the time that lost entries of the journal may have described, in seconds, as in the
 * names of segments. */
typedef struct lost_time {
    const char *feed;
    uint64_t first_s; /* start of the feed's first segment */
    uint64_t from_s;  /* start of its last segment before the damage, or UINT64_MAX */
    uint64_t to_s; /* start of the first segment after the damage for which has_own_gaps holds, or
                      UINT64_MAX */
    uint8_t has_more; /* 1: the feed has a segment before to_s, or one that the journal lacks */
} lost_time;

typedef struct lost_times {
    lost_time *rows; /* one for each feed */
    size_t count;
} lost_times;

/* Get the feed's row, added if new. */
static lost_time *find_time(lost_times *times, const char *feed)
{
    for (size_t i = 0; i < times->count; i++)
        if (strcmp(times->rows[i].feed, feed) == 0)
            return &times->rows[i];
    times->rows = td_array_grow(times->rows, times->count, sizeof times->rows[0]);
    times->rows[times->count] =
        (lost_time){.feed = feed, .first_s = UINT64_MAX, .from_s = UINT64_MAX, .to_s = UINT64_MAX};
    return &times->rows[times->count++];
}

/* 1 if all gaps of a segment after the damage can be read: its session is a recorder's session
 * that began after the damage, or the session of the feed's last segment before the damage. */
static int has_own_gaps(const archive_history *past, const past_damage *damage,
                        const past_segment *segment)
{
    for (size_t i = damage->session_count; i < past->session_count; i++)
        if (strcmp(past->sessions[i].session, segment->session) == 0)
            return past->sessions[i].pid != 0 && !archive_history_is_import(past, segment->session);
    for (size_t i = damage->segment_count; i > 0; i--) {
        const past_segment *before = &past->segments[i - 1];
        if (strcmp(before->feed, segment->feed) == 0)
            return strcmp(before->session, segment->session) == 0;
    }
    return 0;
}

static void find_times(const archive_history *past, const past_damage *damage,
                       const archive_listing *listing, lost_times *out)
{
    segment_name name;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *listed = &listing->segments[i].name;
        if (!listed->is_parsed)
            continue;
        lost_time *time = find_time(out, listed->feed);
        if (listed->first_s < time->first_s)
            time->first_s = listed->first_s;
        td_bytes path = segment_final_name(listing->segments[i].path);
        time->has_more |= name_index_find(&past->by_path, path) == NAME_INDEX_NONE;
    }
    for (size_t i = 0; i < past->segment_count; i++) {
        const past_segment *segment = &past->segments[i];
        if (!segment_name_parse(segment_file_name(segment->path), &name))
            continue;
        lost_time *time = find_time(out, segment->feed);
        if (i < damage->segment_count)
            time->from_s = name.first_s;
        else if (time->to_s == UINT64_MAX && has_own_gaps(past, damage, segment))
            time->to_s = name.first_s;
        time->has_more |= time->to_s == UINT64_MAX;
        if (name.first_s < time->first_s)
            time->first_s = name.first_s;
    }
}

/* Add the gap for a lost time. It ends after the second to_s, because names have whole seconds. */
static void add_time(const lost_time *time, size_t number, gap_list *ledger)
{
    uint64_t from_s = time->from_s == UINT64_MAX ? time->first_s : time->from_s;
    uint64_t to_s = time->to_s;
    if (!time->has_more) /* the feed began after the damage */
        return;
    if (to_s < from_s) { /* the clock was wrong, or the segment was imported */
        to_s = from_s;
        from_s = time->to_s;
    }
    /* Each damage gets a different from_ns, because rows with equal keys are merged into one. */
    uint64_t from_ns = from_s * TD_NS_PER_S + 1 + number;
    uint64_t to_ns = to_s == UINT64_MAX ? GAP_OPEN : (to_s + 1) * TD_NS_PER_S;
    gap_row row = gap_row_of(GAP_CORRUPT, time->feed, from_ns, to_ns, GAP_CAUSE_JOURNAL);
    gap_list_add(ledger, &row);
}

void lost_data_add_journal(const archive_history *past, const archive_listing *listing,
                           gap_list *ledger)
{
    for (size_t i = 0; i < past->damage_count; i++) {
        lost_times times = {0};
        if (past->damages[i].is_accepted)
            continue;
        find_times(past, &past->damages[i], listing, &times);
        for (size_t k = 0; k < times.count; k++)
            add_time(&times.rows[k], i, ledger);
        td_free(times.rows);
    }
}
