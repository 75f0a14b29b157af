/* Memory for secrets: what a core dump leaves out and what is left after it was given back. The
 * kernel says so itself: smaps (proc(5), VmFlags "dd": not in core dumps), prctl(2), getrlimit(2).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/secret.h"

/* The flags of the mapping that has the address. */
static void flags_of(const void *address, char out[256])
{
    char line[256];
    int is_inside = 0;
    FILE *maps = fopen("/proc/self/smaps", "r");
    assert_non_null(maps);
    out[0] = '\0';
    while (fgets(line, sizeof line, maps) != NULL) {
        uintptr_t from;
        uintptr_t to;
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            is_inside = (uintptr_t)address >= from && (uintptr_t)address < to;
        else if (is_inside && strncmp(line, "VmFlags:", 8) == 0)
            snprintf(out, 256, "%s", line);
    }
    fclose(maps);
}

static void pages_are_left_out_of_dumps(void **state)
{
    (void)state;
    char flags[256];
    char *secret = td_secret_alloc(15);
    flags_of(secret, flags);
    assert_non_null(strstr(flags, " dd"));
    td_secret_free(secret);
    td_secret_free(NULL);
    char *large = td_secret_alloc(100000);
    for (size_t i = 0; i < 100000; i++)
        assert_int_equal(large[i], 0);
    td_secret_free(large);
}

static void no_core_dumps(void **state)
{
    (void)state;
    struct rlimit limit;
    assert_int_equal(prctl(PR_GET_DUMPABLE), 1);
    assert_int_equal(td_secret_forbid_core_dumps(NULL), TD_OK);
    assert_int_equal(prctl(PR_GET_DUMPABLE), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &limit), 0);
    assert_int_equal(limit.rlim_cur, 0);
    assert_int_equal(limit.rlim_max, 0);
    assert_int_equal(td_secret_forbid_core_dumps(NULL), TD_OK); /* for the next feed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_left_out_of_dumps),
        cmocka_unit_test(no_core_dumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
