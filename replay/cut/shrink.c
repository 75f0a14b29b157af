#include "replay/cut/shrink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/clock.h"
#include "base/io_posix.h"
#include "base/limits.h"
#include "book/symbol_state.h"
#include "replay/cut/cut_folder.h"
#include "replay/cut/shrink_command.h"
#include "replay/play/player.h"
#include "tape/cursor.h"

enum { FOLDER_BYTES = LIMIT_PATH_BYTES / 4, FILE_BYTES = LIMIT_PATH_BYTES / 2 };

static const selection ALL = {.has_from = 0};

/* A feed in a session of the current base: the receive times of its frames differ. */
typedef struct shrink_source {
    char feed[LIMIT_NAME_BYTES];
    char session[SESSION_ID_BYTES];
    uint32_t feed_number; /* 0, 1, … */
} shrink_source;

/* A frame of the current base. */
typedef struct shrink_item {
    uint64_t recv_ns;
    uint32_t source;
    uint32_t group;    /* frames of one group are left out together */
    uint8_t is_broken; /* 1: the frame breaks a rule */
} shrink_item;

typedef struct shrink {
    const shrink_options *options;
    shrink_result *result;
    shrink_command command;
    char folder[FOLDER_BYTES];
    char base[FILE_BYTES];  /* smallest adopted cut that fails; others are cut from it */
    char best[FILE_BYTES];  /* a cut that is smaller than base and fails; valid if has_best */
    char tried[FILE_BYTES]; /* the cut being tried */
    uint8_t has_best;
    uint64_t best_frames;
    archive *archive; /* opened on base */
    shrink_source *sources;
    size_t source_count;
    uint32_t feed_count;
    shrink_item *items; /* by receive time */
    size_t item_count;
    uint64_t broken_at_end; /* number of rules broken after base's last frame */
    uint32_t group_count;
    uint8_t *is_kept; /* for each group, 1 if the next cut has its frames */
} shrink;

static int is_stopped(const shrink *s)
{
    return stop_signal_arrived(s->options->cut.signals);
}

/* ---- frames ---- */

static int compare_times(const void *key, const void *item)
{
    uint64_t a = *(const uint64_t *)key;
    uint64_t b = ((const shrink_item *)item)->recv_ns;
    return (a > b) - (a < b);
}

/* An HTTP reply from before a selection has no session (cut_options.wants_frame). */
static int is_from(const shrink_source *source, const frame_ref *frame)
{
    const char *session = frame->conn->session_id;
    return strcmp(source->feed, frame->channel->info.feed) == 0 &&
           (session[0] == '\0' || strcmp(source->session, session) == 0);
}

/* Find the item of a frame; NULL if base lacks the frame. Frames of several feeds or sessions may
 * have the same time. */
static shrink_item *item_of(const shrink *s, const frame_ref *frame)
{
    shrink_item *found =
        bsearch(&frame->recv_ns, s->items, s->item_count, sizeof *s->items, compare_times);
    if (found == NULL)
        return NULL;
    while (found > s->items && found[-1].recv_ns == frame->recv_ns)
        found--;
    for (; found < s->items + s->item_count && found->recv_ns == frame->recv_ns; found++)
        if (is_from(&s->sources[found->source], frame))
            return found;
    return NULL;
}

static uint32_t get_source(shrink *s, const frame_ref *frame)
{
    uint32_t feed_number = s->feed_count;
    for (size_t i = 0; i < s->source_count; i++) {
        if (is_from(&s->sources[i], frame))
            return (uint32_t)i;
        if (strcmp(s->sources[i].feed, frame->channel->info.feed) == 0)
            feed_number = s->sources[i].feed_number;
    }
    s->sources = td_array_grow(s->sources, s->source_count, sizeof *s->sources);
    shrink_source *made = &s->sources[s->source_count];
    *made = (shrink_source){.feed_number = feed_number};
    (void)snprintf(made->feed, sizeof made->feed, "%s", frame->channel->info.feed);
    (void)snprintf(made->session, sizeof made->session, "%s", frame->conn->session_id);
    s->feed_count = feed_number < s->feed_count ? s->feed_count : feed_number + 1;
    return (uint32_t)s->source_count++;
}

