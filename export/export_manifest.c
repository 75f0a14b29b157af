#include "export/export_manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/version.h"
#include "archive/gap.h"
#include "archive/read_plan.h"
#include "export/export_folder.h"
#include "export/export_name.h"
#include "export/export_unit.h"
#include "format/segment_index.h"
#include "format/segment_name.h"
#include "base/json/json_write.h"

static void put(td_buf *out, const char *text)
{
    td_buf_add(out, text, strlen(text));
}

/* Ends a value. Cannot fail, because the buffer is unbounded. */
static void end_value(json_writer *json)
{
    td_result rc = json_write_end(json, NULL);
    TD_ASSERT(rc == TD_OK);
}

/* ---- the request ---- */

static void write_globs(json_writer *json, const char *key, const selection_globs *globs)
{
    json_write_key(json, key);
    json_write_array_begin(json);
    for (size_t i = 0; i < globs->count; i++)
        json_write_text(json, globs->items[i]);
    json_write_array_end(json);
}

/* Writes a number, or null if it is absent. */
static void member_u64_or_null(json_writer *json, const char *key, int is_there, uint64_t value)
{
    if (is_there)
        json_write_member_u64(json, key, value);
    else
        json_write_member_text(json, key, NULL);
}

/* Writes the options that apply to some types or formats only. */
static void write_options(json_writer *json, const export_spec *spec)
{
    const export_settings *settings = &spec->settings;
    if (settings->bar_ns != 0)
        json_write_member_u64(json, "bar_ns", settings->bar_ns);
    if (settings->has_suspect_bars)
        json_write_member_bool(json, "keep_suspect", 1);
    if (settings->every_ns != 0)
        json_write_member_u64(json, "every_ns", settings->every_ns);
    if (settings->every_changes != 0)
        json_write_member_u64(json, "every_changes", settings->every_changes);
    if (settings->levels != 0)
        json_write_member_u64(json, "levels", settings->levels);
    if (export_has_format(spec, &EXPORT_PARQUET)) {
        member_u64_or_null(json, "scale", settings->decimal_scale != 0, settings->decimal_scale);
        if (settings->has_floats)
            json_write_member_bool(json, "float", 1);
    }
    if (!export_has_format(spec, &EXPORT_HFTBACKTEST))
        return;
    json_write_member_bool(json, "sod", settings->has_sod);
    json_write_member_bool(json, "bbo", settings->has_bbo);
}

