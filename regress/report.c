#include "regress/report.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/version.h"
#include "regress/json_diff.h"

enum { FRAME_TEXT_BYTES = 320 }; /* how much of a frame the text shows; JSON has all of it */

static const struct {
    const char *name, *text;
} KINDS[] = {
    [DIFFERENCE_DECODE] = {"decode", "decoded differently"},
    [DIFFERENCE_BOOK] = {"book", "the book after it differs"},
    [DIFFERENCE_NEWLY_FAILING] = {"newly_failing", "newly failing"},
    [DIFFERENCE_NEWLY_DECODING] = {"newly_decoding", "newly decoding"},
    [DIFFERENCE_REASON] = {"reason", "not decoded for another reason"},
    [DIFFERENCE_UNSTABLE] = {"unstable", "decoded differently by a second call"},
    [DIFFERENCE_MISSING] = {"missing", "missing in the archive"},
    [DIFFERENCE_NEW] = {"new", "missing in the baseline"},
};

const char *regress_kind_text(difference_kind kind)
{
    return KINDS[kind].text;
}

static int is_over_limit(const user_decoder *used)
{
    decoder_usage usage;
    return user_decoder_usage(used, &usage) && (usage.is_over_cpu || usage.is_over_memory);
}

int regress_report_differs(const regress_report *report)
{
    return is_over_limit(report->was_decoder) || is_over_limit(report->is_decoder) ||
           regress_differing(&report->found.totals) > 0 ||
           user_decoder_failures(report->is_decoder) > 0 ||
           user_decoder_failures(report->was_decoder) > 0;
}

/* ---- counts ---- */

static void describe_counts(result_writer *r, const regress_counts *counts)
{
    result_count(r, "compared", counts->compared);
    result_count(r, "same", counts->same);
    result_count(r, "different", counts->compared - counts->same);
    for (int kind = 0; kind < DIFFERENCE_MISSING; kind++)
        result_count(r, KINDS[kind].name, counts->by_kind[kind]);
    result_count(r, "consequences", counts->consequences);
    result_count(r, "missing", counts->by_kind[DIFFERENCE_MISSING]);
    result_count(r, "new", counts->by_kind[DIFFERENCE_NEW]);
    result_count(r, "outside", counts->outside);
}

static const table_column TOPIC_COLUMNS[] = {
    {"FEED", TABLE_LEFT, "{feed}"},
    {"TOPIC", TABLE_LEFT, "{topic}"},
    {"COMPARED", TABLE_RIGHT, "{compared}"},
    {"SAME", TABLE_RIGHT, "{same}"},
    {"DIFFERENT", TABLE_RIGHT, "{different}"},
    {"FAILING", TABLE_RIGHT, "{newly_failing}"},
    {"MISSING", TABLE_RIGHT, "{missing}"},
    {"NEW", TABLE_RIGHT, "{new}"},
};

static const char *topic_name(const baseline_stream *names)
{
    return names->topic[0] == '\0' ? "(unknown)" : names->topic;
}

