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
#include "archive/archive_view.h"
#include "archive/read_plan.h"
#include "base/cli/units.h"
#include "export/export_day.h"
#include "export/export_finish.h"
#include "export/export_manifest.h"
#include "export/export_name.h"
#include "replay/play/absence.h"
#include "format/segment_index.h"
#include "tape/cursor.h"
#include "tape/empty_selection.h"

struct export_run;

typedef enum day_state {
    DAY_TO_DO,
    DAY_KEPT,       /* published by an earlier run */
    DAY_UNFINISHED, /* units are missing */
    DAY_EMPTY, /* not published, because it has no rows; published at the end if another day has
                  rows */
    DAY_MADE,  /* not published before all days have the same precisions */
    DAY_DONE,
} day_state;

typedef struct planned_day {
    struct export_run *run;
    uint32_t day;
    char manifest[EXPORT_MANIFEST_NAME_BYTES];
    selection_window window;
    time_span received; /* from the first to the last time of the day's segments, within the day */
    uint64_t bytes;     /* size of its segments, estimated */
    uint64_t frames, recv_ns; /* progress of the day */
    day_state state;
    export_facts facts; /* valid unless state is DAY_TO_DO */
} planned_day;

typedef struct export_run {
    const export_options *options;
    selection_window window;
    planned_day *days;
    size_t day_count;
    uint64_t absent_count; /* days that are asked for, and of which nothing was recorded */
    const gap_row **gaps;  /* of the topics that are read, in the selection, by time */
    size_t gap_count;
    export_precisions precisions; /* that the days have at least (settle) */
    /* The manifests of the dataset's first and last day, of this run and of earlier ones. */
    char first[EXPORT_MANIFEST_NAME_BYTES], last[EXPORT_MANIFEST_NAME_BYTES];
    const td_log *log;  /* NULL: the days are made again */
    const char *folder; /* of the dataset, or of the unit in it */
    char unit_folder[LIMIT_PATH_BYTES];
    uint8_t is_settling; /* 1: days are made again, with other precisions */
    unsigned day_threads;
    atomic_size_t stopped_from; /* days from this index on are not made */
    pthread_mutex_t lock;       /* guards the progress of all days */
} export_run_state;

/* ---- the days of the selection ---- */

static planned_day *day_of(export_run_state *run, uint32_t day)
{
    for (size_t i = run->day_count; i > 0; i--)
        if (run->days[i - 1].day == day)
            return &run->days[i - 1];
    run->days = td_array_grow(run->days, run->day_count, sizeof *run->days);
    run->days[run->day_count] = (planned_day){
        .run = run,
        .day = day,
        .window = time_span_clip((time_span){day * TD_NS_PER_DAY, (day + 1) * TD_NS_PER_DAY},
                                 run->window),
        .received = TIME_SPAN_NONE,
    };
    planned_day *made = &run->days[run->day_count++];
    export_manifest_name(day, made->manifest);
    return made;
}

/* Adds the days that a segment covers. Each day gets a share of the segment's bytes, in proportion
 * to time. */
static void add_segment_days(export_run_state *run, const segment_index *index)
{
    const time_span whole = {index->first_ns, index->last_ns + 1};
    const time_span wanted = time_span_clip(whole, run->window);
    for (uint32_t day = export_day_of(wanted.from_ns);
         time_span_ns(wanted) > 0 && day <= export_day_of(wanted.to_ns - 1); day++) {
        planned_day *target = day_of(run, day);
        const time_span part = time_span_clip(wanted, target->window);
        target->bytes += (uint64_t)((double)time_span_ns(part) / (double)time_span_ns(whole) *
                                    (double)index->file_bytes);
        target->received =
            time_span_join(target->received, (time_span){part.from_ns, part.to_ns - 1});
    }
}

