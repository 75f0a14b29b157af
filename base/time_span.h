/* An interval of time, and its arithmetic: what it has in common with another one, and how long
 * several last that overlap. Times are ns of any clock; the caller does not mix clocks. Pure
 * functions.
 *
 * A span does not include its end, so that spans which follow each other share nothing. The span of
 * messages that were received from first_ns to last_ns is {first_ns, last_ns + 1}. */
#ifndef TD_BASE_TIME_SPAN_H
#define TD_BASE_TIME_SPAN_H

#include <stdint.h>

typedef struct time_span {
    uint64_t from_ns;
    uint64_t to_ns; /* exclusive; UINT64_MAX: no end. At or before from_ns: the span is empty */
} time_span;

/* The span without a begin and an end. */
#define TIME_SPAN_ALL ((time_span){0, UINT64_MAX})

/* The empty span with which time_span_join begins. */
#define TIME_SPAN_NONE ((time_span){UINT64_MAX, 0})

/* The span of what may have no length: then it is the moment from_ns, 1 ns long. */
static inline time_span time_span_of(uint64_t from_ns, uint64_t to_ns)
{
    return (time_span){from_ns, to_ns > from_ns ? to_ns : from_ns + 1};
}

/* Its length; 0 if it is empty. */
static inline uint64_t time_span_ns(time_span span)
{
    return span.to_ns > span.from_ns ? span.to_ns - span.from_ns : 0;
}

/* 1 if the time is in the span. */
static inline int time_span_has(time_span span, uint64_t at_ns)
{
    return span.from_ns <= at_ns && at_ns < span.to_ns;
}

/* 1 if two spans, which are not empty, have time in common. */
static inline int time_span_overlaps(time_span a, time_span b)
{
    return a.from_ns < b.to_ns && b.from_ns < a.to_ns;
}

/* The time that both have; an empty span if they have no time in common. */
static inline time_span time_span_clip(time_span a, time_span b)
{
    return (time_span){a.from_ns > b.from_ns ? a.from_ns : b.from_ns,
                       a.to_ns < b.to_ns ? a.to_ns : b.to_ns};
}

/* The shortest span that includes both. */
static inline time_span time_span_join(time_span a, time_span b)
{
    return (time_span){a.from_ns < b.from_ns ? a.from_ns : b.from_ns,
                       a.to_ns > b.to_ns ? a.to_ns : b.to_ns};
}

/* How much of the span is before a time, from 0 to 1; 0 if the span is empty. */
static inline double time_span_share(time_span span, uint64_t at_ns)
{
    const uint64_t passed_ns = time_span_ns(time_span_clip(span, (time_span){0, at_ns}));
    return passed_ns == 0 ? 0 : (double)passed_ns / (double)time_span_ns(span);
}

/* The length of the part after *reach_ns, which becomes the span's end if that is later. Summed
 * over spans in the order of their begin, from the same *reach_ns, each time counts once. */
static inline uint64_t time_span_beyond_ns(time_span span, uint64_t *reach_ns)
{
    const uint64_t beyond_ns =
        time_span_ns(time_span_clip(span, (time_span){*reach_ns, UINT64_MAX}));
    *reach_ns = span.to_ns > *reach_ns ? span.to_ns : *reach_ns;
    return beyond_ns;
}

#endif
