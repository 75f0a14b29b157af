/* The subscriptions of one client of a server. They are added and removed by text, and compared
 * with a frame's topic by the rules of the client's dialect. Bounded; one thread. */
#ifndef TD_TOPIC_FILTERS_H
#define TD_TOPIC_FILTERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/slot_table.h"
#include "schema/dialect.h"

/* All texts together: some 30,000 subscriptions of the usual length. */
enum { TOPIC_FILTERS_BYTES_MAX = 1 << 20 };

typedef struct topic_filters {
    const struct dialect *dialect;
    char **texts; /* NULL: removed */
    size_t text_count;
    size_t count, bytes; /* of those that are not removed */
    slot_table by_text;
} topic_filters;

void topic_filters_init(topic_filters *filters, const dialect *spoken);
void topic_filters_fini(topic_filters *filters);

/* Add a subscription; one that is there already stays. TD_E_INVALID: empty, or holds a control
 * character; TD_E_LIMIT. */
TD_MUST_USE td_result topic_filters_add(topic_filters *filters, td_bytes subscription, td_err *err);

/* 1 if this very text was added. */
int topic_filters_has(const topic_filters *filters, td_bytes subscription);

/* Remove one, by the text that it was added with, or one symbol of its list; if absent,
 * nothing happens. */
void topic_filters_remove(topic_filters *filters, td_bytes subscription);

/* Remove all. */
void topic_filters_clear(topic_filters *filters);

/* 1 if any of them covers the topic (dialect.covers). Cost: one look-up; if
 * that fails and the dialect has lists or parts of topics, one pass over all of them. */
int topic_filters_cover(const topic_filters *filters, td_bytes exchange_topic);

/* Likewise for a frame of the topic: some dialects have subscriptions to a part of one. */
int topic_filters_cover_frame(const topic_filters *filters, td_bytes exchange_topic,
                              td_bytes frame);

#endif
