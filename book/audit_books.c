/* Compares books with each other, and tickers with books. States are kept as 64-bit hashes of the
 * best levels: a difference is missed once in 10^19 times, and a finding is always true. */
#include "book/audit_impl.h"

#include "base/assert.h"

/* The frame's number that a member's rule compares; returns 0 if absent. */
static int number_of(const msg_head *head, msg_member member, int64_t *out)
{
    *out = member == MEMBER_SEQ ? head->seq : member == MEMBER_U ? head->u : head->cross_seq;
    return member == MEMBER_SEQ ? head->has_seq
           : member == MEMBER_U ? head->has_u
                                : head->has_cross_seq;
}

/* ---- depths ---- */

/* Depth to which two books are compared: that of the shallower one; 0 means all levels. */
static uint32_t common_depth(const audit_member *a, const audit_member *b)
{
    uint32_t one = a->row->book_depth;
    uint32_t other = b->row->book_depth;
    if (one == 0 || other == 0)
        return one + other;
    return one < other ? one : other;
}

static uint32_t depth_index(const book_history *past, uint32_t depth)
{
    uint32_t at = 0;
    while (at < past->depth_count && past->depths[at] != depth)
        at++;
    return at;
}

static void add_depth(book_history *past, uint32_t depth)
{
    if (depth_index(past, depth) < past->depth_count || past->depth_count == AUDIT_DEPTHS_MAX)
        return;
    past->depths[past->depth_count++] = depth;
}

void audit_books_joined(audit *a)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        book_history *past = a->members[i]->books;
        if (a->members[i]->part != AUDIT_BOOK)
            continue;
        past->depth_count = 0;
        past->count = 0; /* old hashes are for other depths */
        for (uint32_t k = 0; k < a->member_count; k++) {
            if (k != i && a->members[k]->part == AUDIT_BOOK)
                add_depth(past, common_depth(a->members[i], a->members[k]));
        }
    }
}

/* ---- states ---- */

/* The state `back` steps before the newest. */
static book_state *state_back(book_history *past, uint32_t back)
{
    TD_ASSERT_SLOW(back < past->count);
    return &past->states[(past->newest + LIMIT_AUDIT_STATES - back) % LIMIT_AUDIT_STATES];
}

/* Add the book's current state to its history. A number that falls restarts the history. */
static book_state *remember(book_history *past, int64_t seq, uint64_t recv_ns, track *t)
{
    if (past->count > 0 && seq < state_back(past, 0)->seq)
        past->count = 0;
    if (past->since_ns == 0)
        past->since_ns = recv_ns;
    past->newest = past->count == 0 ? 0 : (past->newest + 1) % LIMIT_AUDIT_STATES;
    if (past->count < LIMIT_AUDIT_STATES)
        past->count++;
    book_state *state = &past->states[past->newest];
    state->seq = seq;
    state->recv_ns = recv_ns;
    for (uint32_t i = 0; i < past->depth_count; i++)
        state->hashes[i] = track_hash_best(t, past->depths[i]);
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        book_level best;
        int has_best = book_level_at(track_book(t), (msg_side)at, 0, &best);
        state->best[at] = has_best ? best.price : (td_decimal){0, 0};
    }
    return state;
}

/* The state with exactly this number, or NULL; *too_old is 1 if it may have been dropped. */
static const book_state *find_state(book_history *past, int64_t seq, int *too_old)
{
    for (uint32_t back = 0; back < past->count; back++) {
        const book_state *state = state_back(past, back);
        if (state->seq == seq)
            return state;
        if (state->seq < seq)
            return NULL;
    }
    *too_old = past->count == LIMIT_AUDIT_STATES;
    return NULL;
}

/* ---- book against book ---- */

static rule_id rule_between(const audit_member *a, const audit_member *b)
{
    return a->row == b->row && a->line != b->line ? RULE_LINES_AGREE : RULE_BOOKS_AGREE;
}

/* Emit that two books began to differ, or are equal again. Both findings have the same parties and
 * the same start, whatever connections came in between, so that the ledger can close the row. */
static void emit_pair(audit_member *first, audit_member *second, const audit_member *from,
                      audit_event event, const book_state *now, audit_verdict *out)
{
    book_pair *pair = &first->books->with[second->index];
    if (event == AUDIT_DIFFERS) {
        uint64_t since_ns = first->books->since_ns > second->books->since_ns
                                ? first->books->since_ns
                                : second->books->since_ns;
        pair->from_ns = pair->equal_ns != 0 ? pair->equal_ns : since_ns;
        pair->own.shard = first->shard;
        pair->own.conn = first->conn;
        pair->theirs.shard = second->shard;
        pair->theirs.conn = second->conn;
    }
    TD_ASSERT(pair->from_ns != 0);
    audit_item *item = audit_emit(out, event, rule_between(first, second), from, first,
                                  pair->from_ns, now->recv_ns);
    item->about.shard = pair->own.shard;
    item->about.conn = pair->own.conn;
    item->against = (audit_party){.member = second,
                                  .line = second->line,
                                  .shard = pair->theirs.shard,
                                  .conn = pair->theirs.conn};
    item->verdict.expected = pair->equal_seq;
    item->verdict.found = now->seq;
}

