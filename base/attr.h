/* Compiler attributes. Nothing here changes control flow. */
#ifndef TD_BASE_ATTR_H
#define TD_BASE_ATTR_H

/* The caller must use the result. */
#define TD_MUST_USE __attribute__((warn_unused_result))
/* Check arguments as for printf: argument numbers of the format and of its first value. */
#define TD_PRINTF(format_at, values_at) __attribute__((format(printf, format_at, values_at)))
#define TD_LIKELY(x)                    __builtin_expect(!!(x), 1)
#define TD_UNLIKELY(x)                  __builtin_expect(!!(x), 0)
#define TD_NORETURN                     __attribute__((noreturn))
/* The result is memory and must be used; it is never NULL. */
#define TD_NEVER_NULL __attribute__((warn_unused_result, returns_nonnull))

#endif
