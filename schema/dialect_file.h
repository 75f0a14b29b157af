/* Reads the dialects of an exchange's document (docs/exchanges.md). Only for
 * schema/exchange_file.c. */
#ifndef TD_SCHEMA_DIALECT_FILE_H
#define TD_SCHEMA_DIALECT_FILE_H

#include "base/arena.h"
#include "base/document.h"
#include "base/err.h"
#include "schema/dialect.h"
#include "schema/exchange.h"

/* Read a mapping of paths to the parts of topics. TD_E_INVALID. */
TD_MUST_USE td_result topic_parts_from(document_node mapping, td_arena *memory,
                                       const topic_parts **out, td_err *err);

/* Read a mapping of dialects, by name, into the exchange's row, whose parts have been read.
 * TD_E_INVALID. */
TD_MUST_USE td_result dialects_from(document_node mapping, td_arena *memory, exchange_row *exchange,
                                    td_err *err);

#endif
