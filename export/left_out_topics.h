/* The topics that could supply rows of a symbol on a day and do not, because another topic supplies
 * them: a reader of the manifest needs both, because the other one may have been recorded for a
 * part of the day only. Each is listed once. One thread at a time. */
#ifndef TD_EXPORT_LEFT_OUT_TOPICS_H
#define TD_EXPORT_LEFT_OUT_TOPICS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/row_table.h"
#include "schema/frame.h"

typedef struct left_out_topic {
    char *feed;
    char *topic;
    char *symbol;
    const char *supplied_by; /* the other topic; of the family's table */
} left_out_topic;

/* Zero-initialise. */
typedef struct left_out_topics {
    left_out_topic *items;
    size_t count;
    row_table by_name; /* indexes in items */
} left_out_topics;

/* Adds a channel's topic, for a symbol that its frames have, unless it is listed with this other
 * topic. */
void left_out_topics_add(left_out_topics *table, const channel_info *of, td_bytes symbol,
                         const char *supplied_by);

/* Frees the entries; the table is empty afterwards. */
void left_out_topics_fini(left_out_topics *table);

#endif
