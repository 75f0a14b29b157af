/* A replayer that reads prices at a scale that is one too large. */
#include "tests/wrapped/broken_decoder.h"

static void break_level(msg_level *level)
{
    if (level->price_scale < TD_DECIMAL_SCALE_MAX)
        level->price_scale++;
}

static void break_trade(msg_trade *trade)
{
    if (trade->price.scale < TD_DECIMAL_SCALE_MAX)
        trade->price.scale++;
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