/* Writes the request: everything that determines the files, except the archive. */
static void write_request(td_buf *out, const export_spec *spec, const selection *wanted,
                          uint32_t day, selection_window window)
{
    json_writer json;
    put(out, "{\"request\":");
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_key(&json, "formats");
    json_write_array_begin(&json);
    for (size_t i = 0; i < spec->output_count; i++) {
        const export_output *output = &spec->outputs[i];
        json_write_object_begin(&json);
        json_write_member_text(&json, "format", output->format->name);
        json_write_member_text(&json, "type", output->name);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    member_u64_or_null(&json, "depth", spec->settings.depth != 0, spec->settings.depth);
    write_options(&json, spec);
    if (spec->days != NULL)
        json_write_member_bool(&json, "only_clean", 1);
    /* Write globs as the user gave them. Write times only if the selection begins or ends within
     * the day, so that a whole day has the same text in every range. */
    json_write_member_object_begin(&json, "selection");
    write_globs(&json, "feeds", &wanted->feeds);
    write_globs(&json, "topics", &wanted->topics);
    write_globs(&json, "symbols", &wanted->symbols);
    member_u64_or_null(&json, "from_ns", window.from_ns > day * TD_NS_PER_DAY, window.from_ns);
    member_u64_or_null(&json, "to_ns", window.to_ns < (day + 1) * TD_NS_PER_DAY, window.to_ns);
    json_write_object_end(&json);
    json_write_object_end(&json);
    end_value(&json);
    put(out, ",\n");
}

void export_manifest_name(uint32_t day, char out[EXPORT_MANIFEST_NAME_BYTES])
{
    char date[EXPORT_DATE_BYTES];
    export_date_format(day, date);
    (void)snprintf(out, EXPORT_MANIFEST_NAME_BYTES, "MANIFEST.%s.json", date);
}

int export_manifest_is_name(const char *name)
{
    static const char DIGITS[] = "MANIFEST.dddd-dd-dd.json";
    for (size_t i = 0; i < sizeof DIGITS - 1; i++)
        if (DIGITS[i] == 'd' ? name[i] < '0' || name[i] > '9' : name[i] != DIGITS[i])
            return 0;
    return name[sizeof DIGITS - 1] == '\0';
}

/* ---- lines ---- */

/* Texts of JSON values, one per line, which become the elements of an array. */
typedef struct line_list {
    char **items; /* owned */
    size_t count;
} line_list;

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Writes an array of the lines and empties the list. Adjacent duplicates are written once. */
static void write_lines(td_buf *out, const char *key, line_list *lines)
{
    uint64_t written = 0;
    put(out, key);
    for (size_t i = 0; i < lines->count; i++) {
        if (i > 0 && strcmp(lines->items[i], lines->items[i - 1]) == 0)
            continue;
        put(out, written++ == 0 ? "\n" : ",\n");
        put(out, lines->items[i]);
    }
    put(out, "],");
    for (size_t i = 0; i < lines->count; i++)
        td_free(lines->items[i]);
    td_free(lines->items);
    *lines = (line_list){0};
}

static void write_sorted(td_buf *out, const char *key, line_list *lines)
{
    if (lines->count > 0)
        qsort(lines->items, lines->count, sizeof(char *), compare_lines);
    write_lines(out, key, lines);
}

static void begin_line(td_buf *text, json_writer *json)
{
    td_buf_clear(text);
    json_write_begin(json, text);
    json_write_object_begin(json);
}

static void end_line(line_list *to, td_buf *text, json_writer *json)
{
    json_write_object_end(json);
    end_value(json);
    to->items = td_array_grow(to->items, to->count, sizeof(char *));
    to->items[to->count++] = td_strndup((const char *)text->data, text->size);
}

/* ---- the head of a day ---- */

static void add_gap(line_list *to, td_buf *text, const gap_row *gap)
{
    json_writer json;
    begin_line(text, &json);
    gap_json_members(&json, gap);
    end_line(to, text, &json);
}

/* Adds the selected segments. Logs nothing, because the tape logs unreadable segments. `chain` is
 * the last value of a segment's hash chain; it covers all bytes of the segment and all segments
 * before it. */
static td_result add_segments(line_list *to, td_buf *text, archive *from, const selection *wanted,
                              selection_window window, td_err *err)
{
    selection copy = *wanted;
    read_query query = selection_query(&copy, window);
    read_plan *plan = NULL;
    query.is_quiet = 1;
    td_result rc = read_plan_open(from, &query, &plan, err);
    for (size_t i = 0; rc == TD_OK && i < read_plan_count(plan); i++) {
        const segment_index *index = read_plan_segment(plan, i)->index;
        json_writer json;
        begin_line(text, &json);
        json_write_member_text(&json, "name", index->path);
        json_write_member_text(&json, "feed", index->feed);
        json_write_member_u64(&json, "first_ns", index->first_ns);
        json_write_member_u64(&json, "last_ns", index->last_ns);
        json_write_member_u64(&json, "bytes", index->file_bytes);
        json_write_member_text(&json, "chain", index->chain_hex);
        end_line(to, text, &json);
    }
    read_plan_close(plan);
    return rc;
}

/* Adds a line for each symbol that is left out because the day is not clean. The line has the
 * reasons of all topics of the symbol. */
static void add_not_clean(line_list *to, td_buf *text, const export_spec *spec, uint32_t day)
{
    size_t next = 0;
    for (size_t i = 0; i < spec->days->count; i = next) {
        day_topic sum;
        uint64_t proof_ns[TOPIC_PROOFS];
        char reasons[DAY_REASONS_BYTES];
        json_writer json;
        next = day_list_sum(spec->days, i, &sum, proof_ns);
        if (export_day_of(sum.day_ns) != day || export_is_clean(spec, day, sum.feed, sum.symbol))
            continue;
        day_reasons_text(sum.reasons, reasons);
        begin_line(text, &json);
        json_write_member_text(&json, "feed", sum.feed);
        json_write_member_text(&json, "symbol", sum.symbol);
        json_write_member_text(&json, "reasons", reasons);
        end_line(to, text, &json);
    }
}

td_result export_manifest_begin(export_manifest_head *out, archive *from, const export_spec *spec,
                                const selection *wanted, uint32_t day, selection_window window,
                                const gap_list *ledger, td_err *err)
{
    char date[EXPORT_DATE_BYTES];
    line_list lines = {0};
    td_buf line;
    td_buf *text = &out->text;
    td_buf_init(text, SIZE_MAX);
    td_buf_init(&line, SIZE_MAX);
    write_request(text, spec, wanted, day, window);
    out->request_bytes = text->size;
    export_date_format(day, date);
    put(text, "\"date\":\"");
    put(text, date);
    td_result rc = add_segments(&lines, &line, from, wanted, export_read_window(spec, window), err);
    write_lines(text, "\",\"segments\":[", &lines);
    for (size_t i = 0; i < ledger->count; i++)
        if (selection_wants_gap(wanted, window, &ledger->rows[i]))
            add_gap(&lines, &line, &ledger->rows[i]);
    write_lines(text, "\"gaps\":[", &lines);
    if (spec->days != NULL) {
        add_not_clean(&lines, &line, spec, day);
        write_lines(text, "\"not_clean\":[", &lines);
    }
    td_buf_fini(&line);
    return rc;
}

/* ---- files ---- */

static void write_break(json_writer *json, const trust_break *broke)
{
    TD_ASSERT(broke->reason != TIME_IS_RIGHT);
    TD_ASSERT(broke->to_ns == 0 || broke->to_ns >= broke->from_ns);
    json_write_object_begin(json);
    json_write_member_text(json, "cause", trust_break_name(broke->reason));
    if (broke->rule != RULE_NONE)
        json_write_member_text(json, "rule", rule_name(broke->rule));
    if (time_reason_is_gap(broke->reason))
        json_write_member_text(json, "reason", time_reason_name(broke->reason));
    json_write_member_u64(json, "from_ns", broke->from_ns);
    member_u64_or_null(json, "to_ns", broke->to_ns != 0, broke->to_ns);
    json_write_object_end(json);
}

/* Writes the topic that supplied the rows; for a book, also its depth, and the market's usual topic
 * if that is another one. */
static void write_choice(json_writer *json, const export_choice *choice)
{
    if (choice == NULL)
        return;
    const char *usual = choice->family->market.book_topic;
    json_write_member_text(json, "topic", choice->row->name);
    if (choice->prefers != export_prefers_book)
        return;
    json_write_member_u64(json, "depth", choice->row->book_depth);
    if (usual != NULL && strcmp(choice->row->name, usual) != 0)
        json_write_member_text(json, "instead_of", usual);
}

/* Counts of rows and losses. Only books have interruptions, because other rows have no state. */
static void write_counts(json_writer *json, const export_writer *writer)
{
    const export_counts *counts = &writer->counts;
    TD_ASSERT(counts->rows_synthesized <= counts->rows);
    TD_ASSERT(counts->break_count == 0 || counts->breaks != NULL);
    json_write_member_u64(json, "rows", counts->rows);
    json_write_member_u64(json, "frames", counts->frames);
    json_write_member_u64(json, "undecoded_frames", counts->undecoded_frames);
    if (counts->possible_copies > 0)
        json_write_member_u64(json, "possible_copies", counts->possible_copies);
    if (counts->ids_cut > 0)
        json_write_member_u64(json, "ids_cut", counts->ids_cut);
    if ((writer->source.type->flags & EXPORT_OF_INTERVALS) != 0 &&
        (!writer->output->format->marks_suspect || counts->left_out_bars > 0))
        json_write_member_u64(json, "left_out_bars", counts->left_out_bars);
    if ((writer->source.type->flags & EXPORT_OF_BOOKS) == 0)
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

static void write_finished(json_writer *json, const export_finished_file *file)
{
    if (file->precision.instrument[0] != '\0') {
        json_write_member_text(json, "instrument", file->precision.instrument);
        json_write_member_u64(json, "price_precision", file->precision.price);
        json_write_member_u64(json, "size_precision", file->precision.size);
    }
    json_write_member_u64(json, "bytes", file->bytes);
    json_write_member_u64(json, "raw_bytes", file->raw_bytes);
    json_write_member_text(json, "xxh3_128", file->hash);
}

/* 1 if a file of the writer may have rows of several types. */
static int has_types(const export_writer *writer, const export_spec *spec)
{
    size_t count = 0;
    for (size_t i = 0; i < spec->output_count; i++)
        count += spec->outputs[i].format == writer->output->format;
    return count > 1 && writer->output->format->grouping != EXPORT_PER_SYMBOL;
}

/* Writes the types whose rows are in the writer's files. */
static void write_types(json_writer *json, const export_writer *writer,
                        const export_manifest_day *day)
{
    json_write_member_text(json, "type", NULL);
    json_write_member_array_begin(json, "types");
    for (size_t i = 0; i < day->spec->output_count; i++) {
        const export_output *output = &day->spec->outputs[i];
        int is_in_file = 0;
        for (size_t k = 0; k < day->writers->count; k++) {
            const export_writer *of = day->writers->items[k];
            is_in_file |= of->owner == writer && of->output == output && of->has_rows;
        }
        if (is_in_file)
            json_write_text(json, output->name);
    }
    json_write_array_end(json);
}

/* Adds a file to the list. file NULL: the writer made no file. Only the writer's first file gets
 * the writer's counts. */
static void add_file(line_list *to, td_buf *text, const export_manifest_day *day,
                     const export_writer *writer, const export_finished_file *file, int is_first)
{
    json_writer json;
    begin_line(text, &json);
    json_write_member_text(&json, "name", file == NULL ? NULL : file->name);
    json_write_member_text(&json, "format", writer->output->format->name);
    if (has_types(writer, day->spec))
        write_types(&json, writer, day);
    else
        json_write_member_text(&json, "type", writer->source.name);
    if (writer->source.exchange[0] != '\0') {
        json_write_member_text(&json, "exchange", writer->source.exchange);
        json_write_member_text(&json, "symbol", writer->symbol[0] == '\0' ? NULL : writer->symbol);
    }
    json_write_member_text(&json, "date", writer->target.date);
    if (file != NULL && writer->source.exchange[0] != '\0')
        json_write_member_text(&json, "feed", writer->feed); /* null: several feeds */
    if (is_first) {
        write_choice(&json, writer->choice);
        write_counts(&json, writer);
    }
    if (file != NULL)
        write_finished(&json, file);
    end_line(to, text, &json);
}

static int is_listed(const export_writer *writer)
{
    const export_counts *counts = &writer->counts;
    return writer->owner == writer &&
           (writer->files.count > 0 || counts->rows + counts->frames + counts->left_out_frames +
                                               counts->undecoded_frames + counts->break_count +
                                               counts->ids_cut + counts->left_out_bars >
                                           0);
}

static void add_files(line_list *to, td_buf *text, const export_manifest_day *day)
{
    const export_writers *writers = day->writers;
    for (size_t i = 0; i < writers->count; i++) {
        const export_writer *writer = writers->items[i];
        if (!is_listed(writer))
            continue;
        if (writer->files.count == 0)
            add_file(to, text, day, writer, NULL, 1);
        for (size_t k = 0; k < writer->files.count; k++)
            add_file(to, text, day, writer, &writer->files.items[k], k == 0);
    }
}

/* ---- the rest of a day ---- */

static void add_left_out(line_list *to, td_buf *text, const export_left_out *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const export_left_out *row = &rows[i];
        json_writer json;
        begin_line(text, &json);
        json_write_member_text(&json, "feed", row->feed[0] == '\0' ? NULL : row->feed);
        json_write_member_text(&json, "symbol", row->feed[0] == '\0' ? NULL : row->symbol);
        json_write_member_text(&json, "reason", row->reason);
        json_write_member_u64(&json, "frames", row->frames);
        end_line(to, text, &json);
    }
}

static void add_left_out_topics(line_list *to, td_buf *text, const left_out_topics *topics)
{
    for (size_t i = 0; i < topics->count; i++) {
        const left_out_topic *topic = &topics->items[i];
        json_writer json;
        begin_line(text, &json);
        json_write_member_text(&json, "feed", topic->feed);
        json_write_member_text(&json, "topic", topic->topic);
        json_write_member_text(&json, "symbol", topic->symbol);
        json_write_member_text(&json, "supplied_by", topic->supplied_by);
        end_line(to, text, &json);
    }
}

static const char *const TOTALS[EXPORT_TOTALS] = {[TOTAL_ROWS] = "rows",
                                                  [TOTAL_FRAMES] = "frames",
                                                  [TOTAL_DECODED] = "decoded",
                                                  [TOTAL_UNDECODED] = "undecoded",
                                                  [TOTAL_CONTROL] = "control",
                                                  [TOTAL_OUT] = "out",
                                                  [TOTAL_HTTP] = "http",
                                                  [TOTAL_COPIES] = "copies",
                                                  [TOTAL_LEFT_OUT_FRAMES] = "left_out_frames",
                                                  [TOTAL_FOREIGN_FRAMES] = "foreign_frames",
                                                  [TOTAL_USEFUL_FRAMES] = "useful_frames",
                                                  [TOTAL_BOOKS] = "books",
                                                  [TOTAL_VIOLATIONS] = "violations",
                                                  [TOTAL_DAMAGED_CHUNKS] = "damaged_chunks",
                                                  [TOTAL_SEGMENTS_UNREADABLE] =
                                                      "segments_unreadable",
                                                  [TOTAL_CLOCK_OFFSET_NS] = "clock_offset_ns"};

/* Keys at which the manifests of units are joined. They are in no string, where quotes are escaped.
 */
static const char FOUND_KEY[] = "\"found_gaps\":[";
static const char FILES_KEY[] = "\"files\":[";
static const char LEFT_OUT_KEY[] = "\"left_out_symbols\":[";
static const char TOTALS_KEY[] = "\"totals\":";
static const char VERDICT_KEY[] = ",\"verdict\":\"";
static const char SHARES_FILES[] = "\"shares_files\":true,";

static void write_totals(td_buf *out, const export_facts *facts)
{
    json_writer json;
    put(out, TOTALS_KEY);
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    for (size_t i = 0; i < EXPORT_TOTALS; i++)
        json_write_member_u64(&json, TOTALS[i], facts->totals[i]);
    json_write_object_end(&json);
    end_value(&json);
}

static void set_totals(const export_manifest_day *day, export_facts *facts)
{
    const player_totals *played = &day->report->totals;
    uint64_t *totals = facts->totals;
    for (size_t i = 0; i < day->writers->count; i++) {
        const export_writer *writer = day->writers->items[i];
        totals[TOTAL_ROWS] += writer->counts.rows;
        totals[TOTAL_LEFT_OUT_FRAMES] += writer->counts.left_out_frames;
        facts->files += writer->files.count;
    }
    totals[TOTAL_FRAMES] = played->frames;
    totals[TOTAL_DECODED] = played->decoded;
    totals[TOTAL_UNDECODED] = played->undecoded;
    totals[TOTAL_CONTROL] = played->control;
    totals[TOTAL_OUT] = played->out;
    totals[TOTAL_HTTP] = played->http;
    totals[TOTAL_COPIES] = played->copies;
    totals[TOTAL_VIOLATIONS] = played->violations;
    totals[TOTAL_DAMAGED_CHUNKS] = day->report->tape.damaged_chunks;
    totals[TOTAL_SEGMENTS_UNREADABLE] = day->report->tape.segments_unreadable;
    totals[TOTAL_CLOCK_OFFSET_NS] = (uint64_t)*day->writers->template.clock_offset_ns;
}

static const char *const VERDICTS[] = {[REPLAY_COMPLETE] = "complete",
                                       [REPLAY_INCOMPLETE] = "incomplete",
                                       [REPLAY_DAMAGED] = "damaged"};

const char *export_verdict_name(replay_verdict found)
{
    return VERDICTS[found];
}

/* Writes the digests of the day's input. Equal digests prove that two days had equal input, even
 * from different archives. */
static void write_digests(td_buf *out, const replay_report *report)
{
    json_writer json;
    put(out, ",\"digest\":");
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    for (size_t i = 0; i < DIGEST_PARTS; i++)
        json_write_member_text(&json, digest_part_name((digest_part)i), report->digests[i]);
    json_write_object_end(&json);
    end_value(&json);
}

/* Adds the selected topics that were asked for on the day and sent no frame. */
static void add_silent(line_list *to, td_buf *text, const silent_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        json_writer json;
        begin_line(text, &json);
        silent_json_members(&json, &list->rows[i]);
        end_line(to, text, &json);
    }
}