static int wants_frame(void *user, const frame_ref *frame)
{
    const shrink *s = user;
    const shrink_item *item = item_of(s, frame);
    return item != NULL && s->is_kept[item->group];
}

static td_result open_file(const char *path, archive **out, td_err *err)
{
    const archive_options options = {.io = io_posix(), .clock = clock_real()};
    return archive_open(&options, path, ARCHIVE_READ, out, err);
}

/* ---- could the exchange have sent a cut? ---- */

/* A replay of a file that counts broken rules. */
typedef struct trial {
    shrink *search;
    uint64_t broken; /* number of rules broken by the file's frames */
    uint64_t broken_at_end;
    uint8_t is_base;  /* 1: the file is base itself: mark its frames that break rules */
    uint8_t is_legal; /* 0: a frame that breaks no rule in base breaks a rule */
} trial;

static uint64_t count_broken(const symbol_verdict *found)
{
    uint64_t count = verdict_violation(&found->rules) != NULL;
    for (uint32_t i = 0; i < found->audit.count; i++) {
        const audit_item *item = &found->audit.items[i];
        count += item->event == AUDIT_DIFFERS && item->verdict.strength == STRENGTH_ERROR;
    }
    return count;
}

static td_result note_verdict(void *ctx, const struct stream *of, void **state,
                              const applied_frame *seen, td_err *err)
{
    trial *t = ctx;
    uint64_t broken = seen->found == NULL ? 0 : count_broken(seen->found);
    (void)of;
    (void)state;
    (void)err;
    if (broken == 0)
        return TD_OK;
    shrink_item *item = item_of(t->search, seen->frame);
    TD_ASSERT(item != NULL);
    t->broken += broken;
    if (t->is_base)
        item->is_broken = 1;
    t->is_legal &= item->is_broken;
    return t->is_legal ? TD_OK : TD_EOF;
}

static td_result play(archive *file, trial *t, td_err *err)
{
    static const observer_ops OPS = {.name = "--shrink", .frame = note_verdict};
    const cursor_options reading = {.reads = TAPE_READS_MESSAGES, .with_lines = 1};
    const player_options playing = {.without_digests = 1, .observer = {&OPS, t}};
    player_totals totals;
    cursor *tape = NULL;
    player *checker = player_open(&playing);
    t->is_legal = 1;
    td_result rc = cursor_open(file, &ALL, &reading, &tape, err);
    if (rc == TD_OK)
        rc = player_play(checker, tape, err);
    if (rc == TD_OK && t->is_legal)
        rc = player_finish(checker, err);
    if (rc == TD_OK && t->is_legal) {
        player_get_totals(checker, &totals);
        t->broken_at_end = totals.violations - t->broken;
    }
    player_close(checker);
    cursor_close(tape);
    return rc;
}

/* Check whether the exchange could have sent the cut. Frames that also break a rule in base do not
 * count. */
static td_result check_tried(shrink *s, int *is_legal, td_err *err)
{
    trial t = {.search = s};
    archive *file = NULL;
    *is_legal = 1;
    if (s->options->allows_any)
        return TD_OK;
    td_result rc = open_file(s->tried, &file, err);
    if (rc == TD_OK)
        rc = play(file, &t, err);
    archive_close(file);
    *is_legal = t.is_legal && t.broken_at_end <= s->broken_at_end;
    s->result->skipped += rc == TD_OK && !*is_legal;
    return rc;
}

/* ---- one try ---- */

