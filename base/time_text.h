/* Times and durations as text: the grammar of TIME and DURATION on command lines and in
 * configurations. Times are ns since 1970-01-01 UTC. */
#ifndef TD_BASE_TIME_TEXT_H
#define TD_BASE_TIME_TEXT_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum { TD_TIME_TEXT_BYTES = 40 };

typedef enum td_time_kind {
    TD_TIME_ABSOLUTE,    /* ns since 1970 */
    TD_TIME_SINCE_FIRST, /* "+90s": ns after the first frame of the selection, or after --from */
} td_time_kind;

typedef enum td_date_edge {
    TD_DATE_BEGINS, /* a bare date means its start (--from) */
    TD_DATE_ENDS,   /* a bare date means its end, the start of the next day (--to) */
} td_date_edge;

typedef struct td_time_spec {
    td_time_kind kind;
    uint64_t ns;
} td_time_spec;

/* Parse a TIME: RFC 3339 ("2021-04-17T16:43:05.5Z"; also with an offset, a space instead of the T,
 * without seconds, or without a zone, which means UTC), a bare date, "today", "yesterday" (dates in
 * UTC), an integer epoch in s, ms, us or ns (the magnitude determines the unit), "now", "now-2h",
 * "+90s". now_ns is the wall clock. TD_E_INVALID with the allowed forms in the text. */
TD_MUST_USE td_result td_time_parse(const char *text, uint64_t now_ns, td_date_edge edge,
                                    td_time_spec *out, td_err *err);

/* Parse RFC 3339: 0 to 9 fractional digits, "Z" or an offset; seconds and zone may be missing. */
TD_MUST_USE td_result td_time_parse_rfc3339(td_bytes text, uint64_t *ns, td_err *err);

/* Parse the format of td_time_format_compact. 1, or 0 for another text. */
int td_time_parse_compact(td_bytes text, uint64_t *ns);

/* Parse a DURATION: a number (fraction allowed) and ns, us, ms, s, m, h or d: "200ms", "1.5h". */
TD_MUST_USE td_result td_duration_parse(const char *text, uint64_t *ns, td_err *err);

/* Format as "2021-04-17T16:43:05.489609000Z": always nine digits. */
void td_time_format(uint64_t ns, char out[TD_TIME_TEXT_BYTES]);

/* Format as "2021-04-17T16:43:05.489Z", truncated to milliseconds. */
void td_time_format_ms(uint64_t ns, char out[TD_TIME_TEXT_BYTES]);

/* Format as "20210417T164305Z" for file names, truncated to seconds. */
void td_time_format_compact(uint64_t ns, char out[TD_TIME_TEXT_BYTES]);

/* Year, month (1-12) and day (1-31) in UTC. */
void td_time_date(uint64_t ns, unsigned *year, unsigned *month, unsigned *day);

/* Format a duration for display: "29.7 s", "250 ms", "2 h 5 m". */
void td_duration_format(uint64_t ns, char out[TD_TIME_TEXT_BYTES]);

#endif
