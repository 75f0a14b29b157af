/* HTTP requests beside a feed's frames: from the command line's text or a file's keys to what is
 * asked, and how often. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/url.h"
#include "capture/channel_router.h"
#include "recorder/config_impl.h"

#define EVERY_DEFAULT_NS (UINT64_C(3600) * TD_NS_PER_S)

static int is_http_url(const char *text)
{
    td_bytes scheme = td_url_split(td_bytes_str(text)).scheme;
    return td_bytes_is(scheme, "https") || td_bytes_is(scheme, "http");
}

/* "URL", "NAME=URL" or "NAME@EVERY=URL". */
static td_result read_text(const char *text, http_config *out, td_err *err)
{
    if (is_http_url(text)) {
        out->url = text;
        return TD_OK;
    }
    size_t name_size = strcspn(text, "@=");
    size_t head_size = strcspn(text, "=");
    if (text[head_size] == '\0' || name_size >= sizeof out->name) {
        td_err_set(err, TD_E_INVALID, "'%s' is no HTTP request", text);
        td_err_hint(err, "URL, NAME=URL or NAME@EVERY=URL, such as instruments@1h=https://…");
        return TD_E_INVALID;
    }
    memcpy(out->name, text, name_size);
    out->name[name_size] = '\0';
    out->is_named = 1;
    out->url = text + head_size + 1;
    if (name_size == head_size)
        return TD_OK;
    char every[32];
    size_t every_size = head_size - name_size - 1;
    if (every_size >= sizeof every)
        return td_err_set(err, TD_E_INVALID, "'%s': the time behind '@' is too long", text);
    memcpy(every, text + name_size + 1, every_size);
    every[every_size] = '\0';
    size_t row_count;
    const option_row *rows = config_http_rows(&row_count);
    TD_ASSERT(strcmp(rows[row_count - 1].long_name, "every") == 0);
    td_result rc = options_set_value(&rows[row_count - 1], every, 0, &out->every_ns, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "HTTP request '%s'", out->name);
}

static td_result take_texts(feed_config *feed, td_err *err)
{
    for (size_t i = 0; i < feed->http_texts.count; i++) {
        if (feed->http_count == LIMIT_FEED_HTTP)
            return td_err_set(err, TD_E_INVALID, "more than %u HTTP requests", LIMIT_FEED_HTTP);
        td_result rc = read_text(feed->http_texts.items[i], &feed->http[feed->http_count], err);
        if (rc != TD_OK)
            return rc;
        feed->http_count++;
    }
    feed->http_texts.count = 0;
    return TD_OK;
}

/* Nobody named it: what imported captures call such a reply. */
static void name_by_url(http_config *asked)
{
    td_bytes name = channel_router_http_name(td_bytes_str(asked->url));
    if (name.size == 0)
        name = td_bytes_str("reply");
    size_t size = name.size < sizeof asked->name ? name.size : sizeof asked->name - 1;
    for (size_t i = 0; i < size; i++) {
        asked->name[i] = '_';
        if (config_is_name_char((char)name.data[i]))
            memcpy(&asked->name[i], &name.data[i], 1);
    }
    asked->name[size] = '\0';
}

/* Names become channels: http.NAME. */
static td_result check_name(const http_config *asked, td_err *err)
{
    int is_good = asked->name[0] != '\0';
    for (const char *c = asked->name; *c != '\0' && is_good; c++)
        is_good = config_is_name_char(*c);
    if (is_good)
        return TD_OK;
    return td_err_set(err, TD_E_INVALID,
                      "'%s' is no name for an HTTP reply: letters, digits, '-', '_' and '.'",
                      asked->name);
}

static td_result finish_one(http_config *asked, td_err *err)
{
    if (asked->name_text != NULL) {
        if (strlen(asked->name_text) >= sizeof asked->name)
            return td_err_set(err, TD_E_INVALID, "an HTTP reply's name of %zu characters",
                              strlen(asked->name_text));
        memcpy(asked->name, asked->name_text, strlen(asked->name_text) + 1);
    }
    if (asked->url == NULL)
        return td_err_set(err, TD_E_INVALID, "HTTP request '%s' has no url", asked->name);
    td_server_url ignored;
    td_result rc = td_url_parse_http(asked->url, &ignored, err);
    if (rc == TD_OK && asked->name_text == NULL && !asked->is_named)
        name_by_url(asked);
    if (rc == TD_OK)
        rc = check_name(asked, err);
    if (asked->every_ns == 0)
        asked->every_ns = EVERY_DEFAULT_NS;
    return rc == TD_OK ? rc : td_err_add(err, rc, "HTTP request '%s'", asked->name);
}

/* Requests of a feed go out one at a time, LIMIT_HTTP_SPACING_NS apart: more than fit in would only
 * be late. */
static td_result check_budget(const feed_config *feed, td_err *err)
{
    double share = 0;
    for (size_t i = 0; i < feed->http_count; i++)
        share += (double)LIMIT_HTTP_SPACING_NS / (double)feed->http[i].every_ns;
    if (share <= 1)
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "%.1f HTTP requests a second: a feed may have one", share);
    td_err_hint(err, "ask less often: raise `every`");
    return TD_E_INVALID;
}

td_result config_finish_http(feed_config *feed, td_err *err)
{
    td_result rc = take_texts(feed, err);
    for (size_t i = 0; rc == TD_OK && i < feed->http_count; i++) {
        rc = finish_one(&feed->http[i], err);
        for (size_t k = 0; rc == TD_OK && k < i; k++)
            if (strcmp(feed->http[i].name, feed->http[k].name) == 0)
                rc = td_err_set(err, TD_E_INVALID, "two HTTP requests are called '%s'",
                                feed->http[i].name);
    }
    return rc == TD_OK ? check_budget(feed, err) : rc;
}
