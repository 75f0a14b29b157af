#include "replay/cut/cut_folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/version.h"
#include "archive/archive_view.h"
#include "archive/feed_history.h"
#include "archive/journal.h"
#include "archive/read_plan.h"
#include "archive/reindex.h"
#include "format/segment_name.h"

static const char OPEN_SUFFIX[] = ".open";

/* A feed in a session, which becomes a segment. */
typedef struct folder_part {
    char feed[LIMIT_NAME_BYTES];
    char family[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    uint64_t session_ns;        /* start of the session */
    uint64_t first_ns, last_ns; /* of its messages in the archive */
    uint8_t is_written;
    segment_totals totals; /* of its file, if it is written */
} folder_part;

typedef struct folder {
    const cut_options *options;
    cut_result *result;
    td_io io;
    archive_view *view; /* of the archive that is cut */
    selection_window window;
    char path[LIMIT_PATH_BYTES]; /* until the folder is complete */
    uint8_t is_made;             /* 1: the folder exists */
    folder_part *parts;          /* by feed, then by their first message */
    size_t part_count;
    gap_list gaps; /* of feeds without a segment */
    /* Which replies the next segment gets. */
    const char *feed;
    uint8_t has_own_replies;  /* 1: a segment of the feed has the feed's replies */
    uint8_t has_rest_replies; /* 1: a segment has the replies of feeds that have no part */
} folder;

int cut_path_is_folder(const char *path)
{
    const char *suffix = strrchr(path, '.');
    return suffix == NULL || strcmp(suffix, ".mcap") != 0;
}

/* ---- removing ---- */

typedef struct removal {
    td_io io;
    const char *path;
} removal;

static void remove_all(td_io io, const char *path);

/* Remove a file or an empty folder. Failures are ignored, see cut_remove. */
static void remove_one(td_io io, const char *path)
{
    td_result ignored = td_io_unlink(io, path, NULL);
    (void)ignored;
}

static td_result remove_entry(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    const removal *of = user;
    char path[LIMIT_PATH_BYTES];
    (void)err;
    if (snprintf(path, sizeof path, "%s/%s", of->path, name) >= (int)sizeof path)
        return TD_OK;
    if (kind == TD_ENTRY_DIR)
        remove_all(of->io, path);
    else
        remove_one(of->io, path);
    return TD_OK;
}

/* A folder of a cut is at most six folders deep. */
static void remove_all(td_io io, const char *path) // NOLINT(misc-no-recursion)
{
    removal of = {io, path};
    td_result ignored = td_io_list(io, path, remove_entry, &of, NULL);
    (void)ignored;
    remove_one(io, path);
}

void cut_remove(td_io io, const char *path)
{
    if (cut_path_is_folder(path))
        remove_all(io, path);
    else
        remove_one(io, path);
}

/* ---- feeds and sessions of the selection ---- */

static folder_part *get_part(folder *f, const segment_index *index)
{
    for (size_t i = 0; i < f->part_count; i++)
        if (strcmp(f->parts[i].feed, index->feed) == 0 &&
            strcmp(f->parts[i].session, index->session) == 0)
            return &f->parts[i];
    f->parts = td_array_grow(f->parts, f->part_count, sizeof *f->parts);
    folder_part *made = &f->parts[f->part_count++];
    *made = (folder_part){.session_ns = index->session_start_ns, .first_ns = UINT64_MAX};
    (void)snprintf(made->feed, sizeof made->feed, "%s", index->feed);
    (void)snprintf(made->family, sizeof made->family, "%s", index->family);
    (void)snprintf(made->session, sizeof made->session, "%s", index->session);
    return made;
}

static int compare_parts(const void *a, const void *b)
{
    const folder_part *left = a;
    const folder_part *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0 && left->first_ns != right->first_ns)
        order = left->first_ns < right->first_ns ? -1 : 1;
    return order != 0 ? order : strcmp(left->session, right->session);
}

