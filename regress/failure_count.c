#include "regress/failure_count.h"

#include <string.h>

#include "schema/canonical.h"

/* Of streams with books the hash of the decode is the low 32 bits. */
static uint64_t decode_part(const baseline_stream *stream, uint64_t hash)
{
    return stream->has_book ? hash & UINT32_MAX : hash;
}

static void count_block(const baseline_stream *stream, const baseline_block *block,
                        uint64_t counts[DECODE_REASON_COUNT])
{
    uint64_t wanted[DECODE_REASON_COUNT];
    for (int reason = DECODE_OK + 1; reason < DECODE_REASON_COUNT; reason++)
        wanted[reason] = decode_part(stream, canonical_failure((decode_reason)reason));
    for (uint32_t i = 0; i < block->frames; i++) {
        uint64_t hash = decode_part(stream, block->hashes[i]);
        if ((hash & CANONICAL_FAILED) == 0)
            continue;
        for (int reason = DECODE_OK + 1; reason < DECODE_REASON_COUNT; reason++)
            counts[reason] += hash == wanted[reason];
    }
}

td_result failure_count(baseline *of, uint64_t counts[DECODE_REASON_COUNT], td_err *err)
{
    memset(counts, 0, DECODE_REASON_COUNT * sizeof *counts);
    for (size_t i = 0; i < baseline_stream_count(of); i++) {
        const baseline_stream *stream = baseline_stream_at(of, i);
        td_result rc = stream->undecoded == 0 ? TD_EOF : TD_OK;
        for (uint32_t number = 0; rc == TD_OK; number++) {
            baseline_block block;
            rc = baseline_get_block(of, stream->id, number, &block, err);
            if (rc == TD_OK)
                count_block(stream, &block, counts);
        }
        if (rc != TD_EOF)
            return rc;
    }
    return TD_OK;
}
