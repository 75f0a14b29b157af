#include "regress/join.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

/* The most baseline rows in memory: JOIN_WINDOW, and the rest of the first and last block. */
enum {
    WAS_BLOCKS = JOIN_WINDOW / BASELINE_BLOCK_ROWS + 2,
    WAS_ROWS = WAS_BLOCKS * BASELINE_BLOCK_ROWS,
};

typedef struct waiting_row {
    baseline_row row;
    uint64_t recv_ns;
} waiting_row;

/* Receive times of a block's first and last row. */
typedef struct block_time {
    uint64_t first_ns, last_ns;
} block_time;

struct join {
    baseline *of;
    const baseline_stream *stream;
    join_extent extent;
    join_found *found;
    void *ctx;
    /* Rows of the baseline from number was_index on, as far as they have been read. */
    baseline_row *was; /* BASELINE_BLOCK_ROWS; WAS_ROWS after an archive row had to wait */
    size_t was_capacity;
    size_t was_first, was_count;
    uint64_t was_index;
    uint32_t next_block;
    block_time times[WAS_BLOCKS]; /* by block number modulo WAS_BLOCKS */
    /* Rows of the archive from number is_index on that are not paired yet. */
    waiting_row *is;
    size_t is_first, is_count;
    uint64_t is_index;
    /* The best pair to continue with, of those found for the first `searched` waiting rows. */
    size_t searched;
    size_t best_was, best_is;
    uint8_t has_best;
    uint8_t has_begun, has_paired;
};

join *join_open(baseline *of, const baseline_stream *was, join_extent extent, join_found *found,
                void *ctx)
{
    join *j = td_alloc_zero(1, sizeof *j);
    j->of = of;
    j->stream = was;
    j->extent = extent;
    j->found = found;
    j->ctx = ctx;
    return j;
}

void join_close(join *j)
{
    if (j == NULL)
        return;
    td_free(j->was);
    td_free(j->is);
    td_free(j);
}

int join_is_waiting(const join *j)
{
    return j->is_count > 0;
}

/* ---- the baseline's rows ---- */

/* Reads blocks until this many rows are in memory, or the stream ends. */
static td_result load_rows(join *j, size_t rows, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && j->was_count < rows && j->stream != NULL) {
        size_t needed = rows <= BASELINE_BLOCK_ROWS ? BASELINE_BLOCK_ROWS : WAS_ROWS;
        if (needed > j->was_capacity) {
            j->was = td_realloc(j->was, needed, sizeof *j->was);
            j->was_capacity = needed;
        }
        if (j->was_first > 0)
            memmove(j->was, j->was + j->was_first, j->was_count * sizeof *j->was);
        j->was_first = 0;
        TD_ASSERT(j->was_count + BASELINE_BLOCK_ROWS <= j->was_capacity);
        baseline_block block = {.rows = j->was + j->was_count};
        rc = baseline_read_block(j->of, j->stream, j->next_block, &block, err);
        if (rc != TD_OK)
            break;
        j->times[j->next_block++ % WAS_BLOCKS] = (block_time){block.first_ns, block.last_ns};
        j->was_count += block.count;
    }
    return rc == TD_EOF ? TD_OK : rc;
}

static const block_time *time_of_was(const join *j)
{
    return &j->times[j->was_index / BASELINE_BLOCK_ROWS % WAS_BLOCKS];
}

static void forget_search(join *j)
{
    j->searched = 0;
    j->has_best = 0;
}

static void drop_was(join *j, size_t count)
{
    j->was_first += count;
    j->was_count -= count;
    j->was_index += count;
    forget_search(j);
}

static void drop_is(join *j, size_t count)
{
    j->is_first += count;
    j->is_count -= count;
    j->is_index += count;
    forget_search(j);
}

/* ---- reporting steps ---- */

static void report_step(join *j, join_kind kind, uint64_t count)
{
    join_step step = {
        .kind = kind, .count = count, .was_index = j->was_index, .is_index = j->is_index};
    if (kind == JOIN_MISSING) {
        step.first_ns = time_of_was(j)->first_ns;
        step.last_ns = time_of_was(j)->last_ns;
    }
    if (count > 0)
        j->found(j->ctx, &step);
}

static void report_pair(join *j, const baseline_row *is)
{
    const join_step step = {.kind = JOIN_PAIR,
                            .count = 1,
                            .was_index = j->was_index,
                            .is_index = j->is_index,
                            .was = j->was + j->was_first,
                            .is = is};
    j->found(j->ctx, &step);
    j->has_paired = 1;
}

static void skip_was(join *j, size_t count)
{
    report_step(j, j->extent == JOIN_PART && !j->has_paired ? JOIN_OUTSIDE : JOIN_MISSING, count);
    drop_was(j, count);
}

static void skip_is(join *j, size_t count)
{
    report_step(j, JOIN_NEW, count);
    drop_is(j, count);
}

/* ---- searching the next pair ---- */

/* Searches the baseline's rows for the partner of waiting row `is`. The pair replaces the best one
 * if fewer rows are skipped before it. */
static void search_row(join *j, size_t is)
{
    uint64_t bytes = j->is[j->is_first + is].row.bytes;
    size_t limit = j->has_best ? j->best_was + j->best_is : JOIN_WINDOW + 1;
    for (size_t was = 0; was < j->was_count && was + is <= limit; was++) {
        if (j->was[j->was_first + was].bytes != bytes)
            continue;
        if (was + is == limit && (!j->has_best || was >= j->best_was))
            return;
        j->best_was = was;
        j->best_is = is;
        j->has_best = 1;
        return;
    }
}

