/* Gaps and folders: what else goes, or must not, when segments do. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/ledger.h"
#include "archive/prune_impl.h"

/* ---- gaps ---- */

/* The ledger as it is, and as it would be without the segments that go. */
typedef struct ledgers {
    const prune_work *work;
    gap_list now;
    gap_list without;
    gap_list leaving; /* what the segments that go tell */
} ledgers;

static const prune_candidate *find_going(const prune_work *w, const char *path)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->candidates[i].goes && strcmp(w->candidates[i].path, path) == 0)
            return &w->candidates[i];
    }
    return NULL;
}

static td_result sort_out(void *user, const char *source, const gap_list *rows, td_err *err)
{
    ledgers *l = user;
    int leaves = source[0] != '\0' && find_going(l->work, source) != NULL;
    td_result rc = gap_list_join(&l->now, rows, err);
    if (rc == TD_OK)
        rc = gap_list_join(leaves ? &l->leaving : &l->without, rows, err);
    return rc;
}

/* 1 if the gap is over before the feed's frames that stay begin. */
static int is_behind_all(const prune_work *w, const gap_row *row)
{
    if (row->to_ns == GAP_OPEN)
        return 0;
    for (size_t i = 0; i < w->count; i++) {
        const prune_candidate *c = &w->candidates[i];
        if (c->goes && strcmp(c->feed, row->feed) == 0 && row->to_ns >= c->first_ns &&
            row->to_ns <= c->until_ns)
            return 1;
    }
    return 0;
}

static int is_same(const gap_row *a, const gap_row *b)
{
    return a->to_ns == b->to_ns && a->frames_lost == b->frames_lost &&
           strcmp(a->covered_by, b->covered_by) == 0 && strcmp(a->cause, b->cause) == 0 &&
           strcmp(a->detail, b->detail) == 0;
}

/* A gap that reaches beyond what goes must stay; and one that somebody else tells too must not fall
 * back to what that one knows of it (its beginning, for instance). */
static td_result keep_if_needed(prune_work *w, const ledgers *l, const gap_row *key, td_err *err)
{
    const gap_row *now = gap_list_find(&l->now, key);
    const gap_row *left = gap_list_find(&l->without, key);
    TD_ASSERT(now != NULL);
    int is_needed = left == NULL ? !is_behind_all(w, now) : !is_same(now, left);
    if (!is_needed)
        return TD_OK;
    w->report->gaps_kept++;
    return ledger_write_gap(w->journal, now, err);
}

static td_result hear_all(prune_work *w, ledgers *l, td_err *err)
{
    td_err cause;
    td_err_clear(&cause);
    td_result rc = archive_each_gap_source(w->archive, sort_out, l, &cause);
    return rc == TD_OK ? TD_OK : td_err_set(err, rc, "gaps of what is to go: %s", cause.text);
}

td_result prune_keep_gaps(prune_work *w, td_err *err)
{
    TD_ASSERT(w->journal != NULL);
    ledgers l = {.work = w};
    td_result rc = hear_all(w, &l, err);
    for (size_t i = 0; i < l.leaving.count && rc == TD_OK; i++)
        rc = keep_if_needed(w, &l, &l.leaving.rows[i], err);
    gap_list_fini(&l.now);
    gap_list_fini(&l.without);
    gap_list_fini(&l.leaving);
    return rc;
}

/* ---- folders ---- */

/* Path below the archive of the folder around path; 0 at capture/ itself. */
static int go_up(char *path)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return 0;
    *slash = '\0';
    return strchr(path, '/') != NULL;
}

/* 1 if the folder is gone. It has something in it otherwise, most likely. */
static int remove_folder(const prune_work *w, const char *folder)
{
    char full[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, folder, full, NULL);
    if (rc == TD_OK)
        rc = td_io_unlink(archive_io(w->archive), full, NULL);
    /* An empty folder that comes back after a power cut is in nobody's way. */
    return rc == TD_OK && td_io_sync_folder_of(archive_io(w->archive), full, NULL) == TD_OK;
}

/* The folders of a segment that is gone, from the day's upwards, as far as nothing else is there.
 */
static void remove_folders_of(prune_work *w, const char *path)
{
    char folder[LIMIT_PATH_BYTES];
    (void)snprintf(folder, sizeof folder, "%s", path);
    while (go_up(folder) && remove_folder(w, folder))
        w->report->folders++;
}

/* Folders older than this are not in use by a recorder, which writes into today's folder. Today is
 * taken from the archive's newest frame, because the clock may have jumped. */
static uint64_t settled_before(const prune_work *w)
{
    char live[SESSION_ID_BYTES];
    const uint64_t two_days_ns = UINT64_C(2) * 24 * 3600 * TD_NS_PER_S;
    uint64_t now_ns = w->newest_ns;
    if (archive_live_session(w->archive, live, NULL) != TD_OK)
        return 0;
    const past_session *session = archive_past_session(&w->past, live);
    int is_recorder = session != NULL && strcmp(session->verb, "record") == 0;
    return is_recorder && now_ns > two_days_ns ? now_ns - two_days_ns : 0;
}

/* An appender makes a day's folder and then a file in it: nothing may come between. So nobody may
 * begin to append meanwhile; beside an import, which may be of any day, folders stay until the next
 * time. Folders of what earlier prunes removed are tried too: one may have been killed here. */
void prune_remove_folders(prune_work *w)
{
    td_lock *lock = NULL;
    if (archive_hold_appenders(w->archive, &lock, NULL) != TD_OK)
        return;
    uint64_t before_ns = lock != NULL ? UINT64_MAX : settled_before(w);
    for (size_t i = 0; i < w->past.segment_count; i++) {
        const past_segment *segment = &w->past.segments[i];
        if (segment->stage == PAST_PRUNED && segment->last_ns < before_ns)
            remove_folders_of(w, segment->path);
    }
    for (size_t i = 0; i < w->count; i++) {
        if (w->candidates[i].goes && w->candidates[i].last_ns < before_ns)
            remove_folders_of(w, w->candidates[i].path);
    }
    td_io_unlock(lock);
}
