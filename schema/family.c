#include "schema/family.h"

#include <string.h>

#include "base/assert.h"
#include "base/near.h"
#include "schema/bybit/families.h"
#include "schema/exchange.h"

/* The families of all exchanges: another one brings its folder, and its list here. */
#define FAMILIES(X) BYBIT_FAMILIES(X)

#define FAMILY_ADDRESS(id, name) &FAMILY_##id,
static const family *const TABLE[] = {FAMILIES(FAMILY_ADDRESS)};
#undef FAMILY_ADDRESS

enum { FAMILY_COUNT = sizeof TABLE / sizeof TABLE[0] };

const family *const *family_table(size_t *count)
{
    *count = FAMILY_COUNT;
    return TABLE;
}

const exchange_row *exchange_of(const family *of)
{
    return of != NULL ? of->exchange : TABLE[0]->exchange;
}

const family *family_find(td_bytes name)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (td_bytes_is(name, TABLE[i]->name))
            return TABLE[i];
    return NULL;
}

size_t family_group(td_bytes name, const family *out[FAMILY_GROUP_MAX])
{
    size_t count = 0;
    out[0] = family_find(name);
    if (out[0] != NULL)
        return 1;
    for (size_t i = 0; i < FAMILY_COUNT && count < FAMILY_GROUP_MAX; i++) {
        const char *candidate = TABLE[i]->name;
        if (name.size > 0 && strncmp(candidate, (const char *)name.data, name.size) == 0 &&
            candidate[name.size] == '-')
            out[count++] = TABLE[i];
    }
    return count;
}

/* Host and path of a URL: without scheme, port and query. 0 if it has no scheme. */
static int split_url(td_bytes url, td_bytes *host, td_bytes *path)
{
    size_t at = 0;
    while (at + 3 <= url.size && memcmp(url.data + at, "://", 3) != 0)
        at++;
    if (at + 3 > url.size)
        return 0;
    size_t host_at = at + 3;
    size_t path_at = host_at;
    while (path_at < url.size && url.data[path_at] != '/' && url.data[path_at] != '?')
        path_at++;
    size_t port_at = host_at;
    while (port_at < path_at && url.data[port_at] != ':')
        port_at++;
    size_t end = path_at;
    while (end < url.size && url.data[end] != '?' && url.data[end] != '#')
        end++;
    *host = td_bytes_of(url.data + host_at, port_at - host_at);
    *path = td_bytes_of(url.data + path_at, end - path_at);
    return 1;
}

static int is_other_host(const exchange_row *exchange, td_bytes host)
{
    for (const char *const *other = exchange->other_hosts; *other != NULL; other++)
        if (td_bytes_is(host, *other))
            return 1;
    return 0;
}

/* Is this the endpoint of that URL, on its own host or on another that serves the same paths? */
static int endpoint_fits(const family *of, const char *url, td_bytes host, td_bytes path)
{
    td_bytes own_host;
    td_bytes own_path;
    int is_split = split_url(td_bytes_str(url), &own_host, &own_path);
    TD_ASSERT(is_split);
    return td_bytes_equal(path, own_path) &&
           (td_bytes_equal(host, own_host) || is_other_host(of->exchange, host));
}

const family *family_find_by_url(td_bytes url)
{
    td_bytes host;
    td_bytes path;
    if (!split_url(url, &host, &path))
        return NULL;
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        const family_endpoint *endpoints = TABLE[i]->endpoints;
        for (size_t j = 0; j < FAMILY_ENDPOINTS_MAX && endpoints[j].url != NULL; j++)
            if (endpoint_fits(TABLE[i], endpoints[j].url, host, path))
                return TABLE[i];
    }
    return NULL;
}

const char *family_url(const family *of, family_net net, family_access access)
{
    TD_ASSERT(of != NULL);
    const family_endpoint *endpoints = of->endpoints;
    for (size_t i = 0; i < FAMILY_ENDPOINTS_MAX && endpoints[i].url != NULL; i++)
        if (endpoints[i].net == net && endpoints[i].access == access)
            return endpoints[i].url;
    return NULL;
}

#define FAMILY_NAME(id, name) name,
const char *const FAMILY_NAMES[] = {FAMILIES(FAMILY_NAME) NULL};
#undef FAMILY_NAME

const char *family_names(void)
{
    /* A test compares it with the names that the families have. */
#define FAMILY_LISTED(id, name) ", " name
    static const char NAMES[] = FAMILIES(FAMILY_LISTED);
#undef FAMILY_LISTED
    return NAMES + 2;
}

const char *family_url_path(const char *url)
{
    const char *host = strstr(url, "://");
    TD_ASSERT(host != NULL); /* the table's URLs are ours */
    const char *path = strchr(host + 3, '/');
    return path == NULL ? "/" : path;
}

td_result family_refuse(td_bytes name, td_err *err)
{
    near_search near = {.written = name};
    char similar[128];
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        near_offer(&near, TABLE[i]->name);
    near_format(&near, similar, sizeof similar);
    td_err_set(err, TD_E_INVALID, "there is no family '%.*s'",
               (int)(name.size < 64 ? name.size : 64), (const char *)name.data);
    if (near.count > 0)
        td_err_hint(err, "%s 'tapedeck topics' lists families", similar);
    else
        td_err_hint(err, "families: %s", family_names());
    return TD_E_INVALID;
}
