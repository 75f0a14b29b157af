#include "export/export.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/workers.h"
#include "archive/read_plan.h"
#include "cli/units.h"
#include "export/export_day.h"
#include "export/export_manifest.h"
#include "export/export_name.h"
#include "format/segment_index.h"
#include "tape/cursor.h"
#include "tape/empty_selection.h"

struct export_run;

/* One day of the selection. */
typedef struct run_day {
    struct export_run *run;
    uint32_t day;
    selection_window window;
    uint64_t first_ns, last_ns; /* of its segments, cut to the day */
    uint64_t bytes;             /* of these, about */
    const gap_row *const *gaps; /* that its files have */
    size_t gap_count;
    td_hash128 head_hash; /* of its block's head as the archive is now */
    size_t head_bytes;
    td_job job;
    uint64_t frames, recv_ns; /* progress */
    uint8_t is_kept;          /* made by an earlier run */
    uint8_t is_done;
    uint8_t is_due;           /* to be made now */
    uint64_t clock_offset_ns; /* that it was made with */
    td_result rc;
    td_err err;
} run_day;

typedef struct export_run {
    const export_options *options;
    export_spec spec; /* as requested, with the clock's offset */
    export_folder *folder;
    selection_window window;
    td_buf head; /* of the manifest */
    run_day *days;
    size_t day_count;
    const gap_row **gaps; /* of the selection, by time */
    size_t gap_count;
    export_blocks published; /* of the manifest that is there */
    uint8_t has_manifest;    /* 1: it is of this export */
    unsigned day_threads;
    atomic_int is_stopped;
    pthread_mutex_t lock;            /* of progress */
    char unsynced[LIMIT_PATH_BYTES]; /* the last file that got its name */
    uint64_t totals[EXPORT_TOTALS];
    export_result result;
} export_run_state;

/* ---- the days of the selection ---- */

static run_day *day_of(export_run_state *run, uint32_t day)
{
    for (size_t i = run->day_count; i > 0; i--)
        if (run->days[i - 1].day == day)
            return &run->days[i - 1];
    run->days = td_array_grow(run->days, run->day_count, sizeof *run->days);
    run->days[run->day_count] = (run_day){
        .run = run,
        .day = day,
        .window = {day * EXPORT_DAY_NS, (day + 1) * EXPORT_DAY_NS},
        .first_ns = UINT64_MAX,
    };
    run_day *made = &run->days[run->day_count++];
    if (run->window.from_ns > made->window.from_ns)
        made->window.from_ns = run->window.from_ns;
    if (run->window.to_ns < made->window.to_ns)
        made->window.to_ns = run->window.to_ns;
    return made;
}

/* A segment's days, with its bytes in proportion to its time on each. */
static void add_segment(export_run_state *run, const segment_index *index)
{
    uint64_t from_ns =
        index->first_ns > run->window.from_ns ? index->first_ns : run->window.from_ns;
    uint64_t to_ns = index->last_ns < run->window.to_ns ? index->last_ns : run->window.to_ns - 1;
    double length = (double)(index->last_ns - index->first_ns) + 1;
    for (uint32_t day = export_day_of(from_ns); from_ns <= to_ns && day <= export_day_of(to_ns);
         day++) {
        run_day *of = day_of(run, day);
        uint64_t first_ns = from_ns > of->window.from_ns ? from_ns : of->window.from_ns;
        uint64_t last_ns = to_ns < of->window.to_ns ? to_ns : of->window.to_ns - 1;
        of->bytes +=
            (uint64_t)((double)(last_ns - first_ns + 1) / length * (double)index->file_bytes);
        of->first_ns = first_ns < of->first_ns ? first_ns : of->first_ns;
        of->last_ns = last_ns > of->last_ns ? last_ns : of->last_ns;
    }
}

static int compare_days(const void *a, const void *b)
{
    const run_day *x = a;
    const run_day *y = b;
    return (x->day > y->day) - (x->day < y->day);
}

static int compare_gaps(const void *a, const void *b)
{
    const gap_row *x = *(const gap_row *const *)a;
    const gap_row *y = *(const gap_row *const *)b;
    if (x->from_ns != y->from_ns)
        return x->from_ns < y->from_ns ? -1 : 1;
    return gap_row_compare(x, y);
}