/* Adds the parts of the day that the archive lacks, and that no gap reports. */
static void add_absent(line_list *to, td_buf *text, const absence_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        json_writer json;
        begin_line(text, &json);
        absence_json_members(&json, &list->rows[i]);
        end_line(to, text, &json);
    }
}

/* Writes the formats that were left out, if any. */
static void write_left_out_formats(td_buf *out, const export_manifest_day *day)
{
    json_writer json;
    if (day->left_out_formats == 0)
        return;
    put(out, "\"left_out_formats\":");
    json_write_begin(&json, out);
    json_write_array_begin(&json);
    for (size_t i = 0; i < day->spec->format_count; i++)
        if ((day->left_out_formats & 1U << i) != 0)
            json_write_text(&json, day->spec->formats[i]->name);
    json_write_array_end(&json);
    end_value(&json);
    put(out, ",");
}

void export_manifest_add_day(td_buf *out, const export_manifest_day *day, export_facts *facts)
{
    line_list lines = {0};
    td_buf line;
    td_buf_init(&line, SIZE_MAX);
    if (day->shares_files)
        put(out, SHARES_FILES);
    for (size_t i = 0; i < day->found->count; i++)
        add_gap(&lines, &line, &day->found->rows[i]);
    write_sorted(out, FOUND_KEY, &lines);
    add_files(&lines, &line, day);
    write_sorted(out, FILES_KEY, &lines);
    add_left_out(&lines, &line, day->left_out, day->left_out_count);
    write_sorted(out, LEFT_OUT_KEY, &lines);
    add_left_out_topics(&lines, &line, day->left_out_topics);
    write_sorted(out, "\"left_out_topics\":[", &lines);
    write_left_out_formats(out, day);
    add_silent(&lines, &line, &day->report->silent);
    write_lines(out, "\"silent\":[", &lines);
    add_absent(&lines, &line, &day->report->absences);
    write_lines(out, "\"absent\":[", &lines);
    set_totals(day, facts);
    write_totals(out, facts);
    put(out, VERDICT_KEY);
    put(out, VERDICTS[facts->verdict]);
    put(out, "\"");
    write_digests(out, day->report);
    put(out, ",\"tapedeck\":\"" TAPEDECK_VERSION "\"}\n");
    td_buf_fini(&line);
}