static int compare_days(const void *a, const void *b)
{
    const planned_day *x = a;
    const planned_day *y = b;
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

/* The family of a feed; NULL: the feed has no segment in the plan. */
static const char *family_name(const read_plan *plan, const char *feed)
{
    for (size_t i = 0; i < read_plan_count(plan); i++)
        if (strcmp(read_plan_segment(plan, i)->index->feed, feed) == 0)
            return read_plan_segment(plan, i)->index->family;
    return NULL;
}

/* 1 if a type needs the gap's topic, or if its family is not known (NULL). */
static int is_needed(const export_run_state *run, const gap_row *gap, const char *of_family)
{
    const channel_info topic = {.feed = gap->feed,
                                .family = of_family,
                                .topic = gap->topic,
                                .exchange_topic = "",
                                .symbol = gap->symbol};
    return gap->topic[0] == '\0' || of_family == NULL ||
           export_needs_channel(run->options->spec, &topic);
}

/* Sorts the gaps of all feeds by time. Each gap adds the day on which the gap begins, or the
 * selection's first day if that is later. The added day may have no segment, because the gap covers
 * all of it. */
static void gather_gaps(export_run_state *run, const read_plan *plan)
{
    const gap_list *all = run->options->ledger;
    run->gaps = td_alloc_zero(all->count + 1, sizeof(const gap_row *));
    const char *of_family = NULL;
    for (size_t i = 0; i < all->count; i++) {
        if (i == 0 || strcmp(all->rows[i - 1].feed, all->rows[i].feed) != 0) /* sorted by feed */
            of_family = family_name(plan, all->rows[i].feed);
        if (!selection_wants_gap(run->options->wanted, run->window, &all->rows[i]) ||
            !is_needed(run, &all->rows[i], of_family))
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
}

/* Counts the days from one to another, which is not included, as absent, but for other shards'. */
static void add_absent(export_run_state *run, uint32_t from, uint32_t to)
{
    for (uint32_t day = from; day < to; day++)
        run->absent_count += export_has_day(run->options->spec, day) != 0;
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
    query.is_quiet = 1; /* the tape of each day logs unreadable segments */
    rc = read_plan_open(options->archive, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        add_segment_days(run, read_plan_segment(plan, i)->index);
    if (rc == TD_OK && run->day_count > 0)
        gather_gaps(run, plan);
    read_plan_close(plan);
    if (rc != TD_OK)
        return rc;
    if (run->day_count == 0)
        return selection_why_empty(options->archive, options->wanted, NULL, err);
    qsort(run->days, run->day_count, sizeof *run->days, compare_days);
    /* Drop the days that another shard's run exports. */
    size_t kept = 0;
    for (size_t i = 0; i < run->day_count; i++)
        if (export_has_day(options->spec, run->days[i].day))
            run->days[kept++] = run->days[i];
    run->day_count = kept;
    if (options->spec->unit.count > 0)
        return kept > 0 ? TD_OK
                        : td_err_set(err, TD_E_NOTFOUND,
                                     "the selection has nothing of the day of the unit");
    absent_days absent;
    rc = absence_find_days(options->archive, options->wanted, run->window, &absent, err);
    add_absent(run, absent.from, absent.first);
    add_absent(run, absent.after, absent.to);
    return rc;
}

/* ---- what an earlier run made ---- */

static td_result begin_manifest(const planned_day *day, archive *from, export_manifest_head *out,
                                td_err *err)
{
    const export_options *options = day->run->options;
    return export_manifest_begin(out, from, options->spec, options->wanted, day->day, day->window,
                                 options->ledger, err);
}

/* suffix: "" for the published manifest, or EXPORT_PARTIAL. */
static td_result read_manifest(const export_folder *folder, const char *suffix,
                               export_document *out, td_err *err)
{
    char path[LIMIT_PATH_BYTES];
    td_result rc = export_folder_join(folder, export_folder_manifest(folder), suffix, path, err);
    return rc == TD_OK ? export_document_open(export_folder_io(folder), path, out, err) : rc;
}

static td_bytes request_of(const export_manifest_head *head)
{
    return td_bytes_of(head->text.data, head->request_bytes);
}

/* Keeps a published day if its files exist, and if either its input is unchanged or the archive has
 * lost segments of that input since. A day that is not kept is exported again. TD_E_INVALID: the
 * day was published for another request. */
static td_result keep_published(planned_day *day, const export_folder *folder,
                                const export_document *published, const export_manifest_head *head,
                                td_err *err)
{
    const export_run_state *run = day->run;
    int is_same = export_document_begins(published, td_buf_view(&head->text));
    if (!export_document_begins(published, request_of(head))) {
        td_err_set(err, TD_E_INVALID,
                   "'%s/%s' is there already, of another export or another part of the day",
                   run->folder, day->manifest);
        td_err_hint(err, "export into another folder, or replace it with --force");
        return TD_E_INVALID;
    }
    if (!export_document_has_files(published, folder) ||
        (!is_same && !export_document_has_other_segments(published, head)))
        return TD_OK;
    if (!is_same)
        td_log_emit(run->options->log, TD_LOG_WARNING,
                    "'%s' stays as it is: the archive no longer has all segments that it was made "
                    "from; --force rebuilds it from the remaining ones",
                    day->manifest);
    day->state = DAY_KEPT;
    day->bytes = 0; /* nothing left to read */
    day->facts = published->facts;
    return TD_OK;
}

static td_result check_published(planned_day *day, td_err *err)
{
    const export_options *options = day->run->options;
    export_folder *folder = export_folder_open(options->io, day->run->folder, day->manifest);
    export_manifest_head head;
    export_document published = {0};
    td_result rc = read_manifest(folder, "", &published, err);
    if (rc == TD_OK) {
        rc = begin_manifest(day, options->archive, &head, err);
        if (rc == TD_OK)
            rc = keep_published(day, folder, &published, &head, err);
        td_buf_fini(&head.text);
    } else if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        rc = TD_OK;
    } else {
        td_err_hint(err, "--force replaces it");
    }
    export_document_close(&published);
    export_folder_close(folder);
    return rc;
}

/* ---- one precision for each instrument ---- */

static int has_precisions(const export_spec *spec)
{
    int found = 0;
    for (size_t i = 0; i < spec->format_count; i++)
        found |= spec->formats[i]->add_precision != NULL;
    return found;
}

/* Sets the error for a dataset that would have two precisions of an instrument. */
static td_result refuse_precision(const export_run_state *run, const export_precision *needed,
                                  const export_precision *has, td_err *err)
{
    td_err_set(err, TD_E_INVALID,
               "%s needs %u decimal places in prices and %u in sizes, but other files in '%s' have "
               "%u and %u",
               needed->instrument, needed->price, needed->size, run->folder, has->price, has->size);
    td_err_hint(err,
                "this command with --from %.10s --to %.10s --force%s makes the dataset again; or "
                "export into another folder",
                strchr(run->first, '.') + 1, strchr(run->last, '.') + 1,
                run->options->spec->shard_count > 0 ? ", without --shard," : "");
    return TD_E_INVALID;
}

/* Finds an instrument whose precision in the document differs from the one in the table. Returns
 * the one in the table; NULL: no precision differs. */
static const export_precision *find_other(const export_precisions *table,
                                          const export_document *document, export_precision *out)
{
    char name[LIMIT_PATH_BYTES];
    json_value file;
    for (json_iter it = export_document_files(document); export_next_file(&it, name, &file);) {
        const export_precision *has = NULL;
        if (export_file_precision(file, out))
            has = export_precisions_find(table, out->instrument);
        if (has != NULL && (has->price != out->price || has->size != out->size))
            return has;
    }
    return NULL;
}

static void add_precisions(const export_document *document, export_precisions *to)
{
    char name[LIMIT_PATH_BYTES];
    export_precision precision;
    json_value file;
    for (json_iter it = export_document_files(document); export_next_file(&it, name, &file);)
        if (export_file_precision(file, &precision))
            export_precisions_raise(to, &precision);
}

static void note_manifest(export_run_state *run, const char *name)
{
    if (run->first[0] == '\0' || strcmp(name, run->first) < 0)
        memcpy(run->first, name, sizeof run->first);
    if (strcmp(name, run->last) > 0)
        memcpy(run->last, name, sizeof run->last);
}

/* Adds the precisions of a published day, unless this run replaces the day. */
static td_result add_published(void *user, const char *name, td_entry_kind kind, td_err *err)
{
    export_run_state *run = user;
    char manifest[EXPORT_MANIFEST_NAME_BYTES];
    export_precision precision;
    if (kind != TD_ENTRY_FILE || !export_manifest_is_name(name))
        return TD_OK;
    (void)snprintf(manifest, sizeof manifest, "%s", name);
    note_manifest(run, manifest);
    for (size_t i = 0; i < run->day_count; i++)
        if (strcmp(run->days[i].manifest, manifest) == 0 && run->days[i].state != DAY_KEPT &&
            run->days[i].state != DAY_DONE)
            return TD_OK;
    export_document document = {0};
    export_folder *folder = export_folder_open(run->options->io, run->folder, manifest);
    td_result rc = read_manifest(folder, "", &document, err);
    const export_precision *other = find_other(&run->precisions, &document, &precision);
    if (other != NULL)
        rc = refuse_precision(run, &precision, other, err);
    add_precisions(&document, &run->precisions);
    export_document_close(&document);
    export_folder_close(folder);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err); /* another export has just replaced it */
        rc = TD_OK;
    }
    return rc;
}

