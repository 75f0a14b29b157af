#include "export/export_manifest.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/version.h"
#include "archive/read_plan.h"
#include "format/segment_index.h"
#include "json/json_write.h"
#include "archive/gap.h"

/* ---- pieces: the document is one object, written member by member ---- */

static td_result put(export_manifest *manifest, const char *text, td_err *err)
{
    return td_buf_append(export_file_buf(manifest->file), text, strlen(text), err);
}

/* One value; the writer keeps what goes wrong until end_value. */
static void begin_value(export_manifest *manifest, json_writer *json)
{
    json_write_begin(json, export_file_buf(manifest->file));
}

/* Text is passed on piece by piece: the document may be longer than memory. */
static td_result end_value(export_manifest *manifest, json_writer *json, td_err *err)
{
    td_result rc = json_write_end(json, err);
    return rc == TD_OK ? export_file_flush(manifest->file, err) : rc;
}

/* Elements of an array stand on lines of their own. */
static td_result begin_element(export_manifest *manifest, uint64_t before, json_writer *json,
                               td_err *err)
{
    td_result rc = put(manifest, before == 0 ? "\n" : ",\n", err);
    begin_value(manifest, json);
    return rc;
}

/* ---- the head ---- */

static void write_globs(json_writer *json, const char *key, const selection_globs *globs)
{
    json_write_key(json, key);
    json_write_array_begin(json);
    for (size_t i = 0; i < globs->count; i++)
        json_write_text(json, globs->items[i]);
    json_write_array_end(json);
}

/* null, never a number that stands for "none". */
static void member_u64_or_null(json_writer *json, const char *key, int is_there, uint64_t value)
{
    if (is_there)
        json_write_member_u64(json, key, value);
    else
        json_write_member_text(json, key, NULL);
}

/* Globs as they were given; times as they were resolved, so that "now-2h" can be repeated. */
static void write_selection(json_writer *json, const selection *wanted, selection_window window)
{
    json_write_object_begin(json);
    write_globs(json, "feeds", &wanted->feeds);
    write_globs(json, "topics", &wanted->topics);
    write_globs(json, "symbols", &wanted->symbols);
    member_u64_or_null(json, "from_ns", wanted->has_from, window.from_ns);
    member_u64_or_null(json, "to_ns", wanted->has_to, window.to_ns);
    json_write_object_end(json);
}

/* What would make the same files again. */
static td_result write_request(export_manifest *manifest, const export_spec *spec,
                               const selection *wanted, selection_window window, td_err *err)
{
    json_writer json;
    td_result rc = put(manifest, "{\"tapedeck\":\"" TAPEDECK_VERSION "\",\n\"request\":", err);
    begin_value(manifest, &json);
    json_write_object_begin(&json);
    json_write_member_text(&json, "format", spec->format->name);
    json_write_key(&json, "types");
    json_write_array_begin(&json);
    for (size_t i = 0; i < EXPORT_TYPES_MAX; i++)
        if (spec->types[i] != NULL)
            json_write_text(&json, spec->types[i]->name);
    json_write_array_end(&json);
    member_u64_or_null(&json, "depth", spec->depth != 0, spec->depth);
    json_write_key(&json, "selection");
    write_selection(&json, wanted, window);
    json_write_object_end(&json);
    td_result ended = end_value(manifest, &json, err);
    return rc == TD_OK ? ended : rc;
}

/* ---- segments ---- */

/* The last value of the segment's chain covers every byte of it, and of those before it. */
static td_result write_segment(export_manifest *manifest, const planned_segment *segment,
                               uint64_t before, td_err *err)
{
    const segment_index *index = segment->index;
    json_writer json;
    td_result rc = begin_element(manifest, before, &json, err);
    if (rc != TD_OK)
        return rc;
    json_write_object_begin(&json);
    json_write_member_text(&json, "name", index->path);
    json_write_member_text(&json, "feed", index->feed);
    json_write_member_u64(&json, "first_ns", index->first_ns);
    json_write_member_u64(&json, "last_ns", index->last_ns);
    json_write_member_u64(&json, "bytes", index->file_bytes);
    json_write_member_text(&json, "chain", index->chain_hex);
    json_write_object_end(&json);
    return end_value(manifest, &json, err);
}

/* The segments that the tape reads. Quiet: its own plan logs what cannot be read. */
static td_result write_segments(export_manifest *manifest, archive *from, const selection *wanted,
                                selection_window window, td_err *err)
{
    TD_ASSERT(window.from_ns < window.to_ns);
    selection copy = *wanted;
    read_query query = selection_query(&copy, window);
    query.is_quiet = 1;
    read_plan *plan = NULL;
    td_result rc = read_plan_open(from, &query, &plan, err);
    if (rc == TD_OK)
        rc = put(manifest, ",\n\"segments\":[", err);
    uint64_t written = 0;
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++)
        rc = write_segment(manifest, read_plan_segment(plan, i), written++, err);
    read_plan_close(plan);
    return rc == TD_OK ? put(manifest, "],\n\"files\":[", err) : rc;
}

