#include "recorder/feed_setup.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/suggest.h"
#include "base/url.h"
#include "archive/archive_view.h"
#include "archive/feed_slots.h"
#include "recorder/first_listing.h"
#include "schema/dialect.h"

void feed_setup_host(const feed_config *from, char out[TD_HOST_BYTES])
{
    td_server_url server = {0};
    (void)!td_url_parse(from->url, &server, NULL); /* config_finish has checked it */
    const int is_here = strcmp(server.host, "localhost") == 0 || strcmp(server.host, "::1") == 0 ||
                        strncmp(server.host, "127.", 4) == 0;
    (void)snprintf(out, TD_HOST_BYTES, "%s", is_here ? "" : server.host); /* fits */
    for (char *at = out; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
}

static connect_budget *open_budget(const feed_config *from, const td_log *log)
{
    td_err err;
    char host[TD_HOST_BYTES];
    td_err_clear(&err);
    feed_setup_host(from, host);
    connect_budget *made =
        connect_budget_open(host[0] == '\0' ? NULL : host, from->family->exchange->connects, &err);
    if (err.text[0] != '\0' && log != NULL)
        td_log_emit(log, TD_LOG_WARNING,
                    "%s: other recorders on this machine do not share its count of connections: %s",
                    from->name, err.text);
    return made;
}

/* ---- secrets ---- */

static td_result read_secret(const char *variable, redactor *hide, const char **out, td_err *err)
{
    const char *value = getenv(variable);
    if (value == NULL || value[0] == '\0') {
        td_err_set(err, TD_E_INVALID, "the environment variable %s is not set", variable);
        td_err_hint(err, "export %s=... before starting the recorder", variable);
        return TD_E_INVALID;
    }
    *out = value;
    return redactor_add(hide, value, err);
}

td_result feed_setup_read_credentials(const recorder_config *config, size_t index, feed_setup *feed,
                                      td_err *err)
{
    const feed_config *from = &config->feeds[index];
    const char *key = "api-key-env"; /* key that the error is about */
    if (from->api_key_env == NULL)
        return TD_OK;
    td_result rc = redactor_forbid_core_dumps(err);
    if (rc == TD_OK)
        rc = read_secret(from->api_key_env, &feed->redactor, &feed->api_key, err);
    if (rc == TD_OK) {
        key = "api-secret-env";
        rc = read_secret(from->api_secret_env, &feed->redactor, &feed->api_secret, err);
    }
    if (rc == TD_OK && from->api_passphrase_env != NULL) {
        key = "api-passphrase-env";
        rc = read_secret(from->api_passphrase_env, &feed->redactor, &feed->api_passphrase, err);
    }
    if (rc == TD_OK)
        return TD_OK;
    rc = td_err_add(err, rc, "feed '%s'", from->name);
    return config_err_add(config, index, key, rc, err);
}

/* Hide keys, signatures and passwords in URLs. */
static td_result hide_urls(const feed_config *from, redactor *hide, td_err *err)
{
    td_result rc = redactor_add_url(hide, REDACT_FOR_GOOD, td_bytes_str(from->url), err);
    for (size_t i = 0; i < from->http_count && rc == TD_OK; i++)
        rc = redactor_add_url(hide, REDACT_FOR_GOOD, td_bytes_str(from->http[i].url), err);
    return rc == TD_OK ? rc : td_err_add(err, rc, "feed '%s'", from->name);
}

/* ---- topics ---- */

/* Refuse a topic that the family does not have; suggest a similar one. */
static td_result refuse_topic(const feed_config *from, const char *unknown, td_err *err)
{
    td_bytes topic = td_bytes_str(unknown);
    const char *dot = strrchr(unknown, '.');
    suggest_search search = {.written = topic};
    suggest_search without_symbol = {
        .written = td_bytes_of(unknown, dot == NULL ? topic.size : (size_t)(dot - unknown))};
    for (size_t i = 0; i < from->family->topic_count; i++) {
        suggest_offer(&search, from->family->topics[i].name);
        suggest_offer(&without_symbol, from->family->topics[i].name);
    }
    char similar[100];
    int is_bare = without_symbol.name == NULL ||
                  (search.name != NULL && search.distance <= without_symbol.distance);
    suggest_format(is_bare ? &search : &without_symbol, similar, sizeof similar);
    td_err_set(err, TD_E_INVALID, "family %s has no topic '%s'", from->family->name, unknown);
    td_err_hint(err,
                "%s%s'tapedeck topics --family %s' lists them; --allow-unknown-topic (in a file "
                "allow_unknown_topic) records it undecoded",
                similar, similar[0] == '\0' ? "" : " ", from->family->name);
    return TD_E_INVALID;
}

/* Return the date on which the exchange withdrew the topic ("2025-07-05"), or NULL if the family
 * never had the topic. A simulated exchange or a served tape may still have a withdrawn topic. */
static const char *withdrawn_on(const family *of, const char *topic)
{
    topic_match found;
    return topic_match_text(of->topics, of->topic_count, td_bytes_str(topic), TOPIC_ANY_TIME,
                            &found)
               ? found.row->valid_until
               : NULL;
}

/* Refuse topics that the family does not have, or log a warning: a typing error would otherwise be
 * noticed only in the recording. */
static td_result check_topics(const feed_config *from, const subscription *wanted,
                              const td_log *log, td_err *err)
{
    for (size_t i = 0; i < wanted->topic_count; i++) {
        const char *topic = wanted->topics[i];
        td_bytes symbol;
        const topic_row *row = family_topic_row(from->family, topic, &symbol);
        if (row != NULL && row->type == MSG_ORDER_ENTRY && from->family->dialect->ask_topics) {
            td_err_set(err, TD_E_INVALID, "'%s' has a client's requests about orders", topic);
            td_err_hint(err, "'tapedeck tap' records them with their answers");
            return TD_E_INVALID;
        }
        if (row != NULL)
            continue;
        const char *date = withdrawn_on(from->family, topic);
        if (!from->allows_unknown && date == NULL)
            return refuse_topic(from, topic, err);
        if (date != NULL)
            td_log_emit(log, TD_LOG_WARNING,
                        "%s: topic '%s' was withdrawn by the exchange on %s: its frames will be "
                        "kept raw",
                        from->name, topic, date);
        else
            td_log_emit(log, TD_LOG_WARNING,
                        "%s: family %s has no topic '%s': its frames will be kept raw", from->name,
                        from->family->name, topic);
    }
    return TD_OK;
}

/* Log a warning if the feed connects to the exchange itself, and the exchange no longer sends the
 * feed's family. A simulated exchange, or a served tape, has all families. */
static void check_is_sent(const feed_config *from, const td_log *log)
{
    if (from->family->has_ended && family_find_by_url(td_bytes_str(from->url)) != NULL)
        td_log_emit(log, TD_LOG_WARNING,
                    "%s: the exchange no longer sends family %s, and its address may not answer; "
                    "'tapedeck topics' shows which families it sends",
                    from->name, from->family->name);
}

/* Check early that the CA file exists: otherwise each attempt to connect would report it. */
static td_result check_ca_file(const feed_config *from, td_io io, td_err *err)
{
    td_file *file = NULL;
    td_result rc =
        from->ca_file == NULL ? TD_OK : td_io_open(io, from->ca_file, TD_OPEN_READ, &file, err);
    td_io_close(file);
    if (rc == TD_E_UNSUPPORTED) /* not a regular file: errors are reported when it is read */
        return TD_OK;
    return rc == TD_E_NOTFOUND ? td_err_add(err, TD_E_INVALID, "the CA file") : rc;
}

/* Take the symbols that the feed has in earlier recordings. */
static td_result assume_past(const feed_config *from, archive *past, instruments *listed,
                             td_err *err)
{
    const feed_slots_query query = {
        .feed = from->name, .before_ns = UINT64_MAX, .shard_count = LIMIT_FEED_SLOTS};
    archive_view *view = NULL;
    feed_slots slots = {0};
    td_result rc = archive_view_open(past, VIEW_ALL, NULL, &view, err);
    if (rc == TD_OK)
        rc = feed_slots_read(view, &query, &slots, err);
    for (size_t i = 0; rc == TD_OK && i < slots.topic_count; i++) {
        td_bytes symbol;
        const topic_row *row = family_topic_row(from->family, slots.topics[i]->name, &symbol);
        if (row == NULL || !topic_row_has_coin(row))
            instruments_assume(listed, slots.topics[i]->name + slots.topics[i]->topic_bytes);
    }
    feed_slots_fini(&slots);
    archive_view_close(view);
    return rc;
}

void feed_setup_log_odd(const feed_config *from, const instruments *listed, const td_log *log)
{
    size_t count;
    const char *name = instruments_odd(listed, &count);
    if (name != NULL)
        td_log_emit(log, TD_LOG_WARNING,
                    "%s: listed names that cannot be symbols are not recorded: '%s', %zu in all",
                    from->name, name, count);
}

static td_result read_listing(const feed_config *from, const feed_setup_env *env, feed_setup *feed,
                              td_err *err)
{
    td_err ignored;
    if (from->listing == LIMIT_FEED_HTTP)
        return TD_OK;
    TD_ASSERT(env->loop != NULL);
    feed->listed = instruments_open(from->family, &from->symbols);
    td_result rc = first_listing_read(env->loop, from, env->is_stopped, feed->listed, err);
    if (rc == TD_OK) {
        feed_setup_log_odd(from, feed->listed, env->log);
        td_log_emit(env->log, TD_LOG_INFO, "%s: %zu of %zu listed instruments are chosen",
                    from->name, instruments_traded_count(feed->listed),
                    instruments_listed_count(feed->listed));
        return TD_OK;
    }
    /* A list that was read, but has no symbol that is chosen, is the patterns' fault. */
    if (rc == TD_E_BUSY || instruments_listed_count(feed->listed) > 0)
        return rc;
    if (env->past == NULL || assume_past(from, env->past, feed->listed, &ignored) != TD_OK ||
        instruments_traded_count(feed->listed) == 0) {
        feed->waits = env->may_wait;
        if (feed->waits)
            td_log_emit(env->log, TD_LOG_ERROR,
                        "%s; the feed's listed symbols are recorded once it can be read",
                        err->text);
        return feed->waits ? TD_OK : rc;
    }
    td_log_emit(env->log, TD_LOG_WARNING,
                "%s; until it can be read, the %zu symbols are recorded that this archive has",
                err->text, instruments_traded_count(feed->listed));
    return TD_OK;
}

td_result feed_setup_choose_topics(const recorder_config *config, size_t index,
                                   const feed_setup_env *env, const instruments *listed,
                                   subscription *out, td_err *err)
{
    const feed_config *from = &config->feeds[index];
    const char *key = "symbols-file"; /* key that the error is about */
    symbol_list symbols = {0};
    td_result rc = symbols_open(from, env->io, listed, &symbols, err);
    if (rc == TD_OK) {
        key = "topic";
        rc = subscription_open(from, &symbols, out, err);
    }
    if (rc == TD_OK)
        rc = check_topics(from, out, env->log, err);
    symbols_fini(&symbols);
    return rc == TD_OK ? rc : config_err_add(config, index, key, rc, err);
}

/* The subscription's number of a topic of earlier recordings; NAME_INDEX_NONE: it has not. */
static size_t find_past(const family *of, const subscription *topics, const past_topic *past)
{
    char topic[LIMIT_TOPIC_BYTES], text[LIMIT_TOPIC_BYTES + LIMIT_SYMBOL_BYTES];
    (void)snprintf(topic, sizeof topic, "%.*s", (int)past->topic_bytes - 1, past->name); /* fits */
    (void)topic_write(of->topics, of->topic_count, topic,
                      td_bytes_str(past->name + past->topic_bytes), text, sizeof text); /* fits */
    return name_index_find(&topics->by_name, td_bytes_str(text));
}

/* Balance the connections by the numbers of frames in the newest recordings of the feed. Without
 * them, or if they cannot be read, by the kinds of topics alone. */
static void balance(const feed_config *from, archive *past, subscription *topics)
{
    const feed_slots_query query = {
        .feed = from->name, .before_ns = UINT64_MAX, .shard_count = topics->shard_count};
    past_load *loads = td_alloc_zero(topics->topic_count + 1, sizeof *loads);
    archive_view *view = NULL;
    feed_slots slots = {0};
    for (size_t i = 0; i < topics->topic_count; i++)
        loads[i].shard = SUBSCRIPTION_NO_SHARD;
    if (past != NULL && archive_view_open(past, VIEW_ALL, NULL, &view, NULL) == TD_OK &&
        feed_slots_read(view, &query, &slots, NULL) == TD_OK)
        for (size_t i = 0; i < slots.topic_count; i++) {
            size_t topic = find_past(from->family, topics, slots.topics[i]);
            if (topic != NAME_INDEX_NONE)
                loads[topic] =
                    (past_load){slots.topics[i]->frames, slots.slots[slots.topics[i]->slot].shard};
        }
    subscription_balance(topics, from, loads);
    feed_slots_fini(&slots);
    archive_view_close(view);
    td_free(loads);
}

td_result feed_setup_open_subscription(const recorder_config *config, size_t index,
                                       const feed_setup_env *env, feed_setup *feed, td_err *err)
{
    const feed_config *from = &config->feeds[index];
    /* Set by config_finish(). */
    TD_ASSERT(from->family != NULL);
    TD_ASSERT(from->url != NULL);
    const char *key = "ca-file"; /* key that the error is about */
    td_result rc = check_ca_file(from, env->io, err);
    if (rc == TD_OK) {
        key = "symbol";
        rc = read_listing(from, env, feed, err);
    }
    if (rc != TD_OK)
        return config_err_add(config, index, key, rc, err);
    rc = feed_setup_choose_topics(config, index, env, feed->listed, &feed->subscription, err);
    if (rc == TD_OK && feed->subscription.shard_count > 1)
        balance(from, env->past, &feed->subscription);
    if (rc == TD_OK)
        check_is_sent(from, env->log);
    return rc;
}

td_result feed_setup_open(const recorder_config *config, size_t index, const feed_setup_env *env,
                          feed_setup *out, td_err *err)
{
    td_result rc = feed_setup_read_credentials(config, index, out, err);
    if (rc == TD_OK) {
        rc = hide_urls(&config->feeds[index], &out->redactor, err);
        if (rc != TD_OK)
            return config_err_add(config, index, NULL, rc, err);
        rc = feed_setup_open_subscription(config, index, env, out, err);
    }
    if (rc == TD_OK)
        out->budget = open_budget(&config->feeds[index], env->log);
    return rc;
}

feed_setup *feed_setup_make_all(void)
{
    feed_setup *feeds = td_alloc_zero(LIMIT_FEEDS, sizeof *feeds);
    /* All redactors first, because feed_setup_close_all also closes feeds that were not opened. */
    for (size_t i = 0; i < LIMIT_FEEDS; i++)
        redactor_init(&feeds[i].redactor);
    return feeds;
}

td_result feed_setup_open_all(const recorder_config *config, const feed_setup_env *env,
                              feed_setup **out, td_err *err)
{
    TD_ASSERT(config->feed_count > 0);
    *out = NULL;
    feed_setup *feeds = feed_setup_make_all();
    td_result rc = TD_OK;
    feed_setup_env shared = *env;
    size_t waiting = 0;
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++) {
        /* Of feeds that all wait, the last one's error is returned. */
        shared.may_wait = env->may_wait && waiting + 1 < config->feed_count;
        rc = feed_setup_open(config, i, &shared, &feeds[i], err);
        waiting += feeds[i].waits;
    }
    if (rc != TD_OK) {
        feed_setup_close_all(feeds);
        return rc;
    }
    *out = feeds;
    return TD_OK;
}

td_result feed_setup_check_all(const recorder_config *config, td_io io, td_err *err)
{
    const feed_setup_env env = {.io = io};
    feed_setup *feeds = feed_setup_make_all();
    td_result rc = TD_OK;
    for (size_t i = 0; i < config->feed_count && rc == TD_OK; i++) {
        rc = feed_setup_read_credentials(config, i, &feeds[i], err);
        if (rc == TD_OK && config->feeds[i].listing == LIMIT_FEED_HTTP)
            rc = feed_setup_open_subscription(config, i, &env, &feeds[i], err);
    }
    feed_setup_close_all(feeds);
    return rc;
}

void feed_setup_close_all(feed_setup *feeds)
{
    if (feeds == NULL)
        return;
    for (size_t i = 0; i < LIMIT_FEEDS; i++) {
        subscription_fini(&feeds[i].subscription);
        instruments_close(feeds[i].listed);
        redactor_fini(&feeds[i].redactor);
        connect_budget_close(feeds[i].budget);
    }
    td_free(feeds);
}