void export_manifest_add_unit(td_buf *out, const export_unit *unit)
{
    char name[EXPORT_UNIT_NAME_BYTES];
    export_unit_format(unit, name);
    put(out, "\"unit\":\"");
    put(out, name);
    put(out, "\",");
}

/* ---- reading ---- */

enum { DOCUMENT_BYTES_MAX = 1 << 30 };

static td_result read_facts(json_value root, export_facts *out, td_err *err)
{
    json_value totals;
    td_bytes word;
    *out = (export_facts){.verdict = REPLAY_DAMAGED};
    if (!json_find(root, "totals", &totals) || !json_find_text(root, "verdict", &word))
        return td_err_set(err, TD_E_INVALID, "'totals' or 'verdict' is missing");
    for (size_t i = 0; i < EXPORT_TOTALS; i++)
        if (!json_find_u64(totals, TOTALS[i], &out->totals[i]))
            return td_err_set(err, TD_E_INVALID, "members of 'totals' are missing");
    for (size_t i = 0; i < sizeof VERDICTS / sizeof VERDICTS[0]; i++)
        if (td_bytes_is(word, VERDICTS[i]))
            out->verdict = (replay_verdict)i;
    json_value names, name;
    size_t used = 0;
    json_iter it =
        json_find(root, "left_out_formats", &names) ? json_iter_of(names) : (json_iter){0};
    while (used < sizeof out->left_out_formats && json_next(&it, NULL, &name) &&
           json_text(name, &word))
        used += (size_t)snprintf(out->left_out_formats + used, sizeof out->left_out_formats - used,
                                 "%s%.*s", used == 0 ? "" : ", ", (int)word.size,
                                 (const char *)word.data);
    return TD_OK;
}

