/* Converts messages to JSON and back, for tests and fuzz targets. A violation fails an
 * assertion. */
#ifndef TD_TESTS_TESTING_MESSAGE_ROUND_H
#define TD_TESTS_TESTING_MESSAGE_ROUND_H

#include "base/bytes.h"
#include "schema/message.h"
#include "schema/message_build.h"

typedef struct message_round message_round;

/* Memory for the checks, used for any number of messages; close frees it. */
message_round *message_round_open(void);
void message_round_close(message_round *round);

/* Check a decoder's message: written as JSON and read back, it must have the same canonical form
 * with all members, the same symbol, and as many unknown members. */
void message_round_check(message_round *round, const topic_match *topic, const message *m);

/* Read any text as a user decoder's answer for the frame of `subject`. An accepted text must
 * survive writing and reading; a refused one must have an error. 1 if it was accepted. *out is
 * valid until the next call, err may be NULL. */
int message_round_read(message_round *round, const message_subject *subject, td_bytes text,
                       message *out, td_err *err);

#endif
