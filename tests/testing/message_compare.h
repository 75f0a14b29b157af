/* Compares two messages, whichever decoder made them. Fails the test at the first difference.
 * Reads the messages with its own eyes, member by member, and then compares their hashes as well.
 */
#ifndef TD_TESTS_TESTING_MESSAGE_COMPARE_H
#define TD_TESTS_TESTING_MESSAGE_COMPARE_H

#include "schema/decode.h"
#include "schema/message.h"

/* The first 64 bits of a message's digest. */
uint64_t message_hash64(const message *m);

void assert_messages_equal(const message *a, const message *b);

/* What d reads of a frame as a whole has the same text in JSON as the row-driven decoder's message.
 */
void assert_whole_equal(decoder *d, const topic_match *topic, td_bytes frame, const message *rows);

#endif
