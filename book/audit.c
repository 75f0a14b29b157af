#include "book/audit.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "book/audit_impl.h"

/* ---- members ---- */

static const rule_row *rule_of(const topic_row *row, rule_id rule)
{
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        if (row->rules[i].rule == rule)
            return &row->rules[i];
    }
    return NULL;
}

/* The rule that makes a topic take part; NULL for trades, which need no rule. */
static const rule_row *rule_of_part(const topic_row *row, audit_part part)
{
    static const rule_id RULES[AUDIT_PARTS] = {
        [AUDIT_BOOK] = RULE_BOOKS_AGREE,
        [AUDIT_BEST] = RULE_BEST_AGREES,
        [AUDIT_CANDLES] = RULE_TRADES_COMPLETE,
    };
    return RULES[part] == RULE_NONE ? NULL : rule_of(row, RULES[part]);
}

audit_part audit_part_of(const topic_row *row)
{
    if (row->type == MSG_TRADE)
        return AUDIT_TRADES;
    for (audit_part part = AUDIT_BOOK; part < AUDIT_PARTS; part++) {
        if (part == AUDIT_BOOK && row->type != MSG_BOOK_CHANGE)
            continue;
        if (rule_of_part(row, part) != NULL)
            return part;
    }
    return AUDIT_NONE;
}

uint32_t audit_useful_parts(const uint32_t counts[AUDIT_PARTS])
{
    uint32_t useful = 0;
    if (counts[AUDIT_BOOK] > 1)
        useful |= 1u << AUDIT_BOOK;
    if (counts[AUDIT_BOOK] > 0 && counts[AUDIT_BEST] > 0)
        useful |= 1u << AUDIT_BOOK | 1u << AUDIT_BEST;
    if (counts[AUDIT_TRADES] > 0 && counts[AUDIT_CANDLES] > 0)
        useful |= 1u << AUDIT_TRADES | 1u << AUDIT_CANDLES;
    return useful;
}

/* ---- opening and closing ---- */

audit *audit_open(void)
{
    audit *made = td_alloc_zero(1, sizeof *made);
    made->delay_ns_min = INT64_MAX;
    return made;
}

static void member_close(audit_member *member)
{
    if (member->part == AUDIT_TRADES)
        td_free(member->trades->marks);
    td_free(member->past);
    td_free(member);
}

void audit_close(audit *a)
{
    if (a == NULL)
        return;
    for (uint32_t i = 0; i < a->member_count; i++)
        member_close(a->members[i]);
    td_free(a);
}

/* Size of a member's history, by its part. */
static const size_t HISTORY_BYTES[AUDIT_PARTS] = {[AUDIT_BOOK] = sizeof(book_history),
                                                  [AUDIT_BEST] = sizeof(best_history),
                                                  [AUDIT_TRADES] = sizeof(trade_store),
                                                  [AUDIT_CANDLES] = sizeof(candle_chain)};

size_t audit_bytes(const audit *a)
{
    size_t bytes = sizeof *a;
    for (uint32_t i = 0; i < a->member_count; i++) {
        const audit_member *member = a->members[i];
        bytes += sizeof *member + HISTORY_BYTES[member->part];
        if (member->part == AUDIT_TRADES)
            bytes += member->trades->capacity * sizeof *member->trades->marks;
    }
    return bytes;
}

audit_member *audit_join(audit *a, const topic_row *row, uint32_t line, void *user)
{
    TD_ASSERT(audit_part_of(row) != AUDIT_NONE);
    if (a->member_count == LIMIT_AUDIT_MEMBERS)
        return NULL;
    audit_member *made = td_alloc_zero(1, sizeof *made);
    made->owner = a;
    made->user = user;
    made->line = line;
    made->index = a->member_count;
    made->part = audit_part_of(row);
    audit_member_set_row(made, row);
    made->past = td_alloc_zero(1, HISTORY_BYTES[made->part]);
    a->members[a->member_count++] = made;
    if (made->part == AUDIT_BOOK)
        audit_books_joined(a);
    return made;
}

