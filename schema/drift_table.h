/* Findings: what was noted in frames (schema/drift.h), counted, with the first and the last time it
 * was seen and an example. One thread at a time. */
#ifndef TD_SCHEMA_DRIFT_TABLE_H
#define TD_SCHEMA_DRIFT_TABLE_H

#include "schema/drift.h"

/* Notes that are equal in feed, topic, path, kind and detail. */
typedef struct drift_finding {
    const char *feed;
    const char *topic;
    const char *path;
    drift_kind kind;
    const char *detail;
    uint8_t is_learnt;
    uint64_t count; /* frames */
    uint64_t first_ns, first_order;
    uint64_t last_ns, last_order;
    const char *symbol;   /* of the example */
    td_bytes example;     /* the first frame that was shown with the finding, up to
                             LIMIT_DRIFT_EXAMPLE_BYTES */
    size_t example_bytes; /* of the whole frame */
    uint64_t example_order;
    uint64_t hash; /* the table's own: of feed, topic, path, kind and detail */
    size_t share;  /* the table's own */
} drift_finding;

typedef struct drift_table drift_table;
TD_NEVER_NULL drift_table *drift_table_open(void);
void drift_table_close(drift_table *table);

/* Add what a look found. Frames of different streams may come in any order: the findings, their
 * first, last, count and example are the same in the end. Findings beyond LIMIT_DRIFT_FINDINGS,
 * learnt values beyond LIMIT_DRIFT_LEARNT, and what has more than LIMIT_DRIFT_SHARE of one kind in
 * one topic of a feed (new topics: in one feed), are counted and left out; which ones they are
 * depends on all that come, but not on their order. */
void drift_table_add(drift_table *table, const char *feed, const drift_frame *frame,
                     const drift_look *look);

/* Findings, sorted by feed, topic, path, kind, detail; learnt values among them. Valid until the
 * next call that adds. */
const drift_finding *drift_table_list(drift_table *table, size_t *count);

/* What findings that were left out counted, and notes that frames had beyond LIMIT_DRIFT_NOTES;
 * learnt values only if there is a since_ns (not 0), as below. */
uint64_t drift_table_left_out(const drift_table *table, uint64_t since_ns);

/* 1 if a finding was first seen at since_ns or later. A learnt value is one only if there is a
 * since_ns (not 0): what came before teaches which values there are. */
int drift_finding_is_new(const drift_finding *finding, uint64_t since_ns);

#endif