/* Also segments with events only: a feed that is kept may have no frame any more. */
static int wants_kept(void *user, const channel_info *info)
{
    return selection_match(user, info) != SELECTION_NO;
}

/* List the parts that may have selected frames, or frames of the state before them. */
static td_result list_parts(folder *f, td_err *err)
{
    selection wanted = *f->options->wanted;
    read_query query = selection_query(&wanted, (selection_window){0, f->window.to_ns});
    read_plan *plan = NULL;
    query.view = f->view;
    if (f->options->keeps_feeds && wanted.topics.count == 0 && wanted.symbols.count == 0)
        query.wants_channel = wants_kept;
    query.is_quiet = 1; /* the parts log what they cannot read */
    td_result rc = read_plan_open(f->options->archive, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        folder_part *part = get_part(f, index);
        part->first_ns = index->first_ns < part->first_ns ? index->first_ns : part->first_ns;
        part->last_ns = index->last_ns > part->last_ns ? index->last_ns : part->last_ns;
    }
    read_plan_close(plan);
    if (f->part_count > 0)
        qsort(f->parts, f->part_count, sizeof *f->parts, compare_parts);
    return rc;
}

/* Note the segments that cannot be read: a feed may have no others. */
static td_result note_unreadable(folder *f, gap_list *damage, td_err *err)
{
    selection wanted = *f->options->wanted;
    read_query query = selection_query(&wanted, f->window);
    read_plan *plan = NULL;
    query.view = f->view;
    query.is_quiet = 1;
    td_result rc = read_plan_open(f->options->archive, &query, &plan, err);
    if (rc == TD_OK) {
        f->result->read.segments_unreadable = read_plan_unreadable_count(plan);
        gap_list_join(damage, read_plan_damage(plan));
    }
    read_plan_close(plan);
    return rc;
}

/* ---- segments ---- */

static int is_listed(const folder *f, const char *feed)
{
    for (size_t i = 0; i < f->part_count; i++)
        if (strcmp(f->parts[i].feed, feed) == 0)
            return 1;
    return 0;
}

static int has_replies(void *user, const char *feed)
{
    const folder *f = user;
    if (strcmp(feed, f->feed) == 0)
        return !f->has_own_replies;
    return !f->has_rest_replies && !is_listed(f, feed);
}

static td_result part_path(const folder *f, const folder_part *part, char out[LIMIT_PATH_BYTES],
                           td_err *err)
{
    int size = snprintf(out, LIMIT_PATH_BYTES, "%s/%zu.mcap", f->path, (size_t)(part - f->parts));
    return size < (int)LIMIT_PATH_BYTES
               ? TD_OK
               : td_err_set(err, TD_E_INVALID, "'%s': the name is too long", f->options->path);
}

static void add_result(cut_result *to, const cut_result *part)
{
    to->frames += part->frames;
    to->state_frames += part->state_frames;
    to->made_frames += part->made_frames;
    to->reply_frames += part->reply_frames;
    to->without_snapshot += part->without_snapshot;
    to->file.file_bytes += part->file.file_bytes;
    if (part->first_ns != 0 && (to->first_ns == 0 || part->first_ns < to->first_ns))
        to->first_ns = part->first_ns;
    if (part->last_ns > to->last_ns)
        to->last_ns = part->last_ns;
    to->read.damaged_chunks += part->read.damaged_chunks;
}

