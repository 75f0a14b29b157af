/* Computes the numbers and depths of a frame, once for all rules. */
#include "book/continuity_impl.h"

#include "base/decimal.h"

static void seq_range_add(seq_range *c, int64_t value)
{
    if (!c->is_known) {
        *c = (seq_range){.is_known = 1, .first = value, .last = value};
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

/* Add numbers of the envelope. If the row finds its numbers in the entries, those of the envelope
 * mean something else. */
static void facts_of_head(const msg_head *head, seq_source source, frame_facts *f)
{
    if (head->exchange_ns != 0)
        seq_range_add(&f->seqs[SEQ_NUMBER_TIME], clamp_ns(head->exchange_ns));
    if (source == SEQ_ITEM)
        return;
    if (head->has_cross_seq)
        seq_range_add(&f->seqs[SEQ_NUMBER_CROSS], head->cross_seq);
    if (head->has_u)
        seq_range_add(&f->seqs[SEQ_NUMBER_U], head->u);
    if (head->has_seq)
        seq_range_add(&f->seqs[SEQ_NUMBER_SEQ], head->seq);
    uint64_t version; /* USDC's version is one number, unlike spot's "112801745_18" */
    if (head->version.size > 0 && td_digits_parse(head->version, INT64_MAX, &version))
        seq_range_add(&f->seqs[SEQ_NUMBER_VERSION], (int64_t)version);
}

/* Each trade has its own number and time. */
static void facts_of_trades(const msg_trades *trades, seq_source source, frame_facts *f)
{
    f->seqs[SEQ_NUMBER_TIME] = (seq_range){0};
    for (size_t i = 0; i < trades->trade_count; i++) {
        const msg_trade *trade = &trades->trades[i];
        if (trade->exchange_ns != 0)
            seq_range_add(&f->seqs[SEQ_NUMBER_TIME], clamp_ns(trade->exchange_ns));
        if (source != SEQ_ITEM)
            continue;
        if (trade->has_cross_seq)
            seq_range_add(&f->seqs[SEQ_NUMBER_CROSS], trade->cross_seq);
        if (trade->has_seq)
            seq_range_add(&f->seqs[SEQ_NUMBER_SEQ], trade->seq);
    }
}

seq_number seq_number_of(msg_member member)
{
    return member == MEMBER_CROSS_SEQ ? SEQ_NUMBER_CROSS
           : member == MEMBER_U       ? SEQ_NUMBER_U
           : member == MEMBER_SEQ     ? SEQ_NUMBER_SEQ
           : member == MEMBER_VERSION ? SEQ_NUMBER_VERSION
                                      : SEQ_NUMBER_TIME;
}

static void facts_of_value(const msg_value *value, frame_facts *f)
{
    seq_number number = seq_number_of(value->member);
    if (value->type == VALUE_INTEGER && number != SEQ_NUMBER_TIME)
        seq_range_add(&f->seqs[number], value->as.integer);
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

void frame_facts_gather(const track *t, const message *m, frame_facts *f)
{
    facts_of_head(&m->head, t->row->sequence, f);
    if (message_is_record(m)) {
        if (t->row->sequence == SEQ_ITEM)
            facts_of_items(&m->record, f);
        else if (t->row->sequence == SEQ_ENVELOPE)
            for (size_t i = 0; i < m->record.value_count; i++)
                facts_of_value(&m->record.values[i], f);
    } else if (m->head.type == MSG_TRADE) {
        facts_of_trades(&m->trades, t->row->sequence, f);
    }
    if (t->book != NULL) {
        f->depth[SIDE_BUY] = depth_of(t, SIDE_BUY);
        f->depth[SIDE_SELL] = depth_of(t, SIDE_SELL);
    }
}
