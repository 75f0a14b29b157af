#include "book/continuity.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "book/continuity_impl.h"

#define TRACK_MAGIC UINT32_C(0x7472616b)

/* ---- opening and closing ---- */

static void add_rule(track *t, const rule_row *row)
{
    for (uint32_t i = 0; i < t->rule_count; i++) {
        if (t->rules[i].rule == row->rule && t->rules[i].member == row->member)
            return;
    }
    TD_ASSERT(t->rule_count < VERDICT_ITEMS_MAX);
    const rule_check *check = rule_check_find(row->rule);
    if (check->fn == NULL) /* across topics: book/audit.h checks it */
        return;
    if (check->fn != check_outcome)
        t->others[t->other_count++] = (uint8_t)t->rule_count;
    t->rules[t->rule_count++] = (track_rule){.fn = check->fn,
                                             .rule = row->rule,
                                             .strength = row->strength,
                                             .scope = check->scope,
                                             .member = row->member,
                                             .number = seq_number_of(row->member)};
}

/* 1 if each frame is a whole book: frames have no type, and the row has neither deltas nor deletes
 * (spot depth, USDC orderbook25). */
static int sends_full_books(const topic_row *row)
{
    for (size_t i = 0; i < TOPIC_ITEMS_MAX && row->items[i].path != NULL; i++) {
        const items_row *items = &row->items[i];
        if (items->action != ACTION_SET || items->kind == FRAME_DELTA ||
            (items->flags & ITEMS_ZERO_DELETES) != 0)
            return 0;
    }
    return row->type == MSG_BOOK_CHANGE && row->items[0].path != NULL;
}

/* Set everything that depends on the row. */
static void set_row(track *t, const topic_row *row)
{
    static const rule_row FITS = {RULE_BOOK_FITS, STRENGTH_ERROR, MEMBER_NONE};
    static const rule_row RESET = {RULE_SNAPSHOT_RESET, STRENGTH_STATISTIC, MEMBER_NONE};
    t->row = row;
    t->rule_count = 0;
    t->other_count = 0;
    t->needs_anchor = 0;
    t->restarts = 0;
    t->is_full = (uint8_t)sends_full_books(row);
    int needs_entries = 0;
    for (size_t i = 0; i < TOPIC_RULES_MAX && row->rules[i].rule != RULE_NONE; i++) {
        const rule_row *rule = &row->rules[i];
        TD_ASSERT(rule->rule != RULE_DEPTH || row->book_depth > 0);
        TD_ASSERT(rule->rule != RULE_DEPTH_MAX || row->book_depth > 0);
        t->needs_anchor |= rule->rule == RULE_ANCHORED;
        t->restarts |= rule->rule == RULE_SEQ_DENSE && rule->member == MEMBER_U;
        needs_entries |= rule_check_find(rule->rule)->scope == SCOPE_ENTRIES;
        add_rule(t, rule);
    }
    if (t->book != NULL)
        add_rule(t, &FITS);
    if (t->needs_anchor)
        add_rule(t, &RESET);
    if (needs_entries && t->entries == NULL)
        t->entries = track_entries_open();
}

track *track_open(const topic_row *row)
{
    TD_ASSERT(row != NULL);
    track *made = td_alloc_zero(1, sizeof *made);
    made->magic = TRACK_MAGIC;
    if (row->type == MSG_BOOK_CHANGE)
        made->book = book_open(row->book_depth);
    set_row(made, row);
    track_reset(made);
    return made;
}

void track_close(track *t)
{
    if (t == NULL)
        return;
    TD_ASSERT(t->magic == TRACK_MAGIC);
    book_close(t->book);
    track_entries_close(t->entries);
    t->magic = 0;
    td_free(t);
}

void track_set_row(track *t, const topic_row *row)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    TD_ASSERT((row->type == MSG_BOOK_CHANGE) == (t->book != NULL));
    if (row == t->row)
        return;
    int was_anchored = t->is_anchored;
    set_row(t, row);
    /* The book is still valid: it needs no new snapshot, unless it never had one. */
    t->is_anchored = (uint8_t)(was_anchored || !t->needs_anchor);
}

/* ---- the verdict ---- */

static void forget_predecessor(track *t)
{
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        t->seqs[i].is_known = 0;
    t->version_bytes = 0;
}