/* Gaps by time over all feeds. Each makes the day on which it begins, or the selection if that is
 * later: a segment may be missing that was all of a day. */
static void gather_gaps(export_run_state *run)
{
    const gap_list *all = run->options->ledger;
    run->gaps = td_alloc_zero(all->count + 1, sizeof(const gap_row *));
    for (size_t i = 0; i < all->count; i++) {
        if (!selection_wants_gap(run->options->wanted, run->window, &all->rows[i]))
            continue;
        uint64_t from_ns = all->rows[i].from_ns;
        if (from_ns < run->window.from_ns)
            from_ns = run->window.from_ns;
        if (from_ns > 0 && from_ns < run->window.to_ns)
            (void)day_of(run, export_day_of(from_ns));
        run->gaps[run->gap_count++] = &all->rows[i];
    }
    if (run->gap_count > 0)
        qsort(run->gaps, run->gap_count, sizeof(const gap_row *), compare_gaps);
    qsort(run->days, run->day_count, sizeof *run->days, compare_days);
}

/* Each gap is of the last day that begins before it, or of the first one. */
static void assign_gaps(export_run_state *run)
{
    size_t next = 0;
    for (size_t i = 0; i < run->day_count; i++) {
        run_day *day = &run->days[i];
        uint64_t end_ns =
            i + 1 < run->day_count ? run->days[i + 1].day * EXPORT_DAY_NS : UINT64_MAX;
        day->gaps = run->gaps + next;
        while (next < run->gap_count && run->gaps[next]->from_ns < end_ns)
            next++;
        day->gap_count = (size_t)(run->gaps + next - day->gaps);
    }
}

/* Days that another shard has. */
static void drop_others_days(export_run_state *run)
{
    size_t kept = 0;
    for (size_t i = 0; i < run->day_count; i++)
        if (!export_shares_days(run->options->spec) ||
            export_is_own(run->options->spec, run->days[i].day, ""))
            run->days[kept++] = run->days[i];
    run->day_count = kept;
}

static td_result find_days(export_run_state *run, td_err *err)
{
    const export_options *options = run->options;
    selection copy = *options->wanted;
    read_plan *plan = NULL;
    td_result rc = selection_check(options->wanted, err);
    if (rc == TD_OK)
        rc = cursor_find_window(options->archive, options->wanted, NULL, &run->window, err);
    if (rc != TD_OK)
        return rc;
    read_query query = selection_query(&copy, run->window);
    query.is_quiet = 1; /* the tapes' own plans log what cannot be read */
    rc = read_plan_open(options->archive, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        add_segment(run, read_plan_segment(plan, i)->index);
    read_plan_close(plan);
    if (rc != TD_OK)
        return rc;
    if (run->day_count == 0)
        return selection_why_empty(options->archive, options->wanted, err);
    qsort(run->days, run->day_count, sizeof *run->days, compare_days);
    gather_gaps(run);
    assign_gaps(run);
    drop_others_days(run);
    return TD_OK;
}

/* ---- files of days ---- */

enum { DAY_NAME_BYTES = 64 };

/* "MANIFEST.json.2021-04-17.partial" has a day's block between the manifest's beginning and its
 * end. */
static void day_name(const run_day *day, char out[DAY_NAME_BYTES])
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(day->day, date);
    (void)snprintf(out, DAY_NAME_BYTES, "%s.%s", export_folder_manifest(day->run->folder), date);
}

static td_result day_path(const run_day *day, char out[LIMIT_PATH_BYTES], td_err *err)
{
    char name[DAY_NAME_BYTES];
    day_name(day, name);
    return export_folder_join(day->run->folder, name, EXPORT_PARTIAL, out, err);
}

static td_result put_text(void *user, td_file *file, td_err *err)
{
    const td_buf *text = user;
    return td_io_append(file, text->data, text->size, err);
}

static td_result write_day(const run_day *day, const td_buf *block, td_err *err)
{
    static const uint64_t NO_TOTALS[EXPORT_TOTALS];
    char path[LIMIT_PATH_BYTES];
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, day->run->head.data, day->run->head.size);
    td_buf_add(&text, block->data, block->size);
    export_manifest_end(&text, NO_TOTALS);
    td_result rc = day_path(day, path, err);
    if (rc == TD_OK)
        rc = td_io_write_file(day->run->options->io, path, TD_OPEN_CREATE, put_text, &text, err);
    td_buf_fini(&text);
    return rc;
}

