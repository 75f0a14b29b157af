#include "export/hft_fuse.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

static void add(fused_levels *to, book_level level)
{
    to->items = td_array_reach(to->items, &to->capacity, to->count, sizeof level);
    to->items[to->count++] = level;
}

/* Below 0: a is better than b; above: worse. */
static int compare(msg_side side, td_decimal a, td_decimal b)
{
    return side == SIDE_BUY ? td_decimal_compare(b, a) : td_decimal_compare(a, b);
}

static int is_beyond(fused_end end, msg_side side, td_decimal price)
{
    return !end.is_open && compare(side, price, end.price) > 0;
}

static fused_end find_end(const fused_topic *of, msg_side side)
{
    book_level last;
    size_t count = book_level_count(of->book, side);
    if (count < of->row->book_depth || !book_level_at(of->book, side, count - 1, &last))
        return (fused_end){.is_open = 1};
    return (fused_end){last.price, 0};
}

static fused_end farther(fused_end a, fused_end b, msg_side side)
{
    return b.is_open || is_beyond(a, side, b.price) ? b : a;
}

/* The best levels of a side until a price: those of each topic beyond the windows before it. */
static void find_top(hft_fuse *fuse, msg_side side, fused_end until)
{
    fused_end done = {{0, 0}, 0};
    fuse->top.count = 0;
    for (size_t i = 0; i < fuse->topic_count; i++) {
        const fused_topic *of = &fuse->topics[i];
        book_level at;
        for (size_t k = 0; book_level_at(of->book, side, k, &at); k++) {
            if (is_beyond(until, side, at.price))
                break;
            if (i == 0 || is_beyond(done, side, at.price))
                add(&fuse->top, at);
        }
        done = i == 0 ? of->ends[side] : farther(done, of->ends[side], side);
        if (done.is_open || (!until.is_open && !is_beyond(done, side, until.price)))
            return;
    }
}

/* Put the new best levels in the place of the old ones, and note what differs. */
static void replace_top(hft_fuse *fuse, msg_side side, fused_end until)
{
    const fused_levels old = fuse->sides[side];
    fused_levels *top = &fuse->top;
    size_t i = 0;
    for (size_t k = 0, count = top->count;;) {
        const book_level *a = i < old.count ? &old.items[i] : NULL;
        const book_level *b = k < count ? &top->items[k] : NULL;
        if (a != NULL && is_beyond(until, side, a->price))
            a = NULL;
        if (a == NULL && b == NULL)
            break;
        int order = a == NULL ? 1 : b == NULL ? -1 : compare(side, a->price, b->price);
        if (order < 0)
            add(&fuse->changes[side], (book_level){a->price, {0, 0}});
        else if (order > 0 || td_decimal_compare(a->size, b->size) != 0)
            add(&fuse->changes[side], *b);
        i += order <= 0;
        k += order >= 0;
    }
    TD_ASSERT(old.items != NULL || i == old.count);
    for (; i < old.count; i++)
        add(top, old.items[i]);
    fuse->sides[side] = *top;
    *top = old;
}

/* The topic's new state, in its place by number; of equal numbers the last frame's comes first. */
static fused_topic *put_topic(hft_fuse *fuse, size_t at, const maker_frame *seen)
{
    fused_topic is = fuse->topics[at];
    is.row = seen->frame->row;
    is.book = seen->book;
    is.number = fuse->topics[0].number; /* of frames without one */
    (void)msg_head_number(&seen->message->head, &is.number);
    for (; at > 0 && fuse->topics[at - 1].number <= is.number; at--)
        fuse->topics[at] = fuse->topics[at - 1];
    fuse->topics[at] = is;
    return &fuse->topics[at];
}

unsigned hft_fuse_apply(hft_fuse *fuse, const maker_frame *seen)
{
    const trust_answer *trust = seen->trust;
    const int is_alive = trust->is_trusted && trust->was_alive;
    unsigned answer = 0;
    size_t at = 0;
    fuse->changes[SIDE_BUY].count = fuse->changes[SIDE_SELL].count = 0;
    while (at < fuse->topic_count && fuse->topics[at].row != seen->frame->row)
        at++;
    int is_new = at == fuse->topic_count;
    if (!is_new && !is_alive) {
        /* What broke one may have broken the others: they count again from their next frames. */
        fuse->sides[SIDE_BUY].count = fuse->sides[SIDE_SELL].count = fuse->topic_count = at = 0;
        is_new = 1;
        answer = FUSE_LOST;
    }
    if (!trust->is_trusted)
        return answer;
    answer |= fuse->topic_count == 0 ? (unsigned)FUSE_WHOLE : 0U;
    fuse->topic_count += (size_t)is_new;
    TD_ASSERT(fuse->topic_count <= FUSED_TOPICS);
    fused_topic *of = put_topic(fuse, at, seen);
    for (msg_side side = SIDE_BUY; side <= SIDE_SELL; side++) {
        const fused_end before = of->ends[side];
        of->ends[side] = find_end(of, side);
        const fused_end until = is_new ? of->ends[side] : farther(of->ends[side], before, side);
        find_top(fuse, side, until);
        replace_top(fuse, side, until);
    }
    return answer;
}

void hft_fuse_fini(hft_fuse *fuse)
{
    for (size_t i = 0; i < FUSED_SIDES; i++) {
        td_free(fuse->sides[i].items);
        td_free(fuse->changes[i].items);
    }
    td_free(fuse->top.items);
}
