/* Options and environment that the verbs of `regress` share. */
#ifndef TD_REGRESS_DECODING_OPTIONS_H
#define TD_REGRESS_DECODING_OPTIONS_H

#include "play/play_verb.h"
#include "regress/user_decoder.h"
#include "schema/canonical.h"

typedef struct decoding_options {
    uint8_t is_whole; /* hashes cover all members of books and trades */
} decoding_options;

option_group option_group_decoding(decoding_options *target);
canonical_members decoding_members(const decoding_options *options);

/* What decoders are opened in, for a verb that has begun; borrows it. */
decoder_environment decoding_environment(const decoder_options *options, const play_verb *verb);

#endif