/* Emit a finding when two books begin to differ, and when they are equal again. */
static void judge_pair(audit *a, audit_member *member, audit_member *other, const book_state *now,
                       const book_state *then, audit_verdict *out)
{
    uint32_t depth = common_depth(member, other);
    uint32_t mine = depth_index(member->books, depth);
    uint32_t theirs = depth_index(other->books, depth);
    if (mine == member->books->depth_count || theirs == other->books->depth_count) {
        a->stats.books.skipped++;
        return;
    }
    /* The member that joined first has the state of the pair. */
    audit_member *first = member->index < other->index ? member : other;
    audit_member *second = member->index < other->index ? other : member;
    book_pair *pair = &first->books->with[second->index];
    int differs = now->hashes[mine] != then->hashes[theirs];
    a->stats.books.compared++;
    a->stats.books.differed += (uint64_t)differs;
    if (differs != pair->differs)
        emit_pair(first, second, member, differs ? AUDIT_DIFFERS : AUDIT_AGREES, now, out);
    pair->differs = (uint8_t)differs;
    if (!differs) {
        pair->equal_seq = now->seq;
        pair->equal_ns = now->recv_ns;
    }
}

/* Compare with each other book that is or was at the same number. */
static void judge_books(audit *a, audit_member *member, const book_state *now, audit_verdict *out)
{
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *other = a->members[i];
        if (other == member || other->part != AUDIT_BOOK ||
            other->rule_member != member->rule_member)
            continue;
        int too_old = 0;
        const book_state *then = find_state(other->books, now->seq, &too_old);
        if (then != NULL)
            judge_pair(a, member, other, now, then, out);
        else
            a->stats.books.skipped += (uint64_t)too_old;
    }
}

/* ---- ticker against book ---- */

/* The book to compare tickers with: the first of the least depth on the ticker's line. */
static audit_member *reference_book(audit *a, uint32_t line)
{
    audit_member *found = NULL;
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *member = a->members[i];
        if (member->part != AUDIT_BOOK || member->line != line)
            continue;
        if (found == NULL || common_depth(found, member) != found->row->book_depth)
            found = member;
    }
    return found;
}

/* The states around a number: the last at or before it, and the first at or after it. Either may be
 * NULL. */
static void find_around(book_history *past, int64_t seq, const book_state **before,
                        const book_state **after)
{
    *before = NULL;
    *after = NULL;
    for (uint32_t back = 0; back < past->count && *before == NULL; back++) {
        const book_state *state = state_back(past, back);
        if (state->seq >= seq)
            *after = state;
        if (state->seq <= seq)
            *before = state;
    }
}

static int is_best(const book_state *state, int side, td_decimal price)
{
    return td_decimal_compare(state->best[side], price) == 0;
}

/* Compare one ticker with the book's states around it. At equal numbers the prices must be equal.
 * Between two states they nearly always equal one of the two (275 of 275 recorded tickers, 6.7),
 * but the price may have been different in between: such a difference is counted, but proves
 * nothing. */
static void judge_best(audit *a, audit_member *member, const best_waiting *waiting,
                       book_history *past, audit_verdict *out)
{
    const book_state *before;
    const book_state *after;
    find_around(past, waiting->seq, &before, &after);
    if (before == NULL || after == NULL) {
        a->stats.best.skipped++;
        return;
    }
    a->stats.best.compared++;
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        if (waiting->price[at].mantissa == 0 || is_best(before, at, waiting->price[at]) ||
            is_best(after, at, waiting->price[at]))
            continue;
        a->stats.best.differed++;
        audit_item *item = audit_emit(out, AUDIT_DIFFERS, RULE_BEST_AGREES, member, member,
                                      before->recv_ns, waiting->recv_ns);
        if (before != after)
            item->verdict.strength = STRENGTH_STATISTIC;
        item->verdict.found = waiting->price[at].mantissa;
        if (before->best[at].scale > waiting->price[at].scale ||
            td_decimal_rescale(before->best[at], waiting->price[at].scale,
                               &item->verdict.expected) != TD_OK)
            item->verdict.expected = 0;
        return;
    }
}

/* Compare tickers whose number the book has reached. */
static void judge_waiting(audit *a, audit_member *member, book_history *past, audit_verdict *out)
{
    best_history *best = member->best;
    int64_t reached = past->count == 0 ? INT64_MIN : state_back(past, 0)->seq;
    uint32_t done = 0;
    while (done < best->count && best->waiting[done].seq <= reached)
        judge_best(a, member, &best->waiting[done++], past, out);
    for (uint32_t i = done; i < best->count; i++)
        best->waiting[i - done] = best->waiting[i];
    best->count -= done;
}