/* Reads the precisions of the folder's published days. TD_E_INVALID: files of an instrument have
 * different ones. */
static td_result read_published(export_run_state *run, td_err *err)
{
    if (!has_precisions(run->options->spec))
        return TD_OK;
    export_precisions_fini(&run->precisions);
    for (size_t i = 0; i < run->day_count; i++)
        note_manifest(run, run->days[i].manifest);
    td_result rc = td_io_list(run->options->io, run->folder, add_published, run, err);
    if (rc == TD_E_NOTFOUND) {
        td_err_clear(err);
        rc = TD_OK;
    }
    return rc;
}

/* ---- running days ---- */

/* Makes no more days from this one on. */
static void stop_from(export_run_state *run, size_t day)
{
    size_t before = atomic_load(&run->stopped_from);
    while (day < before && !atomic_compare_exchange_weak(&run->stopped_from, &before, day))
        ;
}

static int on_progress(void *user, uint64_t frames, uint64_t recv_ns)
{
    planned_day *day = user;
    export_run_state *run = day->run;
    uint64_t done = 0;
    uint64_t total = 0;
    uint64_t sum = 0;
    (void)pthread_mutex_lock(&run->lock);
    day->frames = frames;
    day->recv_ns = recv_ns;
    for (size_t i = 0; i < run->day_count; i++) {
        const planned_day *each = &run->days[i];
        double share = time_span_share(each->received, each->recv_ns);
        sum += each->frames;
        total += each->bytes;
        done += (uint64_t)(share * (double)each->bytes);
    }
    if (run->options->progress != NULL &&
        run->options->progress(run->options->user, sum, done, total))
        stop_from(run, 0);
    (void)pthread_mutex_unlock(&run->lock);
    return atomic_load(&run->stopped_from) <= (size_t)(day - run->days);
}

/* One thread at a time may use an archive, so each of several days opens its own. */
static td_result open_archive(const export_run_state *run, archive **out, td_err *err)
{
    archive *from = run->options->archive;
    *out = from;
    if (run->day_count == 1)
        return TD_OK;
    const archive_options options = {.io = archive_io(from),
                                     .clock = archive_clock(from),
                                     .log = archive_log(from),
                                     .verb = archive_verb(from),
                                     .catalog_path = archive_catalog_path(from)};
    td_result rc = archive_open(&options, archive_path(from), ARCHIVE_READ, out, err);
    return rc == TD_OK ? archive_view_hold(*out, err) : rc;
}

