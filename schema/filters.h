/* The subscriptions of one client of a server. They are added and removed by their text, and
 * compared with a frame's topic by the rules of the client's dialect. Their size is limited. One
 * thread. */
#ifndef TD_SCHEMA_FILTERS_H
#define TD_SCHEMA_FILTERS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/row_table.h"
#include "schema/dialect.h"

/* Limit of a client's texts together: some 30,000 subscriptions of the usual length. */
enum { TOPIC_FILTERS_BYTES_MAX = 1 << 20 };

typedef struct topic_filters {
    const struct dialect *dialect;
    char **texts; /* an entry is NULL after its subscription was removed */
    size_t text_count;
    size_t count, bytes; /* number and total size of the subscriptions, without removed ones */
    row_table by_text;
} topic_filters;

/* spoken, the client's dialect, is borrowed; fini frees all subscriptions. */
void topic_filters_init(topic_filters *filters, const dialect *spoken);
void topic_filters_fini(topic_filters *filters);

/* Add a subscription, or all subscriptions of a list ("topic.A|B"). Existing ones are kept.
 * TD_E_INVALID: the text is empty, too long, or has a control character; TD_E_LIMIT. */
TD_MUST_USE td_result topic_filters_add(topic_filters *filters, td_bytes subscription, td_err *err);

/* 1 if exactly this text was added. */
int topic_filters_has(const topic_filters *filters, td_bytes subscription);

/* Remove a subscription by the text with which it was added, or single symbols of a list; absent
 * subscriptions are ignored. */
void topic_filters_remove(topic_filters *filters, td_bytes subscription);

/* Remove all. */
void topic_filters_clear(topic_filters *filters);

/* 1 if a subscription covers the topic (dialect.covers). Costs one look-up; if that finds nothing
 * and the dialect has lists or subscriptions to parts of topics, also one pass over all
 * subscriptions. */
int topic_filters_cover(const topic_filters *filters, td_bytes exchange_topic);

/* As topic_filters_cover() for a frame of the topic, because in some dialects a subscription may
 * cover only some of a topic's frames. */
int topic_filters_cover_frame(const topic_filters *filters, td_bytes exchange_topic,
                              td_bytes frame);

#endif
