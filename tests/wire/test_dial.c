/* A name with several addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tests/testing/wire_side.h"
#include "wire/dial.h"

/* Replaces the system's function: two.test has the addresses 127.0.0.2 and 127.0.0.1. */
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **out)
{
    static struct sockaddr_in places[2];
    static struct addrinfo infos[2];
    (void)service;
    (void)hints;
    assert_string_equal(name, "two.test");
    for (uint32_t i = 0; i < 2; i++) {
        places[i].sin_family = AF_INET;
        places[i].sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 - i);
        infos[i] = (struct addrinfo){.ai_addr = (struct sockaddr *)&places[i],
                                     .ai_addrlen = sizeof *places,
                                     .ai_next = i == 0 ? &infos[1] : NULL};
    }
    *out = infos;
    return 0;
}

void freeaddrinfo(struct addrinfo *infos)
{
    (void)infos;
}

static void on_ready(void *user)
{
    *(unsigned *)user = 1;
}

static void on_ended(void *user, wire_cause cause, const char *text)
{
    (void)user;
    fail_msg("%s: %s", wire_cause_name(cause), text);
}

static const dial_ops OPS = {.ready = on_ready, .ended = on_ended};

/* port 0: the kernel chooses. */
static int listen_at(const char *address, int backlog, struct sockaddr_in *place)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t size = sizeof *place;
    place->sin_family = AF_INET;
    assert_int_equal(inet_pton(AF_INET, address, &place->sin_addr), 1);
    assert_int_equal(bind(fd, (struct sockaddr *)place, size), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)place, &size), 0);
    return fd;
}

/* The first address drops connection attempts: enough time is left for the second one. */
static void test_silent_address_leaves_time(void **state)
{
    (void)state;
    enum { FILLERS = 4 };
    struct sockaddr_in place = {0};
    wire_loop *loop = NULL;
    unsigned ready = 0;
    int fillers[FILLERS];
    dial d = {0};
    int good = listen_at("127.0.0.1", 4, &place);
    int silent = listen_at("127.0.0.2", 0, &place);
    for (int i = 0; i < FILLERS; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fillers[i], (struct sockaddr *)&place, sizeof place);
    }
    assert_int_equal(wire_loop_open(clock_real(), NULL, &loop, NULL), TD_OK);
    assert_int_equal(td_url_parse("ws://two.test/", &d.url, NULL), TD_OK);
    d.url.port = ntohs(place.sin_port);
    assert_int_equal(dial_begin(&d, loop, NULL, 2 * TD_NS_PER_S, &OPS, &ready, NULL), TD_OK);
    wire_run_until(loop, &ready, 1, "the second address");
    dial_close(&d);
    wire_loop_close(loop);
    for (int i = 0; i < FILLERS; i++)
        close(fillers[i]);
    close(silent);
    close(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_address_leaves_time),
    };
    return cmocka_run_group_tests_name("wire/dial", tests, NULL, NULL);
}
