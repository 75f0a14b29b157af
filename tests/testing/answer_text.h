/* Texts of requests and answers, for tests of dialects. */
#ifndef TESTING_ANSWER_TEXT_H
#define TESTING_ANSWER_TEXT_H

#include "base/bytes.h"

/* Fails the test if the bytes are not the expected text. */
void assert_text(td_bytes got, const char *expected);

/* Write topics, each followed by a space; fails the test if `out` is too small. */
void topics_to_text(const td_bytes *topics, size_t count, char *out, size_t size);

#endif