/* Skips rows of one side, when no pair is near. */
static void skip_far(join *j, int is_last)
{
    uint64_t is_ns = j->is[j->is_first].recv_ns;
    if (j->was_count > 0 && is_ns > time_of_was(j)->last_ns) {
        size_t left = BASELINE_BLOCK_ROWS - (size_t)(j->was_index % BASELINE_BLOCK_ROWS);
        skip_was(j, left < j->was_count ? left : j->was_count);
        return;
    }
    skip_is(j, is_last || j->is_count == 1 ? j->is_count : j->is_count / 2);
}

/* Pairs or skips the waiting rows until further archive rows are needed to decide; the remaining
 * rows keep waiting. is_last: no more rows follow. */
static td_result pair_waiting(join *j, int is_last, td_err *err)
{
    while (j->is_count > 0) {
        td_result rc = load_rows(j, JOIN_WINDOW, err);
        if (rc != TD_OK)
            return rc;
        if (j->was_count > 0 && j->was[j->was_first].bytes == j->is[j->is_first].row.bytes) {
            report_pair(j, &j->is[j->is_first].row);
            drop_was(j, 1);
            drop_is(j, 1);
            continue;
        }
        while (j->searched < j->is_count)
            search_row(j, j->searched++);
        /* a pair with a later row could equal the best pair, but not be better */
        if (j->has_best && (is_last || j->best_was + j->best_is < j->is_count)) {
            size_t is = j->best_is;
            skip_was(j, j->best_was);
            skip_is(j, is);
        } else if (!is_last && !j->has_best && j->was_count == 0) {
            skip_is(j, j->is_count);
        } else if (is_last || (!j->has_best && j->is_count >= JOIN_WINDOW)) {
            skip_far(j, is_last);
        } else {
            return TD_OK;
        }
    }
    j->is_first = 0;
    return TD_OK;
}

static void wait_for_more(join *j, const baseline_row *is, uint64_t recv_ns)
{
    if (j->is == NULL)
        j->is = td_alloc((JOIN_WINDOW + 1) * sizeof *j->is);
    if (j->is_first + j->is_count > JOIN_WINDOW) {
        memmove(j->is, j->is + j->is_first, j->is_count * sizeof *j->is);
        j->is_first = 0;
    }
    TD_ASSERT(j->is_count <= JOIN_WINDOW);
    j->is[j->is_first + j->is_count++] = (waiting_row){*is, recv_ns};
}

/* Finds the baseline's row of the part's first frame, and begins there. Only blocks that end at the
 * frame's time or later are searched; then, because the part's times may be of another clock, all
 * blocks. */
static td_result find_part(join *j, const baseline_row *is, uint64_t recv_ns, td_err *err)
{
    baseline_block block = {.rows = td_alloc(BASELINE_BLOCK_ROWS * sizeof *block.rows)};
    td_result rc = TD_OK;
    for (int with_time = 1; with_time >= 0 && rc == TD_OK; with_time--) {
        for (uint32_t number = 0; rc == TD_OK; number++) {
            rc = baseline_read_block(j->of, j->stream, number, &block, err);
            if (rc != TD_OK || (with_time && block.last_ns < recv_ns))
                continue;
            size_t first = 0;
            while (first < block.count && block.rows[first].bytes != is->bytes)
                first++;
            if (first == block.count)
                continue;
            td_free(block.rows);
            j->next_block = number;
            report_step(j, JOIN_OUTSIDE, (uint64_t)number * BASELINE_BLOCK_ROWS + first);
            j->was_index = (uint64_t)number * BASELINE_BLOCK_ROWS;
            rc = load_rows(j, 1, err);
            if (rc == TD_OK)
                drop_was(j, first);
            return rc;
        }
        rc = rc == TD_EOF ? TD_OK : rc;
    }
    td_free(block.rows);
    return rc;
}

td_result join_put(join *j, const baseline_row *is, uint64_t recv_ns, td_err *err)
{
    td_result rc = TD_OK;
    if (j->extent == JOIN_PART && !j->has_begun && j->stream != NULL)
        rc = find_part(j, is, recv_ns, err);
    j->has_begun = 1;
    if (rc == TD_OK && j->is_count == 0)
        rc = load_rows(j, 1, err);
    if (rc != TD_OK)
        return rc;
    if (j->is_count == 0 && j->was_count > 0 && j->was[j->was_first].bytes == is->bytes) {
        report_pair(j, is);
        drop_was(j, 1);
        j->is_index++;
        return TD_OK;
    }
    wait_for_more(j, is, recv_ns);
    return pair_waiting(j, 0, err);
}

td_result join_end(join *j, td_err *err)
{
    td_result rc = pair_waiting(j, 1, err);
    if (rc == TD_OK)
        rc = load_rows(j, 1, err);
    while (rc == TD_OK && j->was_count > 0) {
        report_step(j, j->extent == JOIN_PART ? JOIN_OUTSIDE : JOIN_MISSING, j->was_count);
        drop_was(j, j->was_count);
        rc = load_rows(j, 1, err);
    }
    return rc;
}
