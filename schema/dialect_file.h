/* Reads the dialects of an exchange's document (docs/exchanges.md). Only for
 * schema/exchange_file.c. */
#ifndef TD_SCHEMA_DIALECT_FILE_H
#define TD_SCHEMA_DIALECT_FILE_H

#include "base/document.h"
#include "base/err.h"
#include "schema/dialect.h"
#include "schema/exchange.h"

enum { DIALECTS_MAX = 32 };

/* What is read: the user of an exchange's document. */
typedef struct exchange_reading {
    exchange_row *out;
    td_bytes keys[FRAME_KEYS_MAX]; /* out->frames.names */
} exchange_reading;

/* `parts`: a topic_parts. */
extern const document_table TOPIC_PARTS;

/* Read the names of a list's elements (schema/list_frame.h), a list; member: a const list_names *.
 * TD_E_INVALID. */
TD_MUST_USE td_result list_names_read(document_node list, void *member, td_err *err);

/* Read a dialect into its row, a dialect among the exchange's, whose other members have been read:
 * a pair of its name and its mapping. TD_E_INVALID. */
TD_MUST_USE td_result dialect_read(document_node name, void *row, td_err *err);

#endif
