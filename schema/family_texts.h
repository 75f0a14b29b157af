/* The documents of all families, compiled in (schema/compile-families). Only for schema/family.c.
 */
#ifndef TD_SCHEMA_FAMILY_TEXTS_H
#define TD_SCHEMA_FAMILY_TEXTS_H

#include "schema/family_row.h"

extern const family_text FAMILY_TEXTS[];
extern const size_t FAMILY_TEXT_COUNT;

#endif
