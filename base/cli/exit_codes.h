/* Exit statuses of all programs, and the status for each library result. */
#ifndef TD_CLI_EXIT_CODES_H
#define TD_CLI_EXIT_CODES_H

#include "base/assert.h"
#include "base/err.h"

typedef enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_DIFFERS = 1, /* done, but something differs or is incomplete */
    EXIT_CODE_USAGE = 2,   /* wrong command line or configuration */
    EXIT_CODE_DAMAGE = 3,  /* recorded data is damaged or lost */
    EXIT_CODE_FAILED = 4,  /* could not be done: I/O, network, refused, full disk */
    EXIT_CODE_FAULT = TD_EXIT_FAULT,
} exit_code;

/* The exit status of a verb that ends with this result. TD_OK and TD_EOF give DONE. */
static inline exit_code exit_code_of(td_result result)
{
    if (result >= TD_OK)
        return EXIT_CODE_DONE;
    if (result == TD_E_INVALID)
        return EXIT_CODE_USAGE;
    return result == TD_E_CORRUPT || result == TD_E_TRUNCATED ? EXIT_CODE_DAMAGE : EXIT_CODE_FAILED;
}

#endif