td_result export_manifest_begin(export_manifest *manifest, export_folder *folder,
                                const export_spec *spec, archive *from, const selection *wanted,
                                selection_window window, uint64_t lead_from_ns, td_err *err)
{
    *manifest = (export_manifest){.file = export_folder_manifest(folder), .folder = folder};
    td_result rc = write_request(manifest, spec, wanted, window, err);
    if (rc == TD_OK)
        rc = write_segments(manifest, from, wanted, (selection_window){lead_from_ns, window.to_ns},
                            err);
    return rc == TD_OK ? rc : td_err_add(err, rc, EXPORT_MANIFEST);
}

void export_manifest_fini(export_manifest *manifest)
{
    td_free(manifest->left_out);
    *manifest = (export_manifest){0};
}

/* ---- files ---- */

static void write_break(json_writer *json, const export_break *broke)
{
    TD_ASSERT(broke->cause != BREAK_NONE);
    TD_ASSERT(broke->to_ns == 0 || broke->to_ns >= broke->from_ns);
    json_write_object_begin(json);
    json_write_member_text(json, "cause", export_break_cause_name(broke->cause));
    if (broke->cause == BREAK_RULE && broke->rule != RULE_NONE)
        json_write_member_text(json, "rule", rule_name(broke->rule));
    if (broke->cause == BREAK_GAP)
        json_write_member_text(json, "reason", gap_reason_name(broke->reason));
    json_write_member_u64(json, "from_ns", broke->from_ns);
    member_u64_or_null(json, "to_ns", broke->to_ns != 0, broke->to_ns);
    json_write_object_end(json);
}

/* Which topic a book came from, and that it is not the one that users of the format expect. */
static void write_source(json_writer *json, const export_series *series, const export_sums *sums)
{
    if (sums != NULL && series->exchange[0] != '\0')
        json_write_member_text(json, "feed", series->feed);
    if (series->choice == NULL)
        return;
    const topic_row *row = series->choice->row;
    const export_market *market = series->choice->market;
    TD_ASSERT(row->book_depth > 0);
    json_write_member_text(json, "topic", row->name);
    json_write_member_u64(json, "depth", row->book_depth);
    if (strcmp(row->name, market->book_topic) != 0)
        json_write_member_text(json, "instead_of", market->book_topic);
}

/* Write what a series lost; of books only, because other rows have no state. */
static void write_counts(json_writer *json, const export_series *series)
{
    const export_counts *counts = &series->counts;
    TD_ASSERT(counts->rows_synthesized <= counts->rows);
    TD_ASSERT(counts->break_count == 0 || counts->breaks != NULL);
    json_write_member_u64(json, "rows", counts->rows);
    json_write_member_u64(json, "frames", counts->frames);
    json_write_member_u64(json, "undecoded_frames", counts->undecoded_frames);
    if (counts->ids_cut > 0)
        json_write_member_u64(json, "ids_cut", counts->ids_cut);
    if (!series->type->has_books)
        return;
    json_write_member_u64(json, "rows_synthesized", counts->rows_synthesized);
    json_write_member_u64(json, "left_out_frames", counts->left_out_frames);
    json_write_member_u64(json, "left_out_entries", counts->left_out_entries);
    json_write_member_u64(json, "break_count", counts->break_count);
    json_write_key(json, "breaks");
    json_write_array_begin(json);
    for (uint64_t i = 0; i < counts->break_count && i < LIMIT_EXPORT_BREAKS; i++)
        write_break(json, &counts->breaks[i]);
    json_write_array_end(json);
}

/* sums NULL: there is no file. */
static void write_series(json_writer *json, const export_series *series, uint32_t day,
                         const export_sums *sums)
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(day, date);
    json_write_object_begin(json);
    json_write_member_text(json, "name", sums == NULL ? NULL : series->name);
    json_write_member_text(json, "type", series->type->name);
    if (series->exchange[0] != '\0') {
        json_write_member_text(json, "exchange", series->exchange);
        json_write_member_text(json, "symbol", series->symbol);
    }
    json_write_member_text(json, "date", date);
}

td_result export_manifest_add(export_manifest *manifest, export_series *series, uint32_t day,
                              const export_sums *sums, td_err *err)
{
    const export_counts *counts = &series->counts;
    TD_ASSERT((sums != NULL) == (counts->rows > 0));
    if (counts->rows + counts->frames + counts->left_out_frames + counts->undecoded_frames +
            counts->break_count + counts->ids_cut ==
        0)
        return TD_OK;
    json_writer json;
    td_result rc = begin_element(manifest, manifest->entries++, &json, err);
    if (rc != TD_OK)
        return rc;
    write_series(&json, series, day, sums);
    write_source(&json, series, sums);
    write_counts(&json, series);
    if (sums != NULL) {
        json_write_member_u64(&json, "bytes", sums->bytes);
        json_write_member_u64(&json, "raw_bytes", sums->raw_bytes);
        json_write_member_text(&json, "xxh3_128", sums->hash);
    }
    json_write_object_end(&json);
    manifest->rows += counts->rows;
    manifest->left_out_frames += counts->left_out_frames;
    return end_value(manifest, &json, err);
}

/* ---- symbols that are left out ---- */

