/* Reads families from text: one YAML document for each, in the language of docs/families.md.
 *
 * A document may use the sets of fields and the topics of others. Everything that is read lives as
 * long as the arena. Errors name the document and the line, what is allowed there, and what was
 * probably meant. One thread per call. */
#ifndef TD_SCHEMA_FAMILY_FILE_H
#define TD_SCHEMA_FAMILY_FILE_H

#include "base/arena.h"
#include "base/err.h"
#include "schema/family_row.h"
#include "schema/family_sources.h"

/* Read the document `name`, which describes a family. TD_E_INVALID: a mistake in it, or in a
 * document that it uses. */
TD_MUST_USE td_result family_file_read(const family_texts *texts, const char *name,
                                       td_arena *memory, family *out, td_err *err);

/* *out becomes 1 if the document has the key `family`: others are only used. TD_E_INVALID: it is
 * not YAML, or a key is there twice. */
TD_MUST_USE td_result family_file_is_family(const family_texts *texts, const char *name, int *out,
                                            td_err *err);

#endif
