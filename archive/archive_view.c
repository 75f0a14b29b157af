#include "archive/archive_view.h"

#include "base/alloc.h"
#include "base/assert.h"

/* The segments are listed before the journal is read: one that is finished meanwhile is listed as
 * open, and is there under its final name (archive_each_missing). */
static td_result view_read(archive_view *view, view_parts parts, const td_log *log, td_err *err)
{
    td_result rc = TD_OK;
    if (parts == VIEW_ALL)
        rc = known_catalog_open(view->archive, log, TD_LOG_INFO, &view->known, err);
    if (rc == TD_OK)
        rc = archive_list(view->archive, &view->listing, err);
    if (rc == TD_OK)
        rc = archive_live_session(view->archive, view->live, err);
    if (rc != TD_OK)
        return rc;
    td_err_clear(&view->past_error);
    view->past_result = archive_past_read(view->archive, &view->past, &view->past_error);
    if (view->past_result == TD_OK)
        archive_past_check(&view->past, view->archive, &view->listing);
    return TD_OK;
}

td_result archive_view_open(archive *a, view_parts parts, const td_log *log, archive_view **out,
                            td_err *err)
{
    *out = NULL;
    archive_view *view = td_alloc_zero(1, sizeof *view);
    view->archive = a;
    view->user_count = 1;
    td_result rc = view_read(view, parts, log, err);
    if (rc != TD_OK) {
        archive_view_close(view);
        return td_err_add(err, rc, "planning what to read");
    }
    *out = view;
    return TD_OK;
}

archive_view *archive_view_share(archive_view *view)
{
    TD_ASSERT(view->user_count > 0);
    view->user_count++;
    return view;
}

void archive_view_release(archive_view *view)
{
    if (view == NULL)
        return;
    TD_ASSERT(view->user_count > 0);
    if (--view->user_count > 0)
        return;
    known_catalog_close(&view->known);
    td_free(view);
}

void archive_view_close(archive_view *view)
{
    if (view == NULL)
        return;
    archive_listing_fini(&view->listing);
    archive_past_fini(&view->past);
    archive_view_release(view);
}

int archive_view_lacks_journal(const archive_view *view)
{
    return view->past_result != TD_OK || archive_past_is_damaged(&view->past);
}
