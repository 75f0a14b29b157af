/* The documents of all families and exchanges, compiled in (schema/compile-families). Only for
 * schema/family.c. */
#ifndef TD_SCHEMA_FAMILY_TEXTS_H
#define TD_SCHEMA_FAMILY_TEXTS_H

#include "schema/family_row.h"

extern const family_text FAMILY_TEXTS[];
extern const size_t FAMILY_TEXT_COUNT;

/* The families that exchanges list, and their names joined by ", ". FAMILY_NAMES is declared in
 * schema/family.h. */
extern const size_t FAMILY_COUNT;
extern const char FAMILY_NAMES_TEXT[];

#endif
