/* A message as JSON and back again, for tests and fuzz targets. A violation is an assertion. */
#ifndef TD_TESTS_TESTING_MESSAGE_ROUND_H
#define TD_TESTS_TESTING_MESSAGE_ROUND_H

#include "base/bytes.h"
#include "schema/message.h"
#include "schema/message_build.h"

typedef struct message_round message_round;

message_round *message_round_open(void);
void message_round_close(message_round *round);

/* A decoder's message: what is read back from its JSON has the same canonical form with all
 * members, the same symbol and as many foreign ones. */
void message_round_check(message_round *round, const topic_match *topic, const message *m);

/* Any text as an answer about a frame of subject: what is accepted can be written, and read back to
 * the same; of what is refused the error says why. 1 if it was accepted. *out is valid until the
 * next call, err may be NULL. */
int message_round_read(message_round *round, const message_subject *subject, td_bytes text,
                       message *out, td_err *err);

#endif
