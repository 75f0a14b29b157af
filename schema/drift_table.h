/* Findings. A finding counts notes about frames (schema/drift.h) that are alike, and has the times
 * of the first and last of these frames, and an example. One thread at a time. */
#ifndef TD_SCHEMA_DRIFT_TABLE_H
#define TD_SCHEMA_DRIFT_TABLE_H

#include "schema/drift.h"

/* All notes with the same feed, topic, path, kind and detail. */
typedef struct drift_finding {
    const char *feed;
    const char *topic;
    const char *path;
    drift_kind kind;
    const char *detail;
    uint8_t is_learnt;
    uint64_t count; /* number of frames with the finding */
    uint64_t first_ns, first_order;
    uint64_t last_ns, last_order;
    const char *symbol; /* symbol of the example */
    /* Bytes of the first frame with the finding, at most LIMIT_DRIFT_EXAMPLE_BYTES. */
    td_bytes example;
    size_t example_bytes; /* size of the whole frame */
    uint64_t example_order;
    uint64_t hash; /* for the table's own use: hash of feed, topic, path, kind and detail */
    size_t share;  /* for the table's own use */
} drift_finding;

typedef struct drift_table drift_table;
/* Close accepts NULL. */
TD_NEVER_NULL drift_table *drift_table_open(void);
void drift_table_close(drift_table *table);

/* Add a frame's notes. Frames of different streams may be added in any order: the resulting
 * findings, with first and last time, count and example, are the same. The number of findings is
 * limited: LIMIT_DRIFT_FINDINGS in all (learnt values separately: LIMIT_DRIFT_VALUES), and
 * LIMIT_DRIFT_KIND_FINDINGS of one kind in one topic of a feed (new topics: in one feed). Notes of
 * further findings are only counted (drift_table_left_out). Which findings are kept depends on all
 * notes together, not on their order. */
void drift_table_add(drift_table *table, const char *feed, const drift_frame *frame,
                     const drift_result *result);

/* Findings, including learnt values, sorted by feed, topic, path, kind, detail. Valid until the
 * next call that adds. */
const drift_finding *drift_table_list(drift_table *table, size_t *count);

/* Number of notes that no finding has: notes of findings that were not kept, and notes that frames
 * had beyond their limit (drift_result.left_out). Learnt values are included only if since_ns is
 * not 0 (see drift_finding_is_new). */
uint64_t drift_table_left_out(const drift_table *table, uint64_t since_ns);

/* 1 if a finding was first seen at since_ns or later. A learnt value is new only if since_ns is not
 * 0: it is then compared with the values in earlier frames. */
int drift_finding_is_new(const drift_finding *finding, uint64_t since_ns);

#endif
