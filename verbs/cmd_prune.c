/* tapedeck prune: removes segments that are too old or too many, oldest first; of an archive in a
 * store what the archive no longer needs. */

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/alloc.h"
#include "base/time_text.h"
#include "base/cli/units.h"
#include "archive/feed_history.h"
#include "archive/prune.h"
#include "remote/s3_store.h"
#include "remote/store_prune.h"
#include "tape/empty_selection.h"

typedef struct prune_line {
    options_list feeds;
    options_time before;
    uint64_t older_than_ns;
    uint64_t keep_bytes;
    uint64_t free_bytes;
    uint8_t also_kept;
    uint8_t is_dry_run;
    uint8_t is_all;
    uint8_t is_read_only; /* a dry run, or an archive in a store, which has no locks */
} prune_line;

static const option_row PRUNE_ROWS[] = {
    {.long_name = "older-than",
     .type = OPTION_DURATION,
     .offset = offsetof(prune_line, older_than_ns),
     .min = 1,
     .metavar = "DURATION",
     .help = "remove segments whose last frame is older than this, counted from the newest\n"
             "frame: 30d; of an archive in a store (s3://), what no manifest has needed since"},
    {.long_name = "before",
     OPTION_INTO(prune_line, before),
     .metavar = "TIME",
     .edge = TD_DATE_BEGINS,
     .help = "remove segments whose last frame is older than this"},
    {.long_name = "keep-bytes",
     .type = OPTION_SIZE,
     .offset = offsetof(prune_line, keep_bytes),
     .metavar = "SIZE",
     .help = "remove the oldest segments until at most this is left: 10GiB"},
    {.long_name = "free",
     .type = OPTION_SIZE,
     .offset = offsetof(prune_line, free_bytes),
     .metavar = "SIZE",
     .help = "remove the oldest segments until this much is free on the disk: 20GiB"},
    {.long_name = "kept",
     OPTION_INTO(prune_line, also_kept),
     .help = "also remove segments that a note keeps (note add --keep)"},
    {.long_name = "feed",
     OPTION_INTO(prune_line, feeds),
     .metavar = "GLOB",
     .help = "only segments of these feeds; without another bound, all of these segments"},
    {.long_name = "dry-run",
     OPTION_INTO(prune_line, is_dry_run),
     .help = "print what would be removed, and change nothing"},
    {.long_name = "all", OPTION_INTO(prune_line, is_all), .help = "allow removing all segments"},
};

/* Value of --keep-bytes if it was not given, because 0 is a valid bound. */
#define KEEP_ALL UINT64_MAX

/* A segment that is (or would be) removed. */
typedef struct pruned_segment {
    segment_index index; /* use neither its texts nor its lists; path is below */
    char *path;
    prune_reason reason;
} pruned_segment;

typedef struct prune_run {
    verb_run *verb;
    const prune_line *line;
    selection feeds;
    prune_report report;
    pruned_segment *segments;
    size_t count;
} prune_run;

static int wants_feed(void *user, const char *feed)
{
    const prune_run *p = user;
    return selection_has_feed(&p->feeds, feed);
}

static void on_removal(void *user, const segment_index *going, prune_reason reason)
{
    prune_run *p = user;
    p->segments = td_array_grow(p->segments, p->count, sizeof *p->segments);
    p->segments[p->count++] = (pruned_segment){*going, td_strdup(going->path), reason};
}

static void describe(result_writer *r, const prune_run *p)
{
    const prune_report *report = &p->report;
    const char *removed = p->line->is_dry_run ? "would remove" : "removed";
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(p->verb->archive));
    result_bool(r, "dry_run", p->line->is_dry_run);
    result_count(r, "segments_pruned", report->segments);
    result_count(r, "frames_pruned", report->frames);
    result_size(r, "bytes_pruned", report->bytes);
    result_count(r, "segments_kept", report->segments_kept);
    result_size(r, "bytes_kept", report->bytes_kept);
    result_count(r, "segments_unreadable", report->segments_unreadable);
    result_count(r, "segments_noted", report->segments_noted);
    result_count(r, "gaps_kept", report->gaps_kept);
    result_count(r, "folders_removed", report->folders);
    result_count(r, "catalog_updated", report->catalog_updated);
    if (report->counted_from_ns != 0)
        result_time(r, "counted_from_ns", report->counted_from_ns);
    result_note(r, "removed", "%s", report->segments == 0 ? "nothing to prune" : removed);
    result_list_begin(r, "segments");
    for (size_t i = 0; i < p->count; i++) {
        const pruned_segment *segment = &p->segments[i];
        result_object_begin(r, NULL);
        result_text(r, "segment", segment->path);
        result_text(r, "feed", segment->index.feed);
        result_text(r, "why", prune_reason_name(segment->reason));
        result_time(r, "first_ns", segment->index.first_ns);
        result_time(r, "last_ns", segment->index.last_ns);
        result_count(r, "frames", segment->index.message_count);
        result_size(r, "bytes", segment->index.file_bytes);
        result_object_end(r, "{removed} {segment}: {why}, last frame {last_ns}, {bytes}\n");
    }
    result_list_end(r);
    result_object_end(r, "{segments}"
                         "{removed}[ {segments_pruned segment}, {bytes_pruned}]; "
                         "kept: {segments_kept segment}, {bytes_kept}\n"
                         "[the catalog was brought up to date for {catalog_updated segment}\n]"
                         "[not removed, because notes keep them: {segments_noted}\n]"
                         "[unreadable or missing, so not removed: {segments_unreadable}\n]");
}

