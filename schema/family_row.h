/* A family as its document describes it. Plain data. */
#ifndef TD_SCHEMA_FAMILY_ROW_H
#define TD_SCHEMA_FAMILY_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "schema/topic.h"

typedef struct dialect dialect;           /* schema/dialect.h */
typedef struct exchange_row exchange_row; /* schema/exchange.h */

typedef enum family_net { NET_MAIN, NET_TEST } family_net;
typedef enum family_access { ACCESS_PUBLIC, ACCESS_PRIVATE } family_access;

/* One address of a family. */
typedef struct family_endpoint {
    family_net net;
    family_access access;
    /* 1: frames are data alone, without the name of their topic (schema/bare_frame.h), and topics
     * may follow the path: "/ws/btcusdt@trade/btcusdt@aggTrade" */
    uint8_t is_bare;
    const char *url; /* "wss://host/path", no query */
} family_endpoint;

/* What servers answer to a request over HTTP that is no GET: "POST", "/fapi/v1/listenKey". */
typedef struct http_answer {
    const char *method;
    const char *path;
    const char *text;
} http_answer;

enum { FAMILY_ENDPOINTS_MAX = 12, MARKET_TEXTS_MAX = 16, HTTP_ANSWERS_MAX = 8 };

/* The kind of a family's instruments; some types of datasets apply to one kind only. */
typedef enum market_kind { MARKET_OTHER, MARKET_CONTRACTS, MARKET_OPTIONS } market_kind;

/* How datasets name and use a family. */
typedef struct family_market {
    const char *exchange; /* exchange's name in the Tardis CSV format; NULL: the format does not
                             have this family */
    const char *book_topic;
    const char *trade_topic; /* supplies a symbol's trades if several topics have them; NULL: the
                                first in byte order */
    market_kind kind;        /* of symbols that fit none of the patterns (family_kind_of) */
    /* Patterns (fnmatch) of the symbols of contracts and of options, in a family that has several
     * kinds; each ends with NULL. NULL: no patterns. */
    const char *const *contracts;
    const char *const *options;
    /* Names of the topics whose values make a contract's ticker, joined; a value is taken from the
     * first topic that has it. An option's ticker is of the first one that was recorded. Ends with
     * NULL. NULL: one topic with state makes it. */
    const char *const *tickers;
    const char *category; /* category of its instruments in instrument lists (schema/instrument.h);
                             NULL: "linear" */
    /* Category of symbols ending with "USD"; NULL: the same as category. */
    const char *coin_category;
    const char *option_topic; /* tickers of all options; NULL: each option has topics of its own */
    const char *best_topic;   /* tickers that have the best prices too; NULL: no such topic */
    const char *liquidation_topic; /* the topic with every liquidation, if the family's other topics
                                      have only some of them; NULL: no such topic */
    /* In trades with a liquidation_type: its text if the taker was liquidated, else the maker was.
     * NULL: it does not tell. */
    const char *liquidated_taker;
} family_market;

typedef struct family {
    const char *name;     /* the name that users write: "inverse", "v5-linear" */
    const char *document; /* its document, which family_document finds */
    const exchange_row *exchange;
    const struct dialect *dialect; /* dialect of its connections */
    const char *http[2]; /* as exchange_row.http, if it is not the exchange's; else NULL */
    /* Ends with url NULL, or with the end of the array. */
    family_endpoint endpoints[FAMILY_ENDPOINTS_MAX];
    http_answer http_answers[HTTP_ANSWERS_MAX];
    size_t http_answer_count;
    const topic_row *topics;               /* the rows of its document */
    const struct topic_spelling *spelling; /* the dialect's, of topics in frames; may be NULL */
    const struct list_names *list; /* the dialect's, or the exchange's; NULL: frames are objects */
    family_market market;
    /* Path and query of the HTTP request for the list of its instruments (schema/instrument.h),
     * whose symbols are its topics' symbols; NULL: it has no such list. */
    const char *listing;
    /* Coins that have a list of their own, which is requested by its name; ends with NULL. A symbol
     * then begins with its coin and "-". NULL: one list has all instruments. */
    const char *const *listing_coins;
    size_t topic_count;        /* 0: no topic is decoded */
    uint8_t has_signed_prices; /* 1: prices may be negative (combinations of instruments) */
    uint8_t op_is_topic;       /* 1: the op of a request or answer is its topic (order entry) */
    /* 1: the exchange has discontinued the family; its addresses do not answer. */
    uint8_t has_ended;
} family;

/* A document, as text: the base of its file's name ("v5-linear"), by which others use it. */
typedef struct family_text {
    const char *name;
    const uint8_t *data;
    size_t size;
} family_text;

#endif
