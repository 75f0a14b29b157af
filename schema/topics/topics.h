/* The tables of rows, one file per family, for family.c alone: everybody else asks the family. */
#ifndef TD_SCHEMA_TOPICS_TOPICS_H
#define TD_SCHEMA_TOPICS_TOPICS_H

#include "schema/topic.h"

enum { TOPICS_INVERSE_COUNT = 4, TOPICS_LINEAR_COUNT = 4 };

extern const topic_row TOPICS_INVERSE[TOPICS_INVERSE_COUNT];
extern const topic_row TOPICS_LINEAR[TOPICS_LINEAR_COUNT];

/* A table of fields and its length, as the two members of a topic_row. */
#define TOPIC_ENVELOPE(table)                                                                      \
    .envelope = (table), .envelope_count = sizeof(table) / sizeof(table)[0]
#define TOPIC_FIELDS(table) .fields = (table), .field_count = sizeof(table) / sizeof(table)[0]

#endif
