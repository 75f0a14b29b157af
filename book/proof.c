#include "book/proof.h"

#include "base/assert.h"

const char *topic_proof_name(topic_proof proof)
{
    static const char *const NAMES[TOPIC_PROOFS] = {[PROOF_PROVEN] = "proven",
                                                    [PROOF_WARNED] = "warned",
                                                    [PROOF_UNVERIFIABLE] = "unverifiable"};
    TD_ASSERT(proof < TOPIC_PROOFS);
    return NAMES[proof];
}

/* 1 if each frame, or each entry, has the number or id that a rule compares: a frame without it
 * keeps the rule. Snapshots need no link to the frame before them. */
static int is_in_each(const topic_row *row, const rule_row *rule)
{
    const int is_of_entries =
        rule->rule == RULE_ID_DENSE || (row->sequence == SEQ_ITEM && rule->rule != RULE_CONN_DENSE);
    const field_row *fields = is_of_entries ? row->fields : row->envelope;
    const size_t count = is_of_entries ? row->field_count : row->envelope_count;
    const msg_member member = rule->member == MEMBER_NONE ? MEMBER_CROSS_SEQ : rule->member;
    int is_there = rule->rule == RULE_PREV_LINKS;
    for (size_t i = 0; i < count; i++)
        is_there |= fields[i].member == member && (fields[i].flags & FIELD_REQUIRED) != 0;
    return is_there;
}

topic_proof topic_proof_of(const topic_row *row)
{
    topic_proof proof = PROOF_UNVERIFIABLE;
    for (size_t i = 0; row != NULL && i < TOPIC_RULES_MAX; i++) {
        const rule_row *rule = &row->rules[i];
        if (rule->strength == STRENGTH_STATISTIC)
            continue; /* frames break it without a loss, too: Bitstamp deletes unknown levels */
        int shows_each = rule->rule == RULE_SEQ_DENSE || rule->rule == RULE_SEQ_STEP ||
                         rule->rule == RULE_PREV_LINKS || rule->rule == RULE_ID_DENSE ||
                         rule->rule == RULE_CONN_DENSE;
        if (shows_each && rule->strength == STRENGTH_ERROR && is_in_each(row, rule))
            return PROOF_PROVEN;
        if (shows_each || rule->rule == RULE_CHECKSUM || rule->rule == RULE_DELETE_EXISTS ||
            rule->rule == RULE_UPDATE_EXISTS)
            proof = PROOF_WARNED;
    }
    return proof;
}

topic_proof topic_proof_of_trades(const topic_row *row)
{
    static const topic_proof BY_STRENGTH[] = {[STRENGTH_ERROR] = PROOF_PROVEN,
                                              [STRENGTH_WARNING] = PROOF_WARNED,
                                              [STRENGTH_STATISTIC] = PROOF_UNVERIFIABLE};
    topic_proof proof = PROOF_UNVERIFIABLE;
    for (size_t i = 0; row != NULL && i < TOPIC_RULES_MAX; i++) {
        const rule_row *rule = &row->rules[i];
        if (rule->rule == RULE_TRADES_COMPLETE && BY_STRENGTH[rule->strength] < proof)
            proof = BY_STRENGTH[rule->strength];
    }
    return proof;
}

void quiet_time_add(quiet_time *self, uint64_t recv_ns, const message *of)
{
    /* Bybit sends candles at least every 60 s. */
    self->has_volume |=
        of == NULL || (self->last_ns != 0 && recv_ns > self->last_ns + 2 * TOPIC_SILENCE_NS);
    for (size_t i = 0; of != NULL && i < of->record.item_count; i++) {
        const msg_item *item = &of->record.items[i];
        const msg_value *volume = msg_value_find(item->values, item->value_count, MEMBER_VOLUME);
        self->has_volume |=
            volume == NULL || volume->type != VALUE_DECIMAL || volume->as.decimal.mantissa != 0;
    }
    self->first_ns = self->first_ns == 0 ? recv_ns : self->first_ns;
    self->last_ns = recv_ns;
}

int quiet_time_has(const quiet_time *self, uint64_t from_ns, uint64_t to_ns)
{
    return self->first_ns != 0 && !self->has_volume &&
           self->first_ns <= from_ns + TOPIC_SILENCE_NS &&
           self->last_ns + TOPIC_SILENCE_NS >= to_ns;
}
