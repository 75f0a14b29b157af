#include "regress/align_part.h"

#include "base/alloc.h"
#include "base/assert.h"

/* What a pair is worth. No number of pairs of a kind outweighs one of the better kind, and nearness
 * decides between equal numbers of pairs alone. */
static const uint64_t SAME_HASH = UINT64_C(1) << 44;
static const uint64_t SAME_ID = UINT64_C(1) << 27;
static const uint64_t NEARNESS_MAX = (UINT64_C(1) << 10) - 1;
_Static_assert((UINT64_C(1) << 10) <= (UINT64_C(1) << 27) / ALIGN_PART_FRAMES_MAX / 2 &&
                   (UINT64_C(1) << 28) <= (UINT64_C(1) << 44) / ALIGN_PART_FRAMES_MAX &&
                   (UINT64_C(1) << 45) <= UINT64_MAX / ALIGN_PART_FRAMES_MAX,
               "sums stay below the next kind");

enum { IDS = 1 << 16 };

/* Frames of equal ids, and the best pair before it. */
typedef struct match {
    uint32_t whole, part;
    uint32_t before; /* match + 1; 0: none */
} match;

/* The best chain of pairs that ends at one of the part's frames. */
typedef struct chain_end {
    uint64_t worth;
    uint32_t last; /* match + 1; 0: none */
} chain_end;

typedef struct pairing {
    const part_frames *whole, *part;
    uint64_t hash_mask;
    uint64_t span_ns;
    uint32_t *heads; /* per id: the part's last frame of it, + 1 */
    uint32_t *nexts; /* per frame: the one before of the same id, + 1 */
    chain_end *ends; /* a Fenwick tree over the part's frames: maxima of prefixes */
    match *matches;
    size_t match_count, match_capacity;
} pairing;

static chain_end best_before(const pairing *p, size_t part)
{
    chain_end best = {0};
    for (size_t at = part; at > 0; at &= at - 1)
        if (p->ends[at].worth > best.worth)
            best = p->ends[at];
    return best;
}

static void offer(pairing *p, size_t part, chain_end end)
{
    for (size_t at = part + 1; at <= p->part->count; at += at & (~at + 1))
        if (end.worth > p->ends[at].worth)
            p->ends[at] = end;
}

static uint64_t worth_of(const pairing *p, size_t whole, size_t part)
{
    uint64_t a = p->whole->about_ns[whole];
    uint64_t b = p->part->about_ns[part];
    uint64_t far = (a > b ? a - b : b - a) / (p->span_ns / NEARNESS_MAX + 1);
    int is_same = ((p->whole->hashes[whole] ^ p->part->hashes[part]) & p->hash_mask) == 0;
    return (is_same ? SAME_HASH : SAME_ID) + (far < NEARNESS_MAX ? NEARNESS_MAX - far : 0);
}

static td_result take_match(pairing *p, size_t whole, size_t part, td_err *err)
{
    if (p->match_count == ALIGN_PART_MATCHES_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d frames look alike",
                          ALIGN_PART_MATCHES_MAX);
    match *grown =
        td_array_reach(p->matches, &p->match_capacity, p->match_count, sizeof *p->matches);
    if (grown == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to pair frames");
    p->matches = grown;
    chain_end end = best_before(p, part);
    p->matches[p->match_count++] = (match){(uint32_t)whole, (uint32_t)part, end.last};
    end.worth += worth_of(p, whole, part);
    end.last = (uint32_t)p->match_count;
    offer(p, part, end);
    return TD_OK;
}

/* The part's frames of one id come last one first, so that no chain has a frame of the whole twice.
 */
static td_result find_matches(pairing *p, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < p->whole->count && rc == TD_OK; i++) {
        uint32_t next = p->heads[p->whole->ids[i]];
        while (next != 0 && rc == TD_OK) {
            rc = take_match(p, i, next - 1, err);
            next = p->nexts[next - 1];
        }
    }
    return rc;
}

static td_result prepare(pairing *p, td_err *err)
{
    size_t count = p->part->count;
    if (count > ALIGN_PART_FRAMES_MAX || p->whole->count > ALIGN_WHOLE_FRAMES_MAX)
        return td_err_set(err, TD_E_LIMIT, "%zu frames of %zu are no short part", count,
                          p->whole->count);
    if (p->whole->count > 0)
        p->span_ns = p->whole->about_ns[p->whole->count - 1] - p->whole->about_ns[0];
    p->heads = td_alloc_zero(IDS, sizeof *p->heads);
    p->nexts = td_alloc_zero(count + 1, sizeof *p->nexts);
    p->ends = td_alloc_zero(count + 1, sizeof *p->ends);
    if (p->heads == NULL || p->nexts == NULL || p->ends == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to pair frames");
    for (size_t i = 0; i < count; i++) {
        uint32_t *head = &p->heads[p->part->ids[i]];
        p->nexts[i] = *head;
        *head = (uint32_t)i + 1;
    }
    return TD_OK;
}

td_result align_part(const part_frames *whole, const part_frames *part, uint64_t hash_mask,
                     uint32_t *of, td_err *err)
{
    pairing p = {.whole = whole, .part = part, .hash_mask = hash_mask};
    td_result rc = prepare(&p, err);
    if (rc == TD_OK)
        rc = find_matches(&p, err);
    for (size_t i = 0; rc == TD_OK && i < part->count; i++)
        of[i] = ALIGN_PART_NONE;
    uint32_t at = rc == TD_OK ? best_before(&p, part->count).last : 0;
    while (at != 0) {
        TD_ASSERT(at <= p.match_count);
        const match *found = &p.matches[at - 1];
        of[found->part] = found->whole;
        at = found->before;
    }
    td_free(p.heads);
    td_free(p.nexts);
    td_free(p.ends);
    td_free(p.matches);
    return rc;
}
