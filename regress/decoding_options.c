#include "regress/decoding_options.h"

#include <stddef.h>

static const option_row ROWS[] = {
    {.long_name = "whole",
     .type = OPTION_FLAG,
     .offset = offsetof(decoding_options, is_whole),
     .help = "also cover the members of books and trades that order books and checks do\n"
             "not use (slower)"},
};

option_group option_group_decoding(decoding_options *target)
{
    return (option_group){"Decoding", ROWS, sizeof ROWS / sizeof *ROWS, target};
}

canonical_members decoding_members(const decoding_options *options)
{
    return options->is_whole ? CANONICAL_WHOLE : CANONICAL_PLAIN;
}

static int has_signal_come(const void *user)
{
    return stop_signal_came(user);
}

decoder_environment decoding_environment(const decoder_options *options, const play_verb *verb)
{
    return (decoder_environment){.timeout_ns = options->timeout_ns,
                                 .log = &verb->log,
                                 .is_stopping = has_signal_come,
                                 .user = verb->signals};
}
