/* A replayer that reads prices with a scale that is one too large. */
#include "tests/wrapped/broken_decoder.h"

void break_level(msg_level *level)
{
    if (level->price_scale < TD_DECIMAL_SCALE_MAX)
        level->price_scale++;
}

void break_trade(msg_trade *trade)
{
    if (trade->price.scale < TD_DECIMAL_SCALE_MAX)
        trade->price.scale++;
}
