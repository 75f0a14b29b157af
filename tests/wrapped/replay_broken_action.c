/* A replayer that takes updates of levels for inserts, which leaves books as they are. */
#include "tests/wrapped/broken_decoder.h"

static void break_level(msg_level *level)
{
    if (level->action == ACTION_UPDATE)
        level->action = ACTION_INSERT;
}

static void break_trade(msg_trade *trade)
{
    (void)trade; /* trades have no actions */
}

int __wrap_decoder_decode(decoder *d, const topic_match *topic, td_bytes frame, decode_path path,
                          message *out, decode_error *why)
{
    static const broken_decoder FAULT = {break_level, break_trade};
    int is_decoded = __real_decoder_decode(d, topic, frame, path, out, why);
    if (is_decoded)
        broken_decoder_change(&FAULT, frame, out);
    return is_decoded;
}
