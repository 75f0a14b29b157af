#include "verbs/fleet.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "archive/archive_view.h"
#include "archive/name_index.h"
#include "archive/segment_rows.h"

/* The feeds of an archive, each with its newest segment. */
typedef struct feed_names {
    const archive_segment **newest; /* in the view */
    size_t count;
    name_index by_name;
} feed_names;

static feed_names list_feeds(const archive_view *view)
{
    feed_names feeds = {0};
    for (size_t i = 0; i < view->listing.segment_count; i++) {
        const archive_segment *segment = &view->listing.segments[i];
        const td_bytes name = td_bytes_str(segment->name.feed);
        const size_t known = name_index_find(&feeds.by_name, name);
        if (known != NAME_INDEX_NONE) {
            TD_ASSERT(feeds.newest != NULL);
            feeds.newest[known] = segment;
        }
        if (known != NAME_INDEX_NONE || !segment->name.is_parsed)
            continue;
        feeds.newest = td_array_grow(feeds.newest, feeds.count, sizeof(const archive_segment *));
        name_index_put(&feeds.by_name, name, feeds.count);
        feeds.newest[feeds.count++] = segment;
    }
    return feeds;
}

static void format_feeds(const feed_names *feeds, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "%s", feeds->count == 0 ? "no feed" : "");
    for (size_t i = 0; i < feeds->count && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, "%s%s", i == 0 ? "" : ", ",
                                 feeds->newest[i]->name.feed);
}

/* ---- one archive ---- */

static td_result check_kind(const archive *of, const archive_view *view, td_err *err)
{
    int is_cut = 0;
    for (size_t i = 0; i < view->listing.segment_count; i++) {
        const segment_name *name = &view->listing.segments[i].name;
        is_cut |= name->is_parsed && name->number == SEGMENT_NUMBER_CUT;
    }
    return archive_is_single_file(of) || is_cut
               ? td_err_set(err, TD_E_INVALID,
                            "%s is a single file, or has a cut: several archives must be those of "
                            "recorders",
                            archive_path(of))
               : TD_OK;
}

/* ---- two archives ---- */

/* Get the family of a feed, from its newest segment. "": it cannot be read, which the reader of
 * frames reports. */
static void read_family(archive_view *view, const archive_segment *newest,
                        char out[LIMIT_NAME_BYTES])
{
    segment_rows rows;
    out[0] = '\0';
    if (archive_view_read(view, newest->path, archive_view_size(view, newest), CATALOG_INDEX, &rows,
                          NULL) == TD_OK)
        (void)snprintf(out, LIMIT_NAME_BYTES, "%s", rows.index.family);
    segment_rows_fini(&rows);
}

static td_result check_sessions(const archive_view *a, const archive_view *b, td_err *err)
{
    for (size_t i = 0; i < a->past.session_count; i++)
        for (size_t k = 0; k < b->past.session_count; k++)
            if (strcmp(a->past.sessions[i].session, b->past.sessions[k].session) == 0)
                return td_err_set(err, TD_E_INVALID,
                                  "%s and %s have the same session %s: they are one archive, or "
                                  "one is a copy of the other",
                                  archive_path(a->archive), archive_path(b->archive),
                                  a->past.sessions[i].session);
    return TD_OK;
}

/* *shared: set to 1 if they have a feed in common. */
static td_result check_families(archive_view *const views[2], const feed_names feeds[2],
                                int *shared, td_err *err)
{
    for (size_t i = 0; i < feeds[0].count; i++) {
        const char *feed = feeds[0].newest[i]->name.feed;
        const size_t same = name_index_find(&feeds[1].by_name, td_bytes_str(feed));
        char families[2][LIMIT_NAME_BYTES];
        if (same == NAME_INDEX_NONE)
            continue;
        *shared = 1;
        TD_ASSERT(feeds[1].newest != NULL);
        read_family(views[0], feeds[0].newest[i], families[0]);
        read_family(views[1], feeds[1].newest[same], families[1]);
        if (families[0][0] != '\0' && families[1][0] != '\0' &&
            strcmp(families[0], families[1]) != 0)
            return td_err_set(err, TD_E_INVALID, "feed %s is of family %s in %s, and of %s in %s",
                              feed, families[0], archive_path(views[0]->archive), families[1],
                              archive_path(views[1]->archive));
    }
    return TD_OK;
}

static td_result check_pair(archive_view *a, archive_view *b, int *shared, td_err *err)
{
    archive_view *const views[2] = {a, b};
    feed_names feeds[2] = {list_feeds(a), list_feeds(b)};
    td_result rc = check_sessions(a, b, err);
    if (rc == TD_OK)
        rc = check_families(views, feeds, shared, err);
    for (int i = 0; i < 2; i++) {
        td_free(feeds[i].newest);
        name_index_fini(&feeds[i].by_name);
    }
    return rc;
}

static td_result refuse_unshared(archive_view *const *views, size_t count, size_t of, td_err *err)
{
    enum { NAMES_BYTES = 256 };
    char names[NAMES_BYTES];
    char others[2 * NAMES_BYTES] = "";
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        feed_names feeds = list_feeds(views[i]);
        format_feeds(&feeds, names, sizeof names);
        if (used < sizeof others)
            used += (size_t)snprintf(others + used, sizeof others - used, "%s%s has %s",
                                     i == 0 ? "" : "; ", archive_path(views[i]->archive), names);
        td_free(feeds.newest);
        name_index_fini(&feeds.by_name);
    }
    return td_err_set(err, TD_E_INVALID, "no other archive has a feed of %s: %s",
                      archive_path(views[of]->archive), others);
}

static td_result check_views(archive_view *const *views, size_t count, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = check_kind(views[i]->archive, views[i], err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        int is_shared = 0;
        for (size_t k = 0; rc == TD_OK && k < count; k++)
            if (k != i)
                rc = check_pair(views[i], views[k], &is_shared, err);
        if (rc == TD_OK && !is_shared)
            rc = refuse_unshared(views, count, i, err);
    }
    return rc;
}

td_result fleet_check(archive *const *archives, size_t count, td_err *err)
{
    archive_view **views = td_alloc_zero(count, sizeof(archive_view *));
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = archive_view_open(archives[i], VIEW_ALL, NULL, &views[i], err);
    if (rc == TD_OK)
        rc = check_views(views, count, err);
    for (size_t i = 0; i < count; i++)
        archive_view_close(views[i]);
    td_free(views);
    return rc;
}
