/* Hosts and paths: docs/wire.md 1.4. */
#include "schema/family.h"

#include "base/assert.h"
#include "schema/topics/topics.h"

#define HOST_MAIN "wss://stream.bybit.com"
#define HOST_TEST "wss://stream-testnet.bybit.com"
#define HOST_DEMO "wss://stream-demo.bybit.com"

/* A path that both networks have. */
#define PUBLIC(path)                                                                               \
    {NET_MAIN, ACCESS_PUBLIC, HOST_MAIN path},                                                     \
    {                                                                                              \
        NET_TEST, ACCESS_PUBLIC, HOST_TEST path                                                    \
    }
#define PRIVATE(path)                                                                              \
    {NET_MAIN, ACCESS_PRIVATE, HOST_MAIN path},                                                    \
    {                                                                                              \
        NET_TEST, ACCESS_PRIVATE, HOST_TEST path                                                   \
    }

/* clang-format off: one family, one block */
static const family FAMILIES[] = {
    {"inverse",
     DIALECT_OP,
     {PUBLIC("/realtime"), PRIVATE("/realtime")},
     TOPICS_INVERSE,
     TOPICS_INVERSE_COUNT},
    {"linear",
     DIALECT_OP,
     {PUBLIC("/realtime_public"), PRIVATE("/realtime_private")},
     TOPICS_LINEAR,
     TOPICS_LINEAR_COUNT},
    /* Its public side is that of linear: a USDT symbol has the linear shapes (docs/wire.md 3). */
    {"copytrade", DIALECT_OP, {PUBLIC("/realtime_public"), PRIVATE("/realtime_private")}, NULL, 0},
    /* USDC perpetuals speak dialect A in public; their private side is usdc-private. */
    {"usdc-perp", DIALECT_OP, {PUBLIC("/perpetual/ws/v1/realtime_public")}, NULL, 0},
    {"usdc-option", DIALECT_USDC, {PUBLIC("/trade/option/usdc/public/v1")}, NULL, 0},
    {"usdc-private", DIALECT_USDC, {PRIVATE("/trade/option/usdc/private/v1")}, NULL, 0},
    {"spot-v1", DIALECT_SPOT, {PUBLIC("/spot/quote/ws/v1")}, NULL, 0},
    {"spot-v2", DIALECT_SPOT, {PUBLIC("/spot/quote/ws/v2")}, NULL, 0},
    {"spot-private", DIALECT_SPOT_PRIVATE, {PRIVATE("/spot/ws")}, NULL, 0},
    {"contract-v3",
     DIALECT_V3,
     {PUBLIC("/contract/usdt/public/v3"), PUBLIC("/contract/inverse/public/v3"),
      PRIVATE("/contract/private/v3")},
     NULL,
     0},
    {"v5-linear", DIALECT_V3, {PUBLIC("/v5/public/linear")}, NULL, 0},
    {"v5-inverse", DIALECT_V3, {PUBLIC("/v5/public/inverse")}, NULL, 0},
    {"v5-spot", DIALECT_V3, {PUBLIC("/v5/public/spot")}, NULL, 0},
    /* Options and spreads answer as dialect C does (docs/wire.md 3). */
    {"v5-option", DIALECT_USDC, {PUBLIC("/v5/public/option")}, NULL, 0},
    {"v5-private",
     DIALECT_V3,
     {PRIVATE("/v5/private"), {NET_TEST, ACCESS_PRIVATE, HOST_DEMO "/v5/private"}},
     NULL,
     0},
    {"v5-spread", DIALECT_USDC, {PUBLIC("/v5/public/spread")}, NULL, 0},
    {"v5-misc",
     DIALECT_V3,
     {PUBLIC("/v5/public/misc/status"), PUBLIC("/v5/public/rfq"), PUBLIC("/v5/public/fp")},
     NULL,
     0},
};
/* clang-format on */

enum { FAMILY_COUNT = sizeof FAMILIES / sizeof FAMILIES[0] };

/* Hosts that serve the same paths as those of the table: the second main host and the regional ones
 * (docs/wire.md 1.4). */
static const char *const OTHER_HOSTS[] = {
    "stream.bytick.com", "stream.bybit.tr", "stream.bybit.kz",        "stream.bybit.eu",
    "stream.bybit.nl",   "stream.bybit.hk", "stream.bybitgeorgia.ge", "stream.bybit.id",
};

const family *family_table(size_t *count)
{
    *count = FAMILY_COUNT;
    return FAMILIES;
}

const family *family_find(td_bytes name)
{
    for (size_t i = 0; i < FAMILY_COUNT; i++)
        if (td_bytes_is(name, FAMILIES[i].name))
            return &FAMILIES[i];
    return NULL;
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

static int is_other_host(td_bytes host)
{
    for (size_t i = 0; i < sizeof OTHER_HOSTS / sizeof OTHER_HOSTS[0]; i++)
        if (td_bytes_is(host, OTHER_HOSTS[i]))
            return 1;
    return 0;
}

/* Is this the endpoint of that URL, on its own host or on another that serves the same paths? */
static int endpoint_fits(const char *url, td_bytes host, td_bytes path)
{
    td_bytes own_host;
    td_bytes own_path;
    int is_split = split_url(td_bytes_str(url), &own_host, &own_path);
    TD_ASSERT(is_split);
    return td_bytes_equal(path, own_path) &&
           (td_bytes_equal(host, own_host) || is_other_host(host));
}

const family *family_find_by_url(td_bytes url)
{
    td_bytes host;
    td_bytes path;
    if (!split_url(url, &host, &path))
        return NULL;
    for (size_t i = 0; i < FAMILY_COUNT; i++) {
        const family_endpoint *endpoints = FAMILIES[i].endpoints;
        for (size_t j = 0; j < FAMILY_ENDPOINTS_MAX && endpoints[j].url != NULL; j++)
            if (endpoint_fits(endpoints[j].url, host, path))
                return &FAMILIES[i];
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

const char *family_names(void)
{
    /* A test compares it with the table. */
    return "inverse, linear, copytrade, usdc-perp, usdc-option, usdc-private, spot-v1, spot-v2, "
           "spot-private, contract-v3, v5-linear, v5-inverse, v5-spot, v5-option, v5-private, "
           "v5-spread, v5-misc";
}