/* The block of a day that is complete. TD_E_NOTFOUND; TD_E_INVALID: of another export. */
static td_result read_day(const run_day *day, td_buf *block, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    export_blocks blocks = {0};
    td_io io = day->run->options->io;
    td_result rc = day_path(day, path, err);
    if (rc == TD_OK)
        rc = export_blocks_find(io, path, td_buf_view(&day->run->head), &blocks, err);
    if (rc == TD_OK && blocks.count != 1)
        rc = td_err_set(err, TD_E_INVALID, "'%s': it is malformed", path);
    if (rc == TD_OK)
        rc = export_block_read(io, path, &blocks.items[0], block, err);
    export_blocks_fini(&blocks);
    return rc;
}

/* Call fn, unless it is NULL, for each file of a block. */
static td_result each_file(export_run_state *run, const td_buf *block, export_file_fn *fn,
                           export_block_facts *facts, td_err *err)
{
    json_parser *parser = json_parser_open(block->size + 1);
    td_result rc = export_block_parse(parser, td_buf_view(block), facts, err);
    if (rc == TD_OK && fn != NULL)
        rc = export_block_each(facts, fn, run, err);
    json_parser_close(parser);
    return rc;
}

static td_result remove_partial(void *user, json_value file, const char *name, td_err *err)
{
    const export_run_state *run = user;
    (void)file;
    (void)err;
    export_folder_discard(run->folder, name, EXPORT_PARTIAL);
    return TD_OK;
}

/* Remove what is there of a day under temporary names: best effort, names say what it is. */
static void discard_day(const run_day *day)
{
    td_err ignored;
    export_block_facts facts;
    td_buf block;
    char name[DAY_NAME_BYTES];
    td_buf_init(&block, SIZE_MAX);
    if (read_day(day, &block, &ignored) == TD_OK)
        (void)each_file(day->run, &block, remove_partial, &facts, &ignored);
    day_name(day, name);
    export_folder_discard(day->run->folder, name, EXPORT_PARTIAL);
    td_buf_fini(&block);
}

/* ---- what an earlier run made ---- */

static td_result hash_head(run_day *day, td_err *err)
{
    const export_options *options = day->run->options;
    td_buf head;
    td_buf_init(&head, SIZE_MAX);
    td_result rc =
        export_manifest_begin_day(&head, options->archive, options->spec, options->wanted, day->day,
                                  day->window, options->ledger, err);
    day->head_hash = td_hash128_of(head.data, head.size);
    day->head_bytes = head.size;
    td_buf_fini(&head);
    return rc;
}

static td_result check_file(void *user, json_value file, const char *name, td_err *err)
{
    return export_block_check(((const export_run_state *)user)->folder, file, name, err);
}

/* 1 if a block is what the day would be made into again, and its files are there. */
static int is_same(const run_day *day, const td_buf *block)
{
    export_block_facts facts;
    td_err ignored;
    if (block->size < day->head_bytes)
        return 0;
    const td_hash128 hash = td_hash128_of(block->data, day->head_bytes);
    return td_hash128_equal(hash, day->head_hash) &&
           each_file(day->run, block, check_file, &facts, &ignored) == TD_OK;
}

static const export_block *published_block(const run_day *day)
{
    const export_blocks *blocks = &day->run->published;
    char date[EXPORT_DATE_BYTES];
    export_date_format(day->day, date);
    for (size_t i = 0; i < blocks->count; i++)
        if (strcmp(blocks->items[i].date, date) == 0)
            return &blocks->items[i];
    return NULL;
}

/* Keep a day if it was made from the same segments: of a run that did not end, or of the manifest
 * that is there. */
