#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "archive/archive.h"

/* A folder is read and closed before its subfolders: one directory is open at a time. */

/* Limit of entries in one folder. The hourly segments of all feeds of a day stay far below. */
enum { FOLDER_ENTRIES_MAX = 1 << 20, LEVEL_SEGMENTS = 3 };

typedef struct entry {
    char *name;
    td_entry_kind kind;
} entry;

typedef struct folder {
    entry *entries;
    size_t count;
} folder;

static void folder_fini(folder *f)
{
    for (size_t i = 0; i < f->count; i++)
        td_free(f->entries[i].name);
    td_free(f->entries);
    f->entries = NULL;
    f->count = 0;
}

static td_result folder_add(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    folder *f = user;
    if (f->count == FOLDER_ENTRIES_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d entries", FOLDER_ENTRIES_MAX);
    f->entries = td_array_grow(f->entries, f->count, sizeof *f->entries);
    f->entries[f->count++] = (entry){.name = td_strdup(name), .kind = kind};
    return TD_OK;
}

typedef struct walk {
    archive *archive;
    archive_listing *out;
    uint8_t is_by_name; /* finished segments are listed without accessing their files */
} walk;

static unexpected_file *add_unexpected(walk *w, const char *path, const char *what)
{
    archive_listing *out = w->out;
    out->unexpected =
        td_array_grow(out->unexpected, out->unexpected_count, sizeof *out->unexpected);
    unexpected_file *row = &out->unexpected[out->unexpected_count++];
    *row = (unexpected_file){.path = td_strdup(path), .what = td_strdup(what)};
    return row;
}

static void add_unreadable(walk *w, const char *path, const td_err *why)
{
    add_unexpected(w, path, why->text)->is_unreadable = 1;
}

/* A file whose lock cannot be checked counts as not locked: each writer takes the lock itself. */
static int is_locked(const walk *w, const char *relative)
{
    char path[LIMIT_PATH_BYTES];
    td_lock_view view = {0};
    return archive_join(w->archive, relative, path, NULL) == TD_OK &&
           td_io_check_lock(archive_io(w->archive), path, &view, NULL) == TD_OK && view.is_held;
}

static void add_segment(walk *w, const char *path, const segment_name *name, uint64_t size)
{
    archive_listing *out = w->out;
    out->segments = td_array_grow(out->segments, out->segment_count, sizeof *out->segments);
    out->segments[out->segment_count++] =
        (archive_segment){.path = td_strdup(path),
                          .name = *name,
                          .size_bytes = size,
                          .is_locked = name->is_open && is_locked(w, path)};
}

/* A file in a day's folder: a segment that can be read, or an unexpected file. */
static void add_file(walk *w, const char *relative, const char *file_name)
{
    segment_name name;
    uint64_t size = 0;
    td_err cause;
    td_err_clear(&cause);
    if (!segment_name_parse(file_name, &name)) {
        add_unexpected(w, relative, "not a segment's name");
        return;
    }
    if (w->is_by_name && !name.is_open) {
        add_segment(w, relative, &name, 0);
        return;
    }
    td_result rc = archive_file_size(w->archive, relative, &size, &cause);
    /* The writer may have finished and renamed the segment since the folder was read. */
    if (rc == TD_E_NOTFOUND && name.is_open) {
        char finished[LIMIT_PATH_BYTES];
        segment_final_path(relative, finished);
        name.is_open = 0;
        if (archive_file_size(w->archive, finished, &size, NULL) == TD_OK) {
            add_segment(w, finished, &name, size);
            return;
        }
    }
    if (rc != TD_OK)
        add_unreadable(w, relative, &cause);
    else
        add_segment(w, relative, &name, size);
}

static int is_number_of(const char *name, size_t digits)
{
    if (strlen(name) != digits)
        return 0;
    for (const char *c = name; *c != '\0'; c++) {
        if (!isdigit((unsigned char)*c))
            return 0;
    }
    return 1;
}

static td_result list_folder(walk *w, const char *relative, folder *out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = archive_join(w->archive, relative, path, err);
    if (rc == TD_OK)
        rc = td_io_list(archive_io(w->archive), path, folder_add, out, err);
    return rc;
}

/* Write the path of a file in a folder to out; 0 if it is too long for an archive. */
static int path_below(const char *above, const char *name, char out[LIMIT_PATH_BYTES])
{
    const size_t above_bytes = strlen(above);
    const size_t name_bytes = strlen(name);
    if (above_bytes + 1 + name_bytes >= LIMIT_PATH_BYTES)
        return 0;
    memcpy(out, above, above_bytes);
    out[above_bytes] = '/';
    memcpy(out + above_bytes + 1, name, name_bytes);
    out[above_bytes + 1 + name_bytes] = '\0';
    return 1;
}

/* Walk the folders of the segments. level 0: capture/, which contains years; 1: a year, with
 * months; 2: a month, with days; 3: a day, with segments. */
static void walk_level(walk *w, const char *relative,
                       unsigned level) // NOLINT(misc-no-recursion): four levels
{
    folder names = {0};
    td_err cause;
    td_err_clear(&cause);
    td_result rc = list_folder(w, relative, &names, &cause);
    if (rc != TD_OK) {
        folder_fini(&names);
        if (level > 0 || rc != TD_E_NOTFOUND)
            add_unreadable(w, relative, &cause);
        return;
    }
    for (size_t i = 0; i < names.count; i++) {
        const entry *e = &names.entries[i];
        char below[LIMIT_PATH_BYTES];
        if (!path_below(relative, e->name, below))
            continue;
        if (level == LEVEL_SEGMENTS && e->kind == TD_ENTRY_FILE)
            add_file(w, below, e->name);
        else if (level < LEVEL_SEGMENTS && e->kind == TD_ENTRY_DIR &&
                 is_number_of(e->name, level == 0 ? 4 : 2))
            walk_level(w, below, level + 1);
        else
            add_unexpected(w, below, "not a part of an archive");
    }
    folder_fini(&names);
}

static td_result list_single_file(walk *w, td_err *err)
{
    const char *path = archive_path(w->archive);
    const char *file_name = segment_file_name(path);
    segment_name name;
    uint64_t size = 0;
    (void)segment_name_parse(file_name, &name); /* a single file may have any name */
    td_result rc = archive_file_size(w->archive, file_name, &size, err);
    if (rc == TD_OK)
        add_segment(w, file_name, &name, size);
    return rc;
}

/* ---- segments that exist twice ---- */

/* The finished and the open name of a segment are neighbours in the listing: keep the finished one,
 * and report the open one as unexpected. If the segment was renamed while its folder was read, the
 * open file does not exist any more, or the finished name is listed twice. */
static void drop_doubles(walk *w)
{
    archive_listing *out = w->out;
    uint64_t size;
    size_t i = 1;
    while (i < out->segment_count) {
        const archive_segment *before = &out->segments[i - 1];
        const archive_segment *segment = &out->segments[i];
        if (before->name.is_open || !td_bytes_is(segment_final_name(segment->path), before->path)) {
            i++;
            continue;
        }
        if (segment->name.is_open &&
            archive_file_size(w->archive, segment->path, &size, NULL) != TD_E_NOTFOUND)
            add_unexpected(w, segment->path, "a copy of the finished segment")->is_copy = 1;
        td_free(out->segments[i].path);
        out->segment_count--;
        memmove(&out->segments[i], &out->segments[i + 1],
                (out->segment_count - i) * sizeof out->segments[0]);
    }
}

static td_result list_with(walk *w, td_err *err)
{
    if (archive_is_single_file(w->archive)) {
        td_result rc = list_single_file(w, err);
        return rc == TD_OK ? TD_OK : td_err_add(err, rc, "listing '%s'", archive_path(w->archive));
    }
    walk_level(w, "capture", 0);
    drop_doubles(w);
    return TD_OK;
}

td_result archive_list(archive *a, archive_listing *out, td_err *err)
{
    *out = (archive_listing){0};
    return list_with(&(walk){.archive = a, .out = out}, err);
}

td_result archive_list_names(archive *a, archive_listing *out, td_err *err)
{
    *out = (archive_listing){0};
    return list_with(&(walk){.archive = a, .out = out, .is_by_name = 1}, err);
}

void archive_listing_fini(archive_listing *listing)
{
    for (size_t i = 0; i < listing->segment_count; i++)
        td_free(listing->segments[i].path);
    for (size_t i = 0; i < listing->unexpected_count; i++) {
        td_free(listing->unexpected[i].path);
        td_free(listing->unexpected[i].what);
    }
    td_free(listing->segments);
    td_free(listing->unexpected);
    *listing = (archive_listing){0};
}

static int compare_path(const void *path, const void *row)
{
    return strcmp(path, ((const archive_segment *)row)->path);
}

const archive_segment *archive_listing_find(const archive_listing *listing, const char *path)
{
    if (listing->segment_count == 0)
        return NULL;
    return bsearch(path, listing->segments, listing->segment_count, sizeof listing->segments[0],
                   compare_path);
}

time_span archive_segment_time(const archive_listing *listing, const segment_name *name)
{
    time_span found = segment_name_span(name);
    for (size_t i = 0; i < listing->segment_count; i++) {
        const segment_name *next = &listing->segments[i].name;
        const uint64_t begin_ns = (next->first_s + 1) * TD_NS_PER_S; /* at the latest */
        if (next->number > name->number && begin_ns < found.to_ns &&
            strcmp(next->session, name->session) == 0 && strcmp(next->feed, name->feed) == 0)
            found.to_ns = begin_ns;
    }
    found.from_ns += found.from_ns == 0; /* 0 means no time */
    return found;
}

/* ---- which segments are in use ---- */

static int is_session(const char *live, const char *session)
{
    return live[0] == '?' || (live[0] != '\0' && strcmp(live, session) == 0);
}

int archive_segment_is_live(const archive_segment *segment, const char *live)
{
    return segment->name.is_open && (segment->is_locked || is_session(live, segment->name.session));
}

int archive_session_is_live(const archive_listing *listing, const char *live, const char *session)
{
    for (size_t i = 0; i < listing->segment_count; i++) {
        const archive_segment *segment = &listing->segments[i];
        if (segment->is_locked && strcmp(segment->name.session, session) == 0)
            return 1;
    }
    return is_session(live, session);
}