static td_result run_command(shrink *s, const char *path, command_result *found, td_err *err)
{
    if (s->options->progress != NULL)
        s->options->progress(s->options->user, s->command.runs + 1, s->best_frames);
    return shrink_command_run(&s->command, path, found, err);
}

/* Write the kept frames of a time range and run the command. *fails: 1 if the command failed; the
 * cut then becomes the best one. */
static td_result try_cut(shrink *s, selection_window window, int *fails, td_err *err)
{
    selection wanted = {.has_from = 0};
    command_result found = COMMAND_SUCCEEDED;
    cut_result made;
    int is_legal;
    *fails = 0;
    selection_set_window(&wanted, window);
    const cut_options cut = {.archive = s->archive,
                             .wanted = &wanted,
                             .threads = s->options->cut.threads,
                             .wants_frame = wants_frame,
                             .snapshots = s->options->cut.snapshots,
                             .without_checkpoint = 1,
                             .keeps_feeds = s->options->with_server,
                             .user = s,
                             .path = s->tried};
    cut_remove(io_posix(), s->tried);
    td_result rc = cut_write_any(&cut, &made, err);
    if (rc == TD_OK)
        rc = check_tried(s, &is_legal, err);
    if (rc == TD_OK && is_legal)
        rc = run_command(s, s->tried, &found, err);
    if (rc != TD_OK || found != COMMAND_FAILED)
        return rc;
    *fails = 1;
    s->has_best = 1;
    s->best_frames = made.frames + made.state_frames + made.reply_frames;
    cut_remove(io_posix(), s->best);
    return td_io_rename(io_posix(), s->tried, s->best, err);
}

/* ---- base ---- */

/* List the frames of base, grouped by channel. */
static td_result list_items(shrink *s, td_err *err)
{
    const cursor_options reading = {.reads = TAPE_READS_FRAMES, .with_lines = 1};
    const frame_ref *frame;
    cursor *t = NULL;
    s->item_count = 0;
    s->group_count = 0;
    s->source_count = 0;
    s->feed_count = 0;
    td_result rc = cursor_open(s->archive, &ALL, &reading, &t, err);
    while (rc == TD_OK) {
        rc = cursor_next(t, &frame, err);
        if (rc != TD_OK)
            break;
        uint32_t group = frame->channel->index;
        s->items = td_array_grow(s->items, s->item_count, sizeof *s->items);
        s->items[s->item_count++] = (shrink_item){
            .recv_ns = frame->recv_ns, .source = get_source(s, frame), .group = group};
        s->group_count = group < s->group_count ? s->group_count : group + 1;
    }
    cursor_close(t);
    td_free(s->is_kept);
    s->is_kept = td_alloc_zero(s->item_count + s->group_count + 1, 1);
    memset(s->is_kept, 1, s->item_count + s->group_count);
    s->best_frames = s->item_count;
    return rc == TD_EOF ? TD_OK : rc;
}

static td_result read_base(shrink *s, td_err *err)
{
    trial t = {.search = s, .is_base = 1};
    archive_close(s->archive);
    s->archive = NULL;
    td_result rc = open_file(s->base, &s->archive, err);
    if (rc == TD_OK)
        rc = list_items(s, err);
    if (rc == TD_OK && !s->options->allows_any)
        rc = play(s->archive, &t, err);
    s->broken_at_end = t.broken_at_end;
    return rc;
}

/* Make the smallest cut so far the new base. */
static td_result take_best(shrink *s, td_err *err)
{
    if (!s->has_best)
        return TD_OK;
    s->has_best = 0;
    archive_close(s->archive);
    s->archive = NULL;
    cut_remove(io_posix(), s->base);
    td_result rc = td_io_rename(io_posix(), s->best, s->base, err);
    return rc == TD_OK ? read_base(s, err) : rc;
}

/* ---- by time ---- */

/* Find the earliest end with which the command fails, then the latest beginning. The end is not
 * before from_ns, where the state ends. */
