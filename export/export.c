#include "export/export.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
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
    uint64_t frames, recv_ns; /* progress */
    uint8_t is_kept;          /* made by an earlier run */
    uint8_t is_published;     /* of these: as the manifest that is there has it */
    uint8_t is_done;
    export_facts facts; /* if it is kept or done */
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
    export_document published; /* the manifest that is there, if it is of this export */
    unsigned day_threads;
    atomic_int is_stopped;
    pthread_mutex_t lock; /* of progress */
    export_facts facts;   /* of all days */
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

static td_result put_text(void *user, td_file *file, td_err *err)
{
    const td_buf *text = user;
    return td_io_append(file, text->data, text->size, err);
}

static td_result write_day(const run_day *day, td_bytes block, td_err *err)
{
    const export_run_state *run = day->run;
    char name[DAY_NAME_BYTES];
    char path[LIMIT_PATH_BYTES];
    td_buf text;
    day_name(day, name);
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, run->head.data, run->head.size);
    td_buf_add(&text, block.data, block.size);
    export_manifest_end(&text, &(export_facts){0});
    td_result rc = export_folder_join(run->folder, name, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK)
        rc = td_io_write_file(run->options->io, path, TD_OPEN_CREATE, put_text, &text, err);
    td_buf_fini(&text);
    return rc;
}

static int find_block(const run_day *day, const export_document *in, json_value *block)
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(day->day, date);
    return in->text != NULL && export_document_find(in, date, block);
}

/* The block of a day that is complete. TD_E_NOTFOUND; TD_E_INVALID: of another export. */
static td_result read_day(const run_day *day, export_document *out, json_value *block, td_err *err)
{
    const export_run_state *run = day->run;
    char name[DAY_NAME_BYTES];
    char path[LIMIT_PATH_BYTES];
    day_name(day, name);
    td_result rc = export_folder_join(run->folder, name, EXPORT_PARTIAL, path, err);
    if (rc == TD_OK)
        rc = export_document_open(run->options->io, path, td_buf_view(&run->head), out, err);
    if (rc == TD_OK && !find_block(day, out, block))
        rc = td_err_set(err, TD_E_INVALID, "'%s' is malformed", path);
    return rc;
}

static void discard_files(const export_run_state *run, json_value block, const char *suffix)
{
    json_value file;
    char name[LIMIT_PATH_BYTES];
    for (json_iter it = export_block_files(block); export_next_file(&it, name, &file);)
        export_folder_discard(run->folder, name, suffix);
}

/* Remove a day's file, and what is there of the day under temporary names, whatever export it is
 * of: best effort, names say what it is. */
static void discard_day_file(const export_run_state *run, const char *name)
{
    td_err ignored;
    char path[LIMIT_PATH_BYTES];
    export_document document = {0};
    json_value block;
    if (export_folder_join(run->folder, name, EXPORT_PARTIAL, path, &ignored) == TD_OK &&
        export_document_open(run->options->io, path, td_bytes_of(NULL, 0), &document, &ignored) ==
            TD_OK)
        for (json_iter it = json_iter_of(document.days); json_next(&it, NULL, &block);)
            discard_files(run, block, EXPORT_PARTIAL);
    export_document_close(&document);
    export_folder_discard(run->folder, name, EXPORT_PARTIAL);
}

static void discard_day(const run_day *day)
{
    char name[DAY_NAME_BYTES];
    day_name(day, name);
    discard_day_file(day->run, name);
}

/* ---- what an earlier run made ---- */

/* A day is kept if it would be made into the same block again, and its files are there. */
static int keep_block(run_day *day, const td_buf *head, json_value block)
{
    td_err ignored;
    td_bytes text = json_raw(block);
    day->is_kept = text.size > head->size && memcmp(text.data, head->data, head->size) == 0 &&
                   export_facts_read(block, &day->facts, &ignored) == TD_OK &&
                   export_block_check(day->run->folder, block, &ignored) == TD_OK;
    return day->is_kept;
}

/* Keep a day of the manifest that is there, or of a run that did not end. */
static td_result keep_day(run_day *day, td_err *err)
{
    const export_options *options = day->run->options;
    export_document own = {0};
    json_value block;
    td_buf head;
    td_buf_init(&head, SIZE_MAX);
    td_result rc =
        export_manifest_begin_day(&head, options->archive, options->spec, options->wanted, day->day,
                                  day->window, options->ledger, err);
    if (rc == TD_OK && find_block(day, &day->run->published, &block))
        day->is_published = (uint8_t)keep_block(day, &head, block);
    if (rc == TD_OK && !day->is_kept) {
        rc = read_day(day, &own, &block, err);
        if (rc == TD_OK && !keep_block(day, &head, block))
            discard_day(day);
        if (rc == TD_E_INVALID)
            td_err_hint(err, "export into another folder, or replace it with --force");
        rc = rc == TD_E_NOTFOUND ? TD_OK : rc;
    }
    export_document_close(&own);
    td_buf_fini(&head);
    return rc;
}

