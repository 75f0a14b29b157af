#include "verbs/fleet.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "archive/archive_view.h"
#include "archive/segment_rows.h"

/* An archive, and the newest segment of each of its feeds. */
typedef struct member {
    archive_view *view;
    const archive_segment **feeds;
    size_t feed_count;
} member;

static const archive_segment **find_feed(const member *in, const char *feed)
{
    for (size_t i = 0; i < in->feed_count; i++)
        if (strcmp(in->feeds[i]->name.feed, feed) == 0)
            return &in->feeds[i];
    return NULL;
}

static td_result open_member(archive *from, member *out, td_err *err)
{
    int is_cut = archive_is_single_file(from);
    td_result rc = archive_view_open(from, VIEW_ALL, NULL, &out->view, err);
    for (size_t i = 0; rc == TD_OK && i < out->view->listing.segment_count; i++) {
        const archive_segment *segment = &out->view->listing.segments[i];
        const archive_segment **known = find_feed(out, segment->name.feed);
        if (!segment->name.is_parsed)
            continue;
        is_cut |= segment->name.number == SEGMENT_NUMBER_CUT;
        if (known != NULL) {
            *known = segment;
            continue;
        }
        out->feeds = td_array_grow(out->feeds, out->feed_count, sizeof(const archive_segment *));
        out->feeds[out->feed_count++] = segment;
    }
    return rc == TD_OK && is_cut
               ? td_err_set(err, TD_E_INVALID,
                            "%s is a single file, or has a cut: several archives must be whole "
                            "archives of recorders",
                            archive_path(from))
               : rc;
}

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

/* *is_shared: set to 1 if they have a feed in common. */
static td_result check_pair(const member *a, const member *b, int *is_shared, td_err *err)
{
    td_result rc = check_sessions(a->view, b->view, err);
    for (size_t i = 0; rc == TD_OK && i < a->feed_count; i++) {
        const char *feed = a->feeds[i]->name.feed;
        const archive_segment **same = find_feed(b, feed);
        char ours[LIMIT_NAME_BYTES], theirs[LIMIT_NAME_BYTES];
        if (same == NULL)
            continue;
        *is_shared = 1;
        read_family(a->view, a->feeds[i], ours);
        read_family(b->view, *same, theirs);
        if (ours[0] != '\0' && theirs[0] != '\0' && strcmp(ours, theirs) != 0)
            rc = td_err_set(err, TD_E_INVALID, "feed %s is of family %s in %s, and of %s in %s",
                            feed, ours, archive_path(a->view->archive), theirs,
                            archive_path(b->view->archive));
    }
    return rc;
}

static td_result refuse_unshared(const member *members, size_t count, size_t of, td_err *err)
{
    td_buf names;
    td_buf_init(&names, SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        td_buf_print(&names, "%s%s has%s", i == 0 ? "" : "; ",
                     archive_path(members[i].view->archive),
                     members[i].feed_count == 0 ? " no feed" : "");
        for (size_t k = 0; k < members[i].feed_count; k++)
            td_buf_print(&names, "%s %s", k == 0 ? "" : ",", members[i].feeds[k]->name.feed);
    }
    td_result rc = td_err_set(err, TD_E_INVALID, "no other archive has a feed of %s: %.*s",
                              archive_path(members[of].view->archive), (int)names.size,
                              (const char *)names.data);
    td_buf_fini(&names);
    return rc;
}

td_result fleet_check(archive *const *archives, size_t count, td_err *err)
{
    member *members = td_alloc_zero(count, sizeof *members);
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < count; i++)
        rc = open_member(archives[i], &members[i], err);
    for (size_t i = 0; rc == TD_OK && i < count; i++) {
        int is_shared = 0;
        for (size_t k = 0; rc == TD_OK && k < count; k++)
            if (k != i)
                rc = check_pair(&members[i], &members[k], &is_shared, err);
        if (rc == TD_OK && !is_shared)
            rc = refuse_unshared(members, count, i, err);
    }
    for (size_t i = 0; i < count; i++) {
        td_free(members[i].feeds);
        archive_view_close(members[i].view);
    }
    td_free(members);
    return rc;
}
