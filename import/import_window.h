/* Puts the records of a capture in order of time. Lines of one connection are in order, those of
 * several may not be: a line may come after later ones of other connections, as long as the records
 * between them fit into LIMIT_IMPORT_WINDOW_BYTES. A line that is later than that is refused.
 *
 * Records of one slot keep their order (their effective times never fall); between slots the
 * earlier time goes first, and at the same time the earlier line. One thread. */
#ifndef TD_IMPORT_IMPORT_WINDOW_H
#define TD_IMPORT_IMPORT_WINDOW_H

#include <stdint.h>

#include "import/import_line.h"
#include "import/import_slots.h"
#include "base/err.h"

typedef struct import_window import_window;

TD_NEVER_NULL import_window *import_window_open(void);
void import_window_close(import_window *window);

/* 1 if the earliest record must be taken before the next one is put. */
int import_window_is_full(const import_window *window);

/* Keep a copy of a record (not its conn name, which the place replaces). TD_E_INVALID if it is
 * earlier than one that was taken. */
TD_MUST_USE td_result import_window_put(import_window *window, const import_record *record,
                                        const import_place *place, uint64_t line, td_err *err);

/* Take the earliest record; its views are valid until the next call. 0 if the window is empty. */
int import_window_take(import_window *window, import_record *record, import_place *place);

#endif
