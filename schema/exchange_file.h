/* Reads an exchange from its document, in the language of docs/exchanges.md. Everything that is
 * read lives as long as the arena. Errors name the document and the line, what is allowed there,
 * and what was probably meant. One thread per call. */
#ifndef TD_SCHEMA_EXCHANGE_FILE_H
#define TD_SCHEMA_EXCHANGE_FILE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/document.h"
#include "base/err.h"
#include "schema/exchange.h"

/* Read the exchange of a document; name is the document's, for errors. TD_E_INVALID: a mistake. */
TD_MUST_USE td_result exchange_file_read(const char *name, td_bytes text, document_source source,
                                         td_arena *memory, exchange_row *out, td_err *err);

/* `http`, of an exchange or a family: exchange_row.http. */
extern const document_table EXCHANGE_HTTP;

/* Read a name that can begin names of files and be a cell of tables: 1 to 63 letters, digits, '-'
 * and
 * '_', the first one a letter or digit. member: const char *. TD_E_INVALID: it is another text. */
TD_MUST_USE td_result exchange_name_read(document_node at, void *member, td_err *err);

#endif
