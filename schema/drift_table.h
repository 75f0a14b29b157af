/* Findings: notes about frames (schema/drift.h), counted, with first time, last time and an
 * example. One thread at a time. */
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
    uint64_t count; /* number of frames */
    uint64_t first_ns, first_order;
    uint64_t last_ns, last_order;
    const char *symbol;   /* symbol of the example */
    td_bytes example;     /* the first frame with the finding, up to LIMIT_DRIFT_EXAMPLE_BYTES */
    size_t example_bytes; /* size of the whole frame */
    uint64_t example_order;
    uint64_t hash; /* for the table: hash of feed, topic, path, kind and detail */
    size_t share;  /* for the table */
} drift_finding;

typedef struct drift_table drift_table;
/* Close accepts NULL. */
TD_NEVER_NULL drift_table *drift_table_open(void);
void drift_table_close(drift_table *table);

/* Add a frame's notes. Frames of different streams may arrive in any order: the findings with their
 * first and last time, count and example end up the same. Counts, but does not keep, findings
 * beyond LIMIT_DRIFT_FINDINGS, learnt values beyond LIMIT_DRIFT_VALUES, and findings beyond
 * LIMIT_DRIFT_KIND_FINDINGS of one kind in one topic of a feed (new topics: in one feed). All notes
 * together, not their order, determine which ones are kept. */
void drift_table_add(drift_table *table, const char *feed, const drift_frame *frame,
                     const drift_result *result);

/* Findings, including learnt values, sorted by feed, topic, path, kind, detail. Valid until the
 * next call that adds. */
const drift_finding *drift_table_list(drift_table *table, size_t *count);

/* Count of the findings that were not kept, and of a frame's notes beyond LIMIT_DRIFT_NOTES; learnt
 * values only if since_ns is not 0, as below. */
uint64_t drift_table_left_out(const drift_table *table, uint64_t since_ns);

/* 1 if a finding was first seen at since_ns or later. A learnt value counts as new only if since_ns
 * is not 0: the frames before it teach the existing values. */
int drift_finding_is_new(const drift_finding *finding, uint64_t since_ns);

#endif
