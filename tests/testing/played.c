#include "tests/testing/played.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "tests/testing/filled.h"

static td_workers *pools[LIMIT_THREADS + 1]; /* by number of threads */

static void close_pools(void)
{
    for (size_t i = 0; i <= LIMIT_THREADS; i++)
        td_workers_close(pools[i]);
}

td_workers *played_workers(unsigned threads)
{
    static int is_registered;
    if (threads < 2)
        return NULL;
    if (!is_registered)
        assert_int_equal(atexit(close_pools), 0);
    is_registered = 1;
    if (pools[threads] == NULL)
        assert_int_equal(td_workers_open(threads - 1, &pools[threads], NULL), TD_OK);
    return pools[threads];
}

player *played_open(unsigned threads)
{
    return player_open(&(player_options){.workers = played_workers(threads)});
}

td_result played_on_frame(player *p, frame_ref *frame, td_err *err)
{
    if (!frame->is_read)
        fill_frame_to_keep(frame);
    return player_on_frame(p, frame, err);
}

void played_push(player *p, capture_tape *from)
{
    td_err err;
    for (size_t i = 0; i < from->frame_count; i++)
        assert_int_equal(played_on_frame(p, &from->frames[i], &err), TD_OK);
}

player *played(capture_tape *from, unsigned threads)
{
    capture_tape_rewind(from);
    player *p = played_open(threads);
    played_push(p, from);
    td_err err;
    assert_int_equal(player_finish(p, &err), TD_OK);
    return p;
}

void played_digests(const player *p, digest_texts out)
{
    player_digests(p, out);
}

const stream *played_stream(const player *p, const char *topic, const char *symbol)
{
    const stream_table *streams = player_streams(p);
    for (size_t i = 0; i < streams->count; i++) {
        const stream *s = streams->items[i];
        if (strcmp(s->topic, topic) == 0 && strcmp(s->symbol, symbol) == 0 && s->dir == CHANNEL_IN)
            return s;
    }
    fail_msg("there is no stream %s %s", topic, symbol);
    return NULL;
}

uint64_t played_differences(const player *p)
{
    const stream_table *streams = player_streams(p);
    uint64_t count = 0;
    for (size_t i = 0; i < streams->count; i++) {
        const stream *of = streams->items[i];
        static const rule_id RULES[] = {RULE_BOOKS_AGREE, RULE_LINES_AGREE, RULE_BEST_AGREES,
                                        RULE_TRADES_COMPLETE};
        for (size_t k = 0; k < sizeof RULES / sizeof *RULES; k++)
            count += of->rules[STRENGTH_ERROR][RULES[k]] + of->rules[STRENGTH_WARNING][RULES[k]] +
                     (RULES[k] == RULE_BEST_AGREES ? 0 : of->rules[STRENGTH_STATISTIC][RULES[k]]);
    }
    return count;
}

int played_sums_trades(const family *of)
{
    for (size_t i = 0; i < of->topic_count; i++)
        for (size_t k = 0; k < TOPIC_RULES_MAX; k++)
            if (of->topics[i].rules[k].rule == RULE_TRADES_COMPLETE)
                return 1;
    return 0;
}
