/* What of the documented topics a selection has: for each row of each family the frames, and of
 * these the kinds, the places of entries, the fields and the documented values, each with how often
 * it was there. It counts what schema/drift.h sees of a frame.
 *
 * A usage_topic has the counts of one row and belongs to one thread; a schema_usage has all rows of
 * all families, and the counts of topics are added to it. */
#ifndef TD_DRIFT_SCHEMA_USAGE_H
#define TD_DRIFT_SCHEMA_USAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "schema/drift.h"
#include "schema/exchange.h"
#include "schema/family.h"

typedef struct usage_field {
    const field_row *row;
    uint64_t count;          /* times that it was there, with a value or without one */
    const value_row *values; /* the documented ones; NULL: there is no list of them */
    uint64_t *value_counts;  /* of each of these */
    size_t value_count;
} usage_field;

typedef struct usage_topic {
    const family *of;
    const topic_row *row;
    uint64_t frames;
    uint64_t undecoded; /* of these */
    uint64_t first_ns, last_ns;
    uint64_t kinds[FRAME_ANY];       /* frames of each kind */
    uint64_t items[TOPIC_ITEMS_MAX]; /* entries at each of the row's items */
    usage_field *envelope;           /* row->envelope_count */
    usage_field *fields;             /* row->field_count */
} usage_topic;

/* Counts of a row, all 0. */
TD_NEVER_NULL usage_topic *usage_topic_open(const family *of, const topic_row *row);
void usage_topic_close(usage_topic *topic);

/* Count a frame of the topic's row. */
void usage_topic_count(usage_topic *topic, uint64_t recv_ns, const drift_look *look);

typedef struct schema_usage schema_usage;
/* All rows of all families, all 0. */
TD_NEVER_NULL schema_usage *usage_open(void);
void usage_close(schema_usage *self);

/* Add the counts of a topic to those of its row. */
void usage_add(schema_usage *self, const usage_topic *topic);

/* The topics of all families, in the order of these and of their rows. */
const usage_topic *const *usage_topics(const schema_usage *self, size_t *count);

/* 1 if a frame of any of the family's topics was counted. */
int usage_has_family(const schema_usage *self, const family *of);

#endif
