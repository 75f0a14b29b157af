/* The interface of a fuzz target: a function that takes one input. `make fuzz` links it with
 * libFuzzer, and the test suite links it with tests/fuzz/corpus_main.c, which runs the corpus of
 * the tree. A violation fails an assertion, which ends the process so that a fuzzer notices. */
#ifndef TD_TESTS_TESTING_FUZZ_INPUT_H
#define TD_TESTS_TESTING_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Returns 0. libFuzzer defines the name and the type. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Assert that rc is TD_OK; prints err, which may be NULL. */
void fuzz_must(td_result rc, const td_err *err);

#endif