/* The exchange's service restarted, and its u with it (docs/wire.md 3.3). */
static int is_restart(const track *t, const msg_head *head)
{
    return t->restarts && head->has_u && head->u == 1;
}

/* A snapshot starts everything over. If the topic needs none, because every frame is complete, it
 * only repairs the book, unless the service restarted. */
static void apply_snapshot(track *t, const msg_head *head)
{
    t->is_broken = 0;
    t->is_anchored = 1;
    t->has_snapshot = 1;
    if (t->needs_anchor || is_restart(t, head))
        forget_predecessor(t);
}

static void check_rule(const track *t, const track_rule *rule, const frame_facts *f, verdict *out)
{
    if (rule->scope == SCOPE_CONTENT && !f->judges_content)
        return;
    const rule_view view = {t, rule, f};
    verdict_item *item = &out->items[out->count];
    if (!rule->fn(&view, item))
        return;
    item->rule = rule->rule;
    item->strength = rule->strength;
    out->count++;
}

static int is_clean(const book_outcome *o)
{
    return (o->delete_misses | o->update_misses | o->update_repeats | o->insert_hits |
            o->empty_sizes | o->overflows | o->out_of_range) == 0;
}

static void check_rules(const track *t, const frame_facts *f, verdict *out)
{
    TD_ASSERT_SLOW(t->other_count <= t->rule_count);
    if (TD_LIKELY(is_clean(&f->outcome))) {
        for (uint32_t i = 0; i < t->other_count; i++)
            check_rule(t, &t->rules[t->others[i]], f, out);
        return;
    }
    for (uint32_t i = 0; i < t->rule_count; i++)
        check_rule(t, &t->rules[i], f, out);
}

/* Keep the numbers that the next frame is compared with. A number that fell is kept, too, so that
 * each fall is one violation, not every frame after it. */
static void remember(track *t, const frame_facts *f)
{
    for (size_t i = 0; i < SEQ_NUMBERS; i++) {
        if (f->seqs[i].is_known)
            t->seqs[i] = f->seqs[i];
        t->seqs[i].was_seen |= f->seqs[i].is_known;
    }
    td_bytes version = f->message->head.version;
    if (TD_UNLIKELY(version.size > 0)) {
        t->version_bytes = version.size <= VERSION_BYTES ? (uint32_t)version.size : 0;
        memcpy(t->version, version.data, t->version_bytes);
    }
    t->depth[SIDE_BUY] = f->depth[SIDE_BUY];
    t->depth[SIDE_SELL] = f->depth[SIDE_SELL];
}

/* 1 if the frame replaces all earlier content: by its type, because the topic sends nothing else,
 * or because the exchange reports a restart. */
static int replaces_all(const track *t, const msg_head *head)
{
    if (head->kind == FRAME_SNAPSHOT)
        return 1;
    return (t->is_full && head->kind == FRAME_UNTYPED) ||
           (is_restart(t, head) && head->kind == FRAME_DELTA);
}

/* 1 if the frame's errors only show that earlier frames were lost: a frame that replaces everything
 * then repairs the book. If a number fell, the frame itself is an old one. */
static int says_loss_only(const verdict *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const verdict_item *item = &v->items[i];
        if (item->strength == STRENGTH_ERROR &&
            (item->rule != RULE_SEQ_STEP || item->found < item->expected))
            return 0;
    }
    return 1;
}

/* Trades, candles, orders: no frame depends on an earlier one, so an error concerns that frame
 * only. */
static int is_stateless(const track *t)
{
    return t->book == NULL && !t->needs_anchor;
}

