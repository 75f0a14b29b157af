#include "regress/align.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

enum {
    BUFFER_IDS = ALIGN_WINDOW_IDS + ALIGN_GRAM_IDS + ALIGN_BLOCK_IDS,
    /* The first search sees so many ids of each sequence, each further one four times as many. */
    WINDOW_FIRST_IDS = 16,
    WINDOW_GROWTH = 4,
    /* One to three ids that reach the end of only one sequence may agree by chance: one id does
     * once in a thousand times after a skip of up to so many. */
    TAIL_SKIP_IDS = 64,
    /* A skip of at most so many ids of each sequence is compared id by id: frames that changed
     * their order, or neighbours of changed ones, are pairs. In larger ones ids agree by chance. */
    SMALL_SKIP_IDS = 8,
    RUNS_MAX = 3 * SMALL_SKIP_IDS + 2, /* of a small skip: each pair after missing and added ones */
    TABLE_SLOTS = 2 * ALIGN_WINDOW_IDS,
    /* Made-up ids might share a slot; what finds no slot among so many is not searched for. */
    PROBES_MAX = 32,
};

static_assert((TABLE_SLOTS & (TABLE_SLOTS - 1)) == 0, "a mask finds the slot");

/* Four ids and where they stand first in a window. */
typedef struct gram_slot {
    uint64_t gram;
    uint32_t at;
    uint32_t round; /* of the table; another: the slot is free */
} gram_slot;

typedef struct gram_table {
    gram_slot slots[TABLE_SLOTS];
    uint32_t mask; /* of the present round: small searches stay in the processor's caches */
    uint32_t round;
} gram_table;

/* A sequence and the part of it that is in memory: from index at on. */
typedef struct side {
    align_sequence from;
    uint64_t at; /* of the next id that is in no run yet */
    size_t head; /* in ids, of the same id */
    size_t size; /* ids after head */
    uint16_t ids[BUFFER_IDS];
} side;

struct aligner {
    side was, is;
    gram_table was_grams, is_grams;
    align_run runs[RUNS_MAX]; /* of a skip, to be returned next; their indexes are not set */
    size_t run_count, run_at;
    uint64_t far_ids_left; /* that searches beyond the windows may still read */
    uint64_t ids_read;
    uint16_t far[ALIGN_BLOCK_IDS + ALIGN_GRAM_IDS];
};

/* A skip of both sequences. */
typedef struct skip {
    uint64_t was, is;
} skip;

static const skip NO_SKIP = {UINT64_MAX, 0};

