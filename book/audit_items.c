/* What an audit finds, as items of a verdict. */
#include "base/assert.h"
#include "book/audit_impl.h"

int audit_number(const msg_head *head, msg_member member, int64_t *out)
{
    *out = member == MEMBER_SEQ ? head->seq : member == MEMBER_U ? head->u : head->cross_seq;
    return member == MEMBER_SEQ ? head->has_seq
           : member == MEMBER_U ? head->has_u
                                : head->has_cross_seq;
}

audit_party audit_party_of(const audit_member *member)
{
    return (audit_party){
        .member = member, .line = member->line, .shard = member->shard, .conn = member->conn};
}

audit_item *audit_emit(audit_verdict *out, audit_event event, rule_id rule,
                       const audit_member *from, const audit_member *about, uint64_t from_ns,
                       uint64_t to_ns)
{
    TD_ASSERT(out->count <= AUDIT_ITEMS_MAX);
    /* The last place takes what does not fit; it is never read. */
    uint32_t at = out->count < AUDIT_ITEMS_MAX ? out->count++ : AUDIT_ITEMS_MAX - 1;
    out->items[at] = (audit_item){.event = event,
                                  .verdict = {.rule = rule, .strength = from->strength},
                                  .about = audit_party_of(about),
                                  .from_ns = from_ns,
                                  .to_ns = to_ns};
    return &out->items[at];
}
