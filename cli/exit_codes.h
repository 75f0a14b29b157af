/* Exit status of every program, and which result of a library ends in which. */
#ifndef TD_CLI_EXIT_CODES_H
#define TD_CLI_EXIT_CODES_H

#include "base/assert.h"
#include "base/err.h"

typedef enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_DIFFERS = 1, /* done, but something differs or is incomplete */
    EXIT_CODE_USAGE = 2,   /* wrong command line or configuration */
    EXIT_CODE_DAMAGE = 3,  /* recorded data is damaged or lost */
    EXIT_CODE_FAILED = 4,  /* could not do it: I/O, network, refused, full disk */
    EXIT_CODE_FAULT = TD_EXIT_FAULT,
} exit_code;

/* The status that a verb ends with when this result stopped it. TD_OK and TD_EOF give DONE. */
static inline exit_code exit_code_of(td_result result)
{
    switch (result) {
    case TD_OK:
    case TD_EOF:
        return EXIT_CODE_DONE;
    case TD_E_INVALID:
        return EXIT_CODE_USAGE;
    case TD_E_CORRUPT:
    case TD_E_TRUNCATED:
        return EXIT_CODE_DAMAGE;
    case TD_E_IO:
    case TD_E_NOSPACE:
    case TD_E_LIMIT:
    case TD_E_UNSUPPORTED:
    case TD_E_BUSY:
    case TD_E_NOTFOUND:
    case TD_E_NETWORK:
        return EXIT_CODE_FAILED;
    }
    return EXIT_CODE_FAILED;
}

#endif