static td_result discard_listed(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    const export_run_state *run = user;
    const char *manifest = export_folder_manifest(run->folder);
    size_t size = strlen(manifest);
    char day[DAY_NAME_BYTES];
    (void)err;
    if (kind != TD_ENTRY_FILE || strncmp(name, manifest, size) != 0 || name[size] != '.' ||
        strlen(name) != size + strlen(".2021-04-17" EXPORT_PARTIAL))
        return TD_OK;
    (void)snprintf(day, sizeof day, "%.*s", (int)(size + strlen(".2021-04-17")), name);
    discard_day_file(run, day);
    return TD_OK;
}

/* Of a forced export nothing is kept. */
static td_result keep_days(export_run_state *run, td_err *err)
{
    const char *manifest = export_folder_manifest(run->folder);
    char path[LIMIT_PATH_BYTES];
    if (run->options->overwrite == EXPORT_REPLACE) {
        export_folder_allow_replacing(run->folder);
        return td_io_list(run->options->io, run->options->folder, discard_listed, run, err);
    }
    td_result rc = export_folder_join(run->folder, manifest, "", path, err);
    if (rc == TD_OK)
        rc = export_document_open(run->options->io, path, td_buf_view(&run->head), &run->published,
                                  err);
    if (rc == TD_OK)
        export_folder_allow_replacing(run->folder); /* the files are this export's */
    if (rc == TD_E_INVALID) {
        td_err_set(err, rc, "'%s' is there already, of another export", path);
        td_err_hint(err, "export into another folder, or replace it with --force");
    }
    rc = rc == TD_E_NOTFOUND ? TD_OK : rc;
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++)
        rc = keep_day(&run->days[i], err);
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
        rc = export_day_run(&work, block, &day->facts, err);
    archive_close(from);
    return rc == TD_OK ? write_day(day, td_buf_view(block), err) : rc;
}

static td_result run_one(void *user, size_t i, td_err *err)
{
    export_run_state *run = user;
    run_day *day = &run->days[i];
    td_buf block;
    if (day->is_kept || day->is_done)
        return TD_OK;
    if (atomic_load(&run->is_stopped))
        return TD_EOF;
    td_buf_init(&block, SIZE_MAX);
    td_result rc = make_day(day, &block, err);
    td_buf_fini(&block);
    day->is_done = rc == TD_OK;
    if (rc != TD_OK)
        atomic_store(&run->is_stopped, 1);
    else
        (void)on_progress(day, day->frames, UINT64_MAX);
    return rc;
}

/* As many days at a time as there are threads; what is left over is for the work within a day. A
 * failure stops the other days. */
static td_result run_days(export_run_state *run, td_err *err)
{
    td_workers *workers = NULL;
    unsigned threads = run->options->threads;
    unsigned at_once = 0;
    for (size_t i = 0; i < run->day_count; i++)
        at_once += !run->days[i].is_kept && !run->days[i].is_done && at_once < threads;
    if (at_once == 0)
        return TD_OK;
    run->day_threads = threads / at_once;
    td_result rc = td_workers_open(at_once - 1, &workers, err);
    if (rc == TD_OK)
        rc = td_workers_each(workers, run->day_count, run_one, run, err);
    td_workers_close(workers);
    return rc;
}

/* ---- the end ---- */

static void sum_days(export_run_state *run)
{
    run->facts = (export_facts){0};
    for (size_t i = 0; i < run->day_count; i++)
        export_facts_add(&run->facts, &run->days[i].facts, EXPORT_OF_DAYS);
}

/* Formats that need it have the same offset of the clock in all files. How great it must be is
 * known after all days: those that were made with another one are made again. Few recorders' clocks
 * are behind the exchange's, so this is rare. */
