/* What a comparison of two baselines found, put together for its reports: the first frame of each
 * stream that differs, with both decodes, and how many frames differ in which field.
 * docs/regress.md explains the document. One thread. */
#ifndef TD_REGRESS_CHECK_RESULT_H
#define TD_REGRESS_CHECK_RESULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "regress/baseline.h"
#include "regress/compare.h"
#include "regress/explain.h"
#include "regress/field_diff.h"
#include "regress/side_by_side.h"

/* One of the two that are compared. */
typedef struct check_side {
    baseline *of;
    const explained *frames; /* decodes of differing frames; NULL: those in the baseline, if any */
} check_side;

/* The first frame of a stream that differs. */
typedef struct shown_difference {
    const comparison_stream *stream;
    const difference *what;
    const explained_frame *frame; /* as the archive has it; NULL: unknown */
    td_bytes was, is;             /* decodes, JSON; empty: unknown */
    td_bytes was_book, is_book;   /* best levels after it, as text; empty: unknown, or no book */
    const side_row *rows;         /* if both decodes are known */
    size_t row_count, rows_left_out;
} shown_difference;

typedef struct check_result {
    const comparison *compared;
    const baseline_meta *was, *is;
    shown_difference *shown; /* in the order of the archive */
    size_t shown_count;
    uint64_t shown_left_out; /* streams that differ and are not among them */
    field_counts *fields;
    uint64_t fields_frames; /* frames whose decodes were compared field by field */
    td_arena *arena;
} check_result;

/* Gather. Everything is borrowed until check_result_fini(). TD_E_CORRUPT: decodes in a baseline are
 * damaged; TD_E_IO, TD_E_NOMEM. After an error there is nothing to free. */
TD_MUST_USE td_result check_result_init(check_result *out, const comparison *compared,
                                        const check_side *was, const check_side *is, td_err *err);
void check_result_fini(check_result *result);

/* The topic of a stream as people read it: what the exchange calls it if no row knows it. */
const char *check_topic_name(const comparison_stream *stream);

/* The stream's names: of the side that knows its topic. */
const baseline_stream *check_stream_names(const comparison_stream *stream);

#endif