export_left_out *export_manifest_leave_out(export_manifest *manifest, const char *feed,
                                           td_bytes symbol, const char *reason)
{
    char name[LIMIT_SYMBOL_BYTES] = "";
    (void)snprintf(name, sizeof name, "%.*s", (int)symbol.size, (const char *)symbol.data);
    if (manifest->left_out == NULL)
        manifest->left_out = td_alloc_zero(LIMIT_EXPORT_LEFT_OUT + 1, sizeof *manifest->left_out);
    for (size_t i = 0; i < manifest->left_out_count; i++) {
        export_left_out *row = &manifest->left_out[i];
        if (strcmp(row->feed, feed) == 0 && strcmp(row->symbol, name) == 0)
            return row;
    }
    if (manifest->left_out_count > LIMIT_EXPORT_LEFT_OUT)
        return &manifest->left_out[LIMIT_EXPORT_LEFT_OUT];
    export_left_out *row = &manifest->left_out[manifest->left_out_count++];
    if (manifest->left_out_count > LIMIT_EXPORT_LEFT_OUT) {
        row->reason = "further symbols that are left out";
        return row;
    }
    (void)snprintf(row->feed, sizeof row->feed, "%s", feed);
    memcpy(row->symbol, name, sizeof name);
    row->reason = reason;
    return row;
}

/* ---- the rest ---- */

static td_result write_gaps(export_manifest *manifest, const gap_list *gaps, td_err *err)
{
    td_result rc = put(manifest, "],\n\"gaps\":[", err);
    for (size_t i = 0; rc == TD_OK && i < gaps->count; i++) {
        json_writer json;
        rc = begin_element(manifest, i, &json, err);
        if (rc != TD_OK)
            break;
        json_write_object_begin(&json);
        gap_json_members(&json, &gaps->rows[i]);
        json_write_object_end(&json);
        rc = end_value(manifest, &json, err);
    }
    return rc == TD_OK ? put(manifest, "],\n\"left_out_symbols\":[", err) : rc;
}

static td_result write_left_out(export_manifest *manifest, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; rc == TD_OK && i < manifest->left_out_count; i++) {
        const export_left_out *row = &manifest->left_out[i];
        json_writer json;
        rc = begin_element(manifest, i, &json, err);
        if (rc != TD_OK)
            break;
        json_write_object_begin(&json);
        json_write_member_text(&json, "feed", row->feed[0] == '\0' ? NULL : row->feed);
        json_write_member_text(&json, "symbol", row->feed[0] == '\0' ? NULL : row->symbol);
        json_write_member_text(&json, "reason", row->reason);
        json_write_member_u64(&json, "frames", row->frames);
        json_write_object_end(&json);
        rc = end_value(manifest, &json, err);
    }
    return rc == TD_OK ? put(manifest, "],\n\"totals\":", err) : rc;
}

/* Write the totals of the whole selection, including what has no file. */
static td_result write_totals(export_manifest *manifest, const replay_report *report, td_err *err)
{
    json_writer json;
    begin_value(manifest, &json);
    json_write_object_begin(&json);
    json_write_member_u64(&json, "rows", manifest->rows);
    json_write_member_u64(&json, "frames", report->totals.frames);
    json_write_member_u64(&json, "decoded", report->totals.decoded);
    json_write_member_u64(&json, "undecoded", report->totals.undecoded);
    json_write_member_u64(&json, "control", report->totals.control);
    json_write_member_u64(&json, "out", report->totals.out);
    json_write_member_u64(&json, "http", report->totals.http);
    json_write_member_u64(&json, "copies", report->totals.copies);
    json_write_member_u64(&json, "left_out_frames", manifest->left_out_frames);
    json_write_member_u64(&json, "foreign_frames", manifest->foreign_frames);
    json_write_member_u64(&json, "violations", report->totals.violations);
    json_write_member_u64(&json, "damaged_chunks", report->tape.damaged_chunks);
    json_write_member_u64(&json, "segments_unreadable", report->tape.segments_unreadable);
    json_write_object_end(&json);
    return end_value(manifest, &json, err);
}

/* Equal digests say that two exports had equal input, whatever their archives are called. */
static td_result write_digest(export_manifest *manifest, const replay_report *report, td_err *err)
{
    json_writer json;
    td_result rc = put(manifest, ",\n\"digest\":", err);
    begin_value(manifest, &json);
    json_write_object_begin(&json);
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        json_write_member_text(&json, digest_part_name((digest_part)i), report->digests[i]);
    json_write_object_end(&json);
    td_result ended = end_value(manifest, &json, err);
    if (rc == TD_OK)
        rc = ended;
    return rc == TD_OK ? put(manifest, "}\n", err) : rc;
}

td_result export_manifest_end(export_manifest *manifest, const replay_report *report, td_err *err)
{
    td_result rc = write_gaps(manifest, &report->gaps, err);
    if (rc == TD_OK)
        rc = write_left_out(manifest, err);
    if (rc == TD_OK)
        rc = write_totals(manifest, report, err);
    if (rc == TD_OK)
        rc = write_digest(manifest, report, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, EXPORT_MANIFEST);
}
