/* tapedeck pack: rewrites finished segments, packed; tapedeck unpack: as they were recorded. */
#include <string.h>
#include <unistd.h>

#include "verbs/cmds.h"
#include "verbs/verb_run.h"
#include "base/alloc.h"
#include "base/cli/units.h"
#include "archive/reindex.h"
#include "archive/repack.h"
#include "recorder/pipeline/free_space.h"
#include "tape/empty_selection.h"

typedef struct pack_line {
    options_list feeds;
    options_time from, to;
    uint64_t older_ns;
    const char *level; /* NULL: to unpack */
    uint8_t is_dry_run;
} pack_line;

static const char *const LEVELS[] = {"fast", "best", NULL};

enum { OWN_PRIORITY = 10 }; /* added to nice: recording goes first */

static const option_row SEGMENT_ROWS[] = {
    {.long_name = "feed",
     OPTION_INTO(pack_line, feeds),
     .metavar = "GLOB",
     .help = "only segments of these feeds"},
    {.long_name = "from",
     OPTION_INTO(pack_line, from),
     .metavar = "TIME",
     .edge = TD_DATE_BEGINS,
     .help = "only segments with frames from this time on"},
    {.long_name = "to",
     OPTION_INTO(pack_line, to),
     .metavar = "TIME",
     .edge = TD_DATE_BEGINS,
     .help = "only segments with frames before this time"},
    {.long_name = "dry-run",
     OPTION_INTO(pack_line, is_dry_run),
     .help = "print how many segments, and about how large they would be; change nothing"},
};

static const option_row PACK_ROWS[] = {
    {.long_name = "older",
     .type = OPTION_DURATION,
     .offset = offsetof(pack_line, older_ns),
     .metavar = "DURATION",
     .help = "only segments whose last frame is older than this; default 1h"},
    {.long_name = "level",
     OPTION_INTO(pack_line, level),
     .metavar = "LEVEL",
     .choices = LEVELS,
     .help = "fast (default), or best: smaller, and takes some ten times as long. Segments\n"
             "that are packed fast are packed again with best"},
};

/* A segment that was rewritten, or could not be. */
typedef struct pack_result {
    const repack_candidate *segment;
    uint64_t bytes; /* 0: it was left */
    char *why;      /* NULL, or why it was left */
} pack_result;

typedef struct pack_run {
    verb_run *verb;
    const pack_line *line;
    selection feeds;
    chunk_form form;
    repack_list found;
    pack_result *results;
    size_t count;
    uint64_t old_bytes, new_bytes; /* of those rewritten */
    uint64_t estimated_bytes;      /* of all that were found, with --dry-run; 0: unknown */
    size_t rewritten, damaged;
} pack_run;

static int wants_feed(void *user, const char *feed)
{
    const pack_run *p = user;
    return selection_has_feed(&p->feeds, feed);
}

static td_result find(pack_run *p)
{
    const pack_line *line = p->line;
    const uint64_t now_ns = clock_wall_ns(p->verb->clock);
    repack_query query = {.time = TIME_SPAN_ALL,
                          .before_ns = UINT64_MAX,
                          .form = p->form,
                          .wants_feed = wants_feed,
                          .user = p};
    if (line->from.is_given)
        query.time.from_ns = line->from.at.ns;
    if (line->to.is_given)
        query.time.to_ns = line->to.at.ns;
    if (line->level != NULL)
        query.before_ns = now_ns > line->older_ns ? now_ns - line->older_ns : 0;
    return archive_repack_find(p->verb->archive, &query, &p->found, &p->verb->err);
}

/* Check that the disk has space for the segment once more, above what must stay free. */
static td_result check_space(const pack_run *p, const repack_candidate *segment)
{
    td_space space = {0};
    td_err *err = &p->verb->err;
    td_result rc =
        td_io_space(archive_io(p->verb->archive), archive_path(p->verb->archive), &space, err);
    if (rc != TD_OK || space.total_bytes == 0)
        return rc;
    const uint64_t needed =
        segment->bytes + free_space_needed_bytes(FREE_SPACE_DEFAULT, space.total_bytes);
    if (space.free_bytes >= needed)
        return TD_OK;
    rc = td_err_set(err, TD_E_NOSPACE,
                    "%s: the disk has %s free, and %s are needed to write the segment once more",
                    segment->path, format_size(space.free_bytes).text, format_size(needed).text);
    td_err_hint(err, "free some space; segments that are packed already stay so");
    return rc;
}

static void note_result(pack_run *p, const repack_candidate *segment, uint64_t bytes,
                        const char *why)
{
    p->results = td_array_grow(p->results, p->count, sizeof *p->results);
    p->results[p->count++] = (pack_result){segment, bytes, why == NULL ? NULL : td_strdup(why)};
}

