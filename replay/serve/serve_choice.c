#include "replay/serve/serve_choice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "schema/family.h"
#include "schema/path_choice.h"

/* ---- choosing ---- */

typedef struct servers {
    const serve_feeds *feeds;
    const char *path;
    const served_feed **items;
    const dialect **dialects;
    size_t count;
} servers;

static int has_topic(void *user, size_t index, td_bytes topic)
{
    const servers *at = user;
    return serve_feeds_find_topic(at->feeds, at->items[index], at->path, topic).is_known;
}

static path_candidates begin(const serve_feeds *feeds, const char *path, servers *at)
{
    const served_feed *found;
    size_t next = 0;
    *at = (servers){.feeds = feeds,
                    .path = path,
                    .items = td_alloc_zero(feeds->count, sizeof(const served_feed *)),
                    .dialects = td_alloc_zero(feeds->count, sizeof(const dialect *))};
    while ((found = serve_feeds_next_server(feeds, path, &next)) != NULL) {
        at->items[at->count] = found;
        at->dialects[at->count++] = found->family->dialect;
    }
    TD_ASSERT(at->count > 0);
    return (path_candidates){
        .dialects = at->dialects, .count = at->count, .has_topic = has_topic, .user = at};
}

static serve_choice end(servers *at, const path_choice *choice)
{
    const serve_choice chosen = {.server = at->items[choice->best],
                                 .is_only = choice->is_only,
                                 .is_ambiguous = path_choice_is_ambiguous(choice) != 0};
    td_free(at->items);
    td_free(at->dialects);
    return chosen;
}

serve_choice serve_choose(const serve_feeds *feeds, dialect_parser *parser, const char *path,
                          td_bytes frame)
{
    servers at;
    const path_candidates from = begin(feeds, path, &at);
    const path_choice choice = path_choose(parser, &from, frame);
    return end(&at, &choice);
}

serve_choice serve_choose_by_url(const serve_feeds *feeds, dialect_parser *parser, const char *path,
                                 td_bytes names, td_bytes query)
{
    servers at;
    const path_candidates from = begin(feeds, path, &at);
    const path_choice choice = path_choose_by_url(parser, &from, names, query);
    return end(&at, &choice);
}

void serve_choice_text(const serve_feeds *feeds, const char *path, char *out, size_t out_bytes)
{
    const served_feed *server;
    size_t next = 0;
    size_t size = 0;
    *out = '\0';
    while ((server = serve_feeds_next_server(feeds, path, &next)) != NULL && size < out_bytes)
        size += (size_t)snprintf(out + size, out_bytes - size, "%s%s", size == 0 ? "feeds " : ", ",
                                 server->name);
    if (size < out_bytes)
        (void)snprintf(out + size, out_bytes - size,
                       " are at %s: which one is meant is not clear; tapedeck serve --feed chooses",
                       path);
}

/* ---- shared paths ---- */

static int compare_texts(const void *a, const void *b)
{
    const char *const *one = a, *const *other = b;
    return strcmp(*one, *other);
}

/* The first topic of a feed that another one has, too; or NULL. */
static const char *common_topic(const served_feed *of, const served_feed *other)
{
    const char **names = td_alloc_zero(other->topic_count + 1, sizeof *names);
    const char *found = NULL;
    for (size_t i = 0; i < other->topic_count; i++)
        names[i] = other->topics[i].exchange_topic;
    qsort(names, other->topic_count, sizeof *names, compare_texts);
    for (size_t i = 0; i < of->topic_count && found == NULL; i++) {
        const char *name = of->topics[i].exchange_topic;
        if (bsearch(&name, names, other->topic_count, sizeof *names, compare_texts) != NULL)
            found = name;
    }
    td_free(names);
    return found;
}

/* The first path at which both feeds are; NULL: none. */
static const char *common_path(const served_feed *of, const served_feed *other)
{
    const family_endpoint *all = of->family->endpoints;
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && all[i].url != NULL; i++) {
        unsigned accesses;
        const char *path = family_url_path(all[i].url);
        const char *own = family_find_path(other->family, td_bytes_str(path), &accesses);
        if (own != NULL && strcmp(own, path) == 0)
            return path;
    }
    return NULL;
}

static td_result check_pair(const served_feed *of, const served_feed *other, const td_log *log,
                            td_err *err)
{
    const char *path = common_path(of, other);
    if (path == NULL)
        return TD_OK;
    const char *topic = common_topic(of, other);
    if (of->family == other->family || family_shares_server(of->family, other->family, path)) {
        if (topic != NULL)
            td_log_emit(log, TD_LOG_WARNING,
                        "feeds %s and %s both have %s: clients that subscribe to it get the frames "
                        "of both; --feed chooses one",
                        of->name, other->name, topic);
        return TD_OK;
    }
    if (dialect_has_all(of->family->dialect) || dialect_has_all(other->family->dialect)) {
        td_result rc = td_err_set(
            err, TD_E_INVALID,
            "feeds %s and %s are both at %s, where clients of one send no request that tells which "
            "they mean",
            of->name, other->name, path);
        td_err_hint(err, "choose one with --feed");
        return rc;
    }
    if (topic != NULL && of->family->exchange == other->family->exchange)
        td_log_emit(log, TD_LOG_WARNING,
                    "feeds %s and %s are both at %s, and both have %s: a client's first request "
                    "tells which it means, but requests for topics of both are refused; --feed "
                    "chooses one",
                    of->name, other->name, path, topic);
    else
        td_log_emit(log, TD_LOG_INFO,
                    "feeds %s and %s are both at %s: a client's first request tells which it means",
                    of->name, other->name, path);
    return TD_OK;
}

td_result serve_choice_check(const serve_feeds *feeds, const td_log *log, td_err *err)
{
    td_result rc = TD_OK;
    for (size_t i = 0; i < feeds->count; i++)
        for (size_t k = i + 1; rc == TD_OK && k < feeds->count; k++)
            rc = check_pair(&feeds->items[i], &feeds->items[k], log, err);
    return rc;
}
