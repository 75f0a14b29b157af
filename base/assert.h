/* Assertions, for invariants only, never for input. Release builds keep them. A failed assertion
 * prints its file and line, asks for a report, and ends the process with status 70. */
#ifndef TD_BASE_ASSERT_H
#define TD_BASE_ASSERT_H

#include "base/attr.h"

/* Exit status after a bug of the program (sysexits' EX_SOFTWARE). */
#define TD_EXIT_FAULT 70

/* Print the failed condition with file and line to stderr and end the process at once. */
TD_NORETURN void td_assert_failed(const char *condition, const char *file, int line);

#define TD_ASSERT(condition)                                                                       \
    (TD_LIKELY(condition) ? (void)0 : td_assert_failed(#condition, __FILE__, __LINE__))

/* For checks that are too expensive on a hot path: always compiled, but evaluated only without
 * NDEBUG. */
#ifdef NDEBUG
#define TD_ASSERT_SLOW(condition) ((void)sizeof(condition))
#else
#define TD_ASSERT_SLOW(condition) TD_ASSERT(condition)
#endif

#endif