static td_result keep_day(run_day *day, const char *manifest, td_err *err)
{
    const export_block *published = published_block(day);
    td_io io = day->run->options->io;
    td_buf block;
    td_buf_init(&block, SIZE_MAX);
    td_result rc = hash_head(day, err);
    if (rc == TD_OK)
        rc = read_day(day, &block, err);
    if (rc == TD_OK)
        day->is_kept = is_same(day, &block) != 0;
    else if (rc == TD_E_INVALID)
        td_err_hint(err, "export into another folder, or replace it with --force");
    if (rc == TD_OK && !day->is_kept)
        discard_day(day);
    rc = rc == TD_E_NOTFOUND ? TD_OK : rc;
    if (rc == TD_OK && !day->is_kept && published != NULL) {
        td_buf_clear(&block);
        rc = export_block_read(io, manifest, published, &block, err);
        day->is_kept = rc == TD_OK && is_same(day, &block);
    }
    td_buf_fini(&block);
    return rc;
}

/* Of a forced export nothing is kept. */
static td_result keep_days(export_run_state *run, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc =
        export_folder_join(run->folder, export_folder_manifest(run->folder), "", path, err);
    if (rc == TD_OK && run->options->overwrite == EXPORT_REPLACE) {
        export_folder_allow_replacing(run->folder);
        for (size_t i = 0; i < run->day_count; i++)
            discard_day(&run->days[i]);
        return TD_OK;
    }
    if (rc == TD_OK)
        rc = export_blocks_find(run->options->io, path, td_buf_view(&run->head), &run->published,
                                err);
    run->has_manifest = rc == TD_OK;
    if (rc == TD_OK)
        export_folder_allow_replacing(run->folder); /* the files are this export's */
    if (rc == TD_E_INVALID) {
        td_err_set(err, rc, "'%s' is there already, of another export", path);
        td_err_hint(err, "export into another folder, or replace it with --force");
    }
    rc = rc == TD_E_NOTFOUND ? TD_OK : rc;
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++)
        rc = keep_day(&run->days[i], path, err);
    return rc;
}

/* ---- running days ---- */

static int on_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    run_day *day = user;
    export_run_state *run = day->run;
    uint64_t done = 0;
    uint64_t total = 0;
    uint64_t sum = 0;
    (void)pthread_mutex_lock(&run->lock);
    day->frames = frames;
    day->recv_ns = recv_ns;
    for (size_t i = 0; i < run->day_count; i++) {
        const run_day *is = &run->days[i];
        double part = is->recv_ns <= is->first_ns  ? 0
                      : is->recv_ns >= is->last_ns ? 1
                                                   : (double)(is->recv_ns - is->first_ns) /
                                                         (double)(is->last_ns - is->first_ns);
        sum += is->frames;
        total += is->is_kept ? 0 : is->bytes;
        done += is->is_kept ? 0 : (uint64_t)(part * (double)is->bytes);
    }
    if (run->options->progress != NULL &&
        run->options->progress(run->options->user, sum, done, total))
        atomic_store(&run->is_stopped, 1);
    (void)pthread_mutex_unlock(&run->lock);
    return atomic_load(&run->is_stopped);
}

/* An archive takes one thread at a time, so each day has its own. */
static td_result open_archive(const archive *from, archive **out, td_err *err)
{
    const archive_options options = {.io = archive_io(from),
                                     .clock = archive_clock(from),
                                     .log = archive_log(from),
                                     .verb = archive_verb(from),
                                     .catalog_path = archive_catalog_path(from)};
    return archive_open(&options, archive_path(from), ARCHIVE_READ, out, err);
}

static td_result make_day(run_day *day, td_buf *block, td_err *err)
{
    export_run_state *run = day->run;
    const export_options *options = run->options;
    export_day_result ignored;
    archive *from = NULL;
    td_result rc = open_archive(options->archive, &from, err);
    if (rc == TD_OK)
        rc = export_manifest_begin_day(block, from, options->spec, options->wanted, day->day,
                                       day->window, options->ledger, err);
    const export_day work = {.spec = &run->spec,
                             .archive = from,
                             .wanted = options->wanted,
                             .ledger = options->ledger,
                             .gaps = day->gaps,
                             .gap_count = day->gap_count,
                             .folder = run->folder,
                             .log = options->log,
                             .threads = run->day_threads,
                             .day = day->day,
                             .window = day->window,
                             .progress = on_progress,
                             .user = day};
    if (rc == TD_OK)
        rc = export_day_run(&work, block, &ignored, err);
    archive_close(from);
    return rc == TD_OK ? write_day(day, block, err) : rc;
}