/* Parses the text in *out. */
static td_result parse(export_document *out, td_err *err)
{
    json_value file;
    char name[LIMIT_PATH_BYTES];
    out->parser = json_parser_open(out->size + 1);
    td_result rc =
        json_parse(out->parser, td_bytes_of(out->text, out->size), JSON_COPIED, &out->root, err);
    if (rc == TD_OK)
        rc = read_facts(out->root, &out->facts, err);
    if (rc != TD_OK) {
        export_document_close(out);
        return TD_E_INVALID;
    }
    for (json_iter it = export_document_files(out); export_next_file(&it, name, &file);)
        out->facts.files++;
    return TD_OK;
}

td_result export_document_parse(td_bytes text, export_document *out, td_err *err)
{
    out->text = (uint8_t *)td_strndup((const char *)text.data, text.size);
    out->size = text.size;
    return parse(out, err);
}

td_result export_document_open(td_io io, const char *path, export_document *out, td_err *err)
{
    td_result rc = td_io_read_file(io, path, DOCUMENT_BYTES_MAX, &out->text, &out->size, err);
    if (rc == TD_OK && parse(out, err) != TD_OK)
        rc = td_err_add(err, TD_E_INVALID, "'%s' is malformed", path);
    return rc;
}

void export_document_close(export_document *document)
{
    json_parser_close(document->parser);
    td_free(document->text);
    *document = (export_document){0};
}

