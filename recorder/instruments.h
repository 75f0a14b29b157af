/* Which symbols a feed records, if its configuration has patterns: those of the exchange's list of
 * instruments that match. The list is read again and again, in pages. A listed symbol begins when
 * the list names it as traded. It ends when the list names it as ended, or when two readings after
 * each other lack it, because a list that changes while it is read may lack an instrument once.
 * Where each coin has a list of its own, a reading has the lists of the coins that the patterns can
 * match.
 *
 * A pattern is "all", which is the same as "*", or a text with "*" (any characters) or "?" (any
 * character); "!" before it excludes what matches. Other texts are symbols, which are recorded
 * whether or not they are listed.
 *
 * Pure state over replies. Network thread only. */
#ifndef TD_RECORDER_INSTRUMENTS_H
#define TD_RECORDER_INSTRUMENTS_H

#include <stddef.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/cli/options.h"
#include "schema/instrument.h"

struct family; /* schema/family.h */

typedef struct instruments instruments;

/* 1 if the text can be a symbol. */
int symbol_is_valid(td_bytes text);

/* 1 if a configured symbol is a pattern. */
int instruments_is_pattern(const char *symbol);

/* Open without a reading. The family, which has a list, and the patterns' texts are borrowed.
 * instruments_close: NULL is fine. */
instruments *instruments_open(const struct family *of, const options_list *symbols);
void instruments_close(instruments *self);

/* Use other patterns. instruments_begun then returns the symbols that had begun and still match;
 * the next reading begins the others that match. */
void instruments_choose(instruments *self, const options_list *symbols);

/* Begin a symbol, if it matches, that an earlier recording has: instruments_begun returns it, too.
 * The next readings end it if they lack it. */
void instruments_assume(instruments *self, const char *symbol);

/* A reading begins; an unfinished one is void. Returns what to append to the URL of the list
 * (family.listing) for the first page, of less than INSTRUMENTS_QUERY_BYTES; valid until the next
 * call. */
enum { INSTRUMENTS_QUERY_BYTES = 2048 };
const char *instruments_begin(instruments *self);

/* Take the next page of the reading. *query gets what to append for the page after it, as
 * instruments_begin, or NULL: then the reading is complete, and the functions below describe it.
 * TD_E_INVALID: no list, or a list without instruments that can be recorded, or a page that names
 * itself as the next one; TD_E_LIMIT: too many instruments. The reading is then void, and nothing
 * has changed. */
TD_MUST_USE td_result instruments_take(instruments *self, td_bytes reply, const char **query,
                                       td_err *err);

/* The symbols that the last complete reading begins, and the symbols that it ends. Valid until the
 * next call of instruments_take or instruments_choose. */
const char *const *instruments_begun(const instruments *self, size_t *count);
const char *const *instruments_ended(const instruments *self, size_t *count);

/* 1 if the last complete reading lacks a symbol for the first time: read the list again soon. */
int instruments_is_unsure(const instruments *self);

/* The first name of the last complete reading that cannot be a symbol, if there are more or fewer
 * such names than in the reading before; otherwise NULL. *count: how many there are. These
 * instruments are not recorded, and not counted below. */
const char *instruments_odd(const instruments *self, size_t *count);

/* Instruments in the last complete reading, and the chosen ones that are traded. */
size_t instruments_listed_count(const instruments *self);
size_t instruments_traded_count(const instruments *self);

#endif
