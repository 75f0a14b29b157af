/* Memory: growing arrays, and the end of a program that runs out of memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"

static void test_alloc(void **state)
{
    (void)state;
    td_free(NULL);
    void *nothing = td_alloc(0);
    assert_non_null(nothing);
    td_free(nothing);
    uint8_t *zeros = td_alloc_zero(10, 10);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zeros[i], 0);
    td_free(zeros);
    assert_null(td_strdup(NULL));
    char *text = td_strndup("abcdef", 3);
    assert_string_equal(text, "abc");
    char *copy = td_strdup(text);
    assert_string_equal(copy, "abc");
    td_free(copy);
    td_free(text);
}

/* Arrays that grow by one, and by index. */
static void test_arrays(void **state)
{
    (void)state;
    uint32_t *rows = NULL;
    size_t moves = 0;
    for (uint32_t count = 0; count < 1000; count++) {
        uint32_t *grown = td_array_grow(rows, count, sizeof *rows);
        assert_non_null(grown);
        moves += (count & (count - 1)) == 0; /* it may move only at powers of two */
        if ((count & (count - 1)) != 0)
            assert_ptr_equal(grown, rows);
        rows = grown;
        rows[count] = count;
    }
    assert_int_equal(moves, 11);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(rows[i], i);
    /* removed rows leave space, whatever the count was before */
    rows = td_array_grow(rows, 8, sizeof *rows);
    rows[8] = 8;
    td_free(rows);

    uint64_t *by_index = NULL;
    size_t capacity = 0;
    static const size_t INDEXES[] = {0, 1, 5, 4, 100, 63};
    for (size_t i = 0; i < sizeof INDEXES / sizeof INDEXES[0]; i++) {
        uint64_t *grown = td_array_reach(by_index, &capacity, INDEXES[i], sizeof *grown);
        assert_non_null(grown);
        by_index = grown;
        assert_true(capacity > INDEXES[i]);
        assert_int_equal(by_index[INDEXES[i]], 0);
        by_index[INDEXES[i]] = i + 1;
    }
    for (size_t i = 0; i < sizeof INDEXES / sizeof INDEXES[0]; i++)
        assert_int_equal(by_index[INDEXES[i]], i + 1);
    assert_int_equal(capacity, 128);
    assert_int_equal(by_index[99], 0);
    td_free(by_index);
}

/* Checks what a process that calls act prints to standard error before SIGABRT ends it. */
static void assert_aborts(void (*act)(void), const char *expected)
{
    int ends[2];
    char printed[256];
    size_t size = 0;
    ssize_t got;
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        const struct rlimit no_core = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        if (dup2(ends[1], STDERR_FILENO) == STDERR_FILENO)
            act();
        _exit(0);
    }
    close(ends[1]);
    while ((got = read(ends[0], printed + size, sizeof printed - 1 - size)) > 0)
        size += (size_t)got;
    printed[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_string_equal(printed, expected);
}

static void run_out(void)
{
    td_out_of_memory(42);
}

static void run_out_in_a_library(void)
{
    td_out_of_memory(0);
}

static void overflow(void)
{
    td_free(td_alloc_zero(SIZE_MAX / 2, 3));
}

static void overflow_an_array(void)
{
    td_free(td_array_grow(NULL, SIZE_MAX / 2 + 1, 8));
}

static void print_own(size_t bytes)
{
    static const char LINE[] = "mine\n";
    ssize_t written = write(STDERR_FILENO, LINE, bytes == 42 ? sizeof LINE - 1 : 0);
    (void)written;
}

static void run_out_handled(void)
{
    td_set_out_of_memory_handler(print_own);
    td_out_of_memory(42);
}

static void test_end(void **state)
{
    (void)state;
    assert_aborts(run_out, "tapedeck: out of memory: 42 bytes\n");
    assert_aborts(run_out_in_a_library, "tapedeck: out of memory\n");
    assert_aborts(overflow, "tapedeck: out of memory: 18446744073709551615 bytes\n");
    assert_aborts(overflow_an_array, "tapedeck: out of memory: 18446744073709551615 bytes\n");
    assert_aborts(run_out_handled, "mine\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
