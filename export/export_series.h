/* The files that an export makes, apart from their days: one entry for each exchange, type and
 * symbol, found by name. And, for each feed and symbol, the one topic that its books are taken
 * from. Filled by a first look at the selection (export/export_survey.h), read by the writer. One
 * thread. */
#ifndef TD_EXPORT_EXPORT_SERIES_H
#define TD_EXPORT_EXPORT_SERIES_H

#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "export/export_table.h"

#define EXPORT_DAY_NONE UINT32_MAX

/* Days in a row. */
typedef struct export_stretch {
    uint32_t first_day;
    uint32_t days;
} export_stretch;

/* What the name of a series' files is made of, and who filled its last day. */
typedef struct export_series {
    const export_type *type;
    const char *exchange; /* a constant of the table */
    char *symbol;         /* as cells have it */
    char *file_symbol;    /* as file names have it */
    uint32_t day;         /* the last one that has data, EXPORT_DAY_NONE before any */
    char *feed;           /* whose data they are, on that day */
    uint32_t line;
    export_stretch empty; /* the writer's, like user */
    void *user;
} export_series;

/* The topic that a feed's books of a symbol are taken from. */
typedef struct export_choice {
    char *feed;
    char *symbol; /* as the topic has it */
    const export_market *market;
    const topic_row *row;
} export_choice;

typedef struct export_series_table {
    export_series **items; /* in order of first sight */
    size_t count;
    uint32_t *slots; /* index + 1 by hash of type, exchange and file_symbol, 0 = free */
    size_t slot_count;
    export_choice *choices;
    size_t choice_count;
    uint32_t *choice_slots; /* the same by hash of feed, market and symbol */
    size_t choice_slot_count;
} export_series_table;

/* Zero-initialise to start. What user points to is not freed. */
void export_series_fini(export_series_table *table);

/* The series of that name, or NULL. symbol as export_symbol_for_file makes it. */
export_series *export_series_find(const export_series_table *table, const export_type *type,
                                  const char *exchange, const char *file_symbol);

/* The same, made if it is new. TD_E_NOMEM, TD_E_LIMIT (LIMIT_EXPORT_SERIES). */
TD_MUST_USE td_result export_series_get(export_series_table *table, const export_type *type,
                                        const char *exchange, const char *symbol,
                                        const char *file_symbol, export_series **out, td_err *err);

/* Data of a series come from this feed ("": from any) and line on that day, which is not before the
 * last one. *is_new: it is the first of the day. TD_E_INVALID if another feed, line or symbol fills
 * that very file. */
TD_MUST_USE td_result export_series_note(export_series *series, uint32_t day, const char *feed,
                                         uint32_t line, const char *symbol, int *is_new,
                                         td_err *err);

/* Bring items into the order of exchange, type, symbol; only finding by index is wrong afterwards,
 * finding by name is not. */
void export_series_sort(export_series_table *table);

/* The choice for a feed's symbol in a market, or NULL. (A feed may change its family from session
 * to session, as the exchange changes its endpoints.) */
const export_choice *export_choice_find(const export_series_table *table, const char *feed,
                                        const export_market *market, td_bytes symbol);

/* A feed has books of a symbol on this topic: it becomes the choice if there is none better yet.
 * TD_E_NOMEM, TD_E_LIMIT. */
TD_MUST_USE td_result export_choice_offer(export_series_table *table, const char *feed,
                                          td_bytes symbol, const export_market *market,
                                          const topic_row *row, td_err *err);

#endif