int export_document_begins(const export_document *document, td_bytes text)
{
    return document->size >= text.size && memcmp(document->text, text.data, text.size) == 0;
}

/* ---- joining units ---- */

/* A document's text from one key to another, which is not included. Empty if a key is missing. */
static td_bytes text_between(const export_document *of, const char *key, const char *end_key)
{
    const uint8_t *from = memmem(of->text, of->size, key, strlen(key));
    const size_t rest = from == NULL ? 0 : of->size - (size_t)(from - of->text);
    const uint8_t *end = from == NULL ? NULL : memmem(from, rest, end_key, strlen(end_key));
    return end == NULL ? td_bytes_of(NULL, 0) : td_bytes_of(from, (size_t)(end - from));
}

/* Adds the lines of a unit's list of files. */
static void add_file_lines(line_list *to, td_bytes list)
{
    const uint8_t *end = list.data + list.size;
    const uint8_t *at = list.size == 0 ? NULL : memchr(list.data, '\n', list.size);
    while (at != NULL) {
        const uint8_t *next = memchr(at + 1, '\n', (size_t)(end - at - 1));
        const size_t size = (size_t)((next == NULL ? end : next) - at);
        const size_t ending = next == NULL ? 2 : 1; /* "]," or "," */
        to->items = td_array_grow(to->items, to->count, sizeof(char *));
        to->items[to->count++] = td_strndup((const char *)at + 1, size - 1 - ending);
        at = next;
    }
}