/* Open the archive once more, for maintenance. It is locked for one segment only, so that prune,
 * recover and a second run of this verb need not wait for all of them. */
static td_result lock_archive(verb_run *verb, archive **out, td_err *err)
{
    const archive_options options = {.io = archive_io(verb->archive),
                                     .clock = verb->clock,
                                     .log = &verb->log,
                                     .verb = archive_verb(verb->archive),
                                     .catalog_path = verb->catalog};
    *out = NULL;
    return archive_open(&options, archive_path(verb->archive), ARCHIVE_MAINTAIN, out, err);
}

/* As lock_archive, but wait for another maintainer: the pack that a recorder started for the
 * segment before, for example. */
static td_result wait_for_archive(verb_run *verb, archive **out)
{
    enum { WAIT_S = 60, TRY_MS = 20 };
    uint64_t now_ns = clock_mono_ns(verb->clock);
    const uint64_t until_ns = now_ns + WAIT_S * TD_NS_PER_S;
    td_result rc = lock_archive(verb, out, &verb->err);
    for (; rc == TD_E_BUSY && now_ns < until_ns; now_ns = clock_mono_ns(verb->clock)) {
        clock_sleep_until(verb->clock, now_ns + TRY_MS * TD_NS_PER_MS);
        td_err_clear(&verb->err);
        rc = lock_archive(verb, out, &verb->err);
    }
    return rc;
}

static td_result rewrite(pack_run *p, const repack_candidate *segment)
{
    verb_run *verb = p->verb;
    archive *locked = NULL;
    repack_report report = {0};
    td_result rc = check_space(p, segment);
    if (rc == TD_OK)
        rc = wait_for_archive(verb, &locked);
    if (rc == TD_OK)
        rc = archive_repack(locked, segment->path, p->form, &report, &verb->err);
    archive_close(locked);
    if (rc == TD_E_CORRUPT || rc == TD_E_TRUNCATED || rc == TD_E_UNSUPPORTED) {
        report_line(verb->report, TD_LOG_ERROR, "%s; the segment is left as it is", verb->err.text);
        note_result(p, segment, 0, verb->err.text);
        td_err_clear(&verb->err);
        p->damaged++;
        return TD_OK;
    }
    if (rc != TD_OK || !report.is_done)
        return rc;
    p->old_bytes += report.old_bytes;
    p->new_bytes += report.totals.file_bytes;
    p->rewritten++;
    report_line(verb->report, TD_LOG_INFO, "%s: %s to %s", segment->path,
                format_size(report.old_bytes).text, format_size(report.totals.file_bytes).text);
    note_result(p, segment, report.totals.file_bytes, NULL);
    return TD_OK;
}

static td_result rewrite_all(pack_run *p)
{
    td_result rc = TD_OK;
    (void)!nice(OWN_PRIORITY); /* if this fails, it only takes more of the machine */
    for (size_t i = 0; i < p->found.count && rc == TD_OK; i++)
        rc = rewrite(p, &p->found.rows[i]);
    return rc;
}

/* The catalog still has the segments as they were, and readers then read the files themselves. If
 * another maintainer has the archive, it does this. */
static void update_catalog(pack_run *p)
{
    archive *locked = NULL;
    if (p->rewritten > 0 && lock_archive(p->verb, &locked, NULL) == TD_OK)
        archive_update_catalog(locked, NULL);
    archive_close(locked);
}

static void describe(result_writer *r, const pack_run *p)
{
    const int is_pack = p->form != CHUNKS_RECORDED;
    const int would = p->line->is_dry_run && p->found.count > 0;
    const char *const nothing = is_pack ? "nothing to pack" : "nothing to unpack";
    uint64_t bytes = 0;
    for (size_t i = 0; i < p->found.count; i++)
        bytes += p->found.rows[i].bytes;
    result_object_begin(r, NULL);
    result_text(r, "archive", archive_path(p->verb->archive));
    result_bool(r, "dry_run", p->line->is_dry_run);
    result_note(r, "done", "%s", is_pack ? "packed" : "unpacked");
    result_count(r, "segments_found", p->found.count);
    result_size(r, "bytes_found", bytes);
    if (p->estimated_bytes > 0)
        result_size(r, "bytes_estimated", p->estimated_bytes);
    else
        result_null(r, "bytes_estimated");
    result_count(r, "segments_rewritten", p->rewritten);
    result_size(r, "bytes_before", p->old_bytes);
    result_size(r, "bytes_after", p->new_bytes);
    result_count(r, "segments_damaged", p->damaged);
    result_count(r, "segments_unreadable", p->found.unreadable);
    result_note(r, "nothing", "%s", p->rewritten + p->damaged > 0 || would ? "" : nothing);
    result_note(r, "would", "%s", would ? "would be rewritten" : "");
    result_fraction(r, "ratio", p->old_bytes == 0 ? 0 : p->new_bytes * 1000 / p->old_bytes, 3);
    result_list_begin(r, "segments");
    for (size_t i = 0; i < p->count; i++) {
        const pack_result *done = &p->results[i];
        result_object_begin(r, NULL);
        result_text(r, "segment", done->segment->path);
        result_text(r, "feed", done->segment->feed);
        result_size(r, "bytes_before", done->segment->bytes);
        result_size(r, "bytes_after", done->bytes);
        result_text(r, "left_because", done->why);
        result_object_end(r, NULL); /* people have read it as it was done */
    }
    result_list_end(r);
    result_object_end(r, "[{nothing}\n]"
                         "[{would}: {segments_found segment}, {bytes_found}]"
                         "[{bytes_estimated?} to some {bytes_estimated}][{would?}\n]"
                         "[{segments_rewritten?}{done} {segments_rewritten segment}: "
                         "{bytes_before} to {bytes_after}, {ratio} of before\n]"
                         "[unreadable or missing, so left: {segments_unreadable}\n]");
}

