/* Expected values: promise P2: same length, every occurrence, nothing else touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "recorder/redact.h"

static void occurrences_are_overwritten_in_place(void **state)
{
    static const struct {
        const char *name, *input, *expected;
        uint32_t count;
        size_t first, bytes;
    } ROWS[] = {
        {"none", "{\"op\":\"ping\"}", "{\"op\":\"ping\"}", 0, 0, 0},
        {"auth", "{\"op\":\"auth\",\"args\":[\"KEY12345\",1,\"secret-sig\"]}",
         "{\"op\":\"auth\",\"args\":[\"********\",1,\"**********\"]}", 2, 22, 18},
        {"twice", "KEY12345KEY12345", "****************", 2, 0, 16},
        {"half", "KEY1234", "KEY1234", 0, 0, 0},
        {"at the end", "x=secret-sig", "x=**********", 1, 2, 10},
        {"escaped, of JSON", "\"\\u004bE\\u005912345\"", "\"******************\"", 1, 1, 18},
        {"escaped, in capitals", "{\\u004B\\u0045Y12345}", "{******************}", 1, 1, 18},
        {"escaped, of a URL", "k=%4bEY12345&s=secret%2Dsig", "k=**********&s=************", 2, 2,
         22},
        {"another character", "\\u014bEY12345 %4cEY12345", "\\u014bEY12345 %4cEY12345", 0, 0, 0},
        {"an escape that is cut off", "\\ %4 secret\\u00", "\\ %4 secret\\u00", 0, 0, 0},
        {"a backslash elsewhere", "\\\\KEY12345\\n", "\\\\********\\n", 1, 2, 8},
    };
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "KEY12345", NULL), TD_OK);
    assert_int_equal(redactor_add_signature(&hide, "secret-sig", NULL), TD_OK);
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s", ROWS[i].input);
        redaction done = redactor_apply(&hide, (uint8_t *)text, strlen(text));
        if (strcmp(text, ROWS[i].expected) != 0 || done.count != ROWS[i].count ||
            done.first_offset != ROWS[i].first || done.bytes != ROWS[i].bytes)
            fail_msg("%s: '%s', %u at %zu", ROWS[i].name, text, done.count, done.first_offset);
    }
    redactor_fini(&hide);
}

/* A key that begins the secret, and one in the middle of it. */
static void a_secret_within_another_leaves_nothing_of_it(void **state)
{
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "demo", NULL), TD_OK);
    assert_int_equal(redactor_add(&hide, "demo-secret-1", NULL), TD_OK);
    assert_int_equal(redactor_add(&hide, "secret", NULL), TD_OK);
    char text[] = "demo demo-secret-1 secret demo%2dsecret-1.";
    redaction done = redactor_apply(&hide, (uint8_t *)text, strlen(text));
    assert_string_equal(text, "**** ************* ****** ***************.");
    assert_int_equal(done.first_offset, 0);
    redactor_fini(&hide);
}

static void short_secrets_are_refused(void **state)
{
    (void)state;
    td_err err;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "abc", &err), TD_E_INVALID);
    assert_non_null(strstr(err.text, "4"));
    redactor_fini(&hide);
}

static void old_signatures_make_room_but_the_key_stays(void **state)
{
    (void)state;
    redactor hide;
    redactor_init(&hide);
    assert_int_equal(redactor_add(&hide, "the-key", NULL), TD_OK);
    for (int i = 0; i < 100; i++) {
        char signature[32];
        snprintf(signature, sizeof signature, "signature-%03d", i);
        assert_int_equal(redactor_add_signature(&hide, signature, NULL), TD_OK);
    }
    char text[] = "the-key signature-099 signature-090 signature-000";
    assert_int_equal(redactor_apply(&hide, (uint8_t *)text, sizeof text - 1).count, 3);
    assert_string_equal(text, "******* ************* ************* signature-000");
    redactor_fini(&hide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(occurrences_are_overwritten_in_place),
        cmocka_unit_test(a_secret_within_another_leaves_nothing_of_it),
        cmocka_unit_test(short_secrets_are_refused),
        cmocka_unit_test(old_signatures_make_room_but_the_key_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