static td_result shrink_time(shrink *s, uint64_t from_ns, td_err *err)
{
    size_t first = 0;
    size_t last = s->item_count - 1;
    int fails;
    td_result rc = TD_OK;
    while (first < last && s->items[first].recv_ns < from_ns)
        first++;
    for (size_t low = first; rc == TD_OK && low < last && !is_stopped(s);) {
        size_t middle = low + (last - low) / 2;
        rc = try_cut(s, (selection_window){from_ns, s->items[middle].recv_ns + 1}, &fails, err);
        if (fails)
            last = middle;
        else
            low = middle + 1;
    }
    uint64_t to_ns = s->items[last].recv_ns + 1;
    for (size_t high = last; rc == TD_OK && first < high && !is_stopped(s);) {
        size_t middle = high - (high - first) / 2;
        rc = try_cut(s, (selection_window){s->items[middle].recv_ns, to_ns}, &fails, err);
        if (fails)
            first = middle;
        else
            high = middle - 1;
    }
    return rc;
}

/* ---- by groups ---- */

static void set_kept(shrink *s, const uint32_t *groups, size_t count, uint8_t is_kept)
{
    for (size_t i = 0; i < count; i++)
        s->is_kept[groups[i]] = is_kept;
}

/* Leave out as many of the groups as possible, `size` neighbours at a time. *count: groups left.
 * *has_changed: 1 if any was left out. */
static td_result leave_out(shrink *s, uint32_t *groups, size_t *count, size_t size,
                           int *has_changed, td_err *err)
{
    td_result rc = TD_OK;
    *has_changed = 0;
    for (size_t at = 0; rc == TD_OK && at < *count && !is_stopped(s);) {
        size_t some = size < *count - at ? size : *count - at;
        int fails = 0;
        set_kept(s, groups + at, some, 0);
        if (some < *count)
            rc = try_cut(s, SELECTION_ALL_TIME, &fails, err);
        if (fails) {
            *count -= some;
            memmove(groups + at, groups + at + some, (*count - at) * sizeof *groups);
            *has_changed = 1;
        } else {
            set_kept(s, groups + at, some, 1);
            at += some;
        }
    }
    return rc;
}

static td_result shrink_groups(shrink *s, td_err *err)
{
    uint32_t *groups = td_alloc_zero(s->group_count + 1, sizeof *groups);
    uint8_t *is_listed = td_alloc_zero(s->group_count + 1, 1);
    size_t count = 0;
    int has_changed = 1;
    td_result rc = TD_OK;
    for (size_t i = 0; i < s->item_count; i++) {
        uint32_t group = s->items[i].group;
        if (!is_listed[group])
            groups[count++] = group;
        is_listed[group] = 1;
    }
    size_t size = (count + 1) / 2;
    while (rc == TD_OK && count > 1 && (size > 1 || has_changed) && !is_stopped(s)) {
        rc = leave_out(s, groups, &count, size, &has_changed, err);
        has_changed |= size > 1;
        size = (size + 1) / 2;
    }
    td_free(groups);
    td_free(is_listed);
    return rc == TD_OK ? take_best(s, err) : rc;
}

/* ---- whole search ---- */

/* Write the whole cut, and check that the command fails with it. */
static td_result begin(shrink *s, td_err *err)
{
    command_result found = COMMAND_SUCCEEDED;
    cut_options whole = s->options->cut;
    whole.path = s->base;
    whole.without_checkpoint = 1; /* a checkpoint would still contain frames that are left out */
    whole.keeps_feeds = s->options->with_server;
    td_result rc = cut_write_any(&whole, &s->result->cut, err);
    if (rc == TD_OK)
        rc = read_base(s, err);
    s->result->frames_all = s->item_count;
    if (rc == TD_OK)
        rc = run_command(s, s->base, &found, err);
    if (rc != TD_OK || found == COMMAND_FAILED)
        return rc;
    if (found == COMMAND_STOPPED)
        return td_err_set(err, TD_E_IO, "stopped before the end");
    return td_err_set(err, TD_E_INVALID, "--shrink: '%s' %s with the whole cut",
                      s->options->command,
                      found == COMMAND_SUCCEEDED ? "does not fail" : "cannot judge (status 125)");
}

