/* A fuzz target as a plain test: every input of tests/fuzz/corpus/TARGET, and variants that are
 * truncated or have changed bytes, always at the same offsets. Violations are assertions in the
 * target. The program's name, corpus_TARGET, selects the target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/random.h"
#include "tests/testing/capture.h"
#include "tests/testing/fuzz_input.h"

enum { CHANGES = 3 };

static const char *corpus;

/* In memory of its exact size, so that a sanitizer detects reads beyond it. */
static void run_input(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size == 0 ? 1 : size);
    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    assert_int_equal(LLVMFuzzerTestOneInput(exact, size), 0);
    free(exact);
}

static void run_changed(td_random *random, uint8_t *bytes, size_t size)
{
    run_input(bytes, size);
    for (int i = 0; i < CHANGES && size > 1; i++) {
        size_t at = 1 + (size_t)td_random_below(random, size - 1);
        uint8_t before = bytes[at];
        run_input(bytes, at);
        bytes[at] = (uint8_t)td_random_next(random);
        run_input(bytes, size);
        bytes[at] = before;
    }
}

static void every_input_of_the_corpus_is_taken(void **state)
{
    (void)state;
    size_t count;
    size_t tried = 0;
    td_random random;
    td_random_init(&random, 7);
    char **names = capture_list(corpus, "", &count);
    for (size_t i = 0; i < count; i++) {
        char path[512];
        size_t size;
        (void)snprintf(path, sizeof path, "%s/%s", corpus, names[i]);
        if (names[i][0] != '.') { /* folders */
            uint8_t *bytes = capture_read_file(path, &size);
            run_changed(&random, bytes, size);
            td_free(bytes);
            tried++;
        }
        td_free(names[i]);
    }
    td_free(names);
    assert_true(tried > 0); /* the test must run in the tree's top folder */
}

int main(int argc, char **argv)
{
    static const char PREFIX[] = "corpus_";
    static char folder[256];
    const char *name = strrchr(argv[0], '/');
    name = name == NULL ? argv[0] : name + 1;
    if (argc != 1 || strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
        return 2;
    (void)snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name + sizeof PREFIX - 1);
    corpus = folder;
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_input_of_the_corpus_is_taken)};
    return cmocka_run_group_tests_name(folder, tests, NULL, NULL);
}
