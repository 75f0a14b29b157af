/* Bands of characters. Expected: base/cli/band.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cli/band.h"

enum { STEPS = 10 };

/* Nothing, watched, the lowest and highest quantity, heights between, marks with and without. */
static const band_step STEPS_OF_ALL_KINDS[STEPS] = {
    {0, 0, 0}, {0, 1, 0},    {0.001, 1, 0}, {8, 1, 0}, {7.99, 1, 0},
    {4, 1, 1}, {3.99, 1, 0}, {0, 1, 1},     {0, 0, 1}, {1, 0, 0},
};

static void test_heights(void **state)
{
    char text[STEPS * BAND_STEP_BYTES + 1];
    (void)state;
    band_text(STEPS_OF_ALL_KINDS, STEPS, 8, BAND_BLOCKS, text);
    assert_string_equal(text, " ·▁██▅▄xx▂");
    band_text(STEPS_OF_ALL_KINDS, STEPS, 8, BAND_ASCII, text);
    assert_string_equal(text, " ._##=-xx_");
}

static void test_marks_below_quantities(void **state)
{
    char text[STEPS * BAND_STEP_BYTES + 1];
    (void)state;
    band_marks(STEPS_OF_ALL_KINDS, STEPS, text);
    assert_string_equal(text, "     x");
    band_marks(STEPS_OF_ALL_KINDS, 5, text);
    assert_string_equal(text, "");
}

static void test_nothing(void **state)
{
    char text[2 * BAND_STEP_BYTES + 1];
    (void)state;
    band_text(STEPS_OF_ALL_KINDS, 0, 8, BAND_BLOCKS, text);
    assert_string_equal(text, "");
    band_text(STEPS_OF_ALL_KINDS, 2, 0, BAND_BLOCKS, text);
    assert_string_equal(text, " ·");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heights),
        cmocka_unit_test(test_marks_below_quantities),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests_name("base/cli/band", tests, NULL, NULL);
}