static td_result settle_clock(export_run_state *run, td_err *err)
{
    uint64_t needed_ns = run->facts.totals[TOTAL_CLOCK_BEHIND_NS];
    int is_settled = 1;
    for (size_t i = 0; i < run->day_count; i++) {
        run_day *day = &run->days[i];
        if (day->facts.totals[TOTAL_CLOCK_OFFSET_NS] == needed_ns)
            continue;
        is_settled = 0;
        discard_day(day);
        day->is_kept = day->is_published = day->is_done = 0;
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
    sum_days(run);
    return rc;
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
    if (run->facts.totals[TOTAL_FRAMES] == 0)
        return selection_why_empty(options->archive, options->wanted, err);
    if (spec->settings.depth != 0 && run->facts.totals[TOTAL_BOOKS] == 0) {
        td_err_set(err, TD_E_NOTFOUND,
                   "no book with %u levels per side was recorded in the selection",
                   spec->settings.depth);
        td_err_hint(err, "leave out --depth; `tapedeck info` lists the recorded topics");
        return TD_E_NOTFOUND;
    }
    if (run->facts.totals[TOTAL_USEFUL_FRAMES] > 0)
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

/* Names are durable before the manifest has them. Files of one folder stand together, so that each
 * folder is synced once, or a few times. */
static td_result publish_block(const export_run_state *run, json_value block, td_err *err)
{
    json_value file;
    char name[LIMIT_PATH_BYTES];
    char unsynced[LIMIT_PATH_BYTES] = ""; /* the last file that got its name */
    td_result rc = TD_OK;
    json_iter it = export_block_files(block);
    while (rc == TD_OK && export_next_file(&it, name, &file)) {
        size_t size = folder_size(name);
        if (unsynced[0] != '\0' &&
            (size != folder_size(unsynced) || memcmp(name, unsynced, size) != 0))
            rc = export_folder_sync(run->folder, unsynced, err);
        if (rc == TD_OK)
            rc = export_folder_publish(run->folder, name, err);
        memcpy(unsynced, name, sizeof unsynced);
    }
    return rc == TD_OK && unsynced[0] != '\0' ? export_folder_sync(run->folder, unsynced, err) : rc;
}

static td_result publish_day(const run_day *day, td_err *err)
{
    export_document own = {0};
    json_value block;
    td_result rc = read_day(day, &own, &block, err);
    if (rc == TD_OK)
        rc = publish_block(day->run, block, err);
    if (rc == TD_OK)
        rc = export_folder_write(day->run->folder, json_raw(block), err);
    export_document_close(&own);
    return rc;
}

/* Give the files their names, and put the blocks together. */
static td_result publish_days(export_run_state *run, td_err *err)
{
    td_buf end;
    td_result rc = export_folder_write(run->folder, td_buf_view(&run->head), err);
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        if (i > 0)
            rc = export_folder_write(run->folder, td_bytes_str(",\n"), err);
        if (rc == TD_OK)
            rc = publish_day(&run->days[i], err);
    }
    td_buf_init(&end, SIZE_MAX);
    export_manifest_end(&end, &run->facts);
    if (rc == TD_OK)
        rc = export_folder_write(run->folder, td_buf_view(&end), err);
    td_buf_fini(&end);
    return rc;
}

/* Blocks of a manifest that is to be replaced become files of their days. */
static td_result take_published(const export_run_state *run, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        json_value block;
        if (run->days[i].is_published && find_block(&run->days[i], &run->published, &block))
            rc = write_day(&run->days[i], json_raw(block), err);
    }
    return rc;
}

/* A day that was made again may have fewer files than before. */
static void discard_replaced(const export_run_state *run)
{
    for (size_t i = 0; i < run->day_count; i++) {
        json_value block;
        if (!run->days[i].is_published && find_block(&run->days[i], &run->published, &block))
            discard_files(run, block, "");
    }
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
        discard_replaced(run);
    if (rc == TD_OK)
        rc = publish_days(run, err);
    if (rc == TD_OK)
        rc = export_folder_publish_manifest(run->folder, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot publish the export in '%s'", run->options->folder);
    return TD_OK;
}

/* Everything is there already. */
static int is_unchanged(const export_run_state *run)
{
    for (size_t i = 0; i < run->day_count; i++)
        if (!run->days[i].is_published)
            return 0;
    return run->published.text != NULL && json_count(run->published.days) == run->day_count;
}

/* The manifest has all days, so their files go. One that stays is removed by the next run. */
static td_result conclude(export_run_state *run, export_result *out, td_err *err)
{
    sum_days(run);
    td_result rc = settle_clock(run, err);
    if (rc == TD_OK)
        rc = refuse_empty(run, err);
    *out = (export_result){.files = run->facts.files,
                           .rows = run->facts.totals[TOTAL_ROWS],
                           .days = run->day_count,
                           .is_unchanged = (uint8_t)is_unchanged(run),
                           .verdict = run->facts.verdict};
    if (rc == TD_OK && !out->is_unchanged)
        rc = publish(run, err);
    else if (rc == TD_OK)
        export_folder_discard(run->folder, export_folder_manifest(run->folder), EXPORT_PARTIAL);
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        out->days_kept += run->days[i].is_kept;
        discard_day(&run->days[i]);
    }
    td_result ignored = export_folder_sync(run->folder, export_folder_manifest(run->folder), NULL);
    (void)ignored;
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
    uint64_t count = run->facts.totals[TOTAL_FOREIGN_FRAMES];
    if (count > 0)
        td_log_emit(run->options->log, TD_LOG_WARNING,
                    "%s of families that the format does not have: left out",
                    format_counted(count, "frame").text);
}

td_result export_run(const export_options *options, export_result *out, td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    export_run_state run = {.options = options, .spec = *options->spec};
    *out = (export_result){0};
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
        rc = conclude(&run, out, err);
    if (rc == TD_OK)
        log_foreign(&run);
    else
        clean_up(&run, rc);
    export_folder_close(run.folder);
    export_document_close(&run.published);
    td_free(run.gaps);
    td_free(run.days);
    td_buf_fini(&run.head);
    (void)pthread_mutex_destroy(&run.lock);
    return rc;
}