void track_apply(track *t, const message *m, verdict *out)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    TD_ASSERT(t->book == NULL || !message_is_record(m));
    frame_facts facts = {.message = m,
                         .is_snapshot = (uint8_t)replaces_all(t, &m->head),
                         .was_anchored = t->is_anchored};
    facts.is_delta = m->head.kind == FRAME_DELTA && !facts.is_snapshot;
    if (facts.is_snapshot)
        apply_snapshot(t, &m->head);
    else if (is_stateless(t))
        t->is_broken = 0;
    facts.judges_content = t->is_anchored && !t->is_broken;
    if (t->book != NULL) {
        if (facts.is_snapshot)
            book_replace(t->book, &m->book, &facts.outcome);
        else
            book_apply(t->book, &m->book, &facts.outcome);
    }
    frame_facts_gather(t, m, &facts);

    out->count = 0;
    out->is_snapshot = facts.is_snapshot;
    out->unchecked = t->book != NULL && !facts.judges_content;
    check_rules(t, &facts, out);
    if (TD_UNLIKELY(t->entries != NULL))
        out->unchecked |= track_entries_take_unjudged(t->entries) != 0;
    int is_mended = facts.is_snapshot && says_loss_only(out);
    if (verdict_violation(out) != NULL && !is_mended)
        t->is_broken = 1;
    remember(t, &facts);
}

void track_skip(track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    t->is_broken = 1;
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        t->seqs[i].has_hole = 1; /* the frame's numbers are unknown, which breaks no rule */
}

void track_join(track *t)
{
    track_skip(t);
    t->is_anchored = 1;
}

size_t track_bytes(const track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    return sizeof *t + (t->book == NULL ? 0 : book_bytes(t->book)) +
           (t->entries == NULL ? 0 : track_entries_bytes(t->entries));
}

void track_reset(track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    t->is_anchored = !t->needs_anchor;
    t->is_broken = 0;
    t->has_snapshot = 0;
    forget_predecessor(t);
    if (t->entries != NULL)
        track_entries_forget(t->entries);
}

/* ---- save, load ---- */

/* The part of a range that rules read of the previous frame. */
static void seq_range_serialize(seq_range *c, state_io *io)
{
    state_flag(io, &c->is_known);
    state_flag(io, &c->was_seen);
    state_flag(io, &c->has_hole);
    state_i64(io, &c->last);
}

static void depth_serialize(depth_state *depth, state_io *io)
{
    uint8_t is = (uint8_t)*depth;
    state_u8(io, &is);
    state_check(io, is <= DEPTH_OVER);
    *depth = (depth_state)(is % (DEPTH_OVER + 1));
}

void track_serialize(track *t, state_io *io)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    state_flag(io, &t->is_anchored);
    state_flag(io, &t->is_broken);
    state_flag(io, &t->has_snapshot);
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        seq_range_serialize(&t->seqs[i], io);
    depth_serialize(&t->depth[SIDE_BUY], io);
    depth_serialize(&t->depth[SIDE_SELL], io);
    t->version_bytes = state_count(io, t->version_bytes, VERSION_BYTES, 1);
    state_raw(io, t->version, t->version_bytes);
    uint8_t has_entries = t->entries != NULL; /* perhaps from an earlier row */
    state_flag(io, &has_entries);
    if (has_entries && t->entries == NULL)
        t->entries = track_entries_open();
    state_check(io, has_entries || t->entries == NULL);
    if (has_entries)
        track_entries_serialize(t->entries, io);
    if (t->book != NULL)
        book_serialize(t->book, io);
}

/* ---- queries ---- */

const verdict_item *verdict_violation(const verdict *v)
{
    TD_ASSERT(v->count <= VERDICT_ITEMS_MAX);
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->items[i].strength == STRENGTH_ERROR)
            return &v->items[i];
    }
    return NULL;
}

const topic_row *track_row(const track *t)
{
    return t->row;
}

const book *track_book(const track *t)
{
    return t->book;
}

void track_hash(track *t, td_hasher *into)
{
    if (t->book != NULL)
        book_hash(t->book, into);
}

uint64_t track_hash_best(track *t, uint32_t depth)
{
    TD_ASSERT(t->book != NULL);
    return book_hash_best(t->book, depth);
}

int track_is_broken(const track *t)
{
    return t->is_broken || !t->is_anchored;
}

int track_has_snapshot(const track *t)
{
    return t->has_snapshot;
}

void track_last(const track *t, track_seqs *out)
{
    const seq_range *cross_seq = &t->seqs[SEQ_NUMBER_CROSS];
    const seq_range *u = &t->seqs[SEQ_NUMBER_U];
    const seq_range *seq = &t->seqs[SEQ_NUMBER_SEQ];
    *out = (track_seqs){cross_seq->last,     u->last,     seq->last,
                        cross_seq->was_seen, u->was_seen, seq->was_seen};
}