/* A day that is being exported. */
typedef struct day_work {
    planned_day *day;
    archive *archive;
    export_folder *folder;
    export_manifest_head head;
    export_document published; /* the day's manifest, if any */
    export_document partial;   /* the partial manifest of an unfinished run */
    export_document made;
} day_work;

static void close_work(day_work *work)
{
    if (work->archive != work->day->run->options->archive) {
        archive_view_let_go(work->archive);
        archive_close(work->archive);
    }
    export_document_close(&work->published);
    export_document_close(&work->partial);
    export_document_close(&work->made);
    export_folder_close(work->folder);
    td_buf_fini(&work->head.text);
}

static void discard_files(const day_work *work, const export_document *document, const char *suffix)
{
    json_value file;
    char name[LIMIT_PATH_BYTES];
    for (json_iter it = export_document_files(document); export_next_file(&it, name, &file);)
        export_folder_discard(work->folder, name, suffix);
}

/* Removes the day's new files, which still have temporary names. */
static void discard_made(const day_work *work)
{
    discard_files(work, &work->made, EXPORT_PARTIAL);
    export_folder_discard(work->folder, export_folder_manifest(work->folder), EXPORT_PARTIAL);
}

/* Reads the manifests of earlier runs. Reuses the files of a complete day that only lacks its final
 * names; removes other unpublished files. */
static void read_earlier_run(day_work *work)
{
    const export_options *options = work->day->run->options;
    export_precision precision;
    td_err ignored;
    if (read_manifest(work->folder, "", &work->published, &ignored) != TD_OK)
        work->published = (export_document){0}; /* absent or unreadable */
    if (read_manifest(work->folder, EXPORT_PARTIAL, &work->partial, &ignored) != TD_OK)
        work->partial = (export_document){0};
    if (options->overwrite == EXPORT_REPLACE || work->published.text != NULL ||
        export_document_begins(&work->partial, request_of(&work->head)))
        export_folder_allow_replacing(work->folder);
    if (options->overwrite == EXPORT_KEEP &&
        export_document_begins(&work->partial, td_buf_view(&work->head.text)) &&
        find_other(&work->day->run->precisions, &work->partial, &precision) == NULL &&
        export_document_has_files(&work->partial, work->folder)) {
        work->made = work->partial;
        work->partial = (export_document){0};
    } else {
        discard_files(work, &work->partial, EXPORT_PARTIAL);
    }
}

static td_result make_day(day_work *work, td_err *err)
{
    planned_day *day = work->day;
    const export_run_state *run = day->run;
    const export_options *options = run->options;
    /* The gaps that touch this day, whether or not another exported day also lists them, but for
     * gaps of a symbol that is left out because the day is not clean. A gap without a symbol is of
     * several topics, whatever is left out. */
    const gap_row **gaps = td_alloc_zero(run->gap_count + 1, sizeof(const gap_row *));
    size_t gap_count = 0;
    for (size_t i = 0; i < run->gap_count; i++)
        if (selection_wants_gap(options->wanted, day->window, run->gaps[i]) &&
            (run->gaps[i]->symbol[0] == '\0' ||
             export_is_clean(options->spec, day->day, run->gaps[i]->feed, run->gaps[i]->symbol)))
            gaps[gap_count++] = run->gaps[i];
    selection wanted = *options->wanted;
    wanted.wants_channel = export_needs_channel;
    wanted.user = options->spec;
    const export_unit *unit = &options->spec->unit;
    unit_symbols symbols = {0};
    td_result rc = TD_OK;
    if (unit->count > 1)
        rc = unit_symbols_find(work->archive, options->spec, options->wanted, day->window, &symbols,
                               err);
    unit_symbols_share(&symbols, unit->count);
    const export_day made = {.spec = options->spec,
                             .archive = work->archive,
                             .wanted = &wanted,
                             .ledger = options->ledger,
                             .gaps = gaps,
                             .gap_count = gap_count,
                             .folder = work->folder,
                             .precisions = &run->precisions,
                             .log = run->log,
                             .symbols = unit->count > 1 ? &symbols : NULL,
                             .threads = run->day_threads,
                             .day = day->day,
                             .window = day->window,
                             .progress = on_progress,
                             .user = day};
    export_facts facts;
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, work->head.text.data, work->head.text.size);
    if (unit->count > 0)
        export_manifest_add_unit(&text, unit);
    if (rc == TD_OK)
        rc = export_day_run(&made, &text, &facts, err);
    export_document_close(&work->made);
    if (rc == TD_OK)
        rc = export_document_parse(td_buf_view(&text), &work->made, err);
    if (rc == TD_OK)
        rc = export_folder_write(work->folder, td_buf_view(&text), err);
    td_buf_fini(&text);
    td_free(gaps);
    unit_symbols_fini(&symbols);
    return rc;
}

/* Makes the day of the files of its units. If its manifest would not be exactly that of one run,
 * makes the day itself. */