/* Ages count from the archive's newest frame, so an old archive keeps its last days. Warn about
 * this: --before would remove these days. */
static void print_counted_from(prune_run *p, const prune_report *report)
{
    uint64_t now_ns = clock_wall_ns(clock_real());
    char newest[TD_TIME_TEXT_BYTES];
    char age[TD_TIME_TEXT_BYTES];
    if (report->counted_from_ns == 0 || report->counted_from_ns >= now_ns ||
        now_ns - report->counted_from_ns < p->line->older_than_ns)
        return;
    td_time_format(report->counted_from_ns, newest);
    td_duration_format(now_ns - report->counted_from_ns, age);
    td_log_emit(&p->verb->log, TD_LOG_WARNING,
                "ages count from the newest frame, %s, which is %s before this machine's clock; "
                "--before TIME depends on neither",
                newest, age);
}

static td_result check_line(const prune_line *line, td_err *err)
{
    if (line->older_than_ns > 0 || line->before.is_given || line->keep_bytes != KEEP_ALL ||
        line->free_bytes > 0 || line->feeds.count > 0)
        return TD_OK;
    td_result rc = td_err_set(err, TD_E_INVALID, "no bound is given");
    td_err_hint(
        err, "give --older-than, --before, --keep-bytes, --free or --feed; --dry-run prints what "
             "would be removed");
    return rc;
}

/* Check that the feeds exist or were pruned before. Called if nothing was removed. */
static td_result check_feeds(prune_run *p)
{
    verb_run *verb = p->verb;
    archive_history past = {0};
    int is_known = 0;
    td_result rc = archive_history_read(verb->archive, &past, &verb->err);
    for (size_t i = 0; i < past.segment_count; i++)
        is_known |= past.segments[i].stage == PAST_PRUNED &&
                    selection_has_feed(&p->feeds, past.segments[i].feed);
    archive_history_fini(&past);
    return rc != TD_OK || is_known ? rc
                                   : selection_check_names(verb->archive, &p->feeds, &verb->err);
}

static td_result prune(prune_run *p)
{
    verb_run *verb = p->verb;
    prune_report *report = &p->report;
    prune_options options = {.is_dry_run = p->line->is_dry_run,
                             .is_all = p->line->is_all,
                             .older_than_ns = p->line->older_than_ns,
                             .before_ns = p->line->before.at.ns,
                             .keep_bytes = p->line->keep_bytes,
                             .free_bytes = p->line->free_bytes,
                             .also_kept = p->line->also_kept,
                             .wants_feed = wants_feed,
                             .removing = on_removal,
                             .user = p};
    td_result rc = check_line(p->line, &verb->err);
    if (rc == TD_OK && archive_is_single_file(verb->archive))
        rc = td_err_set(&verb->err, TD_E_INVALID,
                        "%s is a single file; prune needs an archive folder",
                        archive_path(verb->archive));
    if (rc == TD_OK)
        rc = archive_prune(verb->archive, &options, report, &verb->err);
    if (rc == TD_OK && report->segments + report->segments_unreadable == 0)
        rc = check_feeds(p);
    if (rc == TD_OK)
        print_counted_from(p, report);
    return rc;
}

/* ---- an archive in a store ---- */

/* A push that runs longer than the age loses its objects, and must send them again. */
#define STORE_AGE_MIN_NS TD_NS_PER_DAY

