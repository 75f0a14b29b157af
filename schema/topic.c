#include "schema/topic.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/limits.h"
#include "base/time_text.h"

/* 1 if a part of a pattern is a placeholder, or ends with one. */
static int has_placeholder(td_bytes part)
{
    return part.size > 2 && part.data[part.size - 1] == '}';
}

/* 1 if a topic's part fits the text before the placeholder of a pattern's part. */
static int prefix_fits(td_bytes pattern_part, td_bytes part)
{
    const uint8_t *brace = memchr(pattern_part.data, '{', pattern_part.size);
    const size_t prefix = (size_t)(brace - pattern_part.data);
    return part.size > prefix && memcmp(part.data, pattern_part.data, prefix) == 0;
}

/* 1 if a part of a pattern is the symbol; a coin counts as one (insurance.{coin}). */
static int is_symbol(td_bytes part)
{
    return td_bytes_is(part, "{symbol}") || td_bytes_is(part, "{coin}");
}

int topic_row_has_symbol(const topic_row *row)
{
    td_bytes rest = td_bytes_str(row->pattern);
    td_bytes part;
    while (td_bytes_next(&rest, '.', &part))
        if (is_symbol(part))
            return 1;
    return 0;
}

int topic_row_has_coin(const topic_row *row)
{
    return strstr(row->pattern, "{coin}") != NULL;
}

const char *topic_row_end(const topic_row *row)
{
    static const char *const SYMBOLS[] = {"{symbol}", "{coin}"};
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof SYMBOLS[0]; i++) {
        const char *at = strstr(row->pattern, SYMBOLS[i]);
        if (at != NULL)
            return at + strlen(SYMBOLS[i]);
    }
    return "";
}

int topic_write(const topic_row *rows, size_t row_count, const char *name, td_bytes symbol,
                char *out, size_t out_bytes)
{
    const char *begin = name, *end = "";
    size_t begin_bytes = strlen(name);
    for (size_t i = 0; i < row_count && end[0] == '\0'; i++) {
        if (strcmp(rows[i].name, name) != 0 || topic_row_end(&rows[i])[0] == '\0')
            continue;
        begin = rows[i].pattern;
        begin_bytes = strcspn(begin, "{") - 1; /* without the dot */
        end = topic_row_end(&rows[i]);
    }
    return snprintf(out, out_bytes, "%.*s.%.*s%s", (int)begin_bytes, begin, (int)symbol.size,
                    symbol.size == 0 ? "" : (const char *)symbol.data, end);
}

const rule_row *topic_rule(const topic_row *row, rule_id rule)
{
    for (size_t i = 0; row != NULL && i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++)
        if (row->rules[i].rule == rule)
            return &row->rules[i];
    return NULL;
}

int topic_row_has_state(const topic_row *row)
{
    return row != NULL && (msg_type_has_book(row->type) || topic_rule(row, RULE_ANCHORED) != NULL);
}

const field_row *topic_field(const field_row *fields, size_t count, msg_member member)
{
    for (size_t i = 0; i < count; i++)
        if (fields[i].member == member)
            return &fields[i];
    return NULL;
}

/* As row_fits() for the rest of a text, from its symbol on, if text follows the symbol. A topic of
 * a coin keeps its text. */
static int symbol_fits(const topic_row *row, const char *end, td_bytes rest, topic_match *out)
{
    const size_t end_bytes = strlen(end);
    if (rest.size <= end_bytes || memcmp(rest.data + rest.size - end_bytes, end, end_bytes) != 0 ||
        memchr(rest.data, '.', rest.size - end_bytes) != NULL)
        return 0;
    if (topic_row_has_coin(row)) {
        out->symbol = td_bytes_str("*");
        return 1;
    }
    out->topic = td_bytes_str(row->name);
    out->symbol = td_bytes_of(rest.data, rest.size - end_bytes);
    return 1;
}

/* 1 if a topic's text matches the row's pattern, part by part. */
static int row_fits(const topic_row *row, td_bytes text, topic_match *out)
{
    td_bytes pattern_rest = td_bytes_str(row->pattern);
    td_bytes text_rest = text;
    td_bytes pattern_part;
    td_bytes part;
    *out = (topic_match){.row = row, .topic = text};
    while (td_bytes_next(&pattern_rest, '.', &pattern_part)) {
        if (!td_bytes_next(&text_rest, '.', &part))
            return 0;
        if (!has_placeholder(pattern_part)) {
            if (!td_bytes_equal(pattern_part, part))
                return 0;
            continue;
        }
        if (!prefix_fits(pattern_part, part))
            return 0;
        if (is_symbol(pattern_part)) {
            size_t before = (size_t)(part.data - text.data);
            if (pattern_rest.data != NULL)
                return symbol_fits(row, (const char *)pattern_rest.data - 1,
                                   td_bytes_of(part.data, text.size - before), out);
            if (td_bytes_is(pattern_part, "{symbol}")) {
                part.size = text.size - before;
                text_rest = td_bytes_of(NULL, 0);
            }
            out->symbol = part;
            out->topic = td_bytes_of(text.data, before - 1);
        }
    }
    return text_rest.data == NULL;
}

uint64_t topic_row_time_unit_ns(const topic_row *row)
{
    const field_row *field = topic_field(row->envelope, row->envelope_count, row->time_member);
    return field != NULL && field->type == FIELD_INTEGER ? field_unit_ns(field->unit) : 0;
}

msg_member topic_row_number(const topic_row *row)
{
    static const msg_member NUMBERS[] = {MEMBER_CROSS_SEQ, MEMBER_SEQ, MEMBER_U};
    for (size_t i = 0; i < sizeof NUMBERS / sizeof NUMBERS[0]; i++)
        if (topic_field(row->envelope, row->envelope_count, NUMBERS[i]) != NULL)
            return NUMBERS[i];
    return MEMBER_NONE;
}

