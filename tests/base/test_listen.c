/* base/listen: what sockets that a listener accepts inherit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/listen.h"

enum { WAIT_MS = 10000 };

static void test_no_delay(void **state)
{
    (void)state;
    td_err err;
    int listener = -1, no_delay = 0;
    assert_int_equal(td_listen("127.0.0.1", 0, &listener, &err), TD_OK);
    const struct sockaddr_in to = {.sin_family = AF_INET,
                                   .sin_port = htons(td_listen_port(listener)),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(client >= 0);
    assert_int_equal(connect(client, (const struct sockaddr *)&to, sizeof to), 0);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(accepted >= 0);
    socklen_t size = sizeof no_delay;
    assert_int_equal(getsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &no_delay, &size), 0);
    assert_int_not_equal(no_delay, 0);
    close(accepted);
    close(client);
    close(listener);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_delay),
    };
    return cmocka_run_group_tests_name("base/listen", tests, NULL, NULL);
}
