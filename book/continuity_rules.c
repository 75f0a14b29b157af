#include "book/continuity_impl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/decimal.h"

/* Each rule: its meaning, the evidence for it (sections of docs/wire.md), and what it can find. The
 * previous frame is that of the same connection, topic and symbol; without one, rules about order
 * hold. */

/* seq_strict: the number rises from frame to frame, by any step. Books: 4,268 of 4,268 steps (6.1);
 * trades: 74 of 74 frames (6.2). Finds repeated and reordered frames, but never a loss, because the
 * number counts the symbol's matching events, of which a topic is only a sample.
 *
 * time_strict: the exchange's time rises, too. Books: 4,268 of 4,268 (6.1). */
static int check_seq_strict(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const seq_range *now = &v->facts->seqs[v->rule->number];
    if (!before->is_known || !now->is_known || now->first > before->last)
        return 0;
    return rule_broken(item, before->last, now->first);
}

/* seq_weak: the number never falls, from frame to frame or inside one. v5 trades: 341 of 341; spot
 * tickers repeat it (6.5).
 *
 * time_weak: the exchange's time never falls, also from trade to trade inside a frame (6.2). */
static int check_seq_weak(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const seq_range *now = &v->facts->seqs[v->rule->number];
    if (!now->is_known)
        return 0;
    if (before->is_known && now->first < before->last)
        return rule_broken(item, before->last, now->first);
    return now->falls ? rule_broken(item, now->first, now->last) : 0;
}

/* seq_dense: the number rises by exactly one. u: 2,142 of 2,142 (6.5); finds every loss. A u of 1
 * restarts the count: the exchange's service was restarted, and the track treats the frame as a
 * snapshot. For USDC's version only its samples show this.
 *
 * seq_step: the number stays, or rises by one. orderbook.1: 194 of 194 steps (6.5); a book that is
 * sent again after 3 s without change repeats its number. A larger step is a loss, which the frame
 * itself repairs, because each frame is a snapshot. */
static int check_seq_dense(const rule_view *v, verdict_item *item)
{
    const seq_range *before = &v->track->seqs[v->rule->number];
    const seq_range *now = &v->facts->seqs[v->rule->number];
    int may_stay = v->rule->rule == RULE_SEQ_STEP;
    if (!before->is_known || before->has_hole || !now->is_known ||
        (may_stay && (now->first == 1 || now->first == before->last)))
        return 0;
    int64_t expected = before->last == INT64_MAX ? INT64_MAX : before->last + 1;
    return now->first == expected ? 0 : rule_broken(item, expected, now->first);
}

/* version_differs: the version of spot books is not a number. No order is documented, but it
 * identifies a state of the book: an equal version means a repeated frame (6.6). */
static int check_version_differs(const rule_view *v, verdict_item *item)
{
    td_bytes now = v->facts->message->head.version;
    td_bytes before = td_bytes_of(v->track->version, v->track->version_bytes);
    return before.size > 0 && td_bytes_equal(now, before) ? rule_broken(item, 0, 0) : 0;
}

/* One number of a version; *text is advanced past its '_'. Numbers beyond 63 bits do not occur;
 * they count as INT64_MAX. */
static int64_t version_part(td_bytes *text)
{
    int64_t value = 0;
    size_t i = 0;
    for (; i < text->size && text->data[i] != '_'; i++) {
        int digit = text->data[i] >= '0' && text->data[i] <= '9' ? text->data[i] - '0' : 0;
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digit, &value))
            value = INT64_MAX;
    }
    i += i < text->size;
    *text = td_bytes_of(text->data + i, text->size - i);
    return value;
}

/* version_weak: the first number of the version that differs from the previous frame is higher.
 * Only a hint, because no order is documented (6.6). */
static int check_version_weak(const rule_view *v, verdict_item *item)
{
    td_bytes now = v->facts->message->head.version;
    td_bytes before = td_bytes_of(v->track->version, v->track->version_bytes);
    while (now.size > 0 && before.size > 0) {
        int64_t is = version_part(&now);
        int64_t was = version_part(&before);
        if (is != was)
            return is > was ? 0 : rule_broken(item, was, is);
    }
    return 0;
}

