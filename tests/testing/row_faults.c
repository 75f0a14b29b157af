#include "tests/testing/row_faults.h"

#include <string.h>

#include "base/limits.h"

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
