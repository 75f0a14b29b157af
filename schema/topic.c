#include "schema/topic.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

/* Cut the next dot-separated part off rest; 0 if nothing is left (data NULL marks the end). */
static int next_part(td_bytes *rest, td_bytes *part)
{
    if (rest->data == NULL)
        return 0;
    const uint8_t *dot = rest->size == 0 ? NULL : memchr(rest->data, '.', rest->size);
    size_t size = dot == NULL ? rest->size : (size_t)(dot - rest->data);
    *part = td_bytes_of(rest->data, size);
    *rest = dot == NULL ? td_bytes_of(NULL, 0) : td_bytes_of(dot + 1, rest->size - size - 1);
    return 1;
}

static int is_placeholder(td_bytes part)
{
    return part.size > 2 && part.data[0] == '{' && part.data[part.size - 1] == '}';
}

/* A coin in a symbol's place is the topic's symbol: insurance.BTC. */
static int is_symbol(td_bytes part)
{
    return td_bytes_is(part, "{symbol}") || td_bytes_is(part, "{coin}");
}

int topic_row_has_symbol(const topic_row *row)
{
    td_bytes rest = td_bytes_str(row->pattern);
    td_bytes part;
    while (next_part(&rest, &part))
        if (is_symbol(part))
            return 1;
    return 0;
}

/* Does a topic's text fit the row's pattern, part by part? */
static int row_fits(const topic_row *row, td_bytes text, topic_match *out)
{
    td_bytes pattern_rest = td_bytes_str(row->pattern);
    td_bytes text_rest = text;
    td_bytes pattern_part;
    td_bytes part;
    *out = (topic_match){.row = row, .topic = text};
    while (next_part(&pattern_rest, &pattern_part)) {
        if (!next_part(&text_rest, &part))
            return 0;
        if (!is_placeholder(pattern_part)) {
            if (!td_bytes_equal(pattern_part, part))
                return 0;
            continue;
        }
        if (part.size == 0)
            return 0;
        if (is_symbol(pattern_part)) {
            out->symbol = part;
            out->topic = td_bytes_of(text.data, (size_t)(part.data - text.data) - 1);
        }
    }
    return text_rest.data == NULL;
}

int topic_match_text(const topic_row *rows, size_t row_count, td_bytes text, topic_match *out)
{
    if (text.size == 0 || text.size >= LIMIT_TOPIC_BYTES)
        return 0;
    for (size_t i = 0; i < row_count; i++)
        if (row_fits(&rows[i], text, out))
            return 1;
    *out = (topic_match){0};
    return 0;
}

/* What is wrong with a table of fields; NULL if nothing is. */
static const char *fields_fault(const field_row *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key == NULL || fields[i].key[0] == '\0')
            return "a field without a key";
        if (strlen(fields[i].key) >= LIMIT_NAME_BYTES)
            return "a key that is too long";
        if (fields[i].member == MEMBER_NONE || fields[i].member >= MEMBER_COUNT)
            return "a field without a member";
        if (fields[i].scale_e10 > 18)
            return "a field with a scale above 18";
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields[i].key, fields[j].key) == 0)
                return "a key that stands twice";
    }
    return NULL;
}

/* The symbol has to be the last part: the topic's name is what stands before it. */
static const char *pattern_fault(const topic_row *row)
{
    td_bytes rest = td_bytes_str(row->pattern);
    td_bytes part;
    while (next_part(&rest, &part)) {
        if (part.size == 0)
            return "a pattern with an empty part";
        if (is_symbol(part) && (rest.data != NULL || part.data == (const uint8_t *)row->pattern))
            return "a symbol that is not the last part of the pattern";
    }
    return NULL;
}

const char *topic_row_fault(const topic_row *row)
{
    if (row->name == NULL || row->pattern == NULL || row->title == NULL)
        return "no name, pattern or title";
    if (row->type >= MSG_TYPE_COUNT || row->type == MSG_RAW)
        return "no type";
    if (row->items[0].path == NULL)
        return "no place for entries";
    if (row->field_count == 0 || row->field_count > TOPIC_FIELDS_MAX ||
        row->envelope_count > TOPIC_ENVELOPE_MAX)
        return "no fields, or too many";
    const char *fault = pattern_fault(row);
    if (fault == NULL)
        fault = fields_fault(row->fields, row->field_count);
    if (fault == NULL)
        fault = fields_fault(row->envelope, row->envelope_count);
    return fault;
}

