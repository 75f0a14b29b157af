/* Reads what the simulated exchange sends for a family: the section `simulator` of the family's
 * document (docs/families.md, "The simulator's frames").
 *
 * A document may name streams and parts of texts of the documents that it uses. Everything that is
 * read lives as long as the arena. Errors name the document and the line, what is allowed there,
 * and what was probably meant. One thread per call. */
#ifndef TD_SIM_CATALOG_FILE_H
#define TD_SIM_CATALOG_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "schema/family_file.h"
#include "sim/catalog_row.h"

/* Read the section of the document `name`; out->of is NULL. Every template of an accepted
 * section compiles, and its frames have at most SIM_FRAME_BYTES_MAX bytes. TD_E_INVALID:
 * the document has no such section, or there is a mistake in it or in what it names. */
TD_MUST_USE td_result catalog_file_read(const family_texts *texts, const char *name,
                                        td_arena *memory, catalog_row *out, td_err *err);

#endif
