#include "book/continuity.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "book/continuity_impl.h"

#define TRACK_MAGIC UINT32_C(0x7472616b)

/* ---- life ---- */

static seq_number number_of(msg_member member)
{
    if (member == MEMBER_U)
        return SEQ_NUMBER_U;
    if (member == MEMBER_SEQ)
        return SEQ_NUMBER_SEQ;
    TD_ASSERT(member == MEMBER_NONE || member == MEMBER_CROSS_SEQ);
    return SEQ_NUMBER_CROSS;
}

static void add_rule(track *t, const rule_row *row)
{
    for (uint32_t i = 0; i < t->rule_count; i++) {
        if (t->rules[i].rule == row->rule && t->rules[i].number == number_of(row->member))
            return;
    }
    TD_ASSERT(t->rule_count < VERDICT_ITEMS_MAX);
    const rule_check *check = rule_check_find(row->rule);
    if (check->fn == NULL) /* across topics: book/audit.h judges it */
        return;
    if (check->subject != SUBJECT_OUTCOME)
        t->others[t->other_count++] = (uint8_t)t->rule_count;
    t->rules[t->rule_count++] =
        (track_rule){check->fn, row->rule, row->strength, check->scope, number_of(row->member)};
}

static void add_rules(track *t)
{
    static const rule_row FITS = {RULE_BOOK_FITS, STRENGTH_ERROR, MEMBER_NONE};
    static const rule_row RESET = {RULE_SNAPSHOT_RESET, STRENGTH_STATISTIC, MEMBER_NONE};
    for (size_t i = 0; i < TOPIC_RULES_MAX && t->row->rules[i].rule != RULE_NONE; i++) {
        const rule_row *rule = &t->row->rules[i];
        TD_ASSERT(rule->rule != RULE_DEPTH || t->row->book_depth > 0);
        t->needs_anchor |= rule->rule == RULE_ANCHORED;
        add_rule(t, rule);
    }
    if (t->book != NULL)
        add_rule(t, &FITS);
    if (t->needs_anchor)
        add_rule(t, &RESET);
}

td_result track_open(const topic_row *row, track **out, td_err *err)
{
    TD_ASSERT(row != NULL);
    track *made = td_alloc_zero(1, sizeof *made);
    if (made == NULL)
        return td_err_set(err, TD_E_NOMEM, "topic %s: no memory for a track", row->name);
    made->magic = TRACK_MAGIC;
    made->row = row;
    if (row->type == MSG_BOOK_CHANGE) {
        td_result rc = book_open(row->book_depth, &made->book, err);
        if (rc != TD_OK) {
            track_close(made);
            return td_err_add(err, rc, "topic %s", row->name);
        }
    }
    add_rules(made);
    track_reset(made);
    *out = made;
    return TD_OK;
}

void track_close(track *t)
{
    if (t == NULL)
        return;
    TD_ASSERT(t->magic == TRACK_MAGIC);
    book_close(t->book);
    t->magic = 0;
    td_free(t);
}

/* ---- what a frame says ---- */

static void course_add(course *c, int64_t value)
{
    if (!c->is_known) {
        *c = (course){.is_known = 1, .first = value, .last = value};
        return;
    }
    c->falls |= value < c->last;
    c->differs |= value != c->last;
    c->last = value;
}

static int64_t clamp_ns(uint64_t ns)
{
    return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* Numbers of the envelope. Where the row says that they are in the entries, the envelope's (if it
 * has any) are about something else. */
static void facts_of_head(const msg_head *head, seq_source source, frame_facts *f)
{
    if (head->exchange_ns != 0)
        course_add(&f->time, clamp_ns(head->exchange_ns));
    if (source == SEQ_ITEM)
        return;
    if (head->has_cross_seq)
        course_add(&f->seqs[SEQ_NUMBER_CROSS], head->cross_seq);
    if (head->has_u)
        course_add(&f->seqs[SEQ_NUMBER_U], head->u);
    if (head->has_seq)
        course_add(&f->seqs[SEQ_NUMBER_SEQ], head->seq);
}

/* Trades carry number and time one by one. */
static void facts_of_trades(const msg_trades *trades, seq_source source, frame_facts *f)
{
    f->time = (course){0};
    for (size_t i = 0; i < trades->trade_count; i++) {
        const msg_trade *trade = &trades->trades[i];
        if (trade->exchange_ns != 0)
            course_add(&f->time, clamp_ns(trade->exchange_ns));
        if (source == SEQ_ITEM && trade->has_cross_seq)
            course_add(&f->seqs[SEQ_NUMBER_CROSS], trade->cross_seq);
    }
}

