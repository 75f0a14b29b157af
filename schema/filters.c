#include "schema/filters.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

void topic_filters_init(topic_filters *filters, const dialect *spoken)
{
    TD_ASSERT(spoken != NULL);
    *filters = (topic_filters){.dialect = spoken};
}

void topic_filters_clear(topic_filters *filters)
{
    for (size_t i = 0; i < filters->text_count; i++)
        td_free(filters->texts[i]);
    row_table_clear(&filters->by_text);
    filters->text_count = filters->count = filters->bytes = 0;
}

void topic_filters_fini(topic_filters *filters)
{
    topic_filters_clear(filters);
    td_free(filters->texts);
    row_table_fini(&filters->by_text);
    filters->texts = NULL;
}

/* ---- by text ---- */

/* Index of a text; text_count if absent. */
static size_t find(const topic_filters *filters, td_bytes wanted)
{
    row_probe at = row_probe_of(td_xxh64(wanted.data, wanted.size));
    while (row_table_next(&filters->by_text, &at)) {
        const char *text = filters->texts[at.row];
        if (text != NULL && td_bytes_is(wanted, text))
            return at.row;
    }
    return filters->text_count;
}

/* Append a text. The array must have space. */
static void put(topic_filters *filters, char *text)
{
    size_t at = filters->text_count++;
    filters->texts[at] = text;
    row_table_put(&filters->by_text, td_xxh64(text, strlen(text)), at);
}

/* Drop the entries whose texts were removed. Called so rarely that the cost per removal is
 * constant. */
static void pack(topic_filters *filters)
{
    size_t was = filters->text_count;
    row_table_clear(&filters->by_text);
    filters->text_count = 0;
    for (size_t i = 0; i < was; i++)
        if (filters->texts[i] != NULL)
            put(filters, filters->texts[i]);
}

/* ---- lists ---- */

/* What separates the subscriptions of a list. No text has a NUL (check_text). */
static uint8_t separator_of(const topic_filters *filters)
{
    return dialect_has_lists(filters->dialect) ? '|' : '\0';
}

/* Size of "topic." before a list; 0 if there is no list. */
static size_t stem_size(const topic_filters *filters, td_bytes subscription)
{
    if (!dialect_has_lists(filters->dialect) ||
        memchr(subscription.data, '|', subscription.size) == NULL)
        return 0;
    size_t size = subscription.size;
    while (size > 0 && subscription.data[size - 1] != '.')
        size--;
    return size;
}

static td_result check_text(td_bytes subscription, td_err *err)
{
    if (subscription.size == 0 || subscription.size > LIMIT_URL_BYTES)
        return td_err_set(err, TD_E_INVALID, "a topic of %zu bytes", subscription.size);
    for (size_t i = 0; i < subscription.size; i++) {
        if (subscription.data[i] < ' ')
            return td_err_set(err, TD_E_INVALID, "a topic with a control character");
    }
    return TD_OK;
}

/* Join stem and tail to the text of one subscription. */
static td_bytes join_url(char out[LIMIT_URL_BYTES + 1], td_bytes stem, td_bytes tail)
{
    TD_ASSERT(stem.size + tail.size <= LIMIT_URL_BYTES);
    memcpy(out, stem.data, stem.size);
    memcpy(out + stem.size, tail.data, tail.size);
    out[stem.size + tail.size] = '\0';
    return td_bytes_of((const uint8_t *)out, stem.size + tail.size);
}

static td_result add_one(topic_filters *filters, td_bytes text, td_err *err)
{
    if (text.size == 0 || find(filters, text) < filters->text_count)
        return TD_OK;
    if (filters->bytes + text.size > TOPIC_FILTERS_BYTES_MAX)
        return td_err_set(err, TD_E_LIMIT, "topics of more than %d bytes", TOPIC_FILTERS_BYTES_MAX);
    if (filters->text_count > 2 * (filters->count + 1))
        pack(filters);
    filters->texts = td_array_grow(filters->texts, filters->text_count, sizeof(char *));
    put(filters, td_strndup((const char *)text.data, text.size));
    filters->bytes += text.size;
    filters->count++;
    return TD_OK;
}

td_result topic_filters_add(topic_filters *filters, td_bytes subscription, td_err *err)
{
    td_result rc = check_text(subscription, err);
    if (rc != TD_OK)
        return rc;
    td_bytes stem = td_bytes_of(subscription.data, stem_size(filters, subscription));
    td_bytes rest = td_bytes_of(subscription.data + stem.size, subscription.size - stem.size);
    td_bytes tail;
    char text[LIMIT_URL_BYTES + 1];
    while (rc == TD_OK && td_bytes_next(&rest, separator_of(filters), &tail))
        rc = add_one(filters, join_url(text, stem, tail), err);
    return rc;
}

void topic_filters_remove(topic_filters *filters, td_bytes subscription)
{
    if (check_text(subscription, NULL) != TD_OK)
        return;
    td_bytes stem = td_bytes_of(subscription.data, stem_size(filters, subscription));
    td_bytes rest = td_bytes_of(subscription.data + stem.size, subscription.size - stem.size);
    td_bytes tail;
    char text[LIMIT_URL_BYTES + 1];
    while (td_bytes_next(&rest, separator_of(filters), &tail)) {
        size_t at = find(filters, join_url(text, stem, tail));
        if (at == filters->text_count)
            continue;
        filters->bytes -= strlen(filters->texts[at]);
        filters->count--;
        td_free(filters->texts[at]);
        filters->texts[at] = NULL; /* the entry stays until pack() */
    }
    if (filters->count == 0)
        topic_filters_clear(filters);
}

int topic_filters_has(const topic_filters *filters, td_bytes subscription)
{
    return find(filters, subscription) < filters->text_count;
}

int topic_filters_cover(const topic_filters *filters, td_bytes exchange_topic)
{
    if (topic_filters_has(filters, exchange_topic))
        return 1;
    if (filters->dialect->covers == dialect_covers_same)
        return 0;
    for (size_t i = 0; i < filters->text_count; i++)
        if (filters->texts[i] != NULL &&
            filters->dialect->covers(td_bytes_str(filters->texts[i]), exchange_topic))
            return 1;
    return 0;
}

int topic_filters_cover_frame(const topic_filters *filters, td_bytes exchange_topic, td_bytes frame)
{
    const dialect *spoken = filters->dialect;
    if (spoken->covering != COVER_CATEGORIES)
        return topic_filters_cover(filters, exchange_topic);
    for (size_t i = 0; i < filters->text_count; i++) {
        td_bytes text = td_bytes_str(filters->texts[i]);
        if (filters->texts[i] != NULL && spoken->covers(text, exchange_topic) &&
            dialect_covers_frame(spoken, text, exchange_topic, frame))
            return 1;
    }
    return 0;
}