/* Adds up the streams of each topic, which are adjacent in the list. */
static void describe_topics(result_writer *r, const regress_comparison *found)
{
    result_table_begin(r, "topics", TOPIC_COLUMNS, sizeof TOPIC_COLUMNS / sizeof *TOPIC_COLUMNS);
    for (size_t i = 0; i < found->stream_count;) {
        const baseline_stream *names = &found->streams[i]->names;
        regress_counts sum = {0};
        size_t first = i;
        for (; i < found->stream_count; i++) {
            const baseline_stream *other = &found->streams[i]->names;
            if (strcmp(other->feed, names->feed) != 0 || strcmp(other->topic, names->topic) != 0)
                break;
            regress_counts_add(&sum, &found->streams[i]->counts);
        }
        result_object_begin(r, NULL);
        result_text(r, "feed", names->feed);
        result_text(r, "topic", topic_name(names));
        result_count(r, "streams", i - first);
        describe_counts(r, &sum);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

/* ---- a difference ---- */

static void describe_frame(result_writer *r, const regress_difference *first)
{
    int is_cut = first->frame_bytes > FRAME_TEXT_BYTES;
    const td_bytes bytes = td_bytes_of((const uint8_t *)first->frame, first->frame_bytes);
    if (first->frame == NULL)
        result_null(r, "frame");
    else if (result_json(r) != NULL)
        json_write_member_text_or_hex(result_json(r), "frame", "frame_hex", bytes);
    else
        result_note(r, "frame", "%.*s%s", is_cut ? FRAME_TEXT_BYTES : (int)bytes.size, first->frame,
                    is_cut ? "..." : "");
}

static void write_text(json_writer *json, const char *name, const char *text)
{
    json_write_key(json, name);
    if (text == NULL)
        json_write_null(json);
    else
        json_write_raw(json, td_bytes_str(text));
}

/* Adds the two decodes and books: as values in JSON; in text the difference of the decodes, or of
 * the books if only these differ. */
static void describe_decodes(result_writer *r, const regress_report *report)
{
    const regress_difference *first = &report->found.first->first;
    json_writer *json = result_json(r);
    if (json != NULL) {
        write_text(json, "decode_was", first->decode_was);
        write_text(json, "decode_is", first->decode_is);
        write_text(json, "book_was", report->book_was);
        write_text(json, "book_is", report->book_is);
        return;
    }
    const int has_books = report->book_was != NULL && report->book_is != NULL;
    result_list_begin(r, "diff");
    int has_more = first->kind == DIFFERENCE_BOOK && has_books
                       ? json_diff_describe(r, report->book_was, report->book_is)
                       : json_diff_describe(r, first->decode_was, first->decode_is);
    result_list_end(r);
    result_note(r, "diff_more", "%s", has_more ? "..." : "");
}

static void describe_place(result_writer *r, const regress_difference *first)
{
    if (!first->has_frame) {
        static const char *const UNKNOWN[] = {"ordinal", "recv_ns", "session",
                                              "line",    "shard",   "connection"};
        for (size_t i = 0; i < sizeof UNKNOWN / sizeof *UNKNOWN; i++)
            result_null(r, UNKNOWN[i]);
        return;
    }
    result_number(r, "ordinal", first->ordinal);
    result_instant(r, "recv_ns", first->recv_ns);
    result_text(r, "session", first->session_id);
    result_number(r, "line", first->line);
    result_number(r, "shard", first->shard);
    result_number(r, "connection", first->conn);
    result_filled(r, "slot",
                  first->line == 0 && first->shard == 0
                      ? "connection {connection}"
                      : "line {line}, shard {shard}, connection {connection}");
}

/* Describes the first difference. */
static void describe_first(result_writer *r, const regress_report *report)
{
    const regress_stream *of = report->found.first;
    const regress_difference *first = &of->first;
    const baseline_stream *names = &of->names;
    result_text(r, "feed", names->feed);
    result_name(r, "topic", names->topic);
    result_name(r, "symbol", names->symbol);
    result_name(r, "exchange_topic", names->exchange_topic);
    result_text(r, "kind", KINDS[first->kind].name);
    result_number(r, "index_was", first->was_index);
    result_number(r, "index_is", first->is_index);
    describe_place(r, first);
    result_time_or_null(r, "from_ns", first->first_ns);
    result_time_or_null(r, "to_ns", first->last_ns);
    describe_frame(r, first);
    describe_decodes(r, report);
    result_note(r, "kind_text", "%s", regress_kind_text(first->kind));
    result_note(r, "topic_text", "%s", topic_name(names));
    result_note(r, "before", "%s",
                first->kind == DIFFERENCE_MISSING && first->has_frame ? "before " : "");
    result_note(r, "unknown", "%s",
                first->decode_was == NULL && first->decode_is != NULL
                    ? "(a baseline has hashes only; to see the decode before, run 'tapedeck "
                      "regress check' with the decoder that it was saved with, and without it)"
                    : "");
}

static const char FIRST_PATTERN[] =
    "\nfirst difference: {feed} {topic_text}[ {symbol}]: {kind_text}\n"
    "[{recv_ns?}  {before}frame {index_is} of its stream, {recv_ns}, session {session}, "
    "{slot}, frame {ordinal} of it\n]"
    "[{from_ns?}  received between {from_ns} and {to_ns}\n]"
    "[  bytes: {frame}\n]"
    "[{diff}][  {diff_more}\n]"
    "[  {unknown}\n]";

static void describe_streams(result_writer *r, const regress_comparison *found)
{
    if (result_json(r) == NULL)
        return;
    result_list_begin(r, "streams");
    for (size_t i = 0; i < found->stream_count; i++) {
        const regress_stream *of = found->streams[i];
        result_object_begin(r, NULL);
        result_text(r, "feed", of->names.feed);
        result_name(r, "topic", of->names.topic);
        result_name(r, "symbol", of->names.symbol);
        result_name(r, "exchange_topic", of->names.exchange_topic);
        describe_counts(r, &of->counts);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

/* ---- the document ---- */

static void describe_side(result_writer *r, const char *name, const char *decoder_name,
                          const char *version)
{
    result_object_begin(r, name);
    result_text(r, "decoder", decoder_name);
    result_text(r, "version", version);
    result_object_end(r, "{decoder} (tapedeck {version})");
}

void regress_report_describe(const regress_report *report, result_writer *r)
{
    const regress_comparison *found = &report->found;
    int is_same = regress_differing(&found->totals) == 0;
    result_object_begin(r, NULL);
    result_text(r, "verdict", is_same ? "same" : "different");
    result_text(r, "baseline", report->baseline);
    result_text(r, "archive", report->archive);
    result_bool(r, "damaged", report->was->is_damaged || report->totals.is_damaged);
    describe_side(r, "was", report->was->decoder, report->was->version);
    describe_side(r, "is", user_decoder_name(report->is_decoder), TAPEDECK_VERSION);
    result_object_begin(r, "totals");
    describe_counts(r, &found->totals);
    result_count(r, "masked", report->totals.masked);
    result_object_end(r, "{compared frame} compared, {same} the same[, {different} different]"
                         "[; {masked} differ in members that are not compared]"
                         "[ ({newly_failing} newly failing)][ ({newly_decoding} newly decoding)]"
                         "[ ({unstable} unstable)][ ({consequences} as a consequence of others)]"
                         "[, {missing} missing][, {new} new]"
                         "[; {outside} of the baseline are outside the compared part]");
    describe_topics(r, found);
    if (found->first == NULL) {
        result_null(r, "first_difference");
    } else {
        result_object_begin(r, "first_difference");
        describe_first(r, report);
        result_object_end(r, FIRST_PATTERN);
    }
    describe_streams(r, found);
    user_decoder_describe(report->was_decoder, "decoder_was", r);
    user_decoder_describe(report->is_decoder, "decoder_is", r);
    result_styled(r, "styled", is_same ? TERMINAL_GOOD : TERMINAL_BAD,
                  is_same ? "the same" : "DIFFERENT");
    result_object_end(r, "before: {was}[, {baseline}]\nnow: {is}\narchive: {archive}\n"
                         "\n{topics}{first_difference}[{decoder_was}][{decoder_is}]"
                         "[{damaged?}\nstored frames are damaged: 'tapedeck verify' reports "
                         "where\n]"
                         "\n{styled}: {totals}\n");
}