/* ---- rows that are limited in time ---- */

uint64_t topic_date_ns(const char *date, uint64_t otherwise)
{
    char text[sizeof "2025-04-01T00:00:00Z"];
    uint64_t ns = 0;
    if (date == NULL)
        return otherwise;
    if (strlen(date) != sizeof "2025-04-01" - 1)
        return 0;
    (void)snprintf(text, sizeof text, "%sT00:00:00Z", date); /* fits */
    td_result rc = td_time_parse_rfc3339(td_bytes_str(text), &ns, NULL);
    return rc == TD_OK ? ns : 0;
}

int topic_row_is_valid(const topic_row *row, uint64_t at_ns)
{
    if (!topic_row_is_dated(row) || at_ns == TOPIC_ANY_TIME)
        return 1;
    if (at_ns == TOPIC_NOW)
        return row->valid_until == NULL;
    return at_ns >= topic_date_ns(row->valid_from, 0) &&
           at_ns < topic_date_ns(row->valid_until, UINT64_MAX);
}

static int is_same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

int topic_rows_share_frames(const topic_row *a, const topic_row *b)
{
    return a->symbol_path != NULL && is_same(a->symbol_path, b->symbol_path) &&
           is_same(a->parameter_path, b->parameter_path) &&
           is_same(topic_row_topic_key(a), topic_row_topic_key(b)) &&
           td_bytes_equal(topic_row_frame_topic(a), topic_row_frame_topic(b)) &&
           strcmp(a->pattern, b->pattern) != 0;
}

/* 1 if row's validity begins after than's. */
static int is_later(const topic_row *row, const topic_row *than)
{
    return topic_date_ns(row->valid_from, 0) > topic_date_ns(than->valid_from, 0);
}

const topic_row *topic_row_at(const topic_row *rows, size_t row_count, const topic_row *row,
                              uint64_t at_ns)
{
    if (topic_row_is_valid(row, at_ns))
        return row;
    for (size_t i = 0; i < row_count; i++)
        if (strcmp(rows[i].pattern, row->pattern) == 0 && topic_row_is_valid(&rows[i], at_ns))
            return rows[i].type == row->type ? &rows[i] : row;
    return row;
}

int topic_match_text(const topic_row *rows, size_t row_count, td_bytes text, uint64_t at_ns,
                     topic_match *out)
{
    *out = (topic_match){0};
    if (text.size == 0 || text.size >= LIMIT_TOPIC_BYTES)
        return 0;
    topic_match found;
    for (size_t i = 0; i < row_count; i++) {
        if (!row_fits(&rows[i], text, &found) || !topic_row_is_valid(&rows[i], at_ns))
            continue;
        int is_better = out->row == NULL || (strcmp(out->row->pattern, rows[i].pattern) == 0 &&
                                             is_later(&rows[i], out->row));
        if (is_better)
            *out = found;
        if (at_ns != TOPIC_ANY_TIME || !topic_row_is_dated(&rows[i]))
            break;
    }
    if (out->row != NULL && out->symbol.size == 0 &&
        topic_field(out->row->fields, out->row->field_count, MEMBER_SYMBOL) != NULL)
        out->symbol = td_bytes_str("*");
    return out->row != NULL;
}

const char *field_type_name(field_type type)
{
#define TYPE_NAME(id, word, name, value) name,
    static const char *const NAMES[] = {FIELD_TYPES(TYPE_NAME)};
#undef TYPE_NAME
    TD_ASSERT(type <= FIELD_LOWER_MAKER_SIDE);
    return NAMES[type];
}

const char *field_unit_name(field_unit unit)
{
#define UNIT_NAME(id, name) name,
    static const char *const NAMES[UNIT_COUNT] = {"none", FIELD_UNITS(UNIT_NAME)};
#undef UNIT_NAME
    TD_ASSERT(unit < UNIT_COUNT);
    return NAMES[unit];
}

uint64_t field_unit_ns(field_unit unit)
{
    static const uint64_t NS[UNIT_COUNT] = {
        [UNIT_S] = 1000000000, [UNIT_MS] = 1000000, [UNIT_US] = 1000, [UNIT_NS] = 1};
    return NS[unit];
}

value_type field_value_type(field_type type)
{
#define TYPE_VALUE(id, word, name, value) VALUE_##value,
    static const uint8_t TYPES[] = {FIELD_TYPES(TYPE_VALUE)};
#undef TYPE_VALUE
    return (value_type)TYPES[type];
}

const char *rule_name(rule_id rule)
{
#define RULE_NAME(id, name) name,
    static const char *const NAMES[RULE_COUNT] = {"none", RULE_IDS(RULE_NAME)};
#undef RULE_NAME
    TD_ASSERT(rule < RULE_COUNT);
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

const char *checksum_order_name(checksum_order order)
{
    static const char *const NAMES[] = {[CHECKSUM_ALTERNATING] = "alternating",
                                        [CHECKSUM_ASKS_THEN_BIDS] = "asks_then_bids",
                                        [CHECKSUM_ORDERS] = "orders"};
    TD_ASSERT(order != CHECKSUM_NONE);
    return NAMES[order];
}

const char *topic_speech_name(topic_speech speaks)
{
    static const char *const NAMES[] = {[SPEAKS_AT_ONCE] = "at once",
                                        [SPEAKS_STEADILY] = "steadily",
                                        [SPEAKS_WHEN_IT_HAPPENS] = "when it happens"};
    return NAMES[speaks];
}

void msg_head_init(msg_head *head, const topic_match *topic)
{
    head->type = topic->row->type;
    head->row = topic->row;
    head->topic = topic->topic;
    head->symbol = topic->symbol;
}
