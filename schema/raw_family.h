/* Families that no document describes: only where their frames name a topic is known. Their frames
 * are recorded by topic, and not decoded. */
#ifndef TD_SCHEMA_RAW_FAMILY_H
#define TD_SCHEMA_RAW_FAMILY_H

#include "base/err.h"
#include "schema/family_row.h"

/* Find or add the family `name` with this address, without its query, and these places of topics;
 * its document is made here. Without places no frame has a topic. TD_E_INVALID: a place is not a
 * JSON pointer, or there is another family of this name. TD_E_LIMIT. */
TD_MUST_USE td_result raw_family(const char *name, const char *url, const char *const *raw,
                                 size_t raw_count, const family **out, td_err *err);

#endif