/* seq_frame_equal: all entries of one frame share their number. Inverse trades: 31 of 31 frames
 * with more than one (6.2). With seq_strict, numbers are equal only inside a frame. */
static int check_seq_frame_equal(const rule_view *v, verdict_item *item)
{
    const seq_range *now = &v->facts->seqs[v->rule->number];
    return now->differs ? rule_broken(item, now->first, now->last) : 0;
}

/* anchored: no delta before the topic's snapshot on this connection: 10 of 10 (6.1, 6.3 point 1).
 * Finds a lost snapshot, and a recording that starts in the middle. */
static int check_anchored(const rule_view *v, verdict_item *item)
{
    return v->facts->is_delta && !v->facts->was_anchored ? rule_broken(item, 0, 0) : 0;
}

/* delta_not_empty: a delta has entries: 4,268 of 4,268 (6.3 point 8); no recorded delta of v5 is
 * empty (3.3). An empty one has lost its entries. */
static int check_delta_not_empty(const rule_view *v, verdict_item *item)
{
    return v->facts->is_delta && message_item_count(v->facts->message) == 0
               ? rule_broken(item, 0, 0)
               : 0;
}

/* Rules about one count of the book's outcome (book_outcome), which must be 0.
 *
 * delete_exists: every delete hits a level of its side (4,316 of 4,316; 6.3 point 2). This rule
 * finds most lost frames (6.4).
 *
 * update_exists: every update hits a level of its side (6.3 point 3).
 *
 * update_changes: an update changes the level's size (6.3 point 3).
 *
 * insert_new: every insert creates a level that does not exist after the frame's deletes (6.3 point
 * 4); a snapshot has no price of a side twice.
 *
 * size_positive: a level that is set has a size (6.3 point 5).
 *
 * book_fits: all levels fit our own limits (base/limits.h, 64-bit mantissas). */
int check_outcome(const rule_view *v, verdict_item *item)
{
    const book_outcome *o = &v->facts->outcome;
    uint32_t found = v->rule->rule == RULE_DELETE_EXISTS    ? o->delete_misses
                     : v->rule->rule == RULE_UPDATE_EXISTS  ? o->update_misses
                     : v->rule->rule == RULE_UPDATE_CHANGES ? o->update_repeats
                     : v->rule->rule == RULE_INSERT_NEW     ? o->insert_hits
                     : v->rule->rule == RULE_SIZE_POSITIVE  ? o->empty_sizes
                                                            : o->overflows + o->out_of_range;
    return found == 0 ? 0 : rule_broken(item, 0, found);
}

/* not_crossed: after each frame the best bid is below the best ask (6.3 point 6). Expected and
 * found are not used: the prices have the book's scale, and the report reads them from the book. */
static int check_not_crossed(const rule_view *v, verdict_item *item)
{
    return v->track->book != NULL && book_is_crossed(v->track->book) ? rule_broken(item, 0, 0) : 0;
}

/* depth: a windowed book has as many levels per side as its topic shows (6.3 points 6 and 7). A
 * thin market may have fewer, so the rule is broken by more levels, and by fewer after there were
 * enough; once for each such change. */
static int check_depth(const rule_view *v, verdict_item *item)
{
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        if (v->facts->depth[at] == v->track->depth[at] || v->facts->depth[at] == DEPTH_FULL)
            continue;
        if (v->facts->depth[at] == DEPTH_THIN && v->facts->is_snapshot)
            continue;
        return rule_broken(item, v->track->row->book_depth,
                           (int64_t)book_level_count(v->track->book, (msg_side)at));
    }
    return 0;
}

/* depth_max: a book never has more levels a side than its topic shows: 2,142 of 2,142 deltas (6.5).
 * More means that a delete is missing. */
static int check_depth_max(const rule_view *v, verdict_item *item)
{
    for (int at = SIDE_BUY; at <= SIDE_SELL; at++) {
        if (v->facts->depth[at] == DEPTH_OVER)
            return rule_broken(item, v->track->row->book_depth,
                               (int64_t)book_level_count(v->track->book, (msg_side)at));
    }
    return 0;
}

