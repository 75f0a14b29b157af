/* Which topics a subscription covers, by the forms of dialects. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "schema/dialect.h"

int dialect_covers_same(td_bytes subscription, td_bytes exchange_topic)
{
    return subscription.size > 0 && td_bytes_equal(subscription, exchange_topic);
}

/* ---- lists, wildcards and bare topics ---- */

/* Offset of the last dot; the text's size if it has no dot. */
static size_t last_dot(td_bytes text)
{
    for (size_t i = text.size; i > 0; i--) {
        if (text.data[i - 1] == '.')
            return i - 1;
    }
    return text.size;
}

/* 1 if symbol is in "A|B|C", or the list is "*". */
static int list_has(td_bytes list, td_bytes symbol)
{
    td_bytes one;
    int has = td_bytes_is(list, "*");
    while (!has && td_bytes_next(&list, '|', &one))
        has = one.size > 0 && td_bytes_equal(one, symbol);
    return has;
}

/* 1 if a subscription covers a topic: "trade.BTCUSD|XRPUSD", "trade.*" and bare "trade" cover
 * "trade.XRPUSD" (docs/wire.md 1.3). Compares whole dot-separated parts. Only the last part may be
 * a list, "*" or omitted, so "orderBook_200" does not cover "orderBook_200.100ms.BTCUSD". */
static int covers_list(td_bytes subscription, td_bytes exchange_topic)
{
    if (td_bytes_equal(subscription, exchange_topic))
        return 1;
    size_t topic_dot = last_dot(exchange_topic);
    if (topic_dot == exchange_topic.size)
        return 0; /* a topic without a symbol is covered only by the same text */
    TD_ASSERT(topic_dot < exchange_topic.size);
    td_bytes stem = td_bytes_of(exchange_topic.data, topic_dot);
    if (td_bytes_equal(subscription, stem))
        return 1;
    size_t dot = last_dot(subscription);
    TD_ASSERT(dot <= subscription.size);
    if (dot == subscription.size || !td_bytes_equal(td_bytes_of(subscription.data, dot), stem))
        return 0;
    td_bytes list = td_bytes_of(subscription.data + dot + 1, subscription.size - dot - 1);
    td_bytes symbol =
        td_bytes_of(exchange_topic.data + topic_dot + 1, exchange_topic.size - topic_dot - 1);
    return list_has(list, symbol);
}

/* ---- categories ---- */

/* 1 if `longer` is `shorter` and a category: "order.linear" for "order". */
static int is_category_of(td_bytes shorter, td_bytes longer)
{
    static const char *const CATEGORIES[] = {"spot", "linear", "inverse", "option"};
    if (shorter.size == 0 || longer.size < shorter.size + 2 || longer.data[shorter.size] != '.' ||
        memcmp(shorter.data, longer.data, shorter.size) != 0)
        return 0;
    TD_ASSERT(longer.size > shorter.size + 1);
    td_bytes part = td_bytes_of(longer.data + shorter.size + 1, longer.size - shorter.size - 1);
    for (size_t i = 0; i < sizeof CATEGORIES / sizeof *CATEGORIES; i++) {
        if (td_bytes_is(part, CATEGORIES[i]))
            return 1;
    }
    return 0;
}

/* 1 if a subscription covers a topic. It is undocumented whether frames for "order.linear" have
 * that topic or "order", so each of the two covers the other. "execution" does not cover
 * "execution.fast" (docs/wire.md 1.5). */
static int covers_category(td_bytes subscription, td_bytes exchange_topic)
{
    return dialect_covers_same(subscription, exchange_topic) ||
           is_category_of(subscription, exchange_topic) ||
           is_category_of(exchange_topic, subscription);
}

/* 1 if a subscription covers a frame of the topic: a subscription to one category covers a frame of
 * the topic without category only if the frame contains that category. */
int dialect_covers_frame(const dialect *spoken, td_bytes subscription, td_bytes exchange_topic,
                         td_bytes frame)
{
    if (spoken->covering != COVER_CATEGORIES || subscription.size <= exchange_topic.size)
        return 1;
    char member[48];
    TD_ASSERT(subscription.data[exchange_topic.size] == '.'); /* checked by covers_category() */
    td_bytes category = td_bytes_of(subscription.data + exchange_topic.size + 1,
                                    subscription.size - exchange_topic.size - 1);
    int length = snprintf(member, sizeof member, "\"category\":\"%.*s\"", (int)category.size,
                          (const char *)category.data);
    TD_ASSERT(length > 0);
    /* It fits, because covers_category() accepts only known categories. */
    TD_ASSERT((size_t)length < sizeof member);
    return memmem(frame.data, frame.size, member, (size_t)length) != NULL;
}

/* ---- forms ---- */

/* 1, because an authenticated client gets every private topic, and the answers to its requests. */
static int covers_all(td_bytes subscription, td_bytes exchange_topic)
{
    (void)subscription;
    (void)exchange_topic;
    return 1;
}

static int covers_account(td_bytes subscription, td_bytes exchange_topic)
{
    return td_bytes_is(subscription, DIALECT_EVERYTHING) ||
           dialect_covers_same(subscription, exchange_topic);
}

int (*dialect_covers_of(cover_form form))(td_bytes subscription, td_bytes exchange_topic)
{
    switch (form) {
    case COVER_SAME:
        return dialect_covers_same;
    case COVER_LISTS:
        return covers_list;
    case COVER_ALL:
        return covers_all;
    case COVER_CATEGORIES:
        return covers_category;
    case COVER_ACCOUNT:
        return covers_account;
    }
    return dialect_covers_same;
}
