/* A replayer that exchanges buys and sells. */
#include "tests/wrapped/broken_decoder.h"

void break_level(msg_level *level)
{
    level->side = level->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
}

void break_trade(msg_trade *trade)
{
    trade->side = trade->side == SIDE_BUY ? SIDE_SELL : SIDE_BUY;
}