static void describe_store(verb_run *verb, const store_prune_report *report)
{
    const prune_line *line = verb->state;
    const char *removed = line->is_dry_run ? "would remove" : "removed";
    const int is_none = report->objects_removed + report->manifests_removed == 0;
    result_writer *r = &verb->result;
    result_object_begin(r, NULL);
    result_text(r, "store", archive_path(verb->archive));
    result_bool(r, "dry_run", line->is_dry_run);
    result_count(r, "manifest", report->manifest);
    result_note(r, "removed", "%s", is_none ? "nothing to prune" : removed);
    result_count(r, "objects_pruned", report->objects_removed);
    result_size(r, "bytes_pruned", report->bytes_removed);
    result_count(r, "manifests_pruned", report->manifests_removed);
    result_count(r, "objects_kept", report->objects_kept);
    result_size(r, "bytes_kept", report->bytes_kept);
    result_count(r, "manifests_kept", report->manifests_kept);
    result_time(r, "counted_from_ns", report->counted_from_ns);
    result_object_end(r, "{removed}[ {objects_pruned object}, {bytes_pruned}]"
                         "[, {manifests_pruned manifest}]; "
                         "kept: {objects_kept object}, {bytes_kept}, {manifests_kept manifest}\n");
}

static void show_store_progress(void *user, uint64_t done, uint64_t all)
{
    verb_run *verb = user;
    progress_show_part(&verb->progress, "prune", done, all, format_count(done).text,
                       format_counted(all, "object").text);
}

static td_result prune_store(verb_run *verb)
{
    const prune_line *line = verb->state;
    const s3_options where = {.url = archive_path(verb->archive), .log = &verb->log};
    const store_prune_options options = {.older_than_ns = line->older_than_ns,
                                         .is_dry_run = line->is_dry_run,
                                         .progress = show_store_progress,
                                         .user = verb};
    s3_store *store = NULL;
    store_prune_report report;
    td_result rc = s3_store_open(&where, &store, &verb->err);
    if (rc == TD_OK)
        rc = remote_prune(store, &options, &report, &verb->err);
    progress_end(&verb->progress);
    if (rc == TD_OK)
        describe_store(verb, &report);
    s3_store_close(store);
    return rc;
}

static td_result check(verb_run *verb)
{
    prune_line *line = verb->state;
    const char *path = NULL;
    line->is_read_only = line->is_dry_run;
    td_result rc = archive_choice_require(&verb->choice, &path, &verb->err);
    if (rc != TD_OK || !archive_is_url(path))
        return rc;
    line->is_read_only = 1;
    if (line->older_than_ns >= STORE_AGE_MIN_NS && !line->before.is_given &&
        line->keep_bytes == KEEP_ALL && line->free_bytes == 0 && line->feeds.count == 0 &&
        !line->also_kept && !line->is_all)
        return TD_OK;
    rc = td_err_set(&verb->err, TD_E_INVALID,
                    "an archive in a store is pruned by --older-than alone, of at least 1d");
    td_err_hint(&verb->err, "to remove segments, prune the archive's folder, and push it again");
    return rc;
}

static td_result run_prune(verb_run *verb)
{
    const prune_line *line = verb->state;
    if (archive_is_url(archive_path(verb->archive)))
        return prune_store(verb);
    prune_run p = {
        .verb = verb, .line = line, .feeds = {.feeds = {line->feeds.items, line->feeds.count}}};
    td_result rc = prune(&p);
    if (rc == TD_OK)
        describe(&verb->result, &p);
    if (p.report.segments_unreadable > 0)
        verb->status = EXIT_CODE_DAMAGE;
    for (size_t i = 0; i < p.count; i++)
        td_free(p.segments[i].path);
    td_free(p.segments);
    return rc;
}

exit_code cmd_prune(const verb_context *context, int argc, char **argv)
{
    prune_line line = {.keep_bytes = KEEP_ALL};
    const verb_spec spec = {
        .name = "prune",
        .summary = "Remove the oldest segments, by age, size or feed; of an archive in a store "
                   "(s3://)\nwhat it no longer needs.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "done, except for a segment that cannot be read or is missing"},
        .examples = "tapedeck prune archive --older-than 90d --keep-bytes 500GiB --dry-run\n"
                    "tapedeck prune s3://bucket/archive --older-than 30d",
        .takes = VERB_TAKES_JSON,
        .own = {{"What to remove", PRUNE_ROWS, sizeof PRUNE_ROWS / sizeof PRUNE_ROWS[0], &line}},
        .mode = ARCHIVE_MAINTAIN,
        .opens_read_only = &line.is_read_only,
        .check = check,
        .work = run_prune};
    return verb_run_main(&spec, &line, context, argc, argv);
}