void audit_member_set_row(audit_member *member, const topic_row *row)
{
    if (TD_LIKELY(member->row == row) || audit_part_of(row) != member->part)
        return;
    const rule_row *rule = rule_of_part(row, member->part);
    member->row = row;
    member->rule_member = rule == NULL ? MEMBER_NONE : rule->member;
    member->strength = rule == NULL ? STRENGTH_ERROR : rule->strength;
}

uint32_t audit_member_count(const audit *a)
{
    return a->member_count;
}

audit_member *audit_member_at(audit *a, uint32_t index)
{
    TD_ASSERT(index < a->member_count);
    return a->members[index];
}

/* ---- save, load ---- */

static void member_serialize(audit_member *member, state_io *io)
{
    state_flag(io, &member->has_connection);
    state_u64(io, &member->connection);
    state_u32(io, &member->shard);
    state_u32(io, &member->conn);
    if (member->part == AUDIT_BOOK)
        book_history_serialize(member->books, member->owner->member_count, member->index, io);
    if (member->part == AUDIT_BEST)
        best_history_serialize(member->best, io);
    if (member->part == AUDIT_TRADES)
        trade_store_serialize(member->trades, io);
    if (member->part == AUDIT_CANDLES)
        candle_chain_serialize(member->candles, io);
}

void audit_serialize(audit *a, state_io *io)
{
    for (uint32_t i = 0; i < a->member_count; i++)
        member_serialize(a->members[i], io);
    state_i64(io, &a->delay_ns_min);
    state_check(io, a->delay_ns_min >= -(INT64_MAX / 2));
    state_check(io, audit_chains_fit(a));
}

/* ---- frames ---- */

/* Another connection: numbers may restart, and the ledger covers the frames in between. */
static void member_connect(audit *a, audit_member *member)
{
    switch (member->part) {
    case AUDIT_BOOK:
        member->books->count = 0;
        member->books->since_ns = 0;
        break;
    case AUDIT_BEST:
        *member->best = (best_history){0};
        break;
    case AUDIT_TRADES:
        audit_trades_connect(a, member);
        break;
    case AUDIT_CANDLES:
        member->candles->had_reading = 0;
        break;
    case AUDIT_NONE:
    case AUDIT_PARTS:
        break;
    }
}

void audit_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                 track *t, audit_verdict *out)
{
    TD_ASSERT(member->owner == a);
    out->count = 0;
    if (!member->has_connection || member->connection != frame->connection)
        member_connect(a, member);
    member->has_connection = 1;
    member->connection = frame->connection;
    member->shard = frame->shard;
    member->conn = frame->conn;
    if (member->part == AUDIT_BOOK)
        audit_books_apply(a, member, frame, m, t, out);
    else if (member->part == AUDIT_BEST)
        audit_best_apply(a, member, frame, m, out);
    else if (member->part == AUDIT_TRADES)
        audit_trades_apply(a, member, frame, m, out);
    else
        audit_candles_apply(a, member, frame, m, out);
    if (frame->is_lead_in)
        a->stats = (audit_stats){0};
}

void audit_skip(audit *a, audit_member *member, uint64_t recv_ns)
{
    TD_ASSERT(member->owner == a);
    if (member->part == AUDIT_TRADES)
        audit_trades_skip(a, member, recv_ns);
}

void audit_finish(audit *a, uint64_t end_ns, audit_verdict *out)
{
    out->count = 0;
    for (uint32_t i = 0; i < a->member_count; i++) {
        if (a->members[i]->part == AUDIT_CANDLES)
            audit_candles_finish(a, a->members[i], end_ns, out);
    }
}

static void count_add(audit_count *sum, const audit_count *more)
{
    sum->compared += more->compared;
    sum->differed += more->differed;
    sum->skipped += more->skipped;
}

void audit_add_stats(const audit *a, audit_stats *sum)
{
    count_add(&sum->books, &a->stats.books);
    count_add(&sum->best, &a->stats.best);
    count_add(&sum->trades, &a->stats.trades);
}
