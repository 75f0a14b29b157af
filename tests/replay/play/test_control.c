/* Commands by key and by request. Expected: docs/replay.md and docs/serve.md ("Control");
 * test_pacer.c tests their effect on a pacer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "replay/play/control.h"
#include "tests/testing/files.h"

static const char KEYS[] = " .,+-1mfbq";
static const char *const NAMES[] = {"pause", "resume", "step", "seek", "speed"};

static void test_texts(void **state)
{
    (void)state;
    assert_string_equal(control_list_keys("").text, "space: pause  right left: one frame  "
                                                    "up down 1 m: speed  f b: 10 s  q: quit");
    assert_string_equal(control_list_keys(",").text, "space: pause  right: one frame  "
                                                     "up down 1 m: speed  f b: 10 s  q: quit");
    assert_string_equal(control_list_names().text,
                        "pause, resume, step, seek?to=TIME or speed?to=N");
}

static void test_keys_are_unique(void **state)
{
    (void)state;
    for (int byte = 0; byte < 128; byte++) {
        const control_command *found = control_find_key((char)byte);
        assert_int_equal(found != NULL, byte != 0 && strchr(KEYS, byte) != NULL);
        assert_true(found == NULL || found->key == byte);
        found = control_find_arrow((char)byte);
        assert_int_equal(found != NULL, byte >= 'A' && byte <= 'D');
    }
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(control_find_arrow("ABCD"[i])->key, "+-.,"[i]);
}

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        const control_command *found = control_find_name(td_bytes_str(NAMES[i]));
        assert_non_null(found);
        assert_string_equal(found->name, NAMES[i]);
    }
    assert_null(control_find_name(td_bytes_str("")));
    assert_null(control_find_name(td_bytes_str("stepped")));
    assert_null(control_find_name(td_bytes_str("toggle")));
    assert_int_equal(control_find_name(td_bytes_str("seek"))->argument, CONTROL_TO_TIME);
    assert_int_equal(control_find_name(td_bytes_str("speed"))->argument, CONTROL_TO_SPEED);
}

static void expect_in(const char *path, const char *text)
{
    char *page = (char *)file_read(io_posix(), path, &(size_t){0});
    if (strstr(page, text) == NULL)
        fail_msg("%s does not have %s", path, text);
    td_free(page);
}

static void test_documents(void **state)
{
    (void)state;
    char text[32];
    for (const char *key = KEYS; *key != '\0'; key++) {
        (void)snprintf(text, sizeof text, *key == ' ' ? "space" : "`%c`", *key);
        expect_in("docs/replay.md", text);
        if (*key != ',') /* serve.md has no ',': it only pauses in serve */
            expect_in("docs/serve.md", text);
    }
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++) {
        (void)snprintf(text, sizeof text, "/control/%s", NAMES[i]);
        expect_in("docs/serve.md", text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_keys_are_unique),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