/* 1 if two sorted lines are of a file with one name. */
static int have_same_file(const line_list *lines)
{
    static const char NAMED[] = "{\"name\":\"";
    for (size_t i = 1; i < lines->count; i++) {
        const char *end = strstr(lines->items[i], "\",\"format\":");
        if (end != NULL && strncmp(lines->items[i], NAMED, sizeof NAMED - 1) == 0 &&
            strncmp(lines->items[i], lines->items[i - 1], (size_t)(end - lines->items[i]) + 2) == 0)
            return 1;
    }
    return 0;
}

int export_manifest_join(td_buf *out, const export_document *units, size_t count)
{
    line_list lines = {0};
    export_facts sum = units[0].facts;
    const td_bytes found = text_between(&units[0], FOUND_KEY, FILES_KEY);
    const td_bytes left_out = text_between(&units[0], LEFT_OUT_KEY, TOTALS_KEY);
    const td_bytes ending = text_between(&units[0], VERDICT_KEY, "\n");
    int is_exact = found.size > 0 && left_out.size > 0 && ending.size > 0;
    for (size_t i = 0; i < count; i++) {
        const export_document *unit = &units[i];
        const td_bytes files = text_between(unit, FILES_KEY, LEFT_OUT_KEY);
        is_exact = is_exact && files.size > 0 && unit->facts.verdict != REPLAY_DAMAGED &&
                   unit->facts.left_out_formats[0] == '\0' &&
                   text_between(unit, SHARES_FILES, FOUND_KEY).size == 0;
        add_file_lines(&lines, files);
        if (i == 0)
            continue;
        sum.totals[TOTAL_ROWS] += unit->facts.totals[TOTAL_ROWS];
        sum.totals[TOTAL_LEFT_OUT_FRAMES] += unit->facts.totals[TOTAL_LEFT_OUT_FRAMES];
    }
    if (lines.count > 0)
        qsort(lines.items, lines.count, sizeof(char *), compare_lines);
    is_exact = is_exact && lines.count <= LIMIT_EXPORT_SERIES && !have_same_file(&lines);
    td_buf_add(out, found.data, found.size);
    write_lines(out, FILES_KEY, &lines);
    td_buf_add(out, left_out.data, left_out.size);
    write_totals(out, &sum);
    td_buf_add(out, ending.data, ending.size);
    put(out, "\n");
    return is_exact;
}

