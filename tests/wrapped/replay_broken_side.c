/* A replayer that takes buys for sells, and the reverse. */
#include "tests/wrapped/broken_decoder.h"

static void break_level(msg_level *level)
{
    level->side = level->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
}

static void break_trade(msg_trade *trade)
{
    trade->side = trade->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
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
