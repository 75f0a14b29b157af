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

/* The rule that makes a topic take part; NULL for trades, which have none. */
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

/* ---- life ---- */

audit *audit_open(void)
{
    audit *made = td_alloc_zero(1, sizeof *made);
    made->delay_ns_min = INT64_MAX;
    return made;
}

static void member_close(audit_member *member)
{
    td_free(member->books);
    td_free(member->best);
    if (member->trades != NULL)
        td_free(member->trades->marks);
    td_free(member->trades);
    td_free(member->candles);
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

size_t audit_bytes(const audit *a)
{
    size_t bytes = sizeof *a;
    for (uint32_t i = 0; i < a->member_count; i++) {
        const audit_member *member = a->members[i];
        bytes += sizeof *member;
        if (member->books != NULL)
            bytes += sizeof *member->books;
        if (member->best != NULL)
            bytes += sizeof *member->best;
        if (member->trades != NULL)
            bytes +=
                sizeof *member->trades + member->trades->capacity * sizeof *member->trades->marks;
        if (member->candles != NULL)
            bytes += sizeof *member->candles;
    }
    return bytes;
}

/* Make a member's memory, by its part. */
static void member_furnish(audit_member *member)
{
    switch (member->part) {
    case AUDIT_BOOK:
        member->books = td_alloc_zero(1, sizeof *member->books);
        break;
    case AUDIT_BEST:
        member->best = td_alloc_zero(1, sizeof *member->best);
        break;
    case AUDIT_TRADES:
        member->trades = td_alloc_zero(1, sizeof *member->trades);
        break;
    case AUDIT_CANDLES:
        member->candles = td_alloc_zero(1, sizeof *member->candles);
        break;
    case AUDIT_NONE:
    case AUDIT_PARTS:
        break;
    }
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
    member_furnish(made);
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

static void member_walk(audit_member *member, state_io *io)
{
    state_flag(io, &member->has_connection);
    state_u64(io, &member->connection);
    state_u32(io, &member->shard);
    state_u32(io, &member->conn);
    if (member->books != NULL)
        book_memory_walk(member->books, member->owner->member_count, member->index, io);
    if (member->best != NULL)
        best_memory_walk(member->best, io);
    if (member->trades != NULL)
        trade_store_walk(member->trades, io);
    if (member->candles != NULL)
        candle_chain_walk(member->candles, io);
}

void audit_walk(audit *a, state_io *io)
{
    for (uint32_t i = 0; i < a->member_count; i++)
        member_walk(a->members[i], io);
    state_i64(io, &a->delay_ns_min);
    state_check(io, a->delay_ns_min >= -(INT64_MAX / 2));
    state_check(io, audit_chains_fit(a));
}

/* ---- frames ---- */

/* Frames of a topic whose numbers may restart. */
static void member_connect(audit_member *member, const audit_frame *frame)
{
    member->shard = frame->shard;
    member->conn = frame->conn;
    if (member->has_connection && member->connection == frame->connection)
        return;
    member->has_connection = 1;
    member->connection = frame->connection;
    if (member->books != NULL) {
        member->books->count = 0;
        member->books->since_ns = 0;
    }
    if (member->best != NULL)
        *member->best = (best_memory){0};
}

void audit_take(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                track *t, audit_verdict *out)
{
    TD_ASSERT(member->owner == a);
    out->count = 0;
    int is_new = !member->has_connection || member->connection != frame->connection;
    member_connect(member, frame);
    switch (member->part) {
    case AUDIT_BOOK:
        audit_books_take(a, member, frame, m, t, out);
        break;
    case AUDIT_BEST:
        audit_best_take(a, member, frame, m, out);
        break;
    case AUDIT_TRADES:
        audit_trades_take(a, member, is_new ? AUDIT_CONNECTION_NEW : AUDIT_CONNECTION_SAME, frame,
                          m, out);
        break;
    case AUDIT_CANDLES:
        audit_candles_take(a, member, is_new ? AUDIT_CONNECTION_NEW : AUDIT_CONNECTION_SAME, frame,
                           m, out);
        break;
    case AUDIT_NONE:
    case AUDIT_PARTS:
        TD_ASSERT(!"a member without a part");
    }
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

void audit_get_stats(const audit *a, audit_stats *out)
{
    *out = a->stats;
}

static void count_add(audit_count *sum, const audit_count *more)
{
    sum->compared += more->compared;
    sum->differed += more->differed;
    sum->skipped += more->skipped;
}

void audit_stats_add(audit_stats *sum, const audit_stats *more)
{
    count_add(&sum->books, &more->books);
    count_add(&sum->best, &more->best);
    count_add(&sum->trades, &more->trades);
}
