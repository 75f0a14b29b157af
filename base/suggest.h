/* Finds the name closest to a mistyped one, for "did you mean". Pure functions; any thread. */
#ifndef TD_BASE_SUGGEST_H
#define TD_BASE_SUGGEST_H

#include <stddef.h>

#include "base/bytes.h"

/* Distance of a name from the written text: 0 is equal, SUGGEST_FAR is not similar. Similar names
 * differ by at most one letter in three (ignoring case), or share their first three letters; an
 * edit counts less than a shared beginning. */
enum { SUGGEST_FAR = 1000 };
unsigned td_suggest_distance(td_bytes written, const char *name);

/* The nearest of the offered names, the first of those that are equally near. Zero-initialise
 * except for written; names are borrowed. */
typedef struct suggest_search {
    td_bytes written;
    const char *name; /* NULL: none is similar */
    unsigned far;
} suggest_search;
void suggest_offer(suggest_search *search, const char *name);

/* Write "did you mean 'trade'?" (cut if it does not fit); an empty text if no name is similar. */
void suggest_format(const suggest_search *search, char *out, size_t out_bytes);

#endif