/* Write a part, if anything of it is selected. */
static td_result write_part(folder *f, folder_part *of, int begins_feed, cut_result *sum,
                            gap_list *gaps, td_err *err)
{
    char glob[SELECTION_GLOB_BYTES];
    char path[LIMIT_PATH_BYTES];
    const char *const globs[] = {glob};
    selection wanted = *f->options->wanted;
    cut_options options = *f->options;
    cut_result made;
    const cut_part part = {.feed = of->feed,
                           .family = of->family,
                           .session = of->session,
                           .session_ns = of->session_ns,
                           .first_ns = of->first_ns,
                           .last_ns = of->last_ns,
                           .whole = f->options->wanted,
                           .begins_feed = begins_feed != 0,
                           .is_kept = f->options->keeps_feeds && begins_feed,
                           .has_replies = has_replies,
                           .user = f,
                           .gaps = gaps};
    selection_glob_of(of->feed, glob);
    wanted.feeds = (selection_globs){globs, 1};
    options.wanted = &wanted;
    options.part = &part;
    options.path = path;
    td_result rc = part_path(f, of, path, err);
    if (rc != TD_OK)
        return rc;
    rc = cut_write(&options, &made, err);
    sum->begin_ns = made.begin_ns;
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        sum->read.damaged_chunks += made.read.damaged_chunks;
        return TD_OK;
    }
    if (rc != TD_OK)
        return rc;
    of->is_written = 1;
    of->totals = made.file;
    f->has_own_replies = f->has_rest_replies = 1;
    add_result(sum, &made);
    return TD_OK;
}

/* Remove the segments of a feed that have only events. */
static td_result drop_parts(folder *f, size_t from, size_t to, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = TD_OK;
    for (size_t i = from; rc == TD_OK && i < to; i++) {
        if (!f->parts[i].is_written)
            continue;
        f->parts[i].is_written = 0;
        rc = part_path(f, &f->parts[i], path, err);
        if (rc == TD_OK)
            rc = td_io_unlink(f->io, path, err);
    }
    return rc;
}

/* Write the segments of a feed, whose parts are from..to-1. */
static td_result write_feed(folder *f, size_t from, size_t to, td_err *err)
{
    gap_list gaps = {0};
    cut_result sum = {0};
    size_t first = from;
    int is_kept = 0;
    while (first + 1 < to && f->parts[first + 1].first_ns <= f->window.from_ns)
        first++;
    f->feed = f->parts[from].feed;
    f->has_own_replies = 0;
    td_result rc = write_part(f, &f->parts[first], 1, &sum, &gaps, err);
    const uint64_t begin_ns = sum.begin_ns;
    for (size_t i = from; rc == TD_OK && i < to; i++) {
        const folder_part *part = &f->parts[i];
        if (i != first && part->last_ns >= begin_ns && part->first_ns < f->window.to_ns)
            rc = write_part(f, &f->parts[i], 0, &sum, &gaps, err);
    }
    const int has_frames = sum.frames + sum.state_frames + sum.reply_frames > 0;
    if (rc == TD_OK && !has_frames && !f->options->keeps_feeds) {
        rc = drop_parts(f, from, to, err);
        sum.file.file_bytes = 0;
    }
    for (size_t i = from; i < to; i++)
        is_kept |= f->parts[i].is_written;
    if (!is_kept)
        gap_list_join(&f->gaps, &gaps);
    add_result(f->result, &sum);
    gap_list_fini(&gaps);
    return rc;
}

static td_result write_parts(folder *f, td_err *err)
{
    td_result rc = TD_OK;
    size_t next = 0;
    for (size_t at = 0; rc == TD_OK && at < f->part_count; at = next) {
        for (next = at + 1;
             next < f->part_count && strcmp(f->parts[next].feed, f->parts[at].feed) == 0;)
            next++;
        rc = write_feed(f, at, next, err);
    }
    const int is_state_enough = f->options->wants_frame != NULL && f->result->state_frames > 0;
    if (rc == TD_OK && f->result->frames == 0 && !is_state_enough)
        rc = td_err_set(err, TD_E_NOTFOUND, "nothing is selected");
    return rc;
}

/* ---- the journal ---- */

