/* Which topics a connection is subscribed to, by what was recorded of it: the client's requests,
 * the exchange's answers, and frames of the topics themselves. Recordings and imported captures
 * have all three. What cannot be read changes nothing. One thread. */
#ifndef TD_PLAY_SUBSCRIBED_H
#define TD_PLAY_SUBSCRIBED_H

#include "base/err.h"
#include "tape/cursor.h"

typedef struct subscribed subscribed;

TD_NEVER_NULL subscribed *subscribed_open(void);
void subscribed_close(subscribed *s); /* NULL is fine */

/* Take in the next frame of a tape: of _control (both directions), of a topic, or an event. Any
 * other one changes nothing. */
void subscribed_add(subscribed *s, const frame_ref *frame);

/* 1 if a connection of the feed that has not ended is known to be subscribed to the topic: the
 * exchange granted it, or sent a frame of it. */
int subscribed_has(const subscribed *s, const char *feed, const char *exchange_topic);

#endif
