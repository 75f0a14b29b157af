#include "tape/kept_families.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "archive/archive_view.h"
#include "format/segment_family.h"
#include "schema/family.h"

/* Where a family's documents are kept. */
typedef struct kept_family {
    char name[LIMIT_NAME_BYTES];
    char hash[TD_HASH128_HEX_BYTES]; /* "": they cannot be read */
    td_io io;
    char path[LIMIT_PATH_BYTES];  /* of the segment; "": none was found yet */
    char other[LIMIT_PATH_BYTES]; /* of a segment with other documents; "": none */
    uint64_t start_ns;            /* of the session */
    uint64_t first_s;             /* of the segment */
} kept_family;

/* A session's segments of a feed. */
typedef struct feed_session {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES]; /* or ALL_SESSIONS: the feed's family is known */
} feed_session;

#define ALL_SESSIONS ""

typedef struct search {
    const td_log *log;
    kept_family *found;
    size_t found_count;
    feed_session *read; /* sessions of the present archive */
    size_t read_count;
    td_buf content;
} search;

/* ---- finding ---- */

static int is_read(const search *s, const segment_name *name)
{
    for (size_t i = 0; name->is_parsed && i < s->read_count; i++)
        if (strcmp(s->read[i].feed, name->feed) == 0 &&
            (s->read[i].session[0] == '\0' || strcmp(s->read[i].session, name->session) == 0))
            return 1;
    return 0;
}

static void note_read(search *s, const segment_name *name, const char *session)
{
    s->read = td_array_grow(s->read, s->read_count, sizeof *s->read);
    feed_session *row = &s->read[s->read_count++];
    (void)snprintf(row->feed, sizeof row->feed, "%s", name->feed);
    (void)snprintf(row->session, sizeof row->session, "%s", session);
}

/* Find or add a family. NULL: there are more than can be added; the last one gets that error. */
static kept_family *get_family(search *s, const char *name)
{
    for (size_t i = 0; i < s->found_count; i++)
        if (strcmp(s->found[i].name, name) == 0)
            return &s->found[i];
    if (s->found_count > FAMILIES_ADDED_MAX)
        return NULL;
    s->found = td_array_grow(s->found, s->found_count, sizeof *s->found);
    kept_family *made = &s->found[s->found_count++];
    *made = (kept_family){.path = ""};
    (void)snprintf(made->name, sizeof made->name, "%s", name);
    return made;
}

/* Keep the newer one of a family's definitions, and a segment that has another one. */
static void compare(kept_family *to, const kept_family *one)
{
    char other[LIMIT_PATH_BYTES];
    const int is_first = to->path[0] == '\0';
    const int is_newer = is_first || one->start_ns > to->start_ns ||
                         (one->start_ns == to->start_ns && one->first_s > to->first_s);
    const int differs = !is_first && to->hash[0] != '\0' && one->hash[0] != '\0' &&
                        strcmp(to->hash, one->hash) != 0;
    memcpy(other, differs ? (is_newer ? to->path : one->path) : to->other, sizeof other);
    if (is_newer)
        *to = *one;
    memcpy(to->other, other, sizeof other);
}

/* 1 if a segment's family is known, by the catalog: the segment is not opened then. */
static int has_known_family(archive_view *held, const archive_segment *segment)
{
    segment_rows rows;
    if (held == NULL || !archive_view_load(held, segment->path, archive_view_size(held, segment),
                                           CATALOG_INDEX, &rows))
        return 0;
    const int is_known = family_is_known(td_bytes_str(rows.index.family));
    segment_rows_fini(&rows);
    return is_known;
}

/* held: the archive's view; NULL: without one. */
static void read_segment(search *s, archive *in, archive_view *held, const archive_segment *segment)
{
    segment_family found;
    kept_family one = {.io = archive_io(in), .first_s = segment->name.first_s};
    if (is_read(s, &segment->name) || archive_join(in, segment->path, one.path, NULL) != TD_OK)
        return;
    if (has_known_family(held, segment)) {
        note_read(s, &segment->name, ALL_SESSIONS);
        return;
    }
    td_result rc = segment_family_read(one.io, one.path, &s->content, &found, NULL);
    if (found.family[0] == '\0')
        return; /* readers of its frames report the damage */
    if (family_is_known(td_bytes_str(found.family))) {
        note_read(s, &segment->name, ALL_SESSIONS);
        return;
    }
    if (rc == TD_OK && found.documents.count == 0)
        return;
    note_read(s, &segment->name, segment->name.session);
    (void)snprintf(one.name, sizeof one.name, "%s", found.family);
    (void)snprintf(one.hash, sizeof one.hash, "%s", rc == TD_OK ? found.documents.hash : "");
    one.start_ns = found.start_ns;
    kept_family *of = get_family(s, found.family);
    if (of != NULL)
        compare(of, &one);
}

/* Find the definitions of an archive's unknown families, the newest segments first. */
static void search_archive(search *s, archive *in)
{
    archive_view *held = archive_held_view(in);
    archive_listing own = {0};
    if (held == NULL && archive_list_names(in, &own, NULL) != TD_OK)
        archive_listing_fini(&own); /* readers of the archive report it */
    const archive_listing *listing = held != NULL ? &held->listing : &own;
    s->read_count = 0;
    if (held != NULL)
        archive_view_begin_loads(held);
    for (size_t i = listing->segment_count; i > 0; i--)
        read_segment(s, in, held, &listing->segments[i - 1]);
    if (held != NULL)
        archive_view_end_loads(held);
    archive_listing_fini(&own);
}

/* ---- adding ---- */

static void warn_unreadable(const search *s, const kept_family *of, const td_err *why)
{
    td_log_emit(s->log, TD_LOG_WARNING,
                "%s: the documents of family '%s' that it keeps cannot be read: %s; its frames are "
                "not decoded: give its document with --families FILE",
                of->path, of->name, why->text);
}

static void add_family(search *s, const kept_family *of)
{
    segment_family kept;
    td_err err;
    td_err_clear(&err);
    td_result rc = segment_family_read(of->io, of->path, &s->content, &kept, &err);
    if (rc == TD_OK)
        rc = family_add_kept(of->name, &kept.documents, &err);
    if (rc != TD_OK)
        warn_unreadable(s, of, &err);
    else if (of->other[0] != '\0')
        td_log_emit(s->log, TD_LOG_WARNING,
                    "family '%s' is read by the documents in %s, the newest ones; %s has others: "
                    "--families FILE chooses",
                    of->name, of->path, of->other);
}

void kept_families_add(archive *const *archives, size_t count, const td_log *log)
{
    search s = {.log = log};
    td_buf_init(&s.content, LIMIT_RECORD_BYTES);
    for (size_t i = 0; i < count; i++)
        search_archive(&s, archives[i]);
    for (size_t i = 0; i < s.found_count; i++)
        add_family(&s, &s.found[i]);
    td_buf_fini(&s.content);
    td_free(s.found);
    td_free(s.read);
}
