#include "schema/filters.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/hash.h"
#include "base/limits.h"

/* The first byte of a removed text, which keeps its place, and its entry in the table, until the
 * texts are packed. No other text begins with it: they have no control characters. */
static const uint8_t GONE = 0x01;

void topic_filters_init(topic_filters *filters, const dialect *spoken)
{
    TD_ASSERT(spoken != NULL);
    memset(filters, 0, sizeof *filters);
    filters->dialect = spoken;
    td_buf_init(&filters->texts, TOPIC_FILTERS_BYTES_MAX);
}

void topic_filters_fini(topic_filters *filters)
{
    td_buf_fini(&filters->texts);
    slot_table_fini(&filters->places);
    filters->count = 0;
}

/* The text at offset *at, gone or not, and *at after its LF. 0 at the end. */
static int next_place(const topic_filters *filters, size_t *at, td_bytes *out)
{
    size_t left = filters->texts.size - *at;
    if (left == 0)
        return 0;
    const uint8_t *begin = filters->texts.data + *at;
    const uint8_t *end = memchr(begin, '\n', left);
    TD_ASSERT(end != NULL); /* each text has one */
    TD_ASSERT(end > begin); /* none is empty */
    *out = td_bytes_of(begin, (size_t)(end - begin));
    *at += out->size + 1;
    return 1;
}

static int next_text(const topic_filters *filters, size_t *at, td_bytes *out)
{
    while (next_place(filters, at, out)) {
        if (out->data[0] != GONE)
            return 1;
    }
    return 0;
}

/* ---- by text ---- */

static int is_at(const topic_filters *filters, size_t at, td_bytes wanted)
{
    const td_buf *texts = &filters->texts;
    return texts->size - at > wanted.size && texts->data[at + wanted.size] == '\n' &&
           memcmp(texts->data + at, wanted.data, wanted.size) == 0;
}

static uint64_t text_hash(td_bytes text)
{
    return td_xxh64(text.data, text.size);
}

/* Offset of a text that equals this one; texts.size if none does. */
static size_t find(const topic_filters *filters, td_bytes wanted)
{
    if (filters->count == 0 || wanted.size == 0 || wanted.data[0] == GONE)
        return filters->texts.size;
    slot_probe at = slot_probe_of(text_hash(wanted));
    while (slot_table_next(&filters->places, &at)) {
        if (is_at(filters, at.row, wanted))
            return at.row;
    }
    return filters->texts.size;
}

/* Pack the texts, and rebuild the table. The cost is amortized over the texts that were removed. */
static void renew(topic_filters *filters)
{
    slot_table *places = &filters->places;
    slot_table_clear(places);
    size_t at = 0;
    size_t packed = 0;
    td_bytes text;
    while (next_text(filters, &at, &text)) {
        uint64_t hash = text_hash(text);
        memmove(filters->texts.data + packed, text.data, text.size + 1);
        slot_table_put(places, hash, packed);
        packed += text.size + 1;
    }
    filters->texts.size = packed;
}

/* ---- lists ---- */

/* The next of the single subscriptions that a text stands for: *rest is what remains of the list
 * after the last dot. 0 when none is left. */
static int next_alternative(const topic_filters *filters, td_bytes *rest, td_bytes *alternative)
{
    if (rest->data == NULL)
        return 0;
    const uint8_t *bar = rest->size == 0 || !filters->dialect->has_lists
                             ? NULL
                             : memchr(rest->data, '|', rest->size);
    if (bar == NULL) {
        *alternative = *rest;
        *rest = (td_bytes){0};
        return 1;
    }
    size_t size = (size_t)(bar - rest->data);
    *alternative = td_bytes_of(rest->data, size);
    *rest = td_bytes_of(bar + 1, rest->size - size - 1);
    return 1;
}

