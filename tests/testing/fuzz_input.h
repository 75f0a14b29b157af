/* What every fuzz target is: one function that takes one input. `make fuzz` links it with
 * libFuzzer, the suite with tests/fuzz/corpus_main.c, which gives it the corpus in the tree. A
 * violation is an assertion, and ends the process so that a fuzzer sees it. */
#ifndef TD_TESTS_TESTING_FUZZ_INPUT_H
#define TD_TESTS_TESTING_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Returns 0. The name and type are libFuzzer's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Assert that rc is TD_OK; err, which may be NULL, says more. */
void fuzz_must(td_result rc, const td_err *err);

#endif