/* 1 if the list has the segment. Names are compared without ".open": a segment that was being
 * written when the manifest was made may have lost this suffix since. */
static int has_segment(json_value segments, const char *name)
{
    td_bytes wanted = segment_final_name(name);
    json_value segment;
    td_bytes listed;
    for (json_iter it = json_iter_of(segments); json_next(&it, NULL, &segment);)
        if (json_find_text(segment, "name", &listed) && listed.size >= wanted.size &&
            td_bytes_equal(td_bytes_of(listed.data, wanted.size), wanted))
            return 1;
    return 0;
}

int export_document_has_other_segments(const export_document *document,
                                       const export_manifest_head *head)
{
    json_value root, now, then, segment;
    td_bytes listed;
    char name[LIMIT_PATH_BYTES];
    int has_more = 0;
    td_buf text;
    td_buf_init(&text, SIZE_MAX);
    td_buf_add(&text, head->text.data, head->text.size);
    put(&text, "\"end\":0}");
    json_parser *parser = json_parser_open(text.size + 1);
    if (json_parse(parser, td_buf_view(&text), JSON_COPIED, &root, NULL) == TD_OK &&
        json_find(root, "segments", &now) && json_find(document->root, "segments", &then))
        for (json_iter it = json_iter_of(then); !has_more && json_next(&it, NULL, &segment);) {
            name[0] = '\0';
            if (json_find_text(segment, "name", &listed))
                (void)snprintf(name, sizeof name, "%.*s", (int)listed.size,
                               (const char *)listed.data);
            has_more = !has_segment(now, name);
        }
    json_parser_close(parser);
    td_buf_fini(&text);
    return has_more;
}

json_iter export_document_files(const export_document *document)
{
    json_value files;
    return document->text != NULL && json_find(document->root, "files", &files)
               ? json_iter_of(files)
               : (json_iter){0};
}

int export_next_file(json_iter *files, char name[LIMIT_PATH_BYTES], json_value *file)
{
    td_bytes text;
    while (json_next(files, NULL, file)) {
        if (!json_find_text(*file, "name", &text))
            continue;
        (void)snprintf(name, LIMIT_PATH_BYTES, "%.*s", (int)text.size, (const char *)text.data);
        return 1;
    }
    return 0;
}

int export_file_precision(json_value file, export_precision *out)
{
    td_bytes text;
    uint64_t price = 0;
    uint64_t size = 0;
    if (!json_find_text(file, "instrument", &text) || text.size >= sizeof out->instrument ||
        !json_find_u64(file, "price_precision", &price) ||
        !json_find_u64(file, "size_precision", &size) || price > UINT8_MAX || size > UINT8_MAX)
        return 0;
    *out = (export_precision){.price = (unsigned)price, .size = (unsigned)size};
    memcpy(out->instrument, text.data, text.size);
    return 1;
}

int export_document_has_files(const export_document *document, const export_folder *folder)
{
    json_value file;
    char name[LIMIT_PATH_BYTES];
    td_err ignored;
    for (json_iter it = export_document_files(document); export_next_file(&it, name, &file);) {
        uint64_t bytes = 0;
        uint64_t size = 0;
        (void)json_find_u64(file, "bytes", &bytes);
        if (export_folder_size(folder, name, EXPORT_PARTIAL, &size, &ignored) != TD_OK &&
            export_folder_size(folder, name, "", &size, &ignored) != TD_OK)
            return 0;
        if (size != bytes)
            return 0;
    }
    return 1;
}