static int is_skip(skip s)
{
    return s.was != UINT64_MAX;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- ids in memory ---- */

static uint64_t rest_of(const side *s)
{
    return s->from.count - s->at;
}

static const uint16_t *ids_of(const side *s)
{
    return s->ids + s->head;
}

/* Have the next count ids in memory, or all that are left. Whole blocks are read, because a block
 * is what the sequences have at hand. */
static td_result need(aligner *a, side *s, size_t count, td_err *err)
{
    size_t wanted = (size_t)least(count, rest_of(s));
    if (TD_LIKELY(s->size >= wanted))
        return TD_OK;
    if (s->head + wanted + ALIGN_BLOCK_IDS > BUFFER_IDS) {
        memmove(s->ids, ids_of(s), s->size * sizeof *s->ids);
        s->head = 0;
    }
    while (s->size < wanted) {
        uint64_t first = s->at + s->size;
        size_t more =
            (size_t)least(ALIGN_BLOCK_IDS - first % ALIGN_BLOCK_IDS, rest_of(s) - s->size);
        TD_ASSERT(s->head + s->size + more <= BUFFER_IDS);
        td_result rc = s->from.read(s->from.ctx, first, more, s->ids + s->head + s->size, err);
        if (rc != TD_OK)
            return rc;
        s->size += more;
        a->ids_read += more;
    }
    return TD_OK;
}

/* Skip count ids, which need not be in memory. */
static void advance(side *s, uint64_t count)
{
    TD_ASSERT(count <= rest_of(s));
    size_t dropped = (size_t)least(count, s->size);
    s->at += count;
    s->head += dropped;
    s->size -= dropped;
    if (s->size == 0)
        s->head = 0;
}

/* ---- grams ---- */

static uint64_t gram_at(const uint16_t *ids)
{
    uint64_t gram;
    static_assert(sizeof gram == ALIGN_GRAM_IDS * sizeof *ids, "four ids are a number");
    memcpy(&gram, ids, sizeof gram);
    return gram;
}

static uint32_t slot_of(const gram_table *table, uint64_t gram)
{
    return (uint32_t)(gram * UINT64_C(0x9e3779b97f4a7c15) >> 32) & table->mask;
}

/* Begin a round for so many grams. */
static void clear_grams(gram_table *table, size_t count)
{
    uint32_t slots = 2 * WINDOW_FIRST_IDS;
    while (slots < 2 * count)
        slots *= 2;
    TD_ASSERT(slots <= TABLE_SLOTS);
    table->mask = slots - 1;
    if (++table->round == 0) {
        memset(table->slots, 0, sizeof table->slots);
        table->round = 1;
    }
}

/* The first place of a gram stays: it gives the smallest skip. */
static void put_gram(gram_table *table, uint64_t gram, uint32_t at)
{
    uint32_t slot = slot_of(table, gram);
    for (unsigned i = 0; i < PROBES_MAX; i++, slot = (slot + 1) & table->mask) {
        gram_slot *found = &table->slots[slot];
        if (found->round != table->round) {
            *found = (gram_slot){gram, at, table->round};
            return;
        }
        if (found->gram == gram)
            return;
    }
}

static int find_gram(const gram_table *table, uint64_t gram, uint32_t *at)
{
    uint32_t slot = slot_of(table, gram);
    for (unsigned i = 0; i < PROBES_MAX; i++, slot = (slot + 1) & table->mask) {
        const gram_slot *found = &table->slots[slot];
        if (found->round != table->round)
            return 0;
        if (found->gram == gram) {
            *at = found->at;
            return 1;
        }
    }
    return 0;
}

/* How many grams begin among the next `window` ids. */
static size_t gram_count(const side *s, size_t window)
{
    uint64_t rest = rest_of(s);
    return rest < ALIGN_GRAM_IDS ? 0 : (size_t)least(window, rest - ALIGN_GRAM_IDS + 1);
}

static void put_window(gram_table *table, const side *s, size_t window)
{
    size_t count = gram_count(s, window);
    clear_grams(table, window);
    for (size_t i = 0; i < count; i++)
        put_gram(table, gram_at(ids_of(s) + i), (uint32_t)i);
}

/* ---- the smallest skip in the windows ---- */

static skip smaller(skip a, skip b)
{
    if (!is_skip(a) || !is_skip(b))
        return is_skip(a) ? a : b;
    return b.was + b.is < a.was + a.is ? b : a;
}

/* The first `length` ids that agree at the end of tail's sequence and somewhere in the window of
 * other's. *in_other: the skip of the other sequence. */
static int find_tail(const side *tail, const side *other, size_t window, size_t length,
                     size_t *in_other)
{
    const uint16_t *end = ids_of(tail) + rest_of(tail) - length;
    uint64_t skip_max = least(window, rest_of(other) - length);
    for (size_t i = 0; i <= skip_max; i++) {
        int is_end = i + length == rest_of(other);
        if (!is_end && rest_of(tail) - length + i > TAIL_SKIP_IDS)
            continue;
        if (memcmp(end, ids_of(other) + i, length * sizeof *end) == 0) {
            *in_other = i;
            return 1;
        }
    }
    return 0;
}

/* At the end of a sequence fewer ids than a gram may agree. */
static skip find_tails(const aligner *a, size_t window)
{
    skip best = NO_SKIP;
    size_t in_other;
    for (size_t length = 1; length < ALIGN_GRAM_IDS; length++) {
        if (rest_of(&a->was) < length || rest_of(&a->is) < length)
            break;
        if (rest_of(&a->was) - length <= window &&
            find_tail(&a->was, &a->is, window, length, &in_other))
            best = smaller(best, (skip){rest_of(&a->was) - length, in_other});
        if (rest_of(&a->is) - length <= window &&
            find_tail(&a->is, &a->was, window, length, &in_other))
            best = smaller(best, (skip){in_other, rest_of(&a->is) - length});
    }
    return best;
}

/* The smallest skip whose both parts are within so many ids, which are in memory. */
static skip find_in_window(aligner *a, size_t window)
{
    skip best = find_tails(a, window);
    put_window(&a->was_grams, &a->was, window);
    size_t count = gram_count(&a->is, window);
    for (size_t i = 0; i < count; i++) {
        uint32_t at;
        if (is_skip(best) && i >= best.was + best.is)
            break;
        if (find_gram(&a->was_grams, gram_at(ids_of(&a->is) + i), &at))
            best = smaller(best, (skip){at, i});
    }
    return best;
}

/* Windows grow until the skip that was found is the smallest one: a smaller one has both parts in
 * the window. So a search costs as much as its skip is long. */
static td_result find_near(aligner *a, skip *out, td_err *err)
{
    *out = NO_SKIP;
    for (size_t window = WINDOW_FIRST_IDS;;
         window = least(window * WINDOW_GROWTH, ALIGN_WINDOW_IDS)) {
        td_result rc = need(a, &a->was, window + ALIGN_GRAM_IDS, err);
        if (rc == TD_OK)
            rc = need(a, &a->is, window + ALIGN_GRAM_IDS, err);
        if (rc != TD_OK)
            return rc;
        *out = find_in_window(a, window);
        int is_all = window >= rest_of(&a->was) && window >= rest_of(&a->is);
        if ((is_skip(*out) && out->was + out->is <= window) || is_all || window == ALIGN_WINDOW_IDS)
            return TD_OK;
    }
}

/* ---- beyond the windows ---- */

/* Search the ids [from, to) of a sequence, and those that end their grams, for one of the grams.
 * *found: index in the sequence, UINT64_MAX: none. *at: index in the grams' window. */
static td_result scan(aligner *a, const side *s, uint64_t from, uint64_t to,
                      const gram_table *grams, uint64_t *found, uint32_t *at, td_err *err)
{
    *found = UINT64_MAX;
    for (uint64_t first = from; first < to;) {
        size_t starts = (size_t)least(ALIGN_BLOCK_IDS - first % ALIGN_BLOCK_IDS, to - first);
        size_t count = (size_t)least(starts + ALIGN_GRAM_IDS - 1, s->from.count - first);
        td_result rc = s->from.read(s->from.ctx, first, count, a->far, err);
        if (rc != TD_OK)
            return rc;
        a->ids_read += count;
        a->far_ids_left -= least(a->far_ids_left, count);
        for (size_t i = 0; i + ALIGN_GRAM_IDS <= count && i < starts; i++) {
            if (find_gram(grams, gram_at(a->far + i), at)) {
                *found = first + i;
                return TD_OK;
            }
        }
        first += starts;
    }
    return TD_OK;
}

/* A long stretch is missing, or new: look for one sequence's window in the rest of the other, both
 * ways in turn, twice as far each time, so that the shorter skip is found without reading
 * everything. */
static td_result find_far(aligner *a, skip *out, td_err *err)
{
    put_window(&a->was_grams, &a->was, ALIGN_WINDOW_IDS);
    put_window(&a->is_grams, &a->is, ALIGN_WINDOW_IDS);
    uint64_t was_end = least(a->was.from.count, a->was.at + ALIGN_WINDOW_IDS);
    uint64_t is_end = least(a->is.from.count, a->is.at + ALIGN_WINDOW_IDS);
    *out = NO_SKIP;
    for (uint64_t step = ALIGN_WINDOW_IDS; a->far_ids_left > 0; step *= 2) {
        uint64_t found;
        uint32_t at;
        uint64_t was_from = was_end;
        uint64_t is_from = is_end;
        was_end += least(step, a->was.from.count - was_end);
        is_end += least(step, a->is.from.count - is_end);
        if (was_from == was_end && is_from == is_end)
            return TD_OK;
        td_result rc = scan(a, &a->was, was_from, was_end, &a->is_grams, &found, &at, err);
        if (rc == TD_OK && found != UINT64_MAX) {
            *out = (skip){found - a->was.at, at};
            return TD_OK;
        }
        if (rc == TD_OK)
            rc = scan(a, &a->is, is_from, is_end, &a->was_grams, &found, &at, err);
        if (rc == TD_OK && found != UINT64_MAX)
            *out = (skip){at, found - a->is.at};
        if (rc != TD_OK || is_skip(*out))
            return rc;
    }
    return TD_OK;
}

/* ---- runs ---- */

static void put_run(aligner *a, align_kind kind, uint64_t count)
{
    if (count == 0)
        return;
    TD_ASSERT(a->run_count < RUNS_MAX);
    a->runs[a->run_count++] = (align_run){.kind = kind, .count = count};
}

/* The runs of a small skip: as many pairs as possible (a longest common subsequence). */
static void put_small_skip(aligner *a, size_t was_count, size_t is_count)
{
    uint8_t common[SMALL_SKIP_IDS + 1][SMALL_SKIP_IDS + 1] = {{0}}; /* from (i, k) to the end */
    const uint16_t *was = ids_of(&a->was);
    const uint16_t *is = ids_of(&a->is);
    for (size_t i = was_count; i-- > 0;) {
        for (size_t k = is_count; k-- > 0;) {
            uint8_t longer =
                common[i + 1][k] > common[i][k + 1] ? common[i + 1][k] : common[i][k + 1];
            common[i][k] = was[i] == is[k] ? (uint8_t)(common[i + 1][k + 1] + 1) : longer;
        }
    }
    size_t i = 0;
    size_t k = 0;
    size_t was_first = 0; /* of the ids that are in no run */
    size_t is_first = 0;
    while (common[i][k] > 0) {
        if (was[i] == is[k]) {
            put_run(a, ALIGN_MISSING, i - was_first);
            put_run(a, ALIGN_ADDED, k - is_first);
            put_run(a, ALIGN_PAIRED, 1);
            was_first = ++i;
            is_first = ++k;
        } else if (common[i + 1][k] >= common[i][k + 1]) {
            i++;
        } else {
            k++;
        }
    }
    put_run(a, ALIGN_MISSING, was_count - was_first);
    put_run(a, ALIGN_ADDED, is_count - is_first);
}

/* Decide what is skipped where the next ids differ, or one sequence has ended. */
static td_result find_skip(aligner *a, td_err *err)
{
    skip best = {rest_of(&a->was), rest_of(&a->is)};
    if (best.was > 0 && best.is > 0) {
        td_result rc = find_near(a, &best, err);
        if (rc == TD_OK && !is_skip(best))
            rc = find_far(a, &best, err);
        if (rc != TD_OK)
            return rc;
        if (!is_skip(best))
            best = (skip){least(ALIGN_WINDOW_IDS, rest_of(&a->was)),
                          least(ALIGN_WINDOW_IDS, rest_of(&a->is))};
    }
    a->run_count = a->run_at = 0;
    if (best.was <= SMALL_SKIP_IDS && best.is <= SMALL_SKIP_IDS) {
        put_small_skip(a, (size_t)best.was, (size_t)best.is);
    } else {
        put_run(a, ALIGN_MISSING, best.was);
        put_run(a, ALIGN_ADDED, best.is);
    }
    return TD_OK;
}

/* Ids that agree from here on, of those in memory. */
static size_t count_equal(const aligner *a)
{
    const uint16_t *was = ids_of(&a->was);
    const uint16_t *is = ids_of(&a->is);
    size_t count = (size_t)least(a->was.size, a->is.size);
    if (memcmp(was, is, count * sizeof *was) == 0)
        return count;
    size_t equal = 0;
    while (was[equal] == is[equal])
        equal++;
    return equal;
}

/* A run of one kind, and the sequences go on after it. */
static void take(aligner *a, align_kind kind, uint64_t count, align_run *out)
{
    *out = (align_run){kind, a->was.at, a->is.at, count};
    if (kind != ALIGN_ADDED)
        advance(&a->was, count);
    if (kind != ALIGN_MISSING)
        advance(&a->is, count);
}

td_result aligner_next(aligner *a, align_run *out, td_err *err)
{
    for (;;) {
        if (a->run_at < a->run_count) {
            const align_run *run = &a->runs[a->run_at++];
            take(a, run->kind, run->count, out);
            return TD_OK;
        }
        if (rest_of(&a->was) == 0 && rest_of(&a->is) == 0)
            return TD_EOF;
        td_result rc = need(a, &a->was, 1, err);
        if (rc == TD_OK)
            rc = need(a, &a->is, 1, err);
        if (rc != TD_OK)
            return rc;
        size_t equal = count_equal(a);
        if (equal > 0) {
            take(a, ALIGN_PAIRED, equal, out);
            return TD_OK;
        }
        rc = find_skip(a, err);
        if (rc != TD_OK)
            return rc;
    }
}

td_result aligner_open(aligner **out, td_err *err)
{
    aligner *a = td_alloc_zero(1, sizeof *a);
    if (a == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to pair frames");
    *out = a;
    return TD_OK;
}

void aligner_close(aligner *a)
{
    td_free(a);
}

static void begin_side(side *s, const align_sequence *from)
{
    s->from = *from;
    s->at = 0;
    s->head = s->size = 0;
}

void aligner_begin(aligner *a, const align_sequence *was, const align_sequence *is)
{
    begin_side(&a->was, was);
    begin_side(&a->is, is);
    a->run_count = a->run_at = 0;
    a->far_ids_left = ALIGN_PASSES_MAX * (was->count + is->count);
}

uint64_t aligner_ids_read(const aligner *a)
{
    return a->ids_read;
}