static void merge_price(best_history *best, msg_side side, const msg_item *item, msg_member member)
{
    const msg_value *value = msg_value_find(item->values, item->value_count, member);
    if (value == NULL || value->type != VALUE_DECIMAL)
        return;
    /* 0 if the side is empty */
    int has_price = value->as.decimal.mantissa > 0;
    best->price[side] = has_price ? value->as.decimal : (td_decimal){0, 0};
}

void audit_best_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                      audit_verdict *out)
{
    best_history *best = member->best;
    int64_t seq;
    if (!message_is_record(m) || !number_of(&m->head, member->rule_member, &seq))
        return;
    if (m->head.kind == FRAME_SNAPSHOT)
        *best = (best_history){0};
    for (size_t i = 0; i < m->record.item_count; i++) {
        merge_price(best, SIDE_BUY, &m->record.items[i], MEMBER_BID1_PRICE);
        merge_price(best, SIDE_SELL, &m->record.items[i], MEMBER_ASK1_PRICE);
    }
    audit_member *book_member = reference_book(a, member->line);
    if (book_member == NULL)
        return;
    if (best->count == AUDIT_TICKERS_MAX) {
        a->stats.best.skipped++; /* the book is far behind: the newest ticker is the most useful */
        best->count--;
    }
    best->waiting[best->count++] = (best_waiting){
        .seq = seq, .recv_ns = frame->recv_ns, .price = {best->price[0], best->price[1]}};
    judge_waiting(a, member, book_member->books, out);
}

/* ---- a frame of a book ---- */

void audit_books_apply(audit *a, audit_member *member, const audit_frame *frame, const message *m,
                       track *t, audit_verdict *out)
{
    int64_t seq;
    TD_ASSERT(t != NULL);
    if (!number_of(&m->head, member->rule_member, &seq))
        return;
    if (track_is_broken(t)) {
        a->stats.books.skipped++;
        member->books->count = 0; /* the states in between are unknown */
        return;
    }
    const book_state *now = remember(member->books, seq, frame->recv_ns, t);
    judge_books(a, member, now, out);
    for (uint32_t i = 0; i < a->member_count; i++) {
        audit_member *ticker = a->members[i];
        if (ticker->part == AUDIT_BEST && ticker->best->count > 0 &&
            reference_book(a, ticker->line) == member)
            judge_waiting(a, ticker, member->books, out);
    }
}

/* ---- save, load ---- */

static void pair_serialize(book_pair *pair, state_io *io)
{
    state_i64(io, &pair->equal_seq);
    state_u64(io, &pair->equal_ns);
    state_flag(io, &pair->differs);
    if (!pair->differs)
        return;
    state_u64(io, &pair->from_ns);
    state_check(io, pair->from_ns != 0);
    state_u32(io, &pair->own.shard);
    state_u32(io, &pair->own.conn);
    state_u32(io, &pair->theirs.shard);
    state_u32(io, &pair->theirs.conn);
}

/* States, oldest first. */
static void states_serialize(book_history *past, state_io *io)
{
    enum { STATE_BYTES = 34 }; /* number, time, two prices */
    uint32_t count = state_count(io, past->count, LIMIT_AUDIT_STATES, STATE_BYTES);
    if (state_is_loading(io)) {
        past->count = count;
        past->newest = count == 0 ? 0 : count - 1;
    }
    for (uint32_t back = count; back-- > 0;) {
        book_state *state = state_back(past, back);
        state_i64(io, &state->seq);
        state_u64(io, &state->recv_ns);
        for (uint32_t i = 0; i < past->depth_count; i++)
            state_u64(io, &state->hashes[i]);
        for (int at = SIDE_BUY; at <= SIDE_SELL; at++)
            state_decimal(io, &state->best[at]);
    }
}

void book_history_serialize(book_history *past, size_t count, uint32_t own_index, state_io *io)
{
    past->depth_count = state_count(io, past->depth_count, AUDIT_DEPTHS_MAX, sizeof(uint32_t));
    for (uint32_t i = 0; i < past->depth_count; i++)
        state_u32(io, &past->depths[i]);
    states_serialize(past, io);
    for (size_t i = own_index + 1; i < count; i++)
        pair_serialize(&past->with[i], io);
    state_u64(io, &past->since_ns);
    state_check(io, past->since_ns != 0 || past->count == 0);
}

void best_history_serialize(best_history *past, state_io *io)
{
    enum { WAITING_BYTES = 34 };
    past->count = state_count(io, past->count, AUDIT_TICKERS_MAX, WAITING_BYTES);
    for (uint32_t i = 0; i < past->count; i++) {
        best_waiting *waiting = &past->waiting[i];
        state_i64(io, &waiting->seq);
        state_u64(io, &waiting->recv_ns);
        for (int at = SIDE_BUY; at <= SIDE_SELL; at++)
            state_decimal(io, &waiting->price[at]);
    }
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++)
        state_decimal(io, &past->price[at]);
}
