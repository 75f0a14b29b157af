/* Finds the name closest to a mistyped one, for "did you mean". Pure functions; any thread. */
#ifndef TD_BASE_SUGGEST_H
#define TD_BASE_SUGGEST_H

#include <stddef.h>

#include "base/bytes.h"

/* The nearest of the offered names, the first of those that are equally near. Similar names differ
 * by at most one letter in three (ignoring case), share their first three letters, or the name has
 * the written one in it, if need be without an "s" at its end ("trades": publicTrade); what comes
 * first here counts most. Words of the trade that mean the same are similar: "buy" and "bid".
 * Zero-initialise except for written; names are borrowed. */
typedef struct suggest_search {
    td_bytes written;
    const char *name; /* NULL: none is similar */
    unsigned far;
} suggest_search;
void suggest_offer(suggest_search *search, const char *name);

/* Write "did you mean 'trade'?" (cut if it does not fit); an empty text if no name is similar. */
void suggest_format(const suggest_search *search, char *out, size_t out_bytes);

#endif