static void facts_of_value(const msg_value *value, frame_facts *f)
{
    if (value->type != VALUE_INTEGER)
        return;
    if (value->member == MEMBER_CROSS_SEQ)
        course_add(&f->seqs[SEQ_NUMBER_CROSS], value->as.integer);
    else if (value->member == MEMBER_U)
        course_add(&f->seqs[SEQ_NUMBER_U], value->as.integer);
    else if (value->member == MEMBER_SEQ)
        course_add(&f->seqs[SEQ_NUMBER_SEQ], value->as.integer);
}

static void facts_of_items(const msg_record *record, frame_facts *f)
{
    for (size_t i = 0; i < record->item_count; i++) {
        const msg_item *item = &record->items[i];
        for (size_t k = 0; k < item->value_count; k++)
            facts_of_value(&item->values[k], f);
    }
}

static depth_state depth_of(const track *t, msg_side at)
{
    size_t count = book_level_count(t->book, at);
    if (count == t->row->book_depth)
        return DEPTH_FULL;
    return count < t->row->book_depth ? DEPTH_THIN : DEPTH_OVER;
}

static void gather_facts(const track *t, const message *m, frame_facts *f)
{
    facts_of_head(&m->head, t->row->sequence, f);
    if (m->is_record) {
        if (t->row->sequence == SEQ_ITEM)
            facts_of_items(&m->record, f);
    } else if (m->head.type == MSG_TRADE) {
        facts_of_trades(&m->trades, t->row->sequence, f);
    }
    if (t->book != NULL) {
        f->depth[SIDE_BUY] = depth_of(t, SIDE_BUY);
        f->depth[SIDE_SELL] = depth_of(t, SIDE_SELL);
    }
}

/* ---- the verdict ---- */

static void forget_predecessor(track *t)
{
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        t->seqs[i].is_known = 0;
    t->time.is_known = 0;
}

/* A snapshot starts everything over; where none is needed (every frame of the topic is a full
 * picture) it only mends the book. */
static void take_snapshot(track *t)
{
    t->is_broken = 0;
    t->is_anchored = 1;
    if (t->needs_anchor)
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

/* What the next frame is compared with. A number that fell is taken over all the same: then each
 * fall is one violation, not every frame after it. */
static void remember(track *t, const frame_facts *f)
{
    for (size_t i = 0; i < SEQ_NUMBERS; i++) {
        if (f->seqs[i].is_known)
            t->seqs[i] = f->seqs[i];
    }
    if (f->time.is_known)
        t->time = f->time;
    t->depth[SIDE_BUY] = f->depth[SIDE_BUY];
    t->depth[SIDE_SELL] = f->depth[SIDE_SELL];
    const msg_head *head = &f->message->head;
    if (head->has_cross_seq)
        t->last.cross_seq = head->cross_seq;
    if (head->has_u)
        t->last.u = head->u;
    if (head->has_seq)
        t->last.seq = head->seq;
    t->last.has_cross_seq |= head->has_cross_seq;
    t->last.has_u |= head->has_u;
    t->last.has_seq |= head->has_seq;
}

void track_apply(track *t, const message *m, verdict *out)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    TD_ASSERT(t->book == NULL || !m->is_record);
    frame_facts facts = {
        .message = m, .is_delta = m->head.kind == FRAME_DELTA, .was_anchored = t->is_anchored};
    if (m->head.kind == FRAME_SNAPSHOT)
        take_snapshot(t);
    facts.judges_content = t->is_anchored && !t->is_broken;
    if (t->book != NULL)
        book_apply(t->book, &m->book, &facts.outcome);
    gather_facts(t, m, &facts);

    out->count = 0;
    out->unchecked = t->book != NULL && !facts.judges_content;
    check_rules(t, &facts, out);
    if (verdict_violation(out) != NULL)
        t->is_broken = 1;
    remember(t, &facts);
}

void track_skip(track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    t->is_broken = 1;
    for (size_t i = 0; i < SEQ_NUMBERS; i++)
        t->seqs[i].has_hole = 1; /* the frame had numbers of its own: their absence is no news */
}

void track_reset(track *t)
{
    TD_ASSERT(t->magic == TRACK_MAGIC);
    t->is_anchored = !t->needs_anchor;
    t->is_broken = 0;
    forget_predecessor(t);
}

/* ---- questions ---- */

const verdict_item *verdict_violation(const verdict *v)
{
    TD_ASSERT(v->count <= VERDICT_ITEMS_MAX);
    for (uint32_t i = 0; i < v->count; i++) {
        if (v->items[i].strength == STRENGTH_ERROR)
            return &v->items[i];
    }
    return NULL;
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

int track_is_broken(const track *t)
{
    return t->is_broken || !t->is_anchored;
}

void track_last(const track *t, track_seqs *out)
{
    *out = t->last;
}
