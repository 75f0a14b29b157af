/* The subscriptions of one client of a server. They are added and removed by text, and compared
 * with a frame's topic by the rules of the client's dialect. Bounded; one thread. */
#ifndef TD_TOPIC_FILTERS_H
#define TD_TOPIC_FILTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/row_table.h"
#include "schema/dialect.h"

/* Limit of all texts together: some 30,000 subscriptions of the usual length. */
enum { TOPIC_FILTERS_BYTES_MAX = 1 << 20 };

typedef struct topic_filters {
    const struct dialect *dialect;
    char **texts; /* NULL: removed */
    size_t text_count;
    size_t count, bytes; /* without removed ones */
    row_table by_text;
} topic_filters;

/* dialect is borrowed; fini frees all subscriptions. */
void topic_filters_init(topic_filters *filters, const dialect *spoken);
void topic_filters_fini(topic_filters *filters);

/* Add a subscription, or each of a list; existing ones are kept. TD_E_INVALID: empty, too long, or
 * has a control character; TD_E_LIMIT. */
TD_MUST_USE td_result topic_filters_add(topic_filters *filters, td_bytes subscription, td_err *err);

/* 1 if exactly this text was added. */
int topic_filters_has(const topic_filters *filters, td_bytes subscription);

/* Remove a subscription by the text that it was added with, or single symbols of its list; absent
 * ones are ignored. */
void topic_filters_remove(topic_filters *filters, td_bytes subscription);

/* Remove all. */
void topic_filters_clear(topic_filters *filters);

/* 1 if a subscription covers the topic (dialect.covers). Costs one look-up; if that fails and the
 * dialect has lists or parts of topics, one pass over all subscriptions. */
int topic_filters_cover(const topic_filters *filters, td_bytes exchange_topic);

/* As topic_filters_cover() for a frame of the topic: some dialects have subscriptions to part of a
 * topic. */
int topic_filters_cover_frame(const topic_filters *filters, td_bytes exchange_topic,
                              td_bytes frame);

#endif
