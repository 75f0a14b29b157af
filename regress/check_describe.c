#include "regress/check_describe.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/escape.h"
#include "base/time_text.h"
#include "cli/units.h"

enum {
    DETAILS_MAX = 10,     /* topics whose first difference is shown in detail as text */
    VALUE_COLUMNS = 36,   /* of a value beside another one, where there is no terminal */
    FRAME_COLUMNS = 2000, /* of a frame's bytes, likewise */
    MARGIN = 4,
};

/* ---- counts ---- */

static void describe_counts(result_writer *r, const comparison_stream *of)
{
    result_count(r, "compared", of->compared);
    result_count(r, "same", of->same);
    result_count(r, "different", comparison_differing(of));
    for (int kind = 0; kind < DIFFERENCE_KINDS; kind++)
        result_count(r, difference_kind_name((difference_kind)kind), of->by_kind[kind]);
    result_count(r, "consequences", of->consequences);
    result_count(r, "missing", of->missing);
    result_count(r, "new", of->added);
    result_count(r, "outside", of->outside);
}

static void describe_unpaired(result_writer *r, const char *name, uint64_t count,
                              const unpaired_frame *first)
{
    if (count == 0) {
        result_null(r, name);
        return;
    }
    result_object_begin(r, name);
    result_number(r, "index", first->index);
    result_instant(r, "from_ns", first->from_ns);
    result_instant(r, "to_ns", first->to_ns);
    result_object_end(r, NULL);
}

static void describe_names(result_writer *r, const comparison_stream *stream)
{
    const baseline_stream *names = check_stream_names(stream);
    result_text(r, "feed", names->feed);
    result_name(r, "topic", names->topic);
    result_name(r, "symbol", names->symbol);
    result_name(r, "exchange_topic", names->exchange_topic);
}

/* For programs: each stream. */
static void describe_streams(result_writer *r, const comparison *c)
{
    result_list_begin(r, "streams");
    for (size_t i = 0; result_json(r) != NULL && i < c->stream_count; i++) {
        const comparison_stream *stream = &c->streams[i];
        result_object_begin(r, NULL);
        describe_names(r, stream);
        describe_counts(r, stream);
        describe_unpaired(r, "first_missing", stream->missing, &stream->first_missing);
        describe_unpaired(r, "first_new", stream->added, &stream->first_added);
        result_object_end(r, NULL);
    }
    result_list_end(r);
}

/* A topic: the streams of all its symbols. */
typedef struct topic_sum {
    const char *feed, *topic;
    comparison_stream sum;
    uint64_t symbols;
} topic_sum;

/* Streams are in the order of feed and topic, but for those of a topic that came or went. */
static topic_sum *find_topic(topic_sum *rows, size_t count, const char *feed, const char *topic)
{
    for (size_t i = count; i-- > 0;)
        if (strcmp(rows[i].topic, topic) == 0 && strcmp(rows[i].feed, feed) == 0)
            return &rows[i];
    return NULL;
}

static td_result list_topics(const comparison *c, topic_sum **out, size_t *count, td_err *err)
{
    topic_sum *rows = NULL;
    *count = 0;
    for (size_t i = 0; i < c->stream_count; i++) {
        const baseline_stream *names = check_stream_names(&c->streams[i]);
        const char *topic = names->topic[0] == '\0' ? "(unknown)" : names->topic;
        topic_sum *row = find_topic(rows, *count, names->feed, topic);
        if (row == NULL) {
            topic_sum *grown = td_array_grow(rows, *count, sizeof *rows);
            if (grown == NULL) {
                td_free(rows);
                return td_err_set(err, TD_E_NOMEM, "no memory for the report");
            }
            rows = grown;
            row = &rows[(*count)++];
            *row = (topic_sum){.feed = names->feed, .topic = topic};
        }
        comparison_add(&row->sum, &c->streams[i]);
        row->symbols++;
    }
    *out = rows;
    return TD_OK;
}

static const table_column TOPIC_COLUMNS[] = {
    {"FEED", TABLE_LEFT, "{feed}"},
    {"TOPIC", TABLE_LEFT, "{topic}"},
    {"COMPARED", TABLE_RIGHT, "{compared}"},
    {"SAME", TABLE_RIGHT, "{same}"},
    {"DIFFERENT", TABLE_RIGHT, "{different}"},
    {"FAILING", TABLE_RIGHT, "{newly_failing}"},
    {"DECODING", TABLE_RIGHT, "{newly_decoding}"},
    {"MISSING", TABLE_RIGHT, "{missing}"},
    {"NEW", TABLE_RIGHT, "{new}"},
};

