/* Properties of instruments, from the lists that exchanges serve over HTTP. The properties' names
 * and types are the same for all exchanges; each exchange has a table of the members that hold them
 * in its lists. An instrument's category is linear, inverse, spot, option or spread. Constants, and
 * pure functions over JSON; any thread. */
#ifndef TD_SCHEMA_INSTRUMENT_H
#define TD_SCHEMA_INSTRUMENT_H

#include "base/bytes.h"
#include "base/json/json.h"

#define INSTRUMENT_VALUES(X)                                                                       \
    X(VALID_FROM, "valid_from", VALUE_TIME_NS)                                                     \
    X(VALID_TO, "valid_to", VALUE_TIME_NS)                                                         \
    X(SEEN_BEFORE, "seen_before", VALUE_TIME_NS)                                                   \
    X(FEED, "feed", VALUE_TEXT)                                                                    \
    X(REQUEST, "request", VALUE_TEXT)                                                              \
    X(CATEGORY, "category", VALUE_TEXT)                                                            \
    X(SYMBOL, "symbol", VALUE_TEXT)                                                                \
    X(SYMBOL_ID, "symbol_id", VALUE_INTEGER)                                                       \
    X(ALIAS, "alias", VALUE_TEXT)                                                                  \
    X(CONTRACT_TYPE, "contract_type", VALUE_TEXT)                                                  \
    X(SYMBOL_TYPE, "symbol_type", VALUE_TEXT)                                                      \
    X(STATUS, "status", VALUE_TEXT)                                                                \
    X(BASE, "base", VALUE_TEXT)                                                                    \
    X(QUOTE, "quote", VALUE_TEXT)                                                                  \
    X(SETTLE, "settle", VALUE_TEXT)                                                                \
    X(TICK, "tick", VALUE_DECIMAL)                                                                 \
    X(MIN_PRICE, "min_price", VALUE_DECIMAL)                                                       \
    X(MAX_PRICE, "max_price", VALUE_DECIMAL)                                                       \
    X(QTY_STEP, "qty_step", VALUE_DECIMAL)                                                         \
    X(MIN_QTY, "min_qty", VALUE_DECIMAL)                                                           \
    X(MAX_QTY, "max_qty", VALUE_DECIMAL)                                                           \
    X(MAX_MARKET_QTY, "max_market_qty", VALUE_DECIMAL)                                             \
    X(MIN_NOTIONAL, "min_notional", VALUE_DECIMAL)                                                 \
    X(CONTRACT_SIZE, "contract_size", VALUE_DECIMAL)                                               \
    X(LAUNCH, "launch", VALUE_TIME_NS)                                                             \
    X(DELIVERY, "delivery", VALUE_TIME_NS)                                                         \
    X(FUNDING_MIN, "funding_min", VALUE_INTEGER)                                                   \
    X(FUNDING_CAP, "funding_cap", VALUE_DECIMAL)                                                   \
    X(FUNDING_FLOOR, "funding_floor", VALUE_DECIMAL)                                               \
    X(PHASES, "phases", VALUE_JSON)                                                                \
    X(SHARE_MULTIPLIER, "share_multiplier", VALUE_DECIMAL)                                         \
    X(RAW, "raw", VALUE_JSON)

#define INSTRUMENT_NUMBER(id, name, type) INSTRUMENT_##id,
typedef enum instrument_value {
    INSTRUMENT_VALUES(INSTRUMENT_NUMBER) INSTRUMENT_VALUE_COUNT
} instrument_value;
#undef INSTRUMENT_NUMBER

/* A sign by which an entry's category is recognized if its list does not name the category. */
typedef struct category_sign {
    const char *member; /* the entry has this member; NULL, in the last row: any entry */
    const char *text_member, *text; /* and this member has this text; NULL: not required */
    const char *category;
} category_sign;

/* An exchange's instrument lists. */
typedef struct instrument_lists {
    const char *result;       /* the reply's member that is its result; "*": the reply itself */
    const char *const *lists; /* names of members that may hold the list in a reply's result; ends
                                 with NULL. "*": all members of the result are entries. The result
                                 itself may also be the list */
    const char *category;     /* the result's member that names the category of all entries */
    const char *page; /* the result's member that names the next page; absent or empty at the end */
    const char *page_query; /* precedes a page's name in a request: "&cursor=" */
    const char *coin_query; /* precedes a coin's name (family.listing_coins) in a request */
    const char *kind_query; /* the same, if lists are of kinds, which symbols do not show; NULL: of
                               coins */
    /* In entries of this category min_qty is obsolete if they have a min_notional; NULL: in none.
     */
    const char *without_min_qty;
    const category_sign *signs;
    /* By instrument_value: the entry's members that may hold the value, "filter.tick|tick"; the
     * first one that is present and not an empty text counts. NULL: no member. */
    const char *const *members;
    /* Members, as in `members`, with a text BASE-QUOTE, for entries without the member of one of
     * the two; and with a number that multiplies the contract size. NULL: no member. */
    const char *pair, *multiplier;
    /* Texts of the status of instruments that can be traded; ends with NULL. Before it has such a
     * status, an instrument sends nothing. */
    const char *const *traded;
    const char *const *ended; /* and of instruments that will never be traded again */
    /* Types of contracts that never expire, although they may have a time of delivery: of their
     * delisting, or in a far year. */
    const char *const *perpetual;
} instrument_lists;

/* A reply's list. Views into the reply. */
typedef struct instrument_reply {
    const instrument_lists *lists;
    json_value result;
    json_value list; /* an array of entries, or an object whose members they are */
    td_bytes page;   /* names the next page; empty: this is the last one */
} instrument_reply;

/* Find the list in a reply. Returns 0 if the reply has no list. */
int instrument_reply_read(const instrument_lists *lists, json_value reply, instrument_reply *out);

/* Category of an entry. */
td_bytes instrument_category(const instrument_reply *of, json_value entry);

/* Find the first of an entry's members, "filter.tick|tick", that is present and not an empty text.
 * Returns 0 if there is no such member, or paths is NULL. */
int instrument_find_path(json_value entry, const char *paths, json_value *out);

/* Find an entry's member that holds a value. Returns 0 if the entry has no such member. */
int instrument_find(const instrument_lists *lists, json_value entry, instrument_value which,
                    json_value *out);

#endif