/* symbol_matches: every entry has the topic's symbol (6.3 point 5). For frames with several symbols
 * decoders set "*". */
static int check_symbol_matches(const rule_view *v, verdict_item *item)
{
    uint32_t foreign = v->facts->message->head.foreign_symbols;
    return foreign == 0 ? 0 : rule_broken(item, 0, foreign);
}

/* A snapshot equal to the previous frame: repeated because nothing changed. */
static int is_repeat(const rule_view *v)
{
    const msg_head *head = &v->facts->message->head;
    return v->facts->was_anchored && v->facts->is_snapshot && head->has_u &&
           v->track->seqs[SEQ_NUMBER_U].was_seen && head->u == v->track->seqs[SEQ_NUMBER_U].last;
}

/* snapshot_reset: a snapshot on a topic that had one: a resubscription, or the exchange started
 * over. Not an error (6.6), but counted. */
static int check_snapshot_reset(const rule_view *v, verdict_item *item)
{
    int is_reset = v->facts->was_anchored && v->facts->is_snapshot && !is_repeat(v);
    return is_reset ? rule_broken(item, 0, 0) : 0;
}

/* snapshot_repeat: level 1 is sent again after 3 s without change, with the same u (6.5). */
static int check_snapshot_repeat(const rule_view *v, verdict_item *item)
{
    int64_t u = v->facts->message->head.u;
    return is_repeat(v) ? rule_broken(item, u, u) : 0;
}

static const rule_check RULES[RULE_COUNT] = {
    [RULE_SEQ_STRICT] = {check_seq_strict, NUMBERS_ABOVE},
    [RULE_SEQ_WEAK] = {check_seq_weak, NUMBERS_AT_LEAST},
    [RULE_SEQ_DENSE] = {check_seq_dense, NUMBERS_NEXT},
    [RULE_SEQ_STEP] = {check_seq_dense, NUMBERS_NEXT},
    [RULE_VERSION_DIFFERS] = {check_version_differs, NUMBERS_NONE},
    [RULE_VERSION_WEAK] = {check_version_weak, NUMBERS_AT_LEAST},
    [RULE_ENTRY_SEQ_STRICT] = {check_entry_numbers, NUMBERS_ABOVE, SCOPE_ENTRIES},
    [RULE_ENTRY_SEQ_WEAK] = {check_entry_numbers, NUMBERS_AT_LEAST, SCOPE_ENTRIES},
    [RULE_ENTRY_TIME_WEAK] = {check_entry_numbers, NUMBERS_AT_LEAST, SCOPE_ENTRIES},
    [RULE_ID_UNIQUE] = {check_id_unique, NUMBERS_COUNT, SCOPE_ENTRIES},
    [RULE_ID_ASCENDING] = {check_id_ascending, NUMBERS_NONE, SCOPE_ENTRIES},
    [RULE_FRAME_UNIQUE] = {check_frame_unique, NUMBERS_NONE, SCOPE_ENTRIES},
    [RULE_DELTA_NOT_EMPTY] = {check_delta_not_empty, NUMBERS_NONE},
    [RULE_KLINE_START] = {check_kline_start, NUMBERS_AT_LEAST, SCOPE_ENTRIES},
    [RULE_KLINE_CONFIRM] = {check_kline_confirm, NUMBERS_NONE, SCOPE_ENTRIES},
    [RULE_SEQ_FRAME_EQUAL] = {check_seq_frame_equal, NUMBERS_EQUAL},
    [RULE_TIME_STRICT] = {check_seq_strict, NUMBERS_ABOVE},
    [RULE_TIME_WEAK] = {check_seq_weak, NUMBERS_AT_LEAST},
    [RULE_ANCHORED] = {check_anchored, NUMBERS_NONE},
    [RULE_DELETE_EXISTS] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_UPDATE_EXISTS] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_UPDATE_CHANGES] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_INSERT_NEW] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_NOT_CROSSED] = {check_not_crossed, NUMBERS_NONE, SCOPE_CONTENT},
    [RULE_DEPTH] = {check_depth, NUMBERS_EQUAL, SCOPE_CONTENT},
    [RULE_DEPTH_MAX] = {check_depth_max, NUMBERS_AT_MOST, SCOPE_CONTENT},
    [RULE_SYMBOL_MATCHES] = {check_symbol_matches, NUMBERS_COUNT},
    [RULE_SIZE_POSITIVE] = {check_outcome, NUMBERS_COUNT},
    [RULE_BOOK_FITS] = {check_outcome, NUMBERS_COUNT, SCOPE_CONTENT},
    [RULE_SNAPSHOT_RESET] = {check_snapshot_reset, NUMBERS_NONE},
    [RULE_SNAPSHOT_REPEAT] = {check_snapshot_repeat, NUMBERS_NONE},
    /* Without a function: rules across topics (book/audit.h). */
    [RULE_BOOKS_AGREE] = {NULL, NUMBERS_STATES},
    [RULE_LINES_AGREE] = {NULL, NUMBERS_STATES},
    [RULE_BEST_AGREES] = {NULL, NUMBERS_NONE},
    [RULE_TRADES_COMPLETE] = {NULL, NUMBERS_SUMS},
};

