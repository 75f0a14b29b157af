/* Two decodes of one frame (JSON objects as schema/message_json.h writes them), compared field by
 * field, and counts of frames by field over many such pairs.
 *
 * Members are compared by name, elements of lists in their order: equal elements are aligned first
 * (a longest common subsequence), so that one that is missing does not make all later ones differ;
 * those between two aligned ones are compared in pairs. Equal means equal bytes: both texts come
 * from the same writer. No state between calls; one thread per arena and per table of counts. */
#ifndef TD_REGRESS_FIELD_DIFF_H
#define TD_REGRESS_FIELD_DIFF_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/attr.h"
#include "base/bytes.h"
#include "base/err.h"

typedef enum field_change {
    FIELD_CHANGED,
    FIELD_GONE,  /* only the first text has it */
    FIELD_ADDED, /* only the second one has it */
} field_change;

/* One difference; all texts are in the arena. */
typedef struct field_difference {
    const char *path;    /* "levels[3].price"; an index counts from 0 in the first text, of what was
                          * added in the second one */
    const char *pattern; /* "levels[].price": the path without indexes */
    field_change change;
    const char *was; /* JSON text of the value; NULL if it was added */
    const char *is;  /* JSON text of the value; NULL if it is gone */
} field_difference;

/* Compare. *out (in the arena) has *count differences in the order of the first text, the members
 * that only the second one has after those of both. TD_OK; TD_E_INVALID: a text is no JSON object;
 * TD_E_LIMIT: a text is too long or nested too deep; TD_E_NOMEM, also when the arena is full. */
TD_MUST_USE td_result field_diff(td_bytes was, td_bytes is, td_arena *arena,
                                 const field_difference **out, size_t *count, td_err *err);

/* Frames of a topic that differ in the fields of a pattern. */
typedef struct field_count {
    const char *topic;
    const char *pattern;
    uint64_t frames;
} field_count;

typedef struct field_counts field_counts;

/* An empty table. TD_E_NOMEM. */
TD_MUST_USE td_result field_counts_open(field_counts **out, td_err *err);
void field_counts_close(field_counts *counts);

/* Add the differences of one frame: it counts once for each pattern. TD_E_NOMEM. */
TD_MUST_USE td_result field_counts_add(field_counts *counts, const char *topic,
                                       const field_difference *differences, size_t count,
                                       td_err *err);

/* The counts by topic, of a topic the most frequent patterns first. Valid until the next call but
 * field_counts_left_out. TD_E_NOMEM. */
TD_MUST_USE td_result field_counts_rows(field_counts *counts, const field_count **out,
                                        size_t *count, td_err *err);

/* Differences that were not counted, because the table had LIMIT_FIELD_PATTERNS others. */
uint64_t field_counts_left_out(const field_counts *counts);

#endif
