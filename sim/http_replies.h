/* What the exchange answers over HTTP, of which client libraries load their markets: its time, and
 * lists of instruments, those of v5 (/v5/market/…) and of the families before it. */
#ifndef TD_SIM_HTTP_REPLIES_H
#define TD_SIM_HTTP_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "schema/family.h"

typedef struct http_markets {
    const family *const *families; /* that are served */
    uint32_t family_count;
    uint32_t symbol_count; /* of each */
    uint64_t now_ns;       /* exchange time */
} http_markets;

/* Append the reply to a request. 0: there is no such path. A list has every instrument of its
 * category that is served; status=PreLaunch and baseCoin select as on the exchange, other
 * parameters are ignored. */
int http_replies_get(const http_markets *markets, td_bytes path, td_bytes query, td_buf *json);

/* The template of the index-th reply, and its path; NULL: there are no more. */
const char *http_replies_template(size_t index, const char **path);

#endif
