/* The limit of open files. Each case runs in its own process, because a hard limit cannot be raised
 * again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/open_files.h"

typedef struct limits_case {
    const char *name;
    uint64_t soft, hard, more;
    uint64_t limit; /* expected; 0: as needed */
} limits_case;

/* Far more than a test has open. */
static const limits_case CASES[] = {
    {"the soft limit suffices", 400, 600, 100, 400},
    {"the soft limit is raised as far as needed", 300, 600, 300, 0},
    {"the hard limit is too low", 300, 400, 1000, 400},
    {"the limits are equal", 300, 300, 1000, 300},
};

/* Runs in the child; returns the number of the failed check, or 0. */
static int find_wrong(const limits_case *of)
{
    const struct rlimit limits = {of->soft, of->hard};
    struct rlimit now;
    int next = dup(STDOUT_FILENO);
    close(next);
    if (setrlimit(RLIMIT_NOFILE, &limits) != 0)
        return 1;
    td_open_files got = td_open_files_reserve(of->more);
    uint64_t limit = of->limit == 0 ? got.needed : of->limit;
    if (getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur != got.limit)
        return 2;
    if (got.needed != (uint64_t)next + of->more)
        return 3;
    if (got.before != of->soft || now.rlim_max != of->hard)
        return 4;
    return got.limit == limit ? 0 : 5;
}

static void test_reserve(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int status;
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            _exit(find_wrong(&CASES[i]));
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            fail_msg("%s: %d", CASES[i].name, WEXITSTATUS(status));
    }
}

/* If no descriptor is free, all count as in use. */
static void test_none_is_free(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int next = dup(STDOUT_FILENO);
        const struct rlimit limits = {(rlim_t)next, (rlim_t)next};
        close(next);
        if (setrlimit(RLIMIT_NOFILE, &limits) != 0)
            _exit(1);
        td_open_files got = td_open_files_reserve(7);
        _exit(got.needed == (uint64_t)next + 7 && got.limit == (uint64_t)next ? 0 : 2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reserve),
        cmocka_unit_test(test_none_is_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
