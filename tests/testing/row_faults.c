#include "tests/testing/row_faults.h"

#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "base/time_text.h"

/* ---- topics ---- */

/* Returns a row's date ("2025-04-01") in ns since 1970; `otherwise` if date is NULL; 0 if it is
 * malformed. */
static uint64_t date_ns(const char *date, uint64_t otherwise)
{
    char text[sizeof "2025-04-01T00:00:00Z"];
    uint64_t ns = 0;
    if (date == NULL)
        return otherwise;
    snprintf(text, sizeof text, "%sT00:00:00Z", date);
    td_result rc = td_time_parse_rfc3339(td_bytes_str(text), &ns, NULL);
    return rc == TD_OK ? ns : 0;
}

/* 1 if there is a time at which both rows are valid. */
static int rows_overlap(const topic_row *a, const topic_row *b)
{
    return date_ns(a->valid_from, 0) < date_ns(b->valid_until, UINT64_MAX) &&
           date_ns(b->valid_from, 0) < date_ns(a->valid_until, UINT64_MAX);
}

const char *topic_rows_fault(const topic_row *rows, size_t row_count)
{
    for (size_t i = 0; i < row_count; i++) {
        for (size_t j = 0; j < i; j++) {
            if (strcmp(rows[i].pattern, rows[j].pattern) != 0)
                continue;
            if (strcmp(rows[i].name, rows[j].name) != 0)
                return "two names for one pattern";
            if (rows_overlap(&rows[i], &rows[j]))
                return "two rows of one pattern that are valid at the same time";
        }
    }
    return NULL;
}

/* Returns the fault in a table of fields, or NULL. */
static const char *fields_fault(const field_row *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fields[i].key == NULL || fields[i].key[0] == '\0')
            return "a field without a key";
        if (strlen(fields[i].key) >= LIMIT_NAME_BYTES)
            return "a key that is too long";
        if (fields[i].member == MEMBER_NONE || fields[i].member >= MEMBER_COUNT)
            return "a field without a member";
        if (fields[i].type == FIELD_JSON && (fields[i].flags & FIELD_INHERITED))
            return "JSON text that is inherited";
        if (fields[i].scale_e10 > 18)
            return "a field with a scale above 18";
        for (size_t j = 0; j < i; j++)
            if (strcmp(fields[i].key, fields[j].key) == 0 &&
                ((fields[i].flags ^ fields[j].flags) & FIELD_INHERITED) == 0)
                return "a key that occurs twice";
    }
    return NULL;
}

/* Checks that the symbol is the last part of a topic, because the topic's name is the part before
 * it. */
static const char *pattern_fault(const char *pattern)
{
    static const char *const SYMBOLS[] = {"{symbol}", "{coin}"};
    if (pattern[0] == '.' || strstr(pattern, "..") != NULL || pattern[strlen(pattern) - 1] == '.')
        return "a pattern with an empty part";
    for (size_t i = 0; i < sizeof SYMBOLS / sizeof *SYMBOLS; i++) {
        const char *at = strstr(pattern, SYMBOLS[i]);
        if (at != NULL && (at == pattern || at[strlen(SYMBOLS[i])] != '\0'))
            return "a symbol that is not the last part of the pattern";
    }
    return NULL;
}

/* Returns the fault in a row's dates or in the parts of its topic, or NULL. */
static const char *parts_fault(const topic_row *row)
{
    if (row->valid_from != NULL && date_ns(row->valid_from, 0) == 0)
        return "not a date: valid_from";
    if (row->valid_until != NULL && date_ns(row->valid_until, 0) == 0)
        return "not a date: valid_until";
    if (date_ns(row->valid_from, 0) >= date_ns(row->valid_until, UINT64_MAX))
        return "no moment at which it is valid";
    if (row->parameter_path != NULL && row->symbol_path == NULL)
        return "a parameter beside the topic, but no symbol";
    if (row->symbol_path != NULL && row->is_event)
        return "a symbol beside an event's topic";
    if (row->symbol_path != NULL && !topic_row_has_symbol(row))
        return "a symbol beside the topic that its pattern does not have";
    return NULL;
}

