/* Which web pages may use a server. Expected values: wire/origin.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/origin.h"

static const char *const LISTED[] = {"http://tapes.example:8080", "https://Page.example", "null"};

static void test_requests(void **state)
{
    (void)state;
    static const struct {
        const char *host, *origin;
        unsigned status; /* 101 for an upgrade */
        int is_listing;
        int is_refused;
    } ROWS[] = {
        /* Programs send no Origin. */
        {"127.0.0.1:8080", "", 101, 0, 0},
        {"tapes.example:8080", "", 101, 0, 0},
        {"127.0.0.1:8080", "", 200, 0, 0},
        {"localhost", "", 200, 0, 0},
        {"LOCALHOST:1", "", 405, 0, 0},
        {"[::1]:8080", "", 200, 0, 0},
        {"192.0.2.7:80", "", 200, 0, 0},
        /* A name that resolves to this machine without being local. */
        {"tapes.example:8080", "", 200, 0, 1},
        {"tapes.example:8080", "", 405, 0, 1},
        {"localhost.example", "", 200, 0, 1},
        {"127.0.0.1.example", "", 200, 0, 1},
        {"tapes.example:8080", "", 405, 1, 0},
        {"tapes.example:8081", "", 405, 1, 1},
        {"", "", 200, 0, 1},
        /* Web pages. */
        {"127.0.0.1:8080", "http://localhost:3000", 101, 0, 0},
        {"127.0.0.1:8080", "https://app.localhost", 101, 0, 0},
        {"127.0.0.1:8080", "http://[::1]:3000", 405, 0, 0},
        {"127.0.0.1:8080", "http://127.0.0.2", 405, 0, 0},
        {"192.0.2.7:80", "http://192.0.2.7:80", 405, 0, 0},
        {"192.0.2.7:80", "http://192.0.2.7:81", 405, 0, 1},
        {"127.0.0.1:8080", "https://page.example", 101, 0, 1},
        {"127.0.0.1:8080", "https://page.example", 405, 0, 1},
        {"127.0.0.1:8080", "https://page.example", 101, 1, 0},
        {"127.0.0.1:8080", "http://page.example", 101, 1, 1},
        {"127.0.0.1:8080", "http://localhost.example", 101, 0, 1},
        {"127.0.0.1:8080", "http://evil.example/127.0.0.1", 101, 0, 1},
        {"127.0.0.1:8080", "null", 101, 0, 1},
        {"127.0.0.1:8080", "null", 101, 1, 0},
        {"page.example", "http://page.example", 101, 0, 1},
    };
    for (size_t i = 0; i < sizeof ROWS / sizeof ROWS[0]; i++) {
        const handshake_request request = {.status = ROWS[i].status,
                                           .host = td_bytes_str(ROWS[i].host),
                                           .origin = td_bytes_str(ROWS[i].origin)};
        const origin_list allowed = {LISTED, ROWS[i].is_listing ? 3 : 0};
        const char *why = origin_refusal(&request, allowed);
        if ((why != NULL) != ROWS[i].is_refused)
            fail_msg("row %zu: host '%s', origin '%s': %s", i, ROWS[i].host, ROWS[i].origin,
                     why == NULL ? "accepted" : why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_requests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
