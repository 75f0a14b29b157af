/* A gap of the ledger as JSON, the same in every report that lists gaps. */
#ifndef TD_FORMAT_GAP_JSON_H
#define TD_FORMAT_GAP_JSON_H

#include "format/gap.h"
#include "json/json_write.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Write the gap as an object with the keys of docs/archive.md, in its order; absent values are
 * null. */
void gap_json_write(json_writer *json, const gap_row *row);

/* The same members, into an object that the caller has open. */
void gap_json_members(json_writer *json, const gap_row *row);

#ifdef __cplusplus
}
#endif

#endif