static td_result join_units(day_work *work, const finished_units *units, td_err *err)
{
    const export_run_state *run = work->day->run;
    export_precision precision;
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, work->head.text.data, work->head.text.size);
    int is_exact = export_manifest_join(&text, units->manifests, units->count);
    for (size_t i = 0; i < units->count; i++)
        is_exact =
            is_exact && find_other(&run->precisions, &units->manifests[i], &precision) == NULL;
    td_result rc = is_exact ? finished_units_move(units, work->folder, err) : make_day(work, err);
    if (rc == TD_OK && is_exact)
        rc = export_document_parse(td_buf_view(&text), &work->made, err);
    if (rc == TD_OK && is_exact)
        rc = export_folder_write(work->folder, td_buf_view(&text), err);
    td_buf_fini(&text);
    return rc;
}

/* As make_day. A day that lacks units is DAY_UNFINISHED afterwards. */
static td_result join_day(day_work *work, td_err *err)
{
    planned_day *day = work->day;
    const export_run_state *run = day->run;
    finished_units units = {0};
    if (run->is_settling) /* the units' files were moved */
        return make_day(work, err);
    td_result rc = finished_units_open(run->options->io, run->folder, day->day,
                                       td_buf_view(&work->head.text), &units, err);
    if (rc == TD_E_NOTFOUND) {
        td_log_emit(run->options->log, TD_LOG_ERROR, "'%s' is not published: %s", day->manifest,
                    err->text);
        td_err_clear(err);
        day->state = DAY_UNFINISHED;
        return TD_OK;
    }
    if (rc == TD_OK)
        rc = join_units(work, &units, err);
    finished_units_close(&units);
    return rc;
}

static size_t folder_size(const char *name)
{
    const char *end = strrchr(name, '/');
    return end == NULL ? 0 : (size_t)(end - name);
}

/* Gives the files their final names, durably, before the manifest lists them. Files of one folder
 * are mostly adjacent in the list, so each folder is synced once, or a few times. */
static td_result publish_files(const day_work *work, td_err *err)
{
    json_value file;
    char name[LIMIT_PATH_BYTES];
    char unsynced[LIMIT_PATH_BYTES] = ""; /* the last published file of a folder not synced yet */
    td_result rc = TD_OK;
    json_iter it = export_document_files(&work->made);
    while (rc == TD_OK && export_next_file(&it, name, &file)) {
        size_t size = folder_size(name);
        if (unsynced[0] != '\0' &&
            (size != folder_size(unsynced) || memcmp(name, unsynced, size) != 0))
            rc = export_folder_sync(work->folder, unsynced, err);
        if (rc == TD_OK)
            rc = export_folder_publish(work->folder, name, err);
        memcpy(unsynced, name, sizeof unsynced);
    }
    return rc == TD_OK && unsynced[0] != '\0' ? export_folder_sync(work->folder, unsynced, err)
                                              : rc;
}

/* Replaces the published day, which may have had other files. The old manifest is removed first and
 * the new one written last, so a day with a manifest is always complete. */
static td_result publish(const day_work *work, td_err *err)
{
    const char *manifest = export_folder_manifest(work->folder);
    td_result rc = TD_OK;
    if (work->published.text != NULL) {
        rc = export_folder_remove(work->folder, manifest, "", err);
        if (rc == TD_OK)
            rc = export_folder_sync(work->folder, manifest, err);
        if (rc == TD_OK)
            discard_files(work, &work->published, "");
    }
    if (rc == TD_OK)
        rc = publish_files(work, err);
    if (rc == TD_OK)
        rc = export_folder_publish_manifest(work->folder, err);
    if (rc != TD_OK)
        return td_err_add(err, rc, "cannot publish '%s' in '%s'", manifest, work->day->run->folder);
    work->day->state = DAY_DONE;
    return TD_OK;
}

/* A day without anything to export is published only if another day has something; a day with
 * precisions, when they are known of all days. */
static td_result end_day(day_work *work, td_err *err)
{
    planned_day *day = work->day;
    const export_spec *spec = day->run->options->spec;
    day->facts = work->made.facts;
    int has_frames = day->facts.totals[TOTAL_USEFUL_FRAMES] > 0 &&
                     (spec->settings.depth == 0 || day->facts.totals[TOTAL_BOOKS] > 0);
    if (!has_frames && work->published.text == NULL && !export_is_part(spec))
        day->state = DAY_EMPTY;
    else if (has_precisions(spec))
        day->state = DAY_MADE;
    else
        return publish(work, err);
    return TD_OK;
}

static td_result do_day(day_work *work, td_err *err)
{
    td_result rc = export_folder_lock(work->folder, err);
    if (rc != TD_OK)
        return rc;
    rc = open_archive(work->day->run, &work->archive, err);
    if (rc == TD_OK)
        rc = begin_manifest(work->day, work->archive, &work->head, err);
    if (rc == TD_OK)
        read_earlier_run(work);
    if (rc == TD_OK && work->made.text == NULL)
        rc = work->day->run->options->joins_units ? join_day(work, err) : make_day(work, err);
    if (rc == TD_OK && work->day->state != DAY_UNFINISHED)
        return end_day(work, err);
    discard_made(work);
    return rc;
}