static void run_one(void *arg)
{
    run_day *day = arg;
    td_buf block;
    if (atomic_load(&day->run->is_stopped)) {
        day->rc = TD_EOF;
        return;
    }
    td_buf_init(&block, SIZE_MAX);
    day->rc = make_day(day, &block, &day->err);
    td_buf_fini(&block);
    day->is_done = day->rc == TD_OK;
    if (day->rc != TD_OK)
        atomic_store(&day->run->is_stopped, 1);
    else
        (void)on_progress(day, day->frames, UINT64_MAX);
}

/* As many days at a time as there are threads; what is left over is for the work within a day. The
 * first failure counts, in the order of days; those that were stopped by it have none. */
static td_result run_days(export_run_state *run, td_err *err)
{
    td_workers *workers = NULL;
    unsigned threads = run->options->threads;
    unsigned at_once = 0;
    for (size_t i = 0; i < run->day_count; i++) {
        run_day *day = &run->days[i];
        day->is_due = !day->is_kept && !day->is_done;
        at_once += day->is_due && at_once < threads;
    }
    if (at_once == 0)
        return TD_OK;
    run->day_threads = threads / at_once;
    td_result rc = td_workers_open(at_once - 1, &workers, err);
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        run->days[i].job = (td_job){.run = run_one, .arg = &run->days[i]};
        if (run->days[i].is_due)
            td_workers_submit(workers, &run->days[i].job);
    }
    for (size_t i = 0; workers != NULL && i < run->day_count; i++) {
        const run_day *day = &run->days[i];
        if (!day->is_due)
            continue;
        td_workers_help(workers, &run->days[i].job);
        if (day->rc != TD_OK && (rc == TD_OK || rc == TD_EOF))
            rc = td_err_pass(err, day->rc, &day->err);
    }
    td_workers_close(workers);
    return rc;
}

/* ---- the end ---- */

/* A day's block, of its own file or of the manifest that is there. */
static td_result load_day(const run_day *day, td_buf *block, td_err *err)
{
    const export_run_state *run = day->run;
    const export_block *published = published_block(day);
    char path[LIMIT_PATH_BYTES];
    td_result rc = read_day(day, block, err);
    if (rc != TD_E_NOTFOUND || published == NULL)
        return rc;
    rc = export_folder_join(run->folder, export_folder_manifest(run->folder), "", path, err);
    return rc == TD_OK ? export_block_read(run->options->io, path, published, block, err) : rc;
}

/* Blocks of a manifest that is to be replaced become files of their days. */
static td_result take_published(export_run_state *run, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        const run_day *day = &run->days[i];
        td_buf block;
        if (!day->is_kept || published_block(day) == NULL)
            continue;
        td_buf_init(&block, SIZE_MAX);
        rc = load_day(day, &block, err);
        if (rc == TD_OK)
            rc = write_day(day, &block, err);
        td_buf_fini(&block);
    }
    return rc;
}

/* What the blocks add up to. */
static void add_facts(export_run_state *run, run_day *day, const export_block_facts *facts)
{
    export_totals_add(run->totals, facts->totals);
    day->clock_offset_ns = facts->totals[export_total_index(EXPORT_CLOCK_OFFSET)];
    run->result.files += facts->files;
    run->result.days++;
    run->result.days_kept += day->is_kept;
    if (facts->verdict > run->result.verdict)
        run->result.verdict = facts->verdict;
}

static td_result sum_days(export_run_state *run, td_err *err)
{
    td_result rc = TD_OK;
    memset(run->totals, 0, sizeof run->totals);
    run->result = (export_result){0};
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        export_block_facts facts;
        td_buf block;
        td_buf_init(&block, SIZE_MAX);
        rc = load_day(&run->days[i], &block, err);
        if (rc == TD_OK)
            rc = each_file(run, &block, NULL, &facts, err);
        if (rc == TD_OK)
            add_facts(run, &run->days[i], &facts);
        td_buf_fini(&block);
    }
    run->result.rows = run->totals[export_total_index("rows")];
    return rc;
}

/* Formats that need it have the same offset of the clock in all files. How great it must be is
 * known after all days: those that were made with another one are made again. Few recorders' clocks
 * are behind the exchange's, so this is rare. */
