#include "recorder/feed_setup.h"

#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "wire/url.h"

/* The host of a URL, for connections that share its limit: whatever the family, path and port. */
static td_bytes url_host(const char *url)
{
    const char *host = strstr(url, "://");
    host = host == NULL ? url : host + 3;
    return td_bytes_of(host, strcspn(host, host[0] == '[' ? "]/?" : ":/?"));
}

/* Names of hosts have no case. */
static int is_same_host(const char *a, const char *b)
{
    td_bytes left = url_host(a);
    td_bytes right = url_host(b);
    return left.size == right.size &&
           strncasecmp((const char *)left.data, (const char *)right.data, left.size) == 0;
}

/* The exchange counts connections by host: feeds of one host share what it allows. */
static td_result open_budget(const recorder_config *config, feed_setup *feeds, size_t index,
                             td_err *err)
{
    TD_ASSERT(feeds[index].budget == NULL);
    for (size_t i = 0; i < index; i++) {
        if (is_same_host(config->feeds[index].url, config->feeds[i].url)) {
            feeds[index].budget = feeds[i].budget;
            break;
        }
    }
    if (feeds[index].budget == NULL) {
        feeds[index].budget = td_alloc_zero(1, sizeof(connect_budget));
        feeds[index].owns_budget = 1;
    }
    if (feeds[index].budget == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for feed '%s'", config->feeds[index].name);
    feeds[index].budget_feed =
        connect_budget_join(feeds[index].budget, feeds[index].subscription.shard_count);
    return TD_OK;
}

/* Keys, signatures and passwords in a URL are secrets too. */
static td_result hide_url(redactor *hide, const char *url, td_err *err)
{
    size_t at = 0;
    td_bytes found;
    td_result rc = TD_OK;
    while (rc == TD_OK && wire_url_next_secret(td_bytes_str(url), &at, &found))
        rc = redactor_add_found(hide, found, REDACT_SPELT, err);
    return rc;
}

static td_result hide_urls(const feed_config *from, redactor *hide, td_err *err)
{
    td_result rc = hide_url(hide, from->url, err);
    for (size_t i = 0; i < from->http_count && rc == TD_OK; i++)
        rc = hide_url(hide, from->http[i].url, err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "feed '%s'", from->name);
}

static td_result open_one(const recorder_config *config, td_io io, feed_setup *feeds, size_t index,
                          td_err *err)
{
    const feed_config *from = &config->feeds[index];
    feed_setup *feed = &feeds[index];
    /* config_finish() has settled both. */
    TD_ASSERT(from->family != NULL);
    TD_ASSERT(from->url != NULL);
    td_result rc = credentials_read(from, io, &feed->redactor, &feed->credentials, err);
    if (rc == TD_OK)
        rc = hide_urls(from, &feed->redactor, err);
    symbol_list symbols = {0};
    if (rc == TD_OK)
        rc = symbols_open(from, io, &symbols, err);
    if (rc == TD_OK)
        rc = subscription_open(from, &symbols, &feed->subscription, err);
    symbols_fini(&symbols);
    return rc == TD_OK ? open_budget(config, feeds, index, err) : rc;
}

td_result feed_setup_open_all(const recorder_config *config, td_io io, feed_setup **out,
                              td_err *err)
{
    TD_ASSERT(config->feed_count > 0);
    *out = NULL;
    feed_setup *feeds = td_alloc_zero(config->feed_count, sizeof *feeds);
    if (feeds == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory for %zu feeds", config->feed_count);
    /* All of them first: closing takes no look at how far opening came. */
    for (size_t i = 0; i < config->feed_count; i++)
        redactor_init(&feeds[i].redactor);
    td_result rc = TD_OK;
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++)
        rc = open_one(config, io, feeds, i, err);
    if (rc != TD_OK) {
        feed_setup_close_all(feeds, config->feed_count);
        return rc;
    }
    *out = feeds;
    return TD_OK;
}

void feed_setup_close_all(feed_setup *feeds, size_t count)
{
    if (feeds == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        subscription_fini(&feeds[i].subscription);
        credentials_fini(&feeds[i].credentials);
        redactor_fini(&feeds[i].redactor);
        if (feeds[i].owns_budget)
            td_free(feeds[i].budget);
    }
    td_free(feeds);
}