/* Size of "topic." before the list; 0 if there is no list. */
static size_t stem_size(const topic_filters *filters, td_bytes subscription)
{
    if (!filters->dialect->has_lists || memchr(subscription.data, '|', subscription.size) == NULL)
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

/* Add stem and tail as one subscription. */
static td_result add_one(topic_filters *filters, td_bytes stem, td_bytes tail, td_err *err)
{
    td_buf *texts = &filters->texts;
    size_t size = stem.size + tail.size;
    /* Half of the table are removed texts, or their space is needed. */
    if (filters->places.count > 2 * (filters->count + 1) ||
        (filters->places.count > filters->count &&
         texts->size + size + 1 > TOPIC_FILTERS_BYTES_MAX))
        renew(filters);
    td_result rc = td_buf_reserve(texts, size + 1, err);
    if (rc != TD_OK)
        return rc;
    /* Written after the texts, with its LF, before the look-up. */
    td_bytes text = td_bytes_of(texts->data + texts->size, size);
    memcpy(texts->data + texts->size, stem.data, stem.size);
    memcpy(texts->data + texts->size + stem.size, tail.data, tail.size);
    texts->data[texts->size + size] = '\n';
    if (find(filters, text) < texts->size)
        return TD_OK; /* it was added before */
    slot_table_put(&filters->places, text_hash(text), texts->size);
    texts->size += size + 1;
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
    while (rc == TD_OK && next_alternative(filters, &rest, &tail))
        rc = add_one(filters, stem, tail, err);
    return rc;
}

/* The entry stays, so that a look-up passes it and finds later ones. */
static void remove_at(topic_filters *filters, size_t at)
{
    TD_ASSERT(at < filters->texts.size);
    TD_ASSERT(filters->count > 0);
    TD_ASSERT(filters->texts.data[at] != GONE);
    filters->texts.data[at] = GONE;
    filters->count--;
    if (filters->count == 0)
        topic_filters_clear(filters);
}

void topic_filters_remove(topic_filters *filters, td_bytes subscription)
{
    if (check_text(subscription, NULL) != TD_OK)
        return;
    uint8_t text[LIMIT_URL_BYTES + 1];
    size_t stem = stem_size(filters, subscription);
    memcpy(text, subscription.data, stem);
    td_bytes rest = td_bytes_of(subscription.data + stem, subscription.size - stem);
    td_bytes tail;
    while (next_alternative(filters, &rest, &tail)) {
        memcpy(text + stem, tail.data, tail.size);
        size_t at = find(filters, td_bytes_of(text, stem + tail.size));
        if (at < filters->texts.size)
            remove_at(filters, at);
    }
}

int topic_filters_has(const topic_filters *filters, td_bytes subscription)
{
    return find(filters, subscription) < filters->texts.size;
}

void topic_filters_clear(topic_filters *filters)
{
    TD_ASSERT((filters->places.count == 0) == (filters->texts.size == 0));
    td_buf_clear(&filters->texts);
    slot_table_clear(&filters->places);
    filters->count = 0;
}

int topic_filters_cover(const topic_filters *filters, td_bytes exchange_topic)
{
    if (topic_filters_has(filters, exchange_topic))
        return 1;
    size_t at = 0;
    td_bytes text;
    while (filters->dialect->covers != dialect_covers_same && next_text(filters, &at, &text)) {
        if (filters->dialect->covers(text, exchange_topic))
            return 1;
    }
    return 0;
}

int topic_filters_cover_frame(const topic_filters *filters, td_bytes exchange_topic, td_bytes frame)
{
    const dialect *spoken = filters->dialect;
    TD_ASSERT(spoken != NULL);
    if (spoken->covers_frame == NULL)
        return topic_filters_cover(filters, exchange_topic);
    size_t at = 0;
    td_bytes text;
    while (next_text(filters, &at, &text)) {
        if (spoken->covers(text, exchange_topic) &&
            spoken->covers_frame(text, exchange_topic, frame))
            return 1;
    }
    return 0;
}
