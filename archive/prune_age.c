/* Which segments are too old. Removal cannot be undone, and the machine's clock may have jumped: so
 * ages count from the newest frame, and prune refuses to remove what lies before a hole in the
 * archive that is longer than the age and than LIMIT_PRUNE_HOLE_NS. */
#include <stdio.h>

#include "base/assert.h"
#include "base/time_text.h"
#include "archive/archive_newest.h"
#include "archive/prune_impl.h"

enum { HOUR_S = 3600 };

td_result prune_find_bound(prune_work *w, td_err *err)
{
    const prune_options *o = w->options;
    const newest_query until_now = {.until_ns = clock_wall_ns(archive_clock(w->archive))};
    td_result rc = archive_newest_ns(w->archive, &until_now, &w->newest_ns, err);
    if (rc != TD_OK)
        return rc;
    if (o->older_than_ns > 0) {
        w->report->counted_from_ns = w->newest_ns;
        w->old_ns = w->newest_ns > o->older_than_ns ? w->newest_ns - o->older_than_ns : 0;
    }
    w->before_ns = w->old_ns > o->before_ns ? w->old_ns : o->before_ns;
    return TD_OK;
}

/* Where the first segment begins that may have frames at or after a moment; UINT64_MAX: there is
 * none. */
static uint64_t find_first_after(const archive_listing *listing, uint64_t ns)
{
    uint64_t first_ns = UINT64_MAX;
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *name = &listing->segments[i].name;
        uint64_t begin_ns = name->first_s * TD_NS_PER_S;
        uint64_t end_ns = (name->first_s / HOUR_S + 1) * HOUR_S * TD_NS_PER_S;
        if (name->is_parsed && end_ns > ns && begin_ns < first_ns)
            first_ns = begin_ns;
    }
    return first_ns;
}

/* The last frame that goes by its age alone; 0 if none does. */
static uint64_t find_last_old(const prune_work *w)
{
    uint64_t last_ns = 0;
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (c->goes && c->why == PRUNE_OLD && c->last_ns >= w->options->before_ns &&
            c->last_ns > last_ns)
            last_ns = c->last_ns;
    }
    return last_ns;
}

static td_result refuse(const prune_work *w, uint64_t last_ns, uint64_t next_ns, td_err *err)
{
    char last[TD_TIME_TEXT_BYTES];
    char next[TD_TIME_TEXT_BYTES];
    char age[TD_TIME_TEXT_BYTES];
    td_time_format(last_ns, last);
    td_time_format(next_ns, next);
    td_duration_format(w->options->older_than_ns, age);
    td_result rc = td_err_set(
        err, TD_E_LIMIT,
        "nothing is removed: everything until %s would be older than %s, because the next frames "
        "are from %s; if a clock had jumped then, that is not so",
        last, age, next);
    td_err_hint(err, "if it is meant, say until when: --before %.10s", next);
    return rc;
}

td_result prune_check_bound(const prune_work *w, td_err *err)
{
    archive_listing listing = {0};
    uint64_t hole_ns_max = w->options->older_than_ns > LIMIT_PRUNE_HOLE_NS
                               ? w->options->older_than_ns
                               : LIMIT_PRUNE_HOLE_NS;
    uint64_t last_ns = w->old_ns == 0 ? 0 : find_last_old(w);
    if (last_ns == 0)
        return TD_OK;
    td_result rc = archive_list(w->archive, &listing, err);
    if (rc == TD_OK) {
        uint64_t next_ns = find_first_after(&listing, w->old_ns);
        if (next_ns > last_ns && next_ns - last_ns > hole_ns_max)
            rc = refuse(w, last_ns, next_ns, err);
    }
    archive_listing_fini(&listing);
    return rc;
}
