/* Compares the messages of two decoders, member by member with code of its own, and then by hash.
 * Fails the test at the first difference. */
#ifndef TD_TESTS_TESTING_MESSAGE_COMPARE_H
#define TD_TESTS_TESTING_MESSAGE_COMPARE_H

#include "schema/decode.h"
#include "schema/message.h"

/* The first 64 bits of a message's digest. */
uint64_t message_hash64(const message *m);

/* Fail the test at the first difference. */
void assert_messages_equal(const message *a, const message *b);

/* Check that a frame decoded by d has the same JSON text as `rows`, the message of the row-driven
 * decoder. */
void assert_whole_equal(decoder *d, const topic_match *topic, td_bytes frame, const message *rows);

#endif
