/* Families: an exchange's product lines, as rows of one table. A row names hosts and paths, the
 * dialect of its connections, and its topics. A topic string alone is ambiguous;
 * with its family it is not. Constant data only; any thread. */
#ifndef TD_SCHEMA_FAMILY_H
#define TD_SCHEMA_FAMILY_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "schema/topic.h"

typedef struct dialect dialect;           /* schema/dialect.h */
typedef struct exchange_row exchange_row; /* schema/exchange.h */

typedef enum family_net { NET_MAIN, NET_TEST } family_net;
typedef enum family_access { ACCESS_PUBLIC, ACCESS_PRIVATE } family_access;

/* One address of a family. */
typedef struct family_endpoint {
    family_net net;
    family_access access;
    const char *url; /* "wss://host/path", no query */
} family_endpoint;

enum { FAMILY_ENDPOINTS_MAX = 6 };

/* What a family's instruments are, for types of data sets that are about one kind. */
typedef enum market_kind { MARKET_OTHER, MARKET_CONTRACTS, MARKET_OPTIONS } market_kind;

/* What a family is in data sets. */
typedef struct family_market {
    const char *exchange; /* in the Tardis CSV format; NULL: it is not in it */
    const char *book_topic;
    market_kind kind;
    const char *category; /* of its instruments, as in lists of them (schema/instrument.h); NULL:
                             "linear" */
    const char *coin_category;     /* of its symbols that end with "USD"; NULL: as others */
    const char *liquidation_topic; /* with every one; other topics have some. NULL: there is no such
                                      topic */
} family_market;

typedef struct family {
    const char *name; /* as users write it: "inverse", "v5-linear" */
    const exchange_row *exchange;
    const struct dialect *dialect;                   /* of its connections */
    family_endpoint endpoints[FAMILY_ENDPOINTS_MAX]; /* ends with url NULL or the array */
    const topic_row *topics;                         /* rows of its file */
    family_market market;
    size_t topic_count;        /* 0: no rows, every frame is raw */
    uint8_t has_signed_prices; /* 1: prices may be below 0 (combinations of instruments) */
    uint8_t op_is_topic; /* 1: its topics are requests and their answers, whose op is the topic */
} family;

/* All families, in the order of docs/design.md ("Words"); *count of them. */
const family *const *family_table(size_t *count);

/* The exchange of a family; of is NULL: the first family's. Never NULL. */
const exchange_row *exchange_of(const family *of);

/* The family of that name, or NULL. */
const family *family_find(td_bytes name);

/* The first family that has an endpoint with this URL's host (any known one) and path; a query is
 * ignored. NULL if absent: a private address shared by several families gives the first. */
const family *family_find_by_url(td_bytes url);

/* The path of an endpoint's URL: "/realtime" of "wss://stream.bybit.com/realtime". A view into it.
 */
const char *family_url_path(const char *url);

/* The path as the family's endpoints have it, a constant; NULL if none has it. *accesses: which
 * kinds of endpoints do, 1 << family_access. */
const char *family_find_path(const family *of, td_bytes path, unsigned *accesses);

/* Append a family's paths to the text "nothing is served at PATH; try /a /b"; to be called for each
 * family that is served, with why "" at first. What does not fit into why_bytes is left out. */
void family_paths_text(const family *of, td_bytes path, char *why, size_t why_bytes);

/* URL of a family's endpoint, or NULL if it has none of that kind. */
const char *family_url(const family *of, family_net net, family_access access);

/* Names of all families, in the order of the table; NULL ends them. */
extern const char *const FAMILY_NAMES[];

/* Names of all families joined by ", ", for error texts; a constant. */
const char *family_names(void);

/* TD_E_INVALID: there is no family of that name; the hint lists similar names, or all. */
TD_MUST_USE td_result family_refuse(td_bytes name, td_err *err);

/* The row of a topic that a user names, with or without a symbol; *symbol is its symbol part ("A|B"
 * too), empty if it has none. NULL: no row. */
const topic_row *family_topic_row(const family *of, const char *topic, td_bytes *symbol);

/* The row of a topic's name, without a symbol; NULL: no row. */
const topic_row *family_topic_named(const family *of, const char *name);

/* The documented texts of a field in the family's frames (exchange_values). */
const struct value_row *family_values(const family *of, const field_row *field);

#endif