static td_result run_pack(verb_run *verb)
{
    const pack_line *line = verb->state;
    pack_run p = {
        .verb = verb, .line = line, .feeds = {.feeds = {line->feeds.items, line->feeds.count}}};
    td_result rc = TD_OK;
    if (line->level != NULL)
        p.form = strcmp(line->level, "best") == 0 ? CHUNKS_PACKED_BEST : CHUNKS_PACKED_FAST;
    if (archive_is_single_file(verb->archive))
        rc = td_err_set(&verb->err, TD_E_INVALID, "%s is a single file; %s needs an archive folder",
                        archive_path(verb->archive), archive_verb(verb->archive));
    else if (archive_is_url(archive_path(verb->archive)) && !line->is_dry_run)
        rc = td_err_set(&verb->err, TD_E_UNSUPPORTED,
                        "%s is in a store, which is only read; %s needs an archive folder",
                        archive_path(verb->archive), archive_verb(verb->archive));
    if (rc == TD_OK)
        rc = find(&p);
    if (rc == TD_OK && p.found.count == 0 && line->feeds.count > 0)
        rc = selection_check_names(verb->archive, &p.feeds, &verb->err);
    if (rc == TD_OK && !line->is_dry_run)
        rc = rewrite_all(&p);
    else if (rc == TD_OK)
        p.estimated_bytes = archive_repack_estimate(verb->archive, &p.found, p.form);
    update_catalog(&p);
    if (rc == TD_OK)
        describe(&verb->result, &p);
    if (p.damaged + p.found.unreadable > 0)
        verb->status = EXIT_CODE_DAMAGE;
    for (size_t i = 0; i < p.count; i++)
        td_free(p.results[i].why);
    td_free(p.results);
    repack_list_fini(&p.found);
    return rc;
}

exit_code cmd_pack(const verb_context *context, int argc, char **argv)
{
    pack_line line = {.level = "fast", .older_ns = 3600 * TD_NS_PER_S};
    const verb_spec spec = {
        .name = "pack",
        .summary = "Rewrite finished segments as columns: the same frames in fewer bytes.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "done, except for a segment that is damaged, missing or cannot be read"},
        .examples = "tapedeck pack archive --older 1d",
        .takes = VERB_TAKES_JSON,
        .own = {{"What to pack", SEGMENT_ROWS, sizeof SEGMENT_ROWS / sizeof SEGMENT_ROWS[0], &line},
                {"How", PACK_ROWS, sizeof PACK_ROWS / sizeof PACK_ROWS[0], &line}},
        .mode = ARCHIVE_READ,
        .work = run_pack};
    return verb_run_main(&spec, &line, context, argc, argv);
}

exit_code cmd_unpack(const verb_context *context, int argc, char **argv)
{
    pack_line line = {0};
    const verb_spec spec = {
        .name = "unpack",
        .summary = "Rewrite packed segments as a recorder writes them, for other MCAP readers.",
        .statuses = {[EXIT_CODE_DAMAGE] =
                         "done, except for a segment that is damaged, missing or cannot be read"},
        .examples = "tapedeck unpack archive --feed 'okx-*' --from 2026-11-01",
        .takes = VERB_TAKES_JSON,
        .own = {{"What to unpack", SEGMENT_ROWS, sizeof SEGMENT_ROWS / sizeof SEGMENT_ROWS[0],
                 &line}},
        .mode = ARCHIVE_READ,
        .work = run_pack};
    return verb_run_main(&spec, &line, context, argc, argv);
}
