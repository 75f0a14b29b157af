#include "schema/exchange.h"

/* ---- what a frame is ---- */

static int is_word(const frame_words *words, uint8_t key, const char *const *any_of)
{
    return td_bytes_is_any(words->json[key], any_of) || td_bytes_is_any(words->text[key], any_of);
}

/* The outcome of a request as its answer shows it: 1, 0, or -1 if not stated. Exchanges write the
 * same member as a boolean or as a word (docs/wire.md 5.5). */
static int8_t success_of(const frame_keys *keys, const control_rule *rule, const frame_words *words)
{
    static const char *const ZERO[] = {"0", NULL};
    uint8_t key = rule->success_key;
    if (rule->success == SUCCESS_NOT_STATED) /* the frame's class is its outcome */
        return (int8_t)(rule->is == CLASS_ACK ? 1 : rule->is == CLASS_ERROR ? 0 : -1);
    if (words->json[key].data == NULL)
        return -1;
    if (rule->success == SUCCESS_CODE)
        return (int8_t)is_word(words, key, ZERO);
    if (is_word(words, key, keys->success_words))
        return 1;
    return is_word(words, key, keys->failure_words) ? 0 : -1;
}

const control_rule *control_rule_find(const frame_keys *keys, const frame_words *words)
{
    for (size_t i = 0; i < keys->rule_count; i++) {
        const control_rule *rule = &keys->rules[i];
        if (words->json[rule->key].data != NULL &&
            (rule->text.size == 0 || td_bytes_equal(words->text[rule->key], rule->text) ||
             td_bytes_equal(words->json[rule->key], rule->text)) &&
            (rule->op.size == 0 || td_bytes_equal(words->op, rule->op)))
            return rule;
    }
    return NULL;
}

frame_class control_find(const frame_keys *keys, const frame_words *words, int8_t *success)
{
    const control_rule *rule = control_rule_find(keys, words);
    *success = -1;
    if (rule == NULL)
        return CLASS_UNKNOWN;
    *success = success_of(keys, rule, words);
    return *success == 0 ? rule->if_failed : rule->is;
}

/* ---- requests of client libraries ---- */

const char *const *exchange_http_preset(const exchange_row *exchange, const char *library,
                                        const char *of_family)
{
    const http_preset *row = exchange->http_presets;
    for (; row != NULL && row->name != NULL; row++)
        if (strcmp(row->name, library) == 0 &&
            strncmp(row->families, of_family, strlen(row->families)) == 0)
            return row->requests;
    return NULL;
}

/* ---- documented texts ---- */

const value_row *exchange_values(const exchange_row *exchange, const char *family,
                                 const field_row *field)
{
    const value_row *rows = exchange->values;
    if (field->type != FIELD_TEXT && field->type != FIELD_SIDE && field->type != FIELD_ANY_SIDE)
        return NULL;
    for (; rows != NULL && rows->member != MEMBER_NONE; rows++)
        if (rows->member == field->member &&
            (rows->family == NULL || (family != NULL && strcmp(rows->family, family) == 0)))
            return rows;
    return NULL;
}