static void group_by_feed(shrink *s)
{
    for (size_t i = 0; i < s->item_count; i++)
        s->items[i].group = s->sources[s->items[i].source].feed_number;
    s->group_count = s->feed_count;
}

static td_result search(shrink *s, td_err *err)
{
    td_result rc = shrink_time(s, selection_resolve(s->options->cut.wanted, 0).from_ns, err);
    if (rc == TD_OK)
        rc = take_best(s, err);
    if (rc == TD_OK && s->feed_count > 1) {
        group_by_feed(s);
        rc = shrink_groups(s, err);
        if (rc == TD_OK)
            rc = read_base(s, err); /* groups by channel again */
    }
    if (rc == TD_OK)
        rc = shrink_groups(s, err);
    for (size_t i = 0; i < s->item_count; i++) /* from now on each frame is a group */
        s->items[i].group = (uint32_t)i;
    s->group_count = (uint32_t)s->item_count;
    return rc == TD_OK ? shrink_groups(s, err) : rc;
}

/* Write the smallest cut to the user's path. */
static td_result finish(shrink *s, td_err *err)
{
    const cut_options last = {.archive = s->archive,
                              .wanted = &ALL,
                              .without_checkpoint = 1,
                              .keeps_feeds = s->options->with_server,
                              .path = s->options->cut.path};
    const cursor_stats read = s->result->cut.read;
    s->result->runs = s->command.runs;
    s->result->is_stopped = (uint8_t)is_stopped(s);
    td_result rc = cut_write_any(&last, &s->result->cut, err);
    s->result->cut.read = read;
    return rc;
}

static td_result make_folder(shrink *s, td_err *err)
{
    const char *under = getenv("TMPDIR");
    int size = snprintf(s->folder, sizeof s->folder, "%s/tapedeck-cut-XXXXXX",
                        under == NULL || under[0] == '\0' ? "/tmp" : under);
    if (size >= (int)sizeof s->folder)
        return td_err_set(err, TD_E_INVALID, "TMPDIR is too long");
    if (mkdtemp(s->folder) == NULL) {
        s->folder[0] = '\0';
        return td_err_set(err, TD_E_IO, "cannot make a folder in TMPDIR");
    }
    const char *end = cut_path_is_folder(s->options->cut.path) ? "" : ".mcap";
    (void)snprintf(s->base, sizeof s->base, "%s/base%s", s->folder, end); /* these fit */
    (void)snprintf(s->best, sizeof s->best, "%s/best%s", s->folder, end);
    (void)snprintf(s->tried, sizeof s->tried, "%s/cut%s", s->folder, end);
    return TD_OK;
}

static void remove_folder(const shrink *s)
{
    cut_remove(io_posix(), s->base);
    cut_remove(io_posix(), s->best);
    cut_remove(io_posix(), s->tried);
    (void)rmdir(s->folder);
}

td_result shrink_write(const shrink_options *options, shrink_result *out, td_err *err)
{
    shrink s = {.options = options,
                .result = out,
                .command = {.text = options->command,
                            .with_server = options->with_server,
                            .signals = options->cut.signals}};
    *out = (shrink_result){0};
    td_result rc = make_folder(&s, err);
    if (rc != TD_OK)
        return rc;
    s.command.folder = s.folder;
    rc = begin(&s, err);
    if (rc == TD_OK)
        rc = search(&s, err);
    if (rc == TD_OK)
        rc = finish(&s, err);
    archive_close(s.archive);
    remove_folder(&s);
    td_free(s.items);
    td_free(s.sources);
    td_free(s.is_kept);
    return rc;
}
