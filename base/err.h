/* Results and error texts.
 *
 * A function that can fail returns td_result and has td_err as its last parameter. The function
 * that detects the error calls td_err_set(); callers that can add context call td_err_add(). The
 * text reads from the outside in: "archive 'x': segment y: footer at 12: 8 bytes, expected 20".
 * There are few codes, one for each reaction of a caller; their values are stable.
 *
 * A td_err may be NULL: then only the code is returned. One thread at a time per td_err. */
#ifndef TD_BASE_ERR_H
#define TD_BASE_ERR_H

#include <stdarg.h>

#include "base/attr.h"

typedef enum td_result {
    TD_OK = 0,
    TD_EOF = 1,            /* end of input; no error */
    TD_E_IO = -1,          /* a system call failed; see os_errno */
    TD_E_NOSPACE = -2,     /* the disk is full; nothing was written, may be retried */
    TD_E_CORRUPT = -3,     /* data is inconsistent or its checksum is wrong */
    TD_E_TRUNCATED = -4,   /* data ends early: a torn tail, which recovery can handle */
    TD_E_LIMIT = -5,       /* a limit of base/limits.h was reached */
    TD_E_INVALID = -6,     /* an argument or a configuration is wrong */
    TD_E_UNSUPPORTED = -7, /* well formed, but not supported by this version */
    TD_E_BUSY = -8,        /* in use by another process or thread */
    TD_E_NOTFOUND = -9,    /* does not exist */
    TD_E_NETWORK = -10,    /* a peer refused, vanished or broke the protocol */
} td_result;

enum { TD_ERR_TEXT_BYTES = 1024, TD_ERR_HINT_BYTES = 256 };

typedef struct td_err {
    td_result code;
    int os_errno; /* errno with TD_E_IO and TD_E_NOSPACE, else 0 */
    char
        text[TD_ERR_TEXT_BYTES]; /* one line, escaped (base/escape.h); cut with "..." if too long */
    char hint[TD_ERR_HINT_BYTES]; /* how to fix the error, or empty */
} td_err;

/* Clear err: TD_OK and no text. */
void td_err_clear(td_err *err);

/* Set code and text, replacing earlier ones. Returns code, so that a function can end with it. */
td_result td_err_set(td_err *err, td_result code, const char *format, ...) TD_PRINTF(3, 4);

/* As td_err_set(), followed by ": <text of os_errno>"; os_errno ENOSPC and EDQUOT turn TD_E_IO
 * into TD_E_NOSPACE. Returns the code that was set. */
td_result td_err_set_os(td_err *err, int os_errno, const char *format, ...) TD_PRINTF(3, 4);

/* Set the code, and put the formatted text and ": " before the error's text. Returns code. */
td_result td_err_add(td_err *err, td_result code, const char *format, ...) TD_PRINTF(3, 4);

/* Copy an error from another td_err, with hint and errno. Returns code. */
td_result td_err_pass(td_err *err, td_result code, const td_err *cause);

#ifdef __clang_analyzer__
/* The analyser reads one source at a time. Without these macros it would also explore paths on
 * which the functions return TD_OK. */
#define td_err_set(err, code, ...)    ((void)td_err_set((err), (code), __VA_ARGS__), (code))
#define td_err_add(err, code, ...)    ((void)td_err_add((err), (code), __VA_ARGS__), (code))
#define td_err_pass(err, code, cause) ((void)td_err_pass((err), (code), (cause)), (code))
#endif

/* Set the hint: one sentence on how to fix the error. Replaces an earlier hint. */
void td_err_hint(td_err *err, const char *format, ...) TD_PRINTF(2, 3);

/* Short name of a code, such as "corrupt"; constant. */
const char *td_result_name(td_result code);

#endif