const rule_check *rule_check_find(rule_id rule)
{
    TD_ASSERT(rule > RULE_NONE);
    TD_ASSERT(rule < RULE_COUNT);
    return &RULES[rule];
}

/* Negative if the number fell. */
static int64_t frames_lost(const verdict_item *item)
{
    int64_t lost;
    return __builtin_sub_overflow(item->found, item->expected, &lost) ? 0 : lost;
}

void verdict_item_text(const verdict_item *item, char out[VERDICT_TEXT_BYTES])
{
    static const char *const BOUNDS[] = {[NUMBERS_NEXT] = "",
                                         [NUMBERS_ABOVE] = "above ",
                                         [NUMBERS_AT_LEAST] = "at least ",
                                         [NUMBERS_EQUAL] = "",
                                         [NUMBERS_AT_MOST] = "at most "};
    char grew[TD_DECIMAL_TEXT_BYTES];
    char came[TD_DECIMAL_TEXT_BYTES];
    rule_numbers numbers = rule_check_find(item->rule)->numbers;
    int64_t lost = numbers == NUMBERS_NEXT ? frames_lost(item) : 0;
    int size;
    out[0] = '\0';
    switch (numbers) { /* each text fits */
    case NUMBERS_NONE:
        break;
    case NUMBERS_NEXT:
    case NUMBERS_ABOVE:
    case NUMBERS_AT_LEAST:
    case NUMBERS_EQUAL:
    case NUMBERS_AT_MOST:
        size = snprintf(out, VERDICT_TEXT_BYTES, "expected %s%" PRId64 ", found %" PRId64,
                        BOUNDS[numbers], item->expected, item->found);
        if (lost > 0)
            (void)snprintf(out + size, VERDICT_TEXT_BYTES - (size_t)size, ": %" PRId64 " lost",
                           lost);
        break;
    case NUMBERS_COUNT:
        (void)snprintf(out, VERDICT_TEXT_BYTES, "in %" PRId64 " %s", item->found,
                       item->found == 1 ? "entry" : "entries");
        break;
    case NUMBERS_STATES:
        (void)snprintf(out, VERDICT_TEXT_BYTES, "equal at %" PRId64 ", not at %" PRId64,
                       item->expected, item->found);
        break;
    case NUMBERS_SUMS:
        (void)td_decimal_format((td_decimal){item->expected, 8}, grew);
        (void)td_decimal_format((td_decimal){item->found, 8}, came);
        (void)snprintf(out, VERDICT_TEXT_BYTES,
                       "the candle grew by %s, the trades that came add %s", grew, came);
        break;
    }
}

int64_t verdict_frames_lost(const verdict *v)
{
    for (uint32_t i = 0; i < v->count; i++) {
        const verdict_item *item = &v->items[i];
        if (item->strength == STRENGTH_ERROR &&
            rule_check_find(item->rule)->numbers == NUMBERS_NEXT)
            return frames_lost(item);
    }
    return 0;
}
