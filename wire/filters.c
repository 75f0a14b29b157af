#include "wire/filters.h"

#include <string.h>

#include "base/assert.h"
#include "base/limits.h"

void wire_filters_init(wire_filters *filters, const dialect *spoken)
{
    TD_ASSERT(spoken != NULL);
    filters->dialect = spoken;
    filters->count = 0;
    td_buf_init(&filters->texts, WIRE_FILTERS_BYTES_MAX);
}

void wire_filters_fini(wire_filters *filters)
{
    filters->count = 0;
    td_buf_fini(&filters->texts);
}

/* The text at offset *at, and *at behind its LF. 0 at the end. */
static int next_text(const wire_filters *filters, size_t *at, td_bytes *out)
{
    size_t left = filters->texts.size - *at;
    if (left == 0)
        return 0;
    const uint8_t *begin = filters->texts.data + *at;
    const uint8_t *end = memchr(begin, '\n', left);
    TD_ASSERT(end != NULL); /* each text has one */
    *out = td_bytes_of(begin, (size_t)(end - begin));
    *at += out->size + 1;
    return 1;
}

/* Offset of a text that equals this one; texts.size if none does. wanted may lie behind the texts.
 */
static size_t find(const wire_filters *filters, td_bytes wanted)
{
    size_t at = 0;
    td_bytes text;
    for (size_t begin = 0; next_text(filters, &at, &text); begin = at) {
        if (td_bytes_equal(text, wanted))
            return begin;
    }
    return filters->texts.size;
}

/* Walks over the single subscriptions that a text stands for: *rest is the list that is left behind
 * the last dot. Gives stem (with its dot) and one alternative; 0 when none is left. */
static int next_alternative(const wire_filters *filters, td_bytes *rest, td_bytes *alternative)
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

/* Size of "topic." in front of the list; 0 if there is no list. */
static size_t stem_size(const wire_filters *filters, td_bytes subscription)
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

/* stem and tail make one subscription. */
static td_result add_one(wire_filters *filters, td_bytes stem, td_bytes tail, td_err *err)
{
    td_buf *texts = &filters->texts;
    td_result rc = td_buf_reserve(texts, stem.size + tail.size + 1, err);
    if (rc != TD_OK)
        return rc;
    size_t before = texts->size;
    memcpy(texts->data + before, stem.data, stem.size);
    memcpy(texts->data + before + stem.size, tail.data, tail.size);
    td_bytes text = td_bytes_of(texts->data + before, stem.size + tail.size);
    if (find(filters, text) < before)
        return TD_OK; /* it is there already */
    texts->size += text.size;
    rc = td_buf_append(texts, "\n", 1, err);
    TD_ASSERT(rc == TD_OK); /* room was reserved */
    filters->count++;
    return TD_OK;
}

td_result wire_filters_add(wire_filters *filters, td_bytes subscription, td_err *err)
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

static void remove_at(wire_filters *filters, size_t at, size_t size)
{
    td_buf *texts = &filters->texts;
    TD_ASSERT(at + size + 1 <= texts->size);
    TD_ASSERT(filters->count > 0);
    memmove(texts->data + at, texts->data + at + size + 1, texts->size - at - size - 1);
    texts->size -= size + 1;
    filters->count--;
}

void wire_filters_remove(wire_filters *filters, td_bytes subscription)
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
            remove_at(filters, at, stem + tail.size);
    }
}

/* By the very text: "trade.*" does not have "trade.A", though it covers it. */
int wire_filters_has(const wire_filters *filters, td_bytes subscription)
{
    return find(filters, subscription) < filters->texts.size;
}

void wire_filters_clear(wire_filters *filters)
{
    TD_ASSERT((filters->count == 0) == (filters->texts.size == 0));
    td_buf_clear(&filters->texts);
    filters->count = 0;
}

int wire_filters_cover(const wire_filters *filters, td_bytes exchange_topic)
{
    size_t at = 0;
    td_bytes text;
    while (next_text(filters, &at, &text)) {
        if (filters->dialect->covers(text, exchange_topic))
            return 1;
    }
    return 0;
}

int wire_filters_cover_frame(const wire_filters *filters, td_bytes exchange_topic, td_bytes frame)
{
    const dialect *spoken = filters->dialect;
    size_t at = 0;
    td_bytes text;
    TD_ASSERT(spoken != NULL);
    while (next_text(filters, &at, &text)) {
        if (spoken->covers(text, exchange_topic) &&
            (spoken->covers_frame == NULL || spoken->covers_frame(text, exchange_topic, frame)))
            return 1;
    }
    return 0;
}