static td_result describe_topics(result_writer *r, const comparison *c, td_err *err)
{
    topic_sum *rows = NULL;
    size_t count = 0;
    td_result rc = list_topics(c, &rows, &count, err);
    if (rc != TD_OK)
        return rc;
    result_table_begin(r, "topics", TOPIC_COLUMNS, sizeof TOPIC_COLUMNS / sizeof *TOPIC_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        result_object_begin(r, NULL);
        result_text(r, "feed", rows[i].feed);
        result_text(r, "topic", rows[i].topic);
        result_count(r, "streams", rows[i].symbols);
        describe_counts(r, &rows[i].sum);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    td_free(rows);
    return TD_OK;
}

/* ---- fields ---- */

static const table_column PATH_COLUMNS[] = {
    {"TOPIC", TABLE_LEFT, "{topic}"},
    {"FIELD", TABLE_LEFT, "{path}"},
    {"FRAMES", TABLE_RIGHT, "{frames}"},
};

static td_result describe_paths(result_writer *r, const check_result *result, td_err *err)
{
    const field_count *rows;
    size_t count;
    td_result rc = field_counts_rows(result->fields, &rows, &count, err);
    if (rc != TD_OK)
        return rc;
    result_count(r, "paths_frames", result->fields_frames);
    result_count(r, "paths_left_out", field_counts_left_out(result->fields));
    result_note(r, "fields_note", "Fields that differ, of %s compared field by field:\n",
                format_counted(result->fields_frames, "differing frame").text);
    result_table_begin(r, "paths", PATH_COLUMNS, sizeof PATH_COLUMNS / sizeof *PATH_COLUMNS);
    for (size_t i = 0; i < count; i++) {
        result_object_begin(r, NULL);
        result_text(r, "topic", rows[i].topic);
        result_text(r, "path", rows[i].pattern);
        result_count(r, "frames", rows[i].frames);
        result_object_end(r, NULL);
    }
    result_list_end(r);
    return TD_OK;
}

/* ---- a frame that differs ---- */

static const char *const KIND_TEXTS[DIFFERENCE_KINDS] = {
    [DIFFERENCE_DECODE] = "decoded differently",
    [DIFFERENCE_BOOK] = "the book after it differs",
    [DIFFERENCE_NEWLY_FAILING] = "newly failing",
    [DIFFERENCE_NEWLY_DECODING] = "newly decoding",
    [DIFFERENCE_REASON] = "not decoded for another reason",
};

/* Text for one line of so many columns: escaped, cut with "...". */
static void shorten(td_bytes text, size_t columns, char *out, size_t out_bytes)
{
    size_t bytes = columns + 1 < out_bytes ? columns + 1 : out_bytes;
    if (td_escape(text, out, bytes) || bytes <= sizeof "...")
        return;
    (void)td_escape(text, out, bytes - 3); /* cut on purpose */
    (void)snprintf(out + strlen(out), 4, "...");
}

/* JSON text as a value of the document; empty: null. */
static void write_json(json_writer *json, const char *name, td_bytes text)
{
    json_write_key(json, name);
    if (text.size == 0)
        json_write_null(json);
    else
        json_write_raw(json, text);
}

/* The frame's bytes, or the beginning of them as text. */
static void describe_bytes(result_writer *r, td_bytes bytes, size_t columns)
{
    char text[FRAME_COLUMNS + 4];
    if (result_json(r) != NULL) {
        json_write_member_text_or_hex(result_json(r), "frame", "frame_hex", bytes);
        return;
    }
    shorten(bytes, columns == 0 ? FRAME_COLUMNS : 4 * columns, text, sizeof text);
    result_note(r, "frame", "%s", text);
}

static void describe_place(result_writer *r, const shown_difference *shown)
{
    const explained_frame *frame = shown->frame;
    result_number(r, "index", shown->what->is_index);
    if (frame == NULL) {
        static const char *const UNKNOWN[] = {"ordinal", "seq",   "recv_ns",   "session",
                                              "line",    "shard", "connection"};
        for (size_t i = 0; i < sizeof UNKNOWN / sizeof *UNKNOWN; i++)
            result_null(r, UNKNOWN[i]);
        return;
    }
    result_number(r, "ordinal", frame->ordinal);
    if (frame->has_seq)
        result_signed(r, "seq", frame->seq);
    else
        result_null(r, "seq");
    result_instant(r, "recv_ns", frame->recv_ns);
    result_text(r, "session", frame->session_id);
    result_number(r, "line", frame->line);
    result_number(r, "shard", frame->shard);
    result_number(r, "connection", frame->conn);
}

/* Widths of the columns in which a frame's fields stand beside each other. */
typedef struct side_widths {
    size_t path, value;
} side_widths;

static side_widths measure(const shown_difference *shown, size_t columns)
{
    side_widths widths = {0, 0};
    for (size_t i = 0; i < shown->row_count; i++) {
        const side_row *row = &shown->rows[i];
        size_t value = row->was == NULL ? 1 : strlen(row->was);
        if (strlen(row->path) > widths.path)
            widths.path = strlen(row->path);
        if (value > widths.value)
            widths.value = value;
    }
    size_t value_max = VALUE_COLUMNS;
    if (columns != 0)
        value_max =
            columns > widths.path + MARGIN + 24 ? (columns - widths.path - MARGIN - 2) / 2 : 12;
    if (widths.value > value_max)
        widths.value = value_max;
    if (widths.value < sizeof "before" - 1)
        widths.value = sizeof "before" - 1;
    return widths;
}

/* One line: "  path  before  now", those that differ in colours and marked. */
static void describe_row(result_writer *r, const side_row *row, side_widths widths, size_t columns)
{
    char was[FRAME_COLUMNS + 4];
    char is[FRAME_COLUMNS + 4];
    json_writer *json = result_json(r);
    if (json != NULL) {
        json_write_object_begin(json);
        json_write_member_text(json, "path", row->path);
        json_write_member_text(json, "change",
                               row->was == NULL  ? "added"
                               : row->is == NULL ? "gone"
                                                 : "changed");
        write_json(json, "was", td_bytes_str(row->was));
        write_json(json, "is", td_bytes_str(row->is));
        json_write_object_end(json);
        return;
    }
    size_t is_columns = columns == 0 ? FRAME_COLUMNS : widths.value;
    shorten(td_bytes_str(row->was == NULL ? "-" : row->was), widths.value, was, sizeof was);
    shorten(td_bytes_str(row->is == NULL ? "-" : row->is), is_columns, is, sizeof is);
    size_t was_width = strlen(was) < widths.value ? strlen(was) : widths.value;
    result_object_begin(r, NULL);
    result_note(r, "path", "%c %s%*s", row->is_different ? '>' : ' ', row->path,
                (int)(widths.path - strlen(row->path)), "");
    result_note(r, "pad", "%*s", (int)(widths.value - was_width), "");
    if (row->is_different) {
        result_styled(r, "was", TERMINAL_BAD, was);
        result_styled(r, "is", TERMINAL_GOOD, is);
    } else {
        result_note(r, "was", "%s", was);
        result_note(r, "is", "%s", is);
    }
    result_object_end(r, "  {path}  {was}{pad}  {is}\n");
}

/* Programs get what differs, people its neighbours, too. */
static void describe_rows(result_writer *r, const shown_difference *shown, size_t columns)
{
    side_widths widths = measure(shown, columns);
    if (shown->row_count > 0)
        result_note(r, "head", "    %*s  %-*s  now\n", (int)widths.path, "", (int)widths.value,
                    "before");
    else
        result_note(r, "head", "%s", "");
    result_list_begin(r, "fields");
    for (size_t i = 0; i < shown->row_count; i++)
        if (result_json(r) == NULL || shown->rows[i].is_different)
            describe_row(r, &shown->rows[i], widths, columns);
    result_list_end(r);
    result_count(r, "fields_left_out", shown->rows_left_out);
}

/* A decode as a whole: JSON in the document; a line of text where there is no other to compare it
 * with. */
static void describe_decode(result_writer *r, const char *name, td_bytes decode, int is_alone,
                            size_t columns)
{
    char text[FRAME_COLUMNS + 4] = "";
    if (result_json(r) != NULL) {
        write_json(result_json(r), name, decode);
        return;
    }
    if (is_alone)
        shorten(decode, columns == 0 ? FRAME_COLUMNS : 4 * columns, text, sizeof text);
    result_note(r, name, "%s", text);
}

/* Best levels: lines of text, indented. */
static void describe_book(result_writer *r, const char *name, td_bytes book)
{
    json_writer *json = result_json(r);
    if (json != NULL) {
        json_write_key(json, name);
        if (book.size == 0)
            json_write_null(json);
        else
            json_write_bytes(json, book);
        return;
    }
    result_list_begin(r, name);
    while (book.size > 0) {
        const uint8_t *end = memchr(book.data, '\n', book.size);
        size_t size = end == NULL ? book.size : (size_t)(end - book.data);
        result_object_begin(r, NULL);
        result_note(r, "level", "%.*s", (int)size, (const char *)book.data);
        result_object_end(r, "    {level}\n");
        size += end != NULL;
        book = td_bytes_of(book.data + size, book.size - size);
    }
    result_list_end(r);
}

static const char DETAIL_PATTERN[] =
    "\n{head_line}\n"
    "  frame {index} of its stream[, {recv_ns}, session {session}, connection {connection}, "
    "frame {ordinal} of it][, seq {seq}]\n"
    "[{head}{fields}][    and {fields_left_out more field}\n]"
    "[  before: {decode_was}\n][  now: {decode_is}\n]"
    "[  book before, after the frame:\n{book_was}][  book now, after the frame:\n{book_is}]"
    "[  bytes: {frame}\n]";

/* The members of a frame that differs; has_text: it is shown to people, too. */
static void describe_shown(result_writer *r, const shown_difference *shown, int has_text,
                           size_t columns)
{
    const comparison_stream *stream = shown->stream;
    const baseline_stream *names = check_stream_names(stream);
    int has_both = shown->was.size > 0 && shown->is.size > 0;
    char head[512];
    if (result_json(r) == NULL && !has_text)
        return;
    result_object_begin(r, NULL);
    describe_names(r, stream);
    result_text(r, "kind", difference_kind_name(shown->what->kind));
    describe_place(r, shown);
    (void)snprintf(head, sizeof head, "%s %s%s%s: first difference: %s", names->feed,
                   check_topic_name(stream), names->symbol[0] == '\0' ? "" : " ", names->symbol,
                   KIND_TEXTS[shown->what->kind]); /* cut: only on a screen */
    result_styled(r, "head_line", TERMINAL_HEAD, head);
    describe_rows(r, shown, columns);
    describe_decode(r, "decode_was", shown->was, !has_both, columns);
    describe_decode(r, "decode_is", shown->is, !has_both || shown->row_count == 0, columns);
    describe_book(r, "book_was", shown->was_book);
    describe_book(r, "book_is", shown->is_book);
    if (shown->frame != NULL && shown->frame->bytes.size > 0)
        describe_bytes(r, shown->frame->bytes, columns);
    else
        result_null(r, "frame");
    result_object_end(r, DETAIL_PATTERN);
}

/* 1 if an earlier one is of the same topic. */
static int has_topic_before(const check_result *result, size_t index)
{
    const comparison_stream *stream = result->shown[index].stream;
    for (size_t i = 0; i < index; i++) {
        const comparison_stream *other = result->shown[i].stream;
        if (strcmp(check_topic_name(stream), check_topic_name(other)) == 0 &&
            strcmp(check_stream_names(stream)->feed, check_stream_names(other)->feed) == 0)
            return 1;
    }
    return 0;
}

/* Programs get the first difference of each stream, people of each topic. */
static void describe_differences(result_writer *r, const check_result *result, size_t columns)
{
    size_t details = 0;
    result_list_begin(r, "differences");
    for (size_t i = 0; i < result->shown_count; i++) {
        int has_text = details < DETAILS_MAX && !has_topic_before(result, i);
        details += (size_t)has_text;
        describe_shown(r, &result->shown[i], has_text, columns);
    }
    result_list_end(r);
    result_count(r, "differences_left_out", result->shown_left_out);
}

/* ---- the first one ---- */

/* The first differing field of a frame; NULL: only hashes are known, or only the book differs. */
static const side_row *first_field(const shown_difference *shown)
{
    for (size_t i = 0; i < shown->row_count; i++)
        if (shown->rows[i].is_different)
            return &shown->rows[i];
    return NULL;
}

static void describe_first(result_writer *r, const check_result *result)
{
    json_writer *json = result_json(r);
    if (json == NULL)
        return;
    if (result->shown_count == 0) {
        result_null(r, "first_difference");
        return;
    }
    const shown_difference *first = &result->shown[0];
    const side_row *field = first_field(first);
    result_object_begin(r, "first_difference");
    describe_names(r, first->stream);
    result_text(r, "kind", difference_kind_name(first->what->kind));
    describe_place(r, first);
    result_text(r, "path", field == NULL ? NULL : field->path);
    write_json(json, "was", td_bytes_str(field == NULL ? NULL : field->was));
    write_json(json, "is", td_bytes_str(field == NULL ? NULL : field->is));
    result_object_end(r, NULL);
}

/* For people: where to look for frames that only one side has. */
static void note_unpaired(result_writer *r, const char *name, const char *what,
                          const comparison_stream *stream, const unpaired_frame *first)
{
    char from[TD_TIME_TEXT_BYTES];
    char to[TD_TIME_TEXT_BYTES];
    if (stream == NULL) {
        result_note(r, name, "%s", "");
        return;
    }
    const baseline_stream *names = check_stream_names(stream);
    td_time_format_ms(first->from_ns, from);
    td_time_format_ms(first->to_ns, to);
    result_note(r, name,
                "\n%s: %s %s%s%s, frame %" PRIu64 " of its stream, received between %s and %s\n",
                what, names->feed, check_topic_name(stream), names->symbol[0] == '\0' ? "" : " ",
                names->symbol, first->index, from, to);
}

static void describe_unpaired_notes(result_writer *r, const comparison *c)
{
    const comparison_stream *missing = NULL;
    const comparison_stream *added = NULL;
    if (result_json(r) != NULL)
        return;
    for (size_t i = 0; i < c->stream_count; i++) {
        const comparison_stream *stream = &c->streams[i];
        if (stream->missing > 0 &&
            (missing == NULL || stream->first_missing.from_ns < missing->first_missing.from_ns))
            missing = stream;
        if (stream->added > 0 &&
            (added == NULL || stream->first_added.from_ns < added->first_added.from_ns))
            added = stream;
    }
    note_unpaired(r, "first_missing", "first missing frame", missing,
                  missing == NULL ? NULL : &missing->first_missing);
    note_unpaired(r, "first_new", "first new frame", added,
                  added == NULL ? NULL : &added->first_added);
}

/* 1 if a frame was decoded before, and nothing says as what. */
static int lacks_decodes(const check_result *result)
{
    for (size_t i = 0; i < result->shown_count; i++) {
        difference_kind kind = result->shown[i].what->kind;
        if (result->shown[i].was.size == 0 && kind != DIFFERENCE_BOOK)
            return 1;
    }
    return 0;
}

td_result check_describe(const check_result *result, size_t columns, result_writer *r, td_err *err)
{
    const comparison *c = result->compared;
    result_object_begin(r, "totals");
    describe_counts(r, &c->totals);
    result_object_end(r, "{compared frame} compared, {same} the same[, {different} different]"
                         "[ ({newly_failing} newly failing)][ ({newly_decoding} newly decoding)]"
                         "[ ({consequences} as a consequence of others)]"
                         "[, {missing} missing][, {new} new]"
                         "[; {outside} of the baseline are outside of what is compared]");
    describe_first(r, result);
    td_result rc = describe_topics(r, c, err);
    if (rc == TD_OK)
        rc = describe_paths(r, result, err);
    if (rc != TD_OK)
        return rc;
    describe_differences(r, result, columns);
    describe_streams(r, c);
    describe_unpaired_notes(r, c);
    result_note(
        r, "unknown_note", "%s",
        lacks_decodes(result)
            ? "what was decoded before is unknown: the baseline has hashes alone. To see it, "
              "save the baseline with --full (with the program that made it), or compare two "
              "decoders with 'tapedeck regress diff'"
            : "");
    result_bool(r, "has_decodes", !lacks_decodes(result));
    return TD_OK;
}