/* Move a part's file to its name below the folder, and enter it. */
static td_result enter_part(const folder *f, const folder_part *part, journal *to, td_err *err)
{
    char from[LIMIT_PATH_BYTES];
    char name[LIMIT_PATH_BYTES];
    char day[LIMIT_PATH_BYTES];
    char path[LIMIT_PATH_BYTES];
    segment_name_format(part->feed, part->session, part->totals.first_ns, SEGMENT_NUMBER_CUT, name);
    const journal_segment opened = {name, part->feed, part->session, NULL};
    const journal_segment finished = {name, part->feed, part->session, &part->totals};
    td_result rc = part_path(f, part, from, err);
    if (rc == TD_OK && snprintf(path, sizeof path, "%s/%s", f->path, name) >= (int)sizeof path)
        rc = td_err_set(err, TD_E_INVALID, "'%s': the name is too long", f->options->path);
    if (rc == TD_OK)
        rc = journal_append_segment(to, JOURNAL_SEGMENT_OPENED, &opened, NULL, 0, err);
    (void)snprintf(day, sizeof day, "%.*s", (int)(segment_file_name(name) - 1 - name), name);
    if (rc == TD_OK)
        rc = td_io_mkdir_below(f->io, f->path, day, err);
    if (rc == TD_OK)
        rc = td_io_publish(f->io, from, path, err);
    return rc == TD_OK
               ? journal_append_segment(to, JOURNAL_SEGMENT_FINISHED, &finished, NULL, 0, err)
               : rc;
}

/* Enter the end of a session. One that still runs ends with its last message here. */
static td_result enter_end(const folder *f, const char *session, uint64_t last_ns, journal *to,
                           td_err *err)
{
    char number[24];
    const session_row *row = archive_history_session(&f->view->past, session);
    const int is_open = row != NULL && row->state == SESSION_OPEN;
    const int is_crashed =
        row != NULL &&
        (row->state == SESSION_CRASHED ||
         (is_open && !archive_session_is_live(&f->view->listing, f->view->live, session)));
    const uint64_t stop_ns = row != NULL && row->stop_ns != 0 ? row->stop_ns : last_ns;
    const journal_field fields[] = {journal_text("session", session),
                                    journal_u64("stop_ns", stop_ns, number)};
    return is_crashed ? journal_append(to, JOURNAL_SESSION_CRASHED, fields, 1, err)
                      : journal_append(to, JOURNAL_SESSION_STOP, fields, 2, err);
}

/* Enter a session with all its parts. */
static td_result enter_session(folder *f, const folder_part *of, journal *to, td_err *err)
{
    session_row row = {.start_ns = of->session_ns, .verb = "cut", .version = TAPEDECK_VERSION};
    uint64_t last_ns = 0;
    (void)snprintf(row.session, sizeof row.session, "%s", of->session);
    td_result rc = journal_append_session(to, &row, err);
    for (size_t i = 0; rc == TD_OK && i < f->part_count; i++) {
        folder_part *part = &f->parts[i];
        if (!part->is_written || strcmp(part->session, row.session) != 0)
            continue;
        rc = enter_part(f, part, to, err);
        last_ns = part->totals.last_ns > last_ns ? part->totals.last_ns : last_ns;
    }
    return rc == TD_OK ? enter_end(f, row.session, last_ns, to, err) : rc;
}

/* The part whose session began next after `after`, which may be NULL; NULL at the end. */
static const folder_part *next_session(const folder *f, const folder_part *after)
{
    const folder_part *next = NULL;
    for (size_t i = 0; i < f->part_count; i++) {
        const folder_part *part = &f->parts[i];
        const int is_later =
            after == NULL || part->session_ns > after->session_ns ||
            (part->session_ns == after->session_ns && strcmp(part->session, after->session) > 0);
        const int is_earlier =
            next == NULL || part->session_ns < next->session_ns ||
            (part->session_ns == next->session_ns && strcmp(part->session, next->session) < 0);
        if (part->is_written && is_later && is_earlier)
            next = part;
    }
    return next;
}

static td_result enter_all(folder *f, journal *to, td_err *err)
{
    td_result rc = TD_OK;
    for (const folder_part *at = next_session(f, NULL); rc == TD_OK && at != NULL;
         at = next_session(f, at))
        rc = enter_session(f, at, to, err);
    for (size_t i = 0; rc == TD_OK && i < f->gaps.count; i++)
        rc = journal_append_gap(to, &f->gaps.rows[i], err);
    return rc;
}

