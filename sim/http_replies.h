/* The exchange's HTTP replies from which client libraries load their markets: the time, and lists
 * of instruments. Their texts are in the documents of families (sim/catalog_file.h). */
#ifndef TD_SIM_HTTP_REPLIES_H
#define TD_SIM_HTTP_REPLIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "schema/family.h"

typedef struct http_markets {
    const family *const *families; /* the families that the exchange serves */
    uint32_t family_count;
    uint32_t symbol_count; /* symbols of each family */
    /* Text with a line "SYMBOL" or "SYMBOL STATUS" for each instrument that is listed now; data
     * NULL: all are. */
    td_bytes listed;
    uint64_t now_ns; /* exchange time */
} http_markets;

/* Append the reply to a request. Returns 0 for an unknown request. A list has every listed
 * instrument of its families, up to 15 MiB, or those that the parameters select which the document
 * names. Other parameters are ignored. json has space for LIMIT_FRAME_BYTES. */
int http_replies_get(const http_markets *markets, td_bytes path, td_bytes query, td_buf *json);

#endif
