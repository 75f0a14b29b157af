#include "replay/truth_match.h"

#include "base/alloc.h"
#include "base/assert.h"

/* A recording of which so many frames fit nothing, from its first one on, is of another exchange:
 * then no candidate is looked at any more. */
enum { STRANGE_FRAMES = 16 };

typedef struct candidate {
    const truth_conn *conn;
    size_t next; /* entry that is expected */
    uint64_t missing;
    uint64_t unexpected;
} candidate;

struct truth_match {
    candidate *candidates; /* each with the same unexpected: the least that any had */
    size_t count;
    uint64_t frames;
    uint64_t unexpected; /* that of each candidate, or of none */
    uint64_t missing;    /* the least that any has */
};

td_result truth_match_open(const truth_table *table, const family *of, truth_match **out,
                           td_err *err)
{
    const truth_conn *conns;
    size_t count = truth_table_conns(table, &conns);
    truth_match *match = td_alloc_zero(1, sizeof *match);
    candidate *candidates = td_alloc_zero(count + 1, sizeof *candidates);
    if (match == NULL || candidates == NULL) {
        td_free(match);
        td_free(candidates);
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu connections", count);
    }
    match->candidates = candidates;
    for (size_t i = 0; i < count; i++)
        if (truth_conn_is_of(&conns[i], of))
            candidates[match->count++] = (candidate){.conn = &conns[i]};
    *out = match;
    return TD_OK;
}

void truth_match_close(truth_match *match)
{
    if (match == NULL)
        return;
    td_free(match->candidates);
    td_free(match);
}

/* Both sides in order of ordinals, so what is missing shows at the next frame that is there. */
static void candidate_take(candidate *c, uint64_t n, uint64_t xxh64)
{
    const truth_conn *conn = c->conn;
    while (c->next < conn->entry_count && conn->entries[c->next].n < n) {
        c->missing++;
        c->next++;
    }
    int is_sent = c->next < conn->entry_count && conn->entries[c->next].n == n;
    c->unexpected += !is_sent || conn->entries[c->next].xxh64 != xxh64;
    c->next += (size_t)is_sent;
}

/* Those with more frames that they did not send are not it. Of frames that are missing that is not
 * so sure: they may be what was lost. */
static void keep_best(truth_match *match, uint64_t unexpected)
{
    size_t kept = 0;
    match->missing = UINT64_MAX;
    for (size_t i = 0; i < match->count; i++) {
        const candidate *c = &match->candidates[i];
        if (c->unexpected > unexpected)
            continue;
        if (c->missing < match->missing)
            match->missing = c->missing;
        match->candidates[kept++] = *c;
    }
    TD_ASSERT(kept > 0);
    match->count = kept;
    match->unexpected = unexpected;
}

truth_finding truth_match_take(truth_match *match, uint64_t n, uint64_t xxh64)
{
    uint64_t unexpected = UINT64_MAX;
    uint64_t was_unexpected = match->unexpected;
    uint64_t was_missing = match->missing;
    match->frames++;
    for (size_t i = 0; i < match->count; i++) {
        candidate_take(&match->candidates[i], n, xxh64);
        if (match->candidates[i].unexpected < unexpected)
            unexpected = match->candidates[i].unexpected;
    }
    if (match->count > 0)
        keep_best(match, unexpected);
    else
        match->unexpected++;
    TD_ASSERT(match->unexpected <= match->frames);
    if (match->unexpected == match->frames && match->frames >= STRANGE_FRAMES) {
        match->count = 0;
        match->missing = 0;
    }
    if (match->unexpected > was_unexpected)
        return TRUTH_NOT_SENT;
    return match->missing > was_missing ? TRUTH_MISSED : TRUTH_FITS;
}

truth_counts truth_match_counts(const truth_match *match)
{
    return (truth_counts){.matched = match->frames - match->unexpected,
                          .missing = match->missing,
                          .unexpected = match->unexpected};
}
