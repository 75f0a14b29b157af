/* Damage that the tapes of an archive have found, as it is reported to programs: once as an error,
 * with the lines that readers logged, and as gaps as long as the archive is open. */
#ifndef TD_EMBED_DAMAGE_REPORT_H
#define TD_EMBED_DAMAGE_REPORT_H

#include <pthread.h>

#include "archive/gap.h"
#include "base/log.h"
#include "embed/include/tapedeck/archive.h"

/* Does not move. One thread, except the log. The members after rows are private. */
typedef struct damage_report {
    td_log log;    /* for readers of the archive, on any thread */
    gap_list rows; /* reported so far */
    pthread_mutex_t lock;
    size_t size;
    char text[sizeof((tapedeck_error *)NULL)->text - 16];
} damage_report;

/* Nothing was found at first. No reader may log after fini. */
void damage_report_init(damage_report *self);
void damage_report_fini(damage_report *self);

/* Set a caller's error, with the lines since the last call; NULL: drop them. A line that did not
 * fit is missing: the rows have the same facts. */
void damage_report_set_error(damage_report *self, tapedeck_error *error);

/* A row of the ledger, or of damage, as programs get it. Borrows the row's texts. */
tapedeck_gap damage_report_gap(const gap_row *gap);

#endif