static const char *kind_words_fault(const kind_word *words)
{
    for (size_t i = 0; words != NULL && words[i].text != NULL; i++) {
        if (i == KIND_WORDS_MAX)
            return "too many words for kinds";
        if (words[i].kind != FRAME_SNAPSHOT && words[i].kind != FRAME_DELTA)
            return "a word for no kind";
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
    const char *fault = pattern_fault(row->pattern);
    if (fault == NULL)
        fault = parts_fault(row);
    if (fault == NULL)
        fault = fields_fault(row->fields, row->field_count);
    if (fault == NULL)
        fault = fields_fault(row->envelope, row->envelope_count);
    if (fault == NULL)
        fault = kind_words_fault(row->kind_words);
    return fault;
}

/* ---- exchanges ---- */

static const char *keys_fault(const frame_keys *keys)
{
    if (keys->count == 0 || keys->count > FRAME_KEYS_MAX)
        return "no keys, or too many";
    for (unsigned size = 0; size <= FRAME_KEY_BYTES_MAX; size++)
        if (keys->first_of_size[size] > keys->first_of_size[size + 1])
            return "first_of_size falls";
    if (keys->first_of_size[FRAME_KEY_BYTES_MAX + 1] != keys->count)
        return "first_of_size does not end with all keys";
    for (uint8_t i = 0; i < keys->count; i++)
        if (keys->names[i].size == 0 || frame_key_find(keys, keys->names[i]) != i)
            return "a key is not found: names are not in order of size, or one occurs twice";
    if (keys->topic >= keys->count || keys->data >= keys->count)
        return "a required key is not in the list";
    const uint8_t others[] = {keys->event, keys->event_time, keys->op, keys->request, keys->shared};
    for (size_t i = 0; i < sizeof others; i++)
        if (others[i] >= keys->count && others[i] != FRAME_KEY_NONE)
            return "an optional key is not in the list";
    return NULL;
}

static const char *rule_fault(const frame_keys *keys, size_t at)
{
    const control_rule *rule = &keys->rules[at];
    int is_shared = at - keys->shared_first < keys->shared_count;
    if (rule->key >= keys->count ||
        (rule->success != SUCCESS_NOT_STATED && rule->success_key >= keys->count))
        return "a rule's key is not in the list";
    if (rule->success == SUCCESS_WORD &&
        (keys->success_words == NULL || keys->failure_words == NULL))
        return "a rule asks for words, but the lists are missing";
    if ((rule->key == keys->shared) != is_shared || (is_shared && rule->text.size == 0))
        return "rules of the shared key are not together, or ask for no text";
    if (!frame_class_is_control(rule->is) || !frame_class_is_control(rule->if_failed))
        return "a rule is not about a control frame";
    return NULL;
}

static int is_same_family(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static const char *values_fault(const value_row *rows)
{
    for (const value_row *row = rows; row != NULL && row->member != MEMBER_NONE; row++) {
        if (row->values == NULL || row->values[0] == NULL)
            return "a member's list of texts has none";
        for (const value_row *other = rows; other != row; other++) {
            int is_hidden = other->family == NULL || is_same_family(other->family, row->family);
            if (other->member == row->member && is_hidden)
                return "a member's list of texts is never looked up: one before it is";
        }
    }
    return NULL;
}

const char *exchange_row_fault(const exchange_row *row)
{
    const frame_keys *keys = &row->frames;
    if (row->name == NULL || row->other_hosts == NULL)
        return "no name, or no list of hosts";
    if (row->connects.count == 0 || row->connects.count > LIMIT_HOST_CONNECTS ||
        row->connects.window_ns == 0)
        return "no limit of connections, or one that is not remembered";
    const char *fault = keys_fault(keys);
    for (size_t i = 0; fault == NULL && i < keys->rule_count; i++)
        fault = rule_fault(keys, i);
    return fault != NULL ? fault : values_fault(row->values);
}
