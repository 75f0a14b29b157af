/* The fuzz target's corpus, as it is and with bytes changed, removed, doubled or cut off at random:
 * tests/fuzz/fuzz_dialect.c as a plain test. */
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
#include "tests/testing/dialect_check.h"

#define CORPUS "tests/fuzz/corpus/dialect"

enum { CHANGED_BYTES_MAX = 4096, ROUNDS = 400 };

/* Makes one random change. */
static size_t change(td_random *random, uint8_t *bytes, size_t size)
{
    size_t at = 1 + (size_t)td_random_below(random, size);
    if (size < 3 || at >= size)
        return size;
    switch (td_random_below(random, 5)) {
    case 0:
        bytes[at] = (uint8_t)td_random_next(random);
        return size;
    case 1:
        memmove(bytes + at, bytes + at + 1, size - at - 1);
        return size - 1;
    case 2:
        return at;
    case 3: {
        size_t most = size - at < CHANGED_BYTES_MAX - size ? size - at : CHANGED_BYTES_MAX - size;
        memcpy(bytes + size, bytes + at, most);
        return size + most;
    }
    default:
        bytes[at] = (uint8_t) "\"{}[],:.|*\\\n0"[td_random_below(random, 13)];
        return size;
    }
}

/* Tries an input of the corpus, unchanged and changed. */
static void try_input(dialect_check *check, td_random *random, const char *name)
{
    char path[512];
    size_t size;
    (void)snprintf(path, sizeof path, CORPUS "/%s", name);
    uint8_t *seed = capture_read_file(path, &size);
    assert_in_range(size, 1, CHANGED_BYTES_MAX);
    dialect_check_input(check, seed, size);
    for (int round = 0; round < ROUNDS; round++) {
        uint8_t bytes[CHANGED_BYTES_MAX];
        size_t now = size;
        memcpy(bytes, seed, size);
        for (int k = 0; k <= round % 4; k++)
            now = change(random, bytes, now);
        dialect_check_input(check, bytes, now);
    }
    td_free(seed);
}

static void test_corpus(void **state)
{
    (void)state;
    size_t count;
    size_t tried = 0;
    char **names = capture_list(CORPUS, "", &count);
    dialect_check *check = dialect_check_open();
    td_random random;
    td_random_init(&random, 7);
    for (size_t i = 0; i < count; i++) {
        if (names[i][0] != '.') { /* folders */
            try_input(check, &random, names[i]);
            tried++;
        }
        td_free(names[i]);
    }
    assert_true(tried >= 20); /* the test must run in the tree's top folder */
    td_free(names);
    dialect_check_close(check);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_corpus)};
    return cmocka_run_group_tests_name("schema/dialect_inputs", tests, NULL, NULL);
}