static td_result settle_clock(export_run_state *run, td_err *err)
{
    uint64_t needed_ns = run->totals[export_total_index(EXPORT_CLOCK_BEHIND)];
    int is_settled = 1;
    for (size_t i = 0; i < run->day_count; i++) {
        run_day *day = &run->days[i];
        if (day->clock_offset_ns == needed_ns)
            continue;
        is_settled = 0;
        discard_day(day);
        day->is_kept = day->is_done = 0;
        day->frames = day->recv_ns = 0;
    }
    if (is_settled)
        return TD_OK;
    run->spec.settings.clock_offset_ns = (int64_t)needed_ns;
    td_log_emit(run->options->log, TD_LOG_WARNING,
                "frames were received before the exchange sent them, so the recorder's clock was "
                "behind: %" PRIu64 " ns are added to all times of receipt",
                needed_ns);
    td_result rc = run_days(run, err);
    return rc == TD_OK ? sum_days(run, err) : rc;
}

static void add_names(const export_spec *spec, char *out, size_t out_bytes)
{
    size_t used = 0;
    for (size_t i = 0; i < spec->format_count && used < out_bytes; i++)
        used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", i == 0 ? "" : " or ",
                                 spec->formats[i]->name);
}

/* The error of a selection that no file can be made of. */
static td_result refuse_empty(const export_run_state *run, td_err *err)
{
    const export_options *options = run->options;
    const export_spec *spec = options->spec;
    char names[256] = "";
    if (spec->shard_count > 0)
        return TD_OK; /* the others may have something */
    if (run->totals[export_total_index("frames")] == 0)
        return selection_why_empty(options->archive, options->wanted, err);
    if (spec->settings.depth != 0 && run->totals[export_total_index("books")] == 0) {
        td_err_set(err, TD_E_NOTFOUND,
                   "no book with %u levels per side was recorded in the selection",
                   spec->settings.depth);
        td_err_hint(err, "leave out --depth; `tapedeck info` lists the recorded topics");
        return TD_E_NOTFOUND;
    }
    if (run->totals[export_total_index("useful_frames")] > 0)
        return TD_OK;
    add_names(spec, names, sizeof names);
    td_err_set(err, TD_E_NOTFOUND, "the selection has nothing to export as %s", names);
    td_err_hint(err, "`tapedeck info` lists what was recorded");
    return TD_E_NOTFOUND;
}

static size_t folder_size(const char *name)
{
    const char *end = strrchr(name, '/');
    return end == NULL ? 0 : (size_t)(end - name);
}

static td_result publish_file(void *user, json_value file, const char *name, td_err *err)
{
    export_run_state *run = user;
    size_t size = folder_size(name);
    td_result rc = TD_OK;
    (void)file;
    if (run->unsynced[0] != '\0' &&
        (size != folder_size(run->unsynced) || memcmp(name, run->unsynced, size) != 0))
        rc = export_folder_sync(run->folder, run->unsynced, err);
    (void)snprintf(run->unsynced, sizeof run->unsynced, "%s", name);
    return rc == TD_OK ? export_folder_publish(run->folder, name, err) : rc;
}

/* Names are durable before the manifest has them. Files of one folder stand together, so that each
 * folder is synced once, or a few times. */
static td_result publish_block(export_run_state *run, const td_buf *block, td_err *err)
{
    export_block_facts facts;
    run->unsynced[0] = '\0';
    td_result rc = each_file(run, block, publish_file, &facts, err);
    if (rc == TD_OK && run->unsynced[0] != '\0')
        rc = export_folder_sync(run->folder, run->unsynced, err);
    return rc;
}

/* Give the files their names, and put the blocks together. */
static td_result publish_days(export_run_state *run, td_err *err)
{
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    td_result rc = export_folder_write(run->folder, td_buf_view(&run->head), err);
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        td_buf_clear(&text);
        if (i > 0)
            rc = export_folder_write(run->folder, td_bytes_str(",\n"), err);
        if (rc == TD_OK)
            rc = read_day(&run->days[i], &text, err);
        if (rc == TD_OK)
            rc = publish_block(run, &text, err);
        if (rc == TD_OK)
            rc = export_folder_write(run->folder, td_buf_view(&text), err);
    }
    td_buf_clear(&text);
    export_manifest_end(&text, run->totals);
    if (rc == TD_OK)
        rc = export_folder_write(run->folder, td_buf_view(&text), err);
    td_buf_fini(&text);
    return rc;
}

