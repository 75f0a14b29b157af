#include "archive/topic_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"

static uint64_t hash_names(const char *first, const char *second, const char *third)
{
    const char *const names[] = {first, second, third};
    uint64_t hash = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        hash = hash * UINT64_C(0x9e3779b97f4a7c15) + td_xxh64(names[i], strlen(names[i]));
    return hash;
}

const char *topic_entry_exchange_topic(const topic_entry *row)
{
    return row->exchange_topic[0] != '\0' ? row->exchange_topic : row->topic;
}

size_t topic_list_find(const topic_list *list, const char *feed, const char *topic,
                       const char *symbol)
{
    row_probe at = row_probe_of(hash_names(feed, topic, symbol));
    while (row_table_next(&list->by_name, &at)) {
        const topic_entry *row = &list->rows[at.row];
        if (strcmp(row->feed, feed) == 0 && strcmp(row->topic, topic) == 0 &&
            strcmp(row->symbol, symbol) == 0)
            return at.row;
    }
    return TOPIC_LIST_NONE;
}

size_t topic_list_find_exchange(const topic_list *list, const char *feed,
                                const char *exchange_topic)
{
    row_probe at = row_probe_of(hash_names(feed, exchange_topic, ""));
    while (row_table_next(&list->by_exchange_topic, &at)) {
        const topic_entry *row = &list->rows[at.row];
        if (strcmp(row->feed, feed) == 0 &&
            strcmp(topic_entry_exchange_topic(row), exchange_topic) == 0)
            return at.row;
    }
    return TOPIC_LIST_NONE;
}

/* Put a row into the tables. Of rows with one exchange topic only the first is in the table; the
 * others follow it. */
static void put(topic_list *list, size_t number)
{
    topic_entry *row = &list->rows[number];
    const size_t first = topic_list_find_exchange(list, row->feed, topic_entry_exchange_topic(row));
    row_table_put(&list->by_name, hash_names(row->feed, row->topic, row->symbol), number);
    row->next_same = TOPIC_LIST_NONE;
    if (first == TOPIC_LIST_NONE) {
        row_table_put(&list->by_exchange_topic,
                      hash_names(row->feed, topic_entry_exchange_topic(row), ""), number);
        return;
    }
    row->next_same = list->rows[first].next_same;
    list->rows[first].next_same = number;
}

size_t topic_list_get(topic_list *list, const channel_info *info, const char *topic)
{
    const size_t known = topic_list_find(list, info->feed, topic, info->symbol);
    if (known != TOPIC_LIST_NONE)
        return known;
    list->rows = td_array_grow(list->rows, list->count, sizeof *list->rows);
    list->rows[list->count] = (topic_entry){.feed = td_strdup(info->feed),
                                            .family = td_strdup(info->family),
                                            .topic = td_strdup(topic),
                                            .symbol = td_strdup(info->symbol),
                                            .exchange_topic = td_strdup(info->exchange_topic)};
    put(list, list->count);
    return list->count++;
}

size_t topic_list_add(topic_list *list, const segment_index *index, const segment_channel *channel,
                      const char *topic)
{
    const size_t number = topic_list_get(list, &channel->info, topic);
    const uint64_t first_ns = segment_index_first_ns(index, channel);
    const uint64_t last_ns = segment_index_last_ns(index, channel);
    topic_entry *row = &list->rows[number];
    row->frames = message_count_sum(row->frames, channel->message_count);
    row->first_ns = row->first_ns == 0 || first_ns < row->first_ns ? first_ns : row->first_ns;
    row->last_ns = last_ns > row->last_ns ? last_ns : row->last_ns;
    return number;
}

static int compare_rows(const void *a, const void *b)
{
    const topic_entry *left = a;
    const topic_entry *right = b;
    int order = strcmp(left->feed, right->feed);
    if (order == 0)
        order = strcmp(left->topic, right->topic);
    return order != 0 ? order : strcmp(left->symbol, right->symbol);
}

void topic_list_sort(topic_list *list)
{
    row_table_clear(&list->by_name);
    row_table_clear(&list->by_exchange_topic);
    if (list->count > 0)
        qsort(list->rows, list->count, sizeof *list->rows, compare_rows);
    for (size_t i = 0; i < list->count; i++)
        put(list, i);
}

void topic_list_fini(topic_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        td_free(list->rows[i].feed);
        td_free(list->rows[i].family);
        td_free(list->rows[i].topic);
        td_free(list->rows[i].symbol);
        td_free(list->rows[i].exchange_topic);
    }
    td_free(list->rows);
    row_table_fini(&list->by_name);
    row_table_fini(&list->by_exchange_topic);
    *list = (topic_list){0};
}