static td_result run_one(void *user, size_t i, td_err *err)
{
    export_run_state *run = user;
    planned_day *day = &run->days[i];
    const export_options *options = run->options;
    if (day->state != DAY_TO_DO)
        return TD_OK;
    if (atomic_load(&run->stopped_from) <= i)
        return TD_EOF;
    day_work work = {.day = day};
    td_buf_init(&work.head.text, SIZE_MAX);
    work.folder = export_folder_open(options->io, run->folder, day->manifest);
    td_result rc = do_day(&work, err);
    close_work(&work);
    if (rc != TD_OK)
        stop_from(run, i);
    else
        (void)on_progress(day, day->frames, UINT64_MAX);
    return rc;
}

/* Runs one day per thread; other threads work within the days. A failure stops the later days:
 * which day has the first one must not depend on the threads. */
static td_result run_days(export_run_state *run, td_err *err)
{
    td_workers *workers = NULL;
    unsigned threads = run->options->threads;
    unsigned at_once = 0;
    for (size_t i = 0; i < run->day_count; i++)
        at_once += run->days[i].state == DAY_TO_DO && at_once < threads;
    if (at_once == 0)
        return TD_OK;
    export_message_types_init(run->options->spec->types, run->options->spec->type_count);
    run->day_threads = threads / at_once;
    td_result rc = td_workers_open(at_once - 1, &workers, err);
    if (rc == TD_OK)
        rc = td_workers_each(workers, run->day_count, run_one, run, err);
    td_workers_close(workers);
    return rc;
}

/* ---- the end ---- */

static uint64_t total_of(const export_run_state *run, export_total total)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < run->day_count; i++)
        sum += run->days[i].facts.totals[total];
    return sum;
}

/* Lists the types of the formats for which the selection has topics, as "trades, quotes". */
static void list_filled(const export_run_state *run, char *out, size_t out_bytes)
{
    const export_spec *spec = run->options->spec;
    const export_type *types[EXPORT_OUTPUTS_MAX];
    const char *names[EXPORT_OUTPUTS_MAX];
    uint64_t symbols[EXPORT_OUTPUTS_MAX] = {0};
    export_choices ignored = {0};
    size_t count = 0;
    size_t used = 0;
    for (size_t i = 0; i < spec->format_count; i++)
        for (size_t k = 0; k < export_format_type_count(spec->formats[i]); k++) {
            const export_named_type type = export_format_type(spec->formats[i], k);
            int is_made = type.type == &EXPORT_BOOK_SNAPSHOTS; /* of books, by --every */
            if (type.type->frame == NULL || is_made || count == EXPORT_OUTPUTS_MAX)
                continue;
            names[count] = type.name;
            types[count++] = type.type;
        }
    const export_scan scan = {
        &spec->settings,      types,      count, symbols, run->options->archive,
        run->options->wanted, run->window};
    td_result rc = export_scan_run(&scan, &ignored, NULL);
    for (size_t i = 0; rc == TD_OK && i < count && used < out_bytes; i++)
        if (symbols[i] > 0)
            used += (size_t)snprintf(out + used, out_bytes - used, "%s%s", used == 0 ? "" : ", ",
                                     names[i]);
    export_choices_fini(&ignored);
}

/* 1 if the selection has a channel that no type needs, of which no frame was read. */
static int has_unread_channel(const export_run_state *run)
{
    const export_options *options = run->options;
    selection copy = *options->wanted;
    read_query query = selection_query(&copy, run->window);
    read_plan *plan = NULL;
    int found = 0;
    query.is_quiet = 1;
    if (read_plan_open(options->archive, &query, &plan, NULL) != TD_OK)
        return 0;
    for (size_t i = 0; i < read_plan_count(plan); i++) {
        const planned_segment *of = read_plan_segment(plan, i);
        for (size_t k = 0; k < of->index->channel_count && !found; k++)
            found = of->is_wanted[k] &&
                    !export_needs_channel(options->spec, &of->index->channels[k].info);
    }
    read_plan_close(plan);
    return found;
}

/* Sets the error for a selection with nothing to export. */
static td_result refuse_empty(const export_run_state *run, td_err *err)
{
    const export_options *options = run->options;
    const export_spec *spec = options->spec;
    char names[256] = "";
    const cursor_stats read = {.damaged_chunks = total_of(run, TOTAL_DAMAGED_CHUNKS)};
    if (total_of(run, TOTAL_FRAMES) == 0 && !has_unread_channel(run))
        return selection_why_empty(options->archive, options->wanted, &read, err);
    if (spec->settings.depth != 0 && total_of(run, TOTAL_BOOKS) == 0) {
        td_err_set(err, TD_E_NOTFOUND,
                   "no book with %u levels per side was recorded in the selection",
                   spec->settings.depth);
        td_err_hint(err, "leave out --depth; `tapedeck info` lists the recorded topics");
        return TD_E_NOTFOUND;
    }
    size_t used = 0;
    for (size_t i = 0; i < spec->format_count && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i == 0 ? "" : " or ",
                                 spec->formats[i]->name);
    td_err_set(err, TD_E_NOTFOUND, "the selection has nothing to export as %s", names);
    char filled[192] = "";
    list_filled(run, filled, sizeof filled);
    if (total_of(run, TOTAL_FOREIGN_FRAMES) > 0)
        td_err_hint(err, "their family has no name there: its document gives it, `exchange` of "
                         "`datasets` (docs/families.md)");
    else if (filled[0] != '\0')
        td_err_hint(err, "the selection has topics for --type %s", filled);
    else
        td_err_hint(err, "`tapedeck info` lists what was recorded");
    return TD_E_NOTFOUND;
}

