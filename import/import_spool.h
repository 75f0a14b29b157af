/* Records of several connections, put in one after the other and taken out in order of time. Needed
 * where a capture holds its connections one after the other, or comes through a pipe and can be
 * read only once.
 *
 * Each slot's records keep their order (its effective times never fall); between slots the earlier
 * time goes first, and at the same time the lower slot. Records go to one scratch file, which has
 * no name any more from the moment it is open; memory holds one block per slot and 24 bytes per
 * block written. First all puts, then all nexts. One thread. */
#ifndef TD_IMPORT_IMPORT_SPOOL_H
#define TD_IMPORT_IMPORT_SPOOL_H

#include <stdint.h>

#include "import/import_line.h"
#include "import/import_slots.h"
#include "base/err.h"
#include "base/io.h"

typedef struct import_spool import_spool;

/* A scratch file in a folder that must exist. TD_E_IO, TD_E_NOSPACE. */
TD_MUST_USE td_result import_spool_open(td_io io, const char *folder, import_spool **out,
                                        td_err *err);
void import_spool_close(import_spool *spool);

/* Keep a copy of a record (not its conn name, which the place replaces). */
TD_MUST_USE td_result import_spool_put(import_spool *spool, const import_record *record,
                                       const import_place *place, td_err *err);

/* The next record in order; views are valid until the next call. slots says when each slot's known
 * time begins: earlier records without a time get that time. TD_OK, TD_EOF, TD_E_IO. */
TD_MUST_USE td_result import_spool_next(import_spool *spool, const import_slots *slots,
                                        import_record *record, import_place *place, td_err *err);

#endif