/* While files get their names there is no manifest; then it comes last. */
static td_result publish(export_run_state *run, td_err *err)
{
    const char *manifest = export_folder_manifest(run->folder);
    td_result rc = take_published(run, err);
    if (rc == TD_OK)
        rc = export_folder_remove(run->folder, manifest, "", err);
    if (rc == TD_OK)
        rc = export_folder_sync(run->folder, manifest, err);
    if (rc == TD_OK)
        rc = publish_days(run, err);
    if (rc == TD_OK)
        rc = export_folder_publish_manifest(run->folder, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot publish the export in '%s'", run->options->folder);
    return TD_OK;
}

/* The manifest has all of them. One that stays is removed by the next run. */
static void remove_day_files(const export_run_state *run)
{
    for (size_t i = 0; i < run->day_count; i++) {
        char name[DAY_NAME_BYTES];
        day_name(&run->days[i], name);
        export_folder_discard(run->folder, name, EXPORT_PARTIAL);
    }
    td_result ignored = export_folder_sync(run->folder, export_folder_manifest(run->folder), NULL);
    (void)ignored;
}

/* Everything is there already. */
static int is_unchanged(const export_run_state *run)
{
    for (size_t i = 0; i < run->day_count; i++)
        if (!run->days[i].is_kept || published_block(&run->days[i]) == NULL)
            return 0;
    return run->has_manifest && run->published.count == run->day_count;
}

static td_result conclude(export_run_state *run, td_err *err)
{
    td_result rc = sum_days(run, err);
    if (rc == TD_OK)
        rc = settle_clock(run, err);
    if (rc == TD_OK)
        rc = refuse_empty(run, err);
    run->result.is_unchanged = is_unchanged(run) != 0;
    if (rc == TD_OK && !run->result.is_unchanged)
        rc = publish(run, err);
    else if (rc == TD_OK)
        export_folder_discard(run->folder, export_folder_manifest(run->folder), EXPORT_PARTIAL);
    if (rc == TD_OK)
        remove_day_files(run);
    return rc;
}

/* Days that are complete are kept for the next run, unless it would fail as well. */
static void clean_up(export_run_state *run, td_result rc)
{
    int is_worth_keeping = rc == TD_EOF || rc == TD_E_IO || rc == TD_E_NOSPACE;
    for (size_t i = 0; i < run->day_count; i++)
        if (!is_worth_keeping && run->days[i].is_done)
            discard_day(&run->days[i]);
    if (run->folder != NULL)
        export_folder_discard(run->folder, export_folder_manifest(run->folder), EXPORT_PARTIAL);
}

static void log_foreign(const export_run_state *run)
{
    uint64_t count = run->totals[export_total_index("foreign_frames")];
    if (count > 0)
        td_log_emit(run->options->log, TD_LOG_WARNING,
                    "%s of families that the format does not have: left out",
                    format_counted(count, "frame").text);
}

td_result export_run(const export_options *options, export_result *out, td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    export_run_state run = {.options = options, .spec = *options->spec};
    (void)pthread_mutex_init(&run.lock, NULL);
    td_buf_init(&run.head, SIZE_MAX);
    char manifest[EXPORT_SHARD_NAME_BYTES];
    export_manifest_name(options->spec, manifest);
    td_result rc = export_folder_open(options->io, options->folder, manifest, &run.folder, err);
    if (rc == TD_OK)
        rc = find_days(&run, err);
    if (rc == TD_OK) {
        export_manifest_begin(&run.head, options->spec, options->wanted, run.window);
        export_manifest_begin_days(&run.head, options->spec, export_shares_days(options->spec));
        rc = keep_days(&run, err);
    }
    if (rc == TD_OK)
        rc = run_days(&run, err);
    if (rc == TD_OK)
        rc = conclude(&run, err);
    if (rc == TD_OK)
        log_foreign(&run);
    else
        clean_up(&run, rc);
    *out = run.result;
    export_folder_close(run.folder);
    export_blocks_fini(&run.published);
    td_free(run.gaps);
    td_free(run.days);
    td_buf_fini(&run.head);
    (void)pthread_mutex_destroy(&run.lock);
    return rc;
}
