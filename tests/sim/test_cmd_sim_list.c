/* sim --list: what it offers can be recorded. Each topic has a row of its family, of today or of a
 * time before the exchange withdrew it; recorder/feed_setup.c refuses all others, unless
 * --allow-unknown-topic is given, as the list says of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "schema/family.h"
#include "sim/cmd_sim.h"

static void every_listed_topic_can_be_recorded(void **state)
{
    (void)state;
    FILE *out = tmpfile();
    assert_non_null(out);
    assert_int_equal(cmd_sim_list(out, 3, NULL), TD_OK);
    rewind(out);
    static char line[8192];
    const family *of = NULL;
    size_t topics = 0;
    while (fgets(line, sizeof line, out) != NULL) {
        char *left = NULL;
        int is_family = line[0] != ' ';
        const char *word = strtok_r(line, " \n", &left);
        if (is_family)
            of = family_find(td_bytes_str(word));
        if (of == NULL)
            fail_msg("no family: %s", word);
        if (of == NULL || is_family || strcmp(word, "symbols:") == 0)
            continue;
        int is_raw = strcmp(word, "with") == 0;
        for (int skipped = 0; is_raw && skipped < 2; skipped++)
            (void)strtok_r(NULL, " \n", &left); /* "--allow-unknown-topic, public:" */
        while ((word = strtok_r(NULL, " \n", &left)) != NULL) {
            topic_match match;
            int is_known = topic_match_text(of->topics, of->topic_count, td_bytes_str(word),
                                            TOPIC_ANY_TIME, &match);
            if (is_known == is_raw)
                fail_msg("%s: %s", of->name, word);
            if (strncmp(word, "dcp.", 4) == 0)
                fail_msg("%s sends nothing", word);
            topics++;
        }
    }
    assert_true(topics > 200);
    assert_int_equal(fclose(out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_topic_can_be_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
