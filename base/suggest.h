/* Finds the name closest to a mistyped one, for "did you mean". Pure functions; any thread. */
#ifndef TD_BASE_SUGGEST_H
#define TD_BASE_SUGGEST_H

#include <stddef.h>

#include "base/bytes.h"

/* The most similar of the offered names; the first one if several are equally similar. In order of
 * precedence, a name is similar to the written one if it differs by at most one letter in three
 * (ignoring case), begins with the same three letters, or contains the written one, with or without
 * a final "s" ("trades": publicTrade). Synonyms of trading such as "buy" and "bid" are similar,
 * too. Zero-initialise except for written; names are borrowed. */
typedef struct suggest_search {
    td_bytes written;
    const char *name; /* NULL: no name is similar */
    unsigned distance;
} suggest_search;
void suggest_offer(suggest_search *search, const char *name);

/* Write "did you mean 'trade'?" (may be truncated), or an empty text if no name is similar. */
void suggest_format(const suggest_search *search, char *out, size_t out_bytes);

#endif
