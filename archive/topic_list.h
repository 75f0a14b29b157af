/* Which topics an archive has: one row for each topic of a symbol in a feed, whatever the number of
 * its channels (lines, shards, opcodes, segments), with the number and the times of its frames.
 * Made from indexes of segments, without reading a frame. Zero-initialise. One thread. */
#ifndef TD_ARCHIVE_TOPIC_LIST_H
#define TD_ARCHIVE_TOPIC_LIST_H

#include <stddef.h>
#include <stdint.h>

#include "base/row_table.h"
#include "format/segment_index.h"

#define TOPIC_LIST_NONE SIZE_MAX

typedef struct topic_entry {
    char *feed, *family;
    char *topic;                /* without the symbol */
    char *symbol;               /* "" if absent, "*" if a frame may have several */
    char *exchange_topic;       /* as in frames; "" if unknown */
    uint64_t frames;            /* UINT64_MAX: unknown, because a segment has no summary */
    uint64_t first_ns, last_ns; /* recv_ns of frames; 0: no frame */
    size_t next_same; /* another row of the feed with this exchange_topic, or TOPIC_LIST_NONE */
} topic_entry;

typedef struct topic_list {
    topic_entry *rows;
    size_t count;
    row_table by_name, by_exchange_topic;
} topic_list;

/* The topic as the exchange writes it, as far as it is known. */
const char *topic_entry_exchange_topic(const topic_entry *row);

/* Get the row of a channel's topic, made without frames if it is new. topic: the name of the row,
 * info->topic or channel_shown_topic(info). Texts are copied. */
size_t topic_list_get(topic_list *list, const channel_info *info, const char *topic);

/* As topic_list_get, and add a channel's frames to the row. */
size_t topic_list_add(topic_list *list, const segment_index *index, const segment_channel *channel,
                      const char *topic);

/* topic_list_find returns a row by its names, topic_list_find_exchange the first row with this
 * topic as the exchange writes it (topic_entry_exchange_topic); further ones are its next_same. Or
 * TOPIC_LIST_NONE. */
size_t topic_list_find(const topic_list *list, const char *feed, const char *topic,
                       const char *symbol);
size_t topic_list_find_exchange(const topic_list *list, const char *feed,
                                const char *exchange_topic);

/* Sort the rows by feed, topic, symbol: their numbers change. */
void topic_list_sort(topic_list *list);

/* Free rows and texts. The list is empty afterwards. */
void topic_list_fini(topic_list *list);

#endif