/* Ends a day that is made and not published. A day without rows is published if other days have
 * rows, because its manifest shows whether data is missing. is_published 0: removes the day's
 * files. */
static td_result end_made_day(planned_day *day, int is_published, td_err *err)
{
    const export_options *options = day->run->options;
    day_work work = {.day = day};
    td_err ignored;
    td_buf_init(&work.head.text, SIZE_MAX);
    work.folder = export_folder_open(options->io, day->run->folder, day->manifest);
    td_result rc = export_folder_lock(work.folder, err);
    if (rc == TD_OK)
        rc = read_manifest(work.folder, EXPORT_PARTIAL, &work.made, err);
    if (read_manifest(work.folder, "", &work.published, &ignored) != TD_OK)
        work.published = (export_document){0};
    if (rc == TD_OK && is_published)
        rc = publish(&work, err);
    else
        discard_made(&work);
    day->state = rc == TD_OK ? DAY_DONE : DAY_TO_DO;
    close_work(&work);
    return rc;
}

static td_result end_empty_days(export_run_state *run, td_err *err)
{
    int has_some = export_is_part(run->options->spec); /* other parts may have some */
    td_result rc = TD_OK;
    for (size_t i = 0; i < run->day_count; i++)
        has_some |= run->days[i].state == DAY_KEPT || run->days[i].state == DAY_DONE ||
                    run->days[i].state == DAY_UNFINISHED;
    for (size_t i = 0; rc == TD_OK && has_some && i < run->day_count; i++)
        if (run->days[i].state == DAY_EMPTY)
            rc = end_made_day(&run->days[i], 1, err);
    return rc == TD_OK && !has_some ? refuse_empty(run, err) : rc;
}

/* Removes the files of the days in this state. */
static void discard_days(export_run_state *run, day_state state)
{
    for (size_t i = 0; i < run->day_count; i++)
        if (run->days[i].state == state && end_made_day(&run->days[i], 0, NULL) != TD_OK)
            break; /* a leftover file is recognizable by its name */
}

/* Reads the manifest of a day that is made. */
static td_result read_made(const planned_day *day, export_document *out, td_err *err)
{
    const export_options *options = day->run->options;
    export_folder *folder = export_folder_open(options->io, day->run->folder, day->manifest);
    td_result rc = read_manifest(folder, EXPORT_PARTIAL, out, err);
    export_folder_close(folder);
    return rc;
}

/* Raises run->precisions from the ones of the published days to what the made days need.
 * TD_E_INVALID: a made day needs more than a published one. */
static td_result join_made(export_run_state *run, td_err *err)
{
    export_precisions needed = {0};
    td_result rc = read_published(run, err);
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
        export_document made = {0};
        if (run->days[i].state != DAY_MADE)
            continue;
        rc = read_made(&run->days[i], &made, err);
        add_precisions(&made, &needed);
        export_document_close(&made);
    }
    for (size_t i = 0; rc == TD_OK && i < needed.count; i++) {
        const export_precision *of = &needed.items[i];
        const export_precision *has = export_precisions_find(&run->precisions, of->instrument);
        if (has != NULL && (of->price > has->price || of->size > has->size))
            rc = refuse_precision(run, of, has, err);
    }
    export_precisions_join(&run->precisions, &needed);
    export_precisions_fini(&needed);
    return rc;
}

/* Makes the days again whose precision is lower than that of the others. A day that is being
 * recorded may then need more than before. */
static td_result settle(export_run_state *run, td_err *err)
{
    size_t lower = 1;
    td_result rc = TD_OK;
    while (rc == TD_OK && lower > 0) {
        lower = 0;
        rc = join_made(run, err);
        for (size_t i = 0; rc == TD_OK && i < run->day_count; i++) {
            export_document made = {0};
            export_precision precision;
            if (run->days[i].state != DAY_MADE)
                continue;
            rc = read_made(&run->days[i], &made, err);
            if (find_other(&run->precisions, &made, &precision) != NULL) {
                run->days[i].state = DAY_TO_DO;
                lower++;
            }
            export_document_close(&made);
        }
        run->log = NULL;
        run->is_settling = 1;
        if (rc == TD_OK && lower > 0)
            rc = run_days(run, err);
    }
    return rc;
}

/* Publishes the days whose files have precisions. If the dataset would have two precisions of an
 * instrument, publishes and keeps nothing. */
static td_result publish_made(export_run_state *run, td_err *err)
{
    td_result rc = settle(run, err);
    if (rc == TD_E_INVALID)
        discard_days(run, DAY_MADE);
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++)
        if (run->days[i].state == DAY_MADE)
            rc = end_made_day(&run->days[i], 1, err);
    /* Another export may have published days since. */
    return rc == TD_OK ? read_published(run, err) : rc;
}