const char *field_type_name(field_type type)
{
    static const char *const NAMES[] = {
        [FIELD_TEXT] = "text", [FIELD_DECIMAL] = "decimal", [FIELD_INTEGER] = "integer",
        [FIELD_BOOL] = "bool", [FIELD_SIDE] = "side",       [FIELD_TIME] = "time",
    };
    TD_ASSERT(type <= FIELD_TIME);
    return NAMES[type];
}

const char *field_unit_name(field_unit unit)
{
    static const char *const NAMES[] = {
        [UNIT_NONE] = "none",       [UNIT_PRICE] = "price", [UNIT_QUANTITY] = "quantity",
        [UNIT_MONEY] = "money",     [UNIT_RATE] = "rate",   [UNIT_S] = "s",
        [UNIT_MS] = "ms",           [UNIT_US] = "us",       [UNIT_NS] = "ns",
        [UNIT_RFC3339] = "rfc3339",
    };
    TD_ASSERT(unit <= UNIT_RFC3339);
    return NAMES[unit];
}

const char *rule_name(rule_id rule)
{
    static const char *const NAMES[RULE_COUNT] = {
        [RULE_NONE] = "none",
        [RULE_SEQ_STRICT] = "seq_strict",
        [RULE_SEQ_WEAK] = "seq_weak",
        [RULE_SEQ_DENSE] = "seq_dense",
        [RULE_SEQ_FRAME_EQUAL] = "seq_frame_equal",
        [RULE_TIME_STRICT] = "time_strict",
        [RULE_TIME_WEAK] = "time_weak",
        [RULE_ANCHORED] = "anchored",
        [RULE_DELETE_EXISTS] = "delete_exists",
        [RULE_UPDATE_EXISTS] = "update_exists",
        [RULE_UPDATE_CHANGES] = "update_changes",
        [RULE_INSERT_NEW] = "insert_new",
        [RULE_NOT_CROSSED] = "not_crossed",
        [RULE_DEPTH] = "depth",
        [RULE_SYMBOL_MATCHES] = "symbol_matches",
        [RULE_SIZE_POSITIVE] = "size_positive",
        [RULE_BOOK_FITS] = "book_fits",
        [RULE_SNAPSHOT_RESET] = "snapshot_reset",
        [RULE_SEQ_STEP] = "seq_step",
        [RULE_VERSION_DIFFERS] = "version_differs",
        [RULE_VERSION_WEAK] = "version_weak",
        [RULE_ENTRY_SEQ_STRICT] = "entry_seq_strict",
        [RULE_ENTRY_SEQ_WEAK] = "entry_seq_weak",
        [RULE_ENTRY_TIME_WEAK] = "entry_time_weak",
        [RULE_ID_UNIQUE] = "id_unique",
        [RULE_ID_ASCENDING] = "id_ascending",
        [RULE_DEPTH_MAX] = "depth_max",
        [RULE_SNAPSHOT_REPEAT] = "snapshot_repeat",
        [RULE_KLINE_START] = "kline_start",
        [RULE_KLINE_CONFIRM] = "kline_confirm",
        [RULE_BOOKS_AGREE] = "books_agree",
        [RULE_LINES_AGREE] = "lines_agree",
        [RULE_BEST_AGREES] = "best_agrees",
        [RULE_TRADES_COMPLETE] = "trades_complete",
    };
    TD_ASSERT(rule < RULE_COUNT);
    TD_ASSERT(NAMES[rule] != NULL);
    return NAMES[rule];
}

const char *rule_strength_name(rule_strength strength)
{
    static const char *const NAMES[] = {
        [STRENGTH_ERROR] = "error",
        [STRENGTH_WARNING] = "warning",
        [STRENGTH_STATISTIC] = "statistic",
    };
    TD_ASSERT(strength <= STRENGTH_STATISTIC);
    return NAMES[strength];
}
