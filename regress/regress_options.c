#include "regress/regress_options.h"

#include <stddef.h>

static const option_row REGRESS_ROWS[] = {
    {.long_name = "whole",
     .type = OPTION_FLAG,
     .offset = offsetof(regress_options, is_whole),
     .help = "also cover the members of books and trades that order books and checks do\n"
             "not use (slower)"},
};

option_group option_group_regress(regress_options *target)
{
    return (option_group){"Decoding", REGRESS_ROWS, sizeof REGRESS_ROWS / sizeof *REGRESS_ROWS,
                          target};
}
