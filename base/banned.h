/* Banned functions: using one fails to compile. The build includes this file before every C source
 * (-include base/banned.h), tests too.
 *
 * They are declared again with an attribute, not poisoned: headers of other libraries may
 * declare or mention them, and only a use is an error. */
#ifndef TD_BASE_BANNED_H
#define TD_BASE_BANNED_H

#include <stdarg.h>

#if defined(__has_attribute)
#if __has_attribute(unavailable)
#define TD_BANNED(why) __attribute__((unavailable(why)))
#endif
#endif
/* GCC before 12 reports the call later, and not if the compiler folds it away. */
#ifndef TD_BANNED
#define TD_BANNED(why) __attribute__((error(why)))
#endif

/* The C library's headers define these inline, and clang accepts the attribute only before a
 * body, so they are declared before the headers. */
#define TD_NO_BOUND "has no bound on what it writes"
extern char *strcpy(char *restrict, const char *restrict) TD_BANNED(TD_NO_BOUND);
extern char *strcat(char *restrict, const char *restrict) TD_BANNED(TD_NO_BOUND);
extern int sprintf(char *restrict, const char *restrict, ...) TD_BANNED(TD_NO_BOUND);
extern int vsprintf(char *restrict, const char *restrict, va_list) TD_BANNED(TD_NO_BOUND);
extern char *gets(char *) TD_BANNED(TD_NO_BOUND);

#define TD_HIDES_ERRORS "cannot tell 0 from an error"
extern int atoi(const char *) TD_BANNED(TD_HIDES_ERRORS);
extern long atol(const char *) TD_BANNED(TD_HIDES_ERRORS);
extern long long atoll(const char *) TD_BANNED(TD_HIDES_ERRORS);

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TD_HIDDEN_STATE "has hidden state that threads share"
extern __typeof__(strtok) strtok TD_BANNED(TD_HIDDEN_STATE);
extern __typeof__(gmtime) gmtime TD_BANNED(TD_HIDDEN_STATE);
extern __typeof__(localtime) localtime TD_BANNED(TD_HIDDEN_STATE);
extern __typeof__(asctime) asctime TD_BANNED(TD_HIDDEN_STATE);
extern __typeof__(ctime) ctime TD_BANNED(TD_HIDDEN_STATE);

#endif
