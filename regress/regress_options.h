/* Options that the verbs of `regress` share: how frames are decoded. */
#ifndef TD_REGRESS_REGRESS_OPTIONS_H
#define TD_REGRESS_REGRESS_OPTIONS_H

#include <stdint.h>

#include "cli/options.h"

typedef struct regress_options {
    uint8_t is_whole; /* hashes cover all members of books and trades */
} regress_options;

option_group option_group_regress(regress_options *target);

#endif
