/* What the page can ask, below api/:
 *
 *   archive            the archive's name, time range and topics, with what each can prove
 *   tile?k=&i=&n=&by=  n tiles, or fewer if they have many bands. A tile has frames, coverage and
 *                      gaps of TILE_CELLS steps of 2^k ns, from i * TILE_CELLS steps after 1970 on,
 *                      for each band: by=topic, or by=symbol with feed= and topic= for the symbols
 *                      of one topic. Frames of steps shorter than a chunk are counted by reading
 *                      them, if they are not too many; else they are marked as an estimate
 *   gaps?from=&to=     gaps that overlap the time, the newest last
 *   calendar           what the catalog shows of the UTC days from the first frame's to the last
 *                      one's, as runs {from_ns, days, state, reasons, frames}. Only days without
 *                      frames are several in a run. state: "missing" (nothing was received,
 *                      because of a gap), "part" (received, with a gap), "degraded" (received, with
 *                      only gaps in which frames are not to be trusted), "no_gap", "empty" (nothing
 *                      was received, and there is no loss). Whether a day is
 *                      clean is the answer of the verb days, which reads its frames
 *   market?feed=&symbol=&book=&k=&i=&bin=
 *                      book and trades of a symbol in MARKET_COLUMNS steps of 2^k ns, from i *
 *                      MARKET_COLUMNS steps on, in rows of the height bin (view/market.h). A line
 *                      of JSON {trades, tick, base, is_final, runs, trade_cells, latency_cells};
 *                      then in little-endian order, for each column: as f64 bid, ask, spread,
 *                      imbalance, open, high, low, close, buy, sell (NaN: none); f64 sizes of runs,
 *                      bought and sold sizes of cells of trades; as u32 frames and trades of
 *                      columns; rows of runs and cells less base (i32), u32 trades of cells, frames
 *                      of latencies; as bytes the states of columns, first and last columns of
 *                      runs, columns of cells, columns and buckets of latencies
 *   verb/NAME?OPTION=  a verb's result (view/verb_child.h)
 *
 * With a second archive: b/archive, b/tile and so on are about that one.
 *
 * Any thread. */
#ifndef TD_VIEW_ANSWERS_H
#define TD_VIEW_ANSWERS_H

#include "base/err.h"
#include "base/cli/options.h"
#include "archive/archive.h"
#include "tape/selection.h"
#include "tape/timeline.h"
#include "view/server.h"

enum { TILE_CELLS = 256, TILES_MAX = 8, TILE_BANDS_MAX = 4096, GAPS_ANSWER_MAX = 2000 };
enum { CALENDAR_DAYS_MAX = 36600 }; /* a hundred years */

typedef struct view_answers view_answers;

/* Answer from an archive, which is borrowed and used only here until close, as its catalog's path
 * (NULL: the archive's own catalog). TD_E_IO, TD_E_LIMIT (the archive's path). */
TD_MUST_USE td_result view_answers_open(archive *from, const char *catalog_path, view_answers **out,
                                        td_err *err);
void view_answers_close(view_answers *self);

/* Before the first question: show a second archive beside the first one. self answers questions
 * below b/ by `second`, which is borrowed until self is closed, and allows the verb that compares
 * both. */
void view_answers_pair(view_answers *self, view_answers *second);

/* Before the first question: allow the verb that compares decoders. options: as in
 * verb_child_given; borrowed until close. */
void view_answers_set_decoders(view_answers *self, const char *const *options);

/* Before the first question: documents of families for the verbs, as in verb_child_given; borrowed
 * until close. */
void view_answers_set_families(view_answers *self, const options_list *paths);

/* Before the first question: answer only about selected topics and gaps, and give only the selected
 * time as the archive's. wanted is borrowed until close. */
void view_answers_select(view_answers *self, const selection *wanted, selection_window window);

/* After an answer: the timeline that it was made from, valid until close; 1 if one of its rows is
 * selected; the selected rows' time, both 0 if no frame is in it. */
const timeline *view_answers_timeline(const view_answers *self);
int view_answers_has_row(const view_answers *self, const timeline_row *row);
void view_answers_range(const view_answers *self, uint64_t *first_ns, uint64_t *last_ns);

/* view_server_options.answer, with the view_answers as its user. */
void view_answers_answer(void *user, view_request *request, view_reply *reply);

#endif
