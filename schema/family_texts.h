/* The documents of all families, compiled in (schema/compile-families). Only for schema/family.c.
 */
#ifndef TD_SCHEMA_FAMILY_TEXTS_H
#define TD_SCHEMA_FAMILY_TEXTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct family_text {
    const char *name; /* "v5-linear" */
    const uint8_t *data;
    size_t size;
} family_text;

extern const family_text FAMILY_TEXTS[];
extern const size_t FAMILY_TEXT_COUNT;

#endif