/* Make an archive of the folder with the written parts. */
static td_result make_archive(folder *f, td_err *err)
{
    const archive_options opening = {.io = f->io,
                                     .clock = archive_clock(f->options->archive),
                                     .log = f->options->log,
                                     .verb = "cut"};
    archive *made = NULL;
    journal *to = NULL;
    td_result rc = archive_open(&opening, f->path, ARCHIVE_APPEND, &made, err);
    if (rc == TD_OK)
        rc = journal_open(made, NULL, NULL, NULL, &to, err);
    if (rc == TD_OK)
        rc = enter_all(f, to, err);
    journal_close(to);
    if (rc == TD_OK)
        archive_update_catalog(made, NULL);
    archive_close(made);
    return rc;
}

/* ---- the whole folder ---- */

static td_result make_folder(folder *f, td_err *err)
{
    const char *path = f->options->path;
    size_t size = strlen(path);
    char above[LIMIT_PATH_BYTES] = ".";
    while (size > 1 && path[size - 1] == '/')
        size--;
    if (snprintf(f->path, sizeof f->path, "%.*s%s", (int)size, path, OPEN_SUFFIX) >=
        (int)sizeof f->path)
        return td_err_set(err, TD_E_INVALID, "'%s': the name is too long", path);
    td_result rc = td_io_check_absent(f->io, f->path, err);
    if (rc != TD_OK)
        return rc;
    const char *slash = strrchr(f->path, '/');
    if (slash != NULL)
        (void)snprintf(above, sizeof above, "%.*s", slash == f->path ? 1 : (int)(slash - f->path),
                       f->path);
    rc = td_io_mkdir_below(f->io, above, slash == NULL ? f->path : slash + 1, err);
    if (rc != TD_OK) /* a missing folder; NOTFOUND would mean an empty selection */
        return rc == TD_E_NOTFOUND ? TD_E_IO : rc;
    f->is_made = 1;
    return td_io_make_private(f->io, f->path, err);
}

/* Give the folder its name. */
static td_result publish(const folder *f, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s", f->path); /* fits */
    path[strlen(path) - strlen(OPEN_SUFFIX)] = '\0';
    td_result rc = td_io_check_absent(f->io, path, err);
    if (rc == TD_OK)
        rc = td_io_rename(f->io, f->path, path, err);
    return rc == TD_OK ? td_io_sync_folder_of(f->io, path, err) : rc;
}

static td_result write_folder(folder *f, td_err *err)
{
    gap_list damage = {0};
    td_result rc = archive_view_open(f->options->archive, VIEW_ALL, f->options->log, &f->view, err);
    if (rc == TD_OK)
        rc = list_parts(f, err);
    if (rc == TD_OK)
        rc = note_unreadable(f, &damage, err);
    if (rc == TD_OK)
        rc = make_folder(f, err);
    if (rc == TD_OK)
        rc = write_parts(f, err);
    for (size_t i = 0; i < damage.count; i++)
        if (!is_listed(f, damage.rows[i].feed))
            gap_list_add(&f->gaps, &damage.rows[i]);
    gap_list_fini(&damage);
    if (rc == TD_OK)
        rc = make_archive(f, err);
    return rc == TD_OK ? publish(f, err) : rc;
}

td_result cut_write_any(const cut_options *options, cut_result *out, td_err *err)
{
    if (!cut_path_is_folder(options->path))
        return cut_write(options, out, err);
    folder f = {.options = options,
                .result = out,
                .io = cut_io(options->archive),
                .window = selection_resolve(options->wanted, 0)};
    *out = (cut_result){0};
    td_result rc = write_folder(&f, err);
    if (rc != TD_OK && f.is_made)
        remove_all(f.io, f.path);
    archive_view_close(f.view);
    gap_list_fini(&f.gaps);
    td_free(f.parts);
    return rc;
}
