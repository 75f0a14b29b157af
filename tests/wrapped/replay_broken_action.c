/* A replayer that mistakes updates of levels for inserts, which leaves books unchanged. */
#include "tests/wrapped/broken_decoder.h"

void break_level(msg_level *level)
{
    if (level->action == ACTION_UPDATE)
        level->action = ACTION_INSERT;
}

void break_trade(msg_trade *trade)
{
    (void)trade; /* trades have no actions */
}
