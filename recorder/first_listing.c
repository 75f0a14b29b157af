#include "recorder/first_listing.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/url.h"
#include "schema/inflate.h"
#include "wire/http.h"

#define PAGE_TIMEOUT_NS (10 * TD_NS_PER_S)
#define TURN_NS         (100 * TD_NS_PER_MS)

enum { ATTEMPTS = 2, PAGES_MAX = 200 };

/* The reply to one request. */
typedef struct page_reply {
    td_buf body;
    td_result rc;
    td_err err;
    uint8_t is_done;
} page_reply;

static void on_done(void *user, const wire_http_end *end)
{
    page_reply *to = user;
    td_bytes body = end->body;
    inflater *decoder = NULL;
    to->is_done = 1;
    to->rc = TD_OK;
    if (end->cause != WIRE_CAUSE_NONE) {
        to->rc = td_err_set(&to->err, TD_E_NETWORK, "%s", end->text);
    } else if (end->status != 200) {
        to->rc = td_err_set(&to->err, TD_E_NETWORK, "HTTP status %u: %.*s", end->status,
                            (int)(body.size < 200 ? body.size : 200), (const char *)body.data);
    } else if (end->is_encoded) {
        decoder = inflater_open(LIMIT_HTTP_REPLY_BYTES, 0);
        to->rc = inflater_run(decoder, end->body, &body, &to->err);
    }
    if (to->rc == TD_OK)
        to->rc = td_buf_append(&to->body, body.data, body.size, &to->err);
    inflater_close(decoder);
}

static int is_set(const atomic_int *flag)
{
    return flag != NULL && atomic_load_explicit(flag, memory_order_acquire);
}

static td_result request_page(wire_loop *loop, const feed_config *feed,
                              const atomic_int *is_stopped, const char *query, page_reply *to,
                              td_err *err)
{
    char url[LIMIT_URL_BYTES];
    wire_http *request = NULL;
    config_http_url(feed, &feed->http[feed->listing], url);
    size_t size = strlen(url);
    if (snprintf(url + size, sizeof url - size, "%s", query) >= (int)(sizeof url - size))
        return td_err_set(err, TD_E_INVALID, "the name of the next page is too long");
    const wire_http_options options = {.url = url,
                                       .ca_file = feed->ca_file,
                                       .timeout_ns = PAGE_TIMEOUT_NS,
                                       .reply_bytes_max = LIMIT_HTTP_REPLY_BYTES,
                                       .done = on_done,
                                       .user = to};
    td_buf_clear(&to->body);
    to->is_done = 0;
    td_result rc = wire_http_send(loop, &options, &request, err);
    while (rc == TD_OK && !to->is_done)
        rc = is_set(is_stopped) ? td_err_set(err, TD_E_BUSY, "the recorder stops")
                                : wire_loop_run(loop, TURN_NS, err);
    if (rc != TD_OK || to->is_done == 0) {
        wire_http_cancel(request);
        return rc;
    }
    if (to->rc != TD_OK)
        *err = to->err;
    return to->rc;
}

static td_result read_pages(wire_loop *loop, const feed_config *feed, const atomic_int *is_stopped,
                            instruments *into, page_reply *reply, td_err *err)
{
    const char *query = instruments_begin(into);
    td_result rc = TD_OK;
    size_t count = 0;
    do {
        rc = request_page(loop, feed, is_stopped, query, reply, err);
        if (rc == TD_OK)
            rc = instruments_take(into, td_buf_view(&reply->body), &query, err);
    } while (rc == TD_OK && query != NULL && ++count < PAGES_MAX);
    if (rc == TD_OK && query != NULL)
        rc = td_err_set(err, TD_E_LIMIT, "the list has more than %d pages", PAGES_MAX);
    return rc;
}

td_result first_listing_read(wire_loop *loop, const feed_config *feed, const atomic_int *is_stopped,
                             instruments *into, td_err *err)
{
    TD_ASSERT(feed->listing < feed->http_count);
    char url[LIMIT_URL_BYTES];
    page_reply reply = {.rc = TD_OK};
    td_result rc = TD_E_NETWORK;
    td_buf_init(&reply.body, LIMIT_HTTP_REPLY_BYTES);
    for (int i = 0; i < ATTEMPTS && rc == TD_E_NETWORK; i++)
        rc = read_pages(loop, feed, is_stopped, into, &reply, err);
    td_buf_fini(&reply.body);
    config_http_url(feed, &feed->http[feed->listing], url);
    if (rc == TD_OK && instruments_traded_count(into) == 0)
        rc = td_err_set(err, TD_E_INVALID, "the symbols' patterns match none of %zu instruments",
                        instruments_listed_count(into));
    if (rc == TD_OK)
        return TD_OK;
    td_url_redact(url);
    rc = td_err_add(err, rc, "feed '%s': cannot read the list of instruments at %s", feed->name,
                    url);
    if (rc != TD_E_BUSY)
        td_err_hint(err,
                    "name the symbols instead of patterns, or give a file of them (symbols_file)");
    return rc;
}
