/* Decides which topic supplies the rows of a symbol, for types that use one topic of several
 * (export_type.prefers): one choice per feed, family, symbol and `prefers`. A scan before each day
 * offers the day's topics; then the export of the day looks up the choices.
 *
 *
 * The scan reads no frames: the read plan has the channels of each chunk. If a chunk is only partly
 * in the selection, its message indexes have the times of each channel. The scan skips unreadable
 * data, because the tape reports it. One thread. */
#ifndef TD_EXPORT_EXPORT_SCAN_H
#define TD_EXPORT_EXPORT_SCAN_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/row_table.h"
#include "archive/archive.h"
#include "export/export_type.h"
#include "tape/selection.h"

/* The topic that supplies a feed's rows for a symbol. */
typedef struct export_choice {
    char *feed;
    char *symbol;         /* as in the topic */
    const family *family; /* the family of the topic */
    int (*prefers)(const family_market *market, const topic_row *topic, const topic_row *other);
    const topic_row *row;
} export_choice;

/* What a scan finds. Zero-initialise. */
typedef struct export_choices {
    export_choice **items; /* in the order in which they were first offered; a choice stays where it
                              is until the table is freed */
    size_t count;
    row_table by_symbol; /* indexes in items, by feed, family and symbol */
    uint8_t has_joined;  /* 1: topics of a symbol supply rows together (export_type.joins) */
    uint8_t has_members; /* 1: a topic supplies rows with members of extra (export_type.also) */
    uint8_t has_shared_files; /* 1: a file may have rows of two topics, one of several symbols */
} export_choices;

/* Frees the entries; the table is empty afterwards. */
void export_choices_fini(export_choices *table);

/* The choice of a type for a channel's feed, family and symbol, or NULL. (A feed may have another
 * family in another session, if the exchange changes its endpoints.) */
export_choice *export_choice_find(const export_choices *table, const export_type *type,
                                  const frame_channel *channel);

/* The choice of a type for a symbol of the channel's feed and family, or NULL. For topics whose
 * entries name their symbol. */
export_choice *export_choice_of_symbol(const export_choices *table, const export_type *type,
                                       const frame_channel *channel, td_bytes symbol);

/* Offers a channel's topic for a type, whose `takes` must accept the channel. The topic becomes the
 * choice, unless a topic that the type prefers was offered before. TD_E_LIMIT
 * (LIMIT_EXPORT_SERIES). */
TD_MUST_USE td_result export_choice_offer(export_choices *table, const export_type *type,
                                          const frame_channel *channel, td_err *err);

/* The input of a scan. */
typedef struct export_scan {
    const export_settings *settings;
    const export_type *const *types;
    size_t type_count;
    uint64_t *symbols; /* by type: the scan adds the number of symbols with a topic for it */
    archive *from;
    const selection *wanted;
    selection_window window;
} export_scan;

/* Offers all topics in the window to `out`. TD_E_LIMIT: too many; errors of reading. */
TD_MUST_USE td_result export_scan_run(const export_scan *scan, export_choices *out, td_err *err);

#endif