static export_result result_of(const export_run_state *run)
{
    export_result out = {.days = run->day_count,
                         .days_absent = run->absent_count,
                         .rows = total_of(run, TOTAL_ROWS)};
    for (size_t i = 0; i < run->day_count; i++) {
        const planned_day *day = &run->days[i];
        out.files += day->facts.files;
        out.days_unfinished += day->state == DAY_UNFINISHED;
        out.days_kept += day->state == DAY_KEPT;
        if (out.left_out_formats[0] == '\0')
            memcpy(out.left_out_formats, day->facts.left_out_formats, sizeof out.left_out_formats);
        if (day->facts.verdict <= out.verdict)
            continue;
        out.verdict = day->facts.verdict;
        memcpy(out.worst, day->manifest, sizeof out.worst);
    }
    if (out.days_absent + out.days_unfinished > 0 && out.verdict < REPLAY_INCOMPLETE)
        out.verdict = REPLAY_INCOMPLETE;
    return out;
}

static void log_foreign(const export_run_state *run)
{
    uint64_t count = total_of(run, TOTAL_FOREIGN_FRAMES);
    if (count > 0)
        td_log_emit(run->options->log, TD_LOG_WARNING,
                    "%s skipped: the format does not support their families",
                    format_counted(count, "frame").text);
}

/* Checks which days need not be made, because the dataset or the unit has them. */
static td_result check_days(export_run_state *run, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < run->day_count; i++)
        if (run->options->overwrite == EXPORT_KEEP && run->days[i].state == DAY_TO_DO)
            rc = check_published(&run->days[i], err);
    return rc;
}

/* A unit has a folder of its own. */
static td_result enter_unit_folder(export_run_state *run, td_err *err)
{
    const export_options *options = run->options;
    char name[EXPORT_UNIT_NAME_BYTES];
    export_unit_format(&options->spec->unit, name);
    int size = snprintf(run->unit_folder, sizeof run->unit_folder, "%s/" EXPORT_UNITS_FOLDER "/%s",
                        options->folder, name);
    if (size < 0 || (size_t)size >= sizeof run->unit_folder)
        return td_err_set(err, TD_E_LIMIT, "'%s': the path is too long", options->folder);
    run->folder = run->unit_folder;
    return check_days(run, err);
}

static int is_published(const void *user, uint32_t number)
{
    const export_run_state *run = user;
    for (size_t i = 0; i < run->day_count; i++)
        if (run->days[i].day == number)
            return run->days[i].state == DAY_KEPT || run->days[i].state == DAY_DONE;
    return 0;
}

td_result export_run(const export_options *options, export_result *out, td_err *err)
{
    TD_ASSERT(options->threads >= 1);
    export_run_state run = {.options = options, .log = options->log, .folder = options->folder};
    (void)pthread_mutex_init(&run.lock, NULL);
    atomic_init(&run.stopped_from, SIZE_MAX);
    td_result rc = find_days(&run, err);
    if (rc == TD_OK)
        rc = check_days(&run, err);
    if (rc == TD_OK && options->spec->unit.count > 0)
        rc = enter_unit_folder(&run, err);
    int did_exist = export_folder_exists(options->io, run.folder);
    if (rc == TD_OK)
        rc = read_published(&run, err);
    if (rc == TD_OK)
        rc = run_days(&run, err);
    if (rc == TD_OK)
        rc = publish_made(&run, err);
    if (rc == TD_OK)
        rc = end_empty_days(&run, err);
    if (rc == TD_OK)
        log_foreign(&run);
    if (rc != TD_OK)
        discard_days(&run, DAY_EMPTY);
    if (rc == TD_E_NOSPACE)
        td_err_hint(err,
                    "make space on the disk of '%s' and run the command again: complete days "
                    "are kept",
                    options->folder);
    if (rc != TD_OK)
        export_folder_tidy(options->io, run.folder, did_exist);
    if (rc == TD_OK && options->joins_units)
        finished_units_remove(options->io, options->folder, is_published, &run);
    *out = result_of(&run);
    export_precisions_fini(&run.precisions);
    td_free(run.gaps);
    td_free(run.days);
    (void)pthread_mutex_destroy(&run.lock);
    return rc;
}

static td_result plan_day(const export_run_state *run, const planned_day *day, uint64_t unit_bytes,
                          export_planned_day *out, unit_symbols *symbols, td_err *err)
{
    const export_options *options = run->options;
    td_result rc = unit_symbols_find(options->archive, options->spec, options->wanted, day->window,
                                     symbols, err);
    *out = (export_planned_day){.day = day->day, .symbols = symbols};
    if (rc != TD_OK || symbols->is_recorded)
        return rc;
    out->unit_count = unit_symbols_units(symbols, options->spec, unit_bytes);
    unit_symbols_share(symbols, out->unit_count);
    return TD_OK;
}

td_result export_plan(const export_options *options, uint64_t unit_bytes,
                      void (*each)(void *user, const export_planned_day *day), void *user,
                      td_err *err)
{
    export_run_state run = {.options = options, .folder = options->folder};
    td_result rc = find_days(&run, err);
    for (size_t i = 0; rc == TD_OK && i < run.day_count; i++) {
        unit_symbols symbols = {0};
        export_planned_day day;
        rc = plan_day(&run, &run.days[i], unit_bytes, &day, &symbols, err);
        if (rc == TD_OK)
            each(user, &day);
        unit_symbols_fini(&symbols);
    }
    td_free(run.gaps);
    td_free(run.days);
    return rc;
}
