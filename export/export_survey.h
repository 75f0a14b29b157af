/* The first look at a selection, before anything is written: which files will there be, from which
 * topics, and is there anything that forbids the export? One pass over the tape without decoding
 * (but for topics whose entries name their symbols), so that a clash, an old file in the way, or a
 * bound that would be met shows before hours of work. One thread. */
#ifndef TD_EXPORT_EXPORT_SURVEY_H
#define TD_EXPORT_EXPORT_SURVEY_H

#include <stdint.h>

#include "base/err.h"
#include "export/export_folder.h"
#include "export/export_series.h"
#include "export/export_table.h"
#include "schema/message.h"
#include "tape/tape.h"

/* What is asked for. */
typedef struct export_spec {
    const export_format *format;
    const export_type *types[EXPORT_TYPE_COUNT]; /* by id; NULL: not asked for */
    uint32_t depth;                              /* of books; 0: the market's own topic */
} export_spec;

/* A symbol that no file can hold. */
typedef struct export_left_out {
    char feed[LIMIT_NAME_BYTES];     /* "" in the row of what is beyond the bound */
    char symbol[LIMIT_SYMBOL_BYTES]; /* as recorded, cut */
    const char *reason;              /* a literal */
    uint64_t frames;                 /* that have it */
} export_left_out;

/* What the look found. */
typedef struct export_survey {
    export_series_table series;
    uint64_t first_ns; /* of all frames; 0: there are none */
    uint64_t last_ns;
    uint64_t frames;           /* inbound, of topics */
    uint64_t useful;           /* of these, such as files are made of */
    uint64_t foreign_frames;   /* of families that the format has no place for */
    export_left_out *left_out; /* LIMIT_EXPORT_LEFT_OUT + 1 rows, made with the first */
    size_t left_out_count;
} export_survey;

/* Look at everything on the tape. folder says whether files are in the way. TD_E_INVALID: two
 * sources would share a file, or one is there already; TD_E_LIMIT; the tape's errors; TD_EOF:
 * is_stopped wanted no more. *out is the caller's, for export_survey_fini, also after a failure. */
typedef int export_stop_fn(void *user);
TD_MUST_USE td_result export_survey_run(const export_spec *spec, tape *tape, export_folder *folder,
                                        export_stop_fn *is_stopped, void *user, export_survey *out,
                                        td_err *err);
void export_survey_fini(export_survey *survey);

/* The first and the last day that an export lists: those of the window where the selection has
 * bounds, else of the first and last frame. Returns 0 if there is no day. */
int export_survey_days(const export_survey *survey, const selection *wanted,
                       selection_window window, uint32_t *first, uint32_t *last);

/* ---- also for writers ---- */

/* Symbol of a trade: its own where it names one, else the topic's. */
td_bytes export_trade_symbol(const message *m, size_t index);

#endif
