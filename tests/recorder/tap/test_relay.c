/* A relay between two of the test's sockets, as bytes: each end gets what the other sends, in
 * order, and a session records it. Both ends use the frame reader of wire/. Texts begin like JSON,
 * because others may be compressed and would be inflated within a time limit. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <sys/socket.h>

#include "base/alloc.h"
#include "base/io_posix.h"
#include "archive/archive.h"
#include "recorder/tap/relay.h"
#include "tests/testing/clock_sim.h"
#include "tests/testing/files.h"
#include "wire/handshake.h"
#include "wire/websocket.h"

#define START_NS UINT64_C(1795000000000000000)
#define HOUR_NS  (UINT64_C(3600) * TD_NS_PER_S)

/* Small, so that little data waits in the kernel. */
enum { SOCKET_BYTES = 64 << 10, HALF_A_MINUTE = 30000 };

/* A socket of the test, and a record of what it received: "text:hello ping:a close:1000:why end".
 */
typedef struct side {
    int fd;
    ws_peer from; /* the peer whose frames it reads */
    ws_reader reader;
    uint8_t is_open;   /* 1: the handshake is done */
    uint8_t is_unread; /* 1: the test does not read the socket */
    td_buf head;
    td_buf out; /* unsent bytes begin at `sent` */
    size_t sent;
    char seen[2048];
    unsigned messages;
} side;

typedef struct fixture {
    char folder[TEMP_FOLDER_BYTES];
    clock_sim *clock;
    td_log log;
    pipeline_config config;
    redactor redactor;
    wire_loop *loop;
    wire_server *server;
    relay_env env;
    char url[64]; /* of the upstream */
    int listen_fd;
    side client, exchange;
    unsigned opened, ended, refused;
} fixture;

/* ---- the test's ends ---- */

static void see(side *s, const char *kind, td_bytes bytes)
{
    size_t at = strlen(s->seen);
    int shown = bytes.size > 100 ? 0 : (int)bytes.size;
    int size = snprintf(s->seen + at, sizeof s->seen - at, "%s%s:%.*s", at == 0 ? "" : " ", kind,
                        shown, (const char *)bytes.data);
    assert_true(size > 0);
    assert_true(at + (size_t)size < sizeof s->seen);
}

static void see_frame(side *s, const ws_event *got)
{
    const ws_message *frame = &got->message;
    static const char *const KINDS[] = {
        [WS_TEXT] = "text", [WS_BINARY] = "binary", [WS_PING] = "ping", [WS_PONG] = "pong"};
    char close[32];
    int is_message = frame->opcode == WS_TEXT || frame->opcode == WS_BINARY;
    s->messages += is_message ? 1 : 0;
    (void)snprintf(close, sizeof close, "close:%u", got->code); /* fits */
    if (!is_message || frame->bytes.size < 1000)
        see(s, frame->opcode == WS_CLOSE ? close : KINDS[frame->opcode], frame->bytes);
}

static void read_frames(side *s, uint8_t *bytes, size_t size)
{
    ws_event frame;
    ws_result rc;
    ws_give(&s->reader, bytes, size, 1);
    while ((rc = ws_read(&s->reader, &frame)) == WS_EVENT)
        see_frame(s, &frame);
    assert_int_equal(rc, WS_MORE);
}

/* The exchange answers the request; the client reads the answer. */
static size_t read_handshake(side *s, uint8_t *bytes, size_t size)
{
    td_buf_add(&s->head, bytes, size);
    size_t used = handshake_head_bytes(td_buf_view(&s->head));
    if (used == 0)
        return size;
    s->is_open = 1;
    if (s->from == WS_FROM_CLIENT) {
        handshake_request request;
        handshake_read_request(td_bytes_of(s->head.data, used), &request);
        assert_int_equal(request.status, 101);
        handshake_accept(&request, &s->out);
    }
    return size - (s->head.size - used);
}

static void receive(side *s)
{
    static uint8_t bytes[256 << 10];
    ssize_t got;
    while (s->fd >= 0 && !s->is_unread &&
           (got = recv(s->fd, bytes, sizeof bytes, MSG_DONTWAIT)) >= 0) {
        size_t used = s->is_open ? 0 : read_handshake(s, bytes, (size_t)got);
        if (got > 0 && s->is_open)
            read_frames(s, bytes + used, (size_t)got - used);
        if (got == 0) {
            see(s, "end", td_bytes_of("", 0));
            close(s->fd);
            s->fd = -1;
        }
    }
    if (s->fd >= 0 && !s->is_unread && errno == ECONNRESET) {
        see(s, "reset", td_bytes_of("", 0));
        close(s->fd);
        s->fd = -1;
    }
}

static void flush(side *s)
{
    while (s->fd >= 0 && s->sent < s->out.size) {
        ssize_t put =
            send(s->fd, s->out.data + s->sent, s->out.size - s->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (put <= 0)
            return;
        s->sent += (size_t)put;
    }
}

/* Puts a frame's head, and the given part of its payload. */
static void put_frame(side *s, unsigned opcode, unsigned flags, size_t size, td_bytes payload)
{
    static const uint8_t MASK[4] = {1, 2, 3, 4};
    uint8_t head[WS_HEAD_BYTES_MAX];
    int is_masked = s->from == WS_FROM_SERVER;
    td_buf_add(&s->out, head, ws_put_head(head, opcode, flags, size, is_masked ? MASK : NULL));
    td_buf_add(&s->out, payload.data, payload.size);
    if (is_masked)
        ws_mask(s->out.data + s->out.size - payload.size, payload.size, MASK, 0);
}

static void put_text(side *s, unsigned opcode, const char *text)
{
    put_frame(s, opcode, WS_FINAL, strlen(text), td_bytes_str(text));
}

static void put_close(side *s, unsigned code, const char *reason)
{
    uint8_t payload[WS_CONTROL_BYTES_MAX];
    size_t size = ws_put_close(payload, code, td_bytes_str(reason));
    put_frame(s, WS_CLOSE, WS_FINAL, size, td_bytes_of(payload, size));
}

/* Runs one turn of the loop; the clock advances only here. */
static void run_once(fixture *f)
{
    td_err err;
    flush(&f->client);
    flush(&f->exchange);
    assert_int_equal(wire_loop_run(f->loop, TD_NS_PER_MS, &err), TD_OK);
    clock_sim_advance(f->clock, TD_NS_PER_MS);
    tap_sessions_tick(f->env.sessions);
    if (f->exchange.fd < 0 && f->exchange.head.size == 0)
        f->exchange.fd = accept(f->listen_fd, NULL, NULL);
    receive(&f->client);
    receive(&f->exchange);
}

static void expect(fixture *f, const side *s, const char *seen)
{
    for (int i = 0; i < HALF_A_MINUTE && strcmp(s->seen, seen) != 0; i++)
        run_once(f);
    assert_string_equal(s->seen, seen);
}

static void run_until(fixture *f, const unsigned *counter, unsigned wanted)
{
    for (int i = 0; i < HALF_A_MINUTE && *counter < wanted; i++)
        run_once(f);
    assert_int_equal(*counter, wanted);
}

/* ---- the relay's environment ---- */

static void on_ended(void *user, uint16_t feed_index, uint32_t shard)
{
    fixture *f = user;
    assert_int_equal(feed_index, 0);
    assert_int_equal(shard, 0);
    f->ended++;
}

static void on_refused(void *user, uint16_t feed_index)
{
    fixture *f = user;
    (void)feed_index;
    f->refused++;
}

static void *on_upgrade_requested(void *user, wire_conn *client, const wire_request *request)
{
    fixture *f = user;
    const relay_options options = {.env = &f->env,
                                   .url = f->url,
                                   .family = f->config.feeds[0].family,
                                   .redactor = &f->redactor};
    f->opened++;
    return relay_open(&options, client, request);
}

static const wire_server_ops SERVER_OPS = {.upgrade_requested = on_upgrade_requested,
                                           .conn.message = relay_on_message,
                                           .conn.heartbeat = relay_on_heartbeat,
                                           .conn.closing = relay_on_closing,
                                           .conn.drained = relay_on_drained,
                                           .closed = relay_on_closed};

static int new_socket(void)
{
    const int few = SOCKET_BYTES;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &few, sizeof few), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &few, sizeof few), 0);
    return fd;
}

static void listen_as_exchange(fixture *f)
{
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof place;
    f->listen_fd = new_socket();
    assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&place, size), 0);
    assert_int_equal(listen(f->listen_fd, 4), 0);
    assert_int_equal(fcntl(f->listen_fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(getsockname(f->listen_fd, (struct sockaddr *)&place, &size), 0);
    (void)snprintf(f->url, sizeof f->url, "ws://127.0.0.1:%u/v5/public/linear",
                   ntohs(place.sin_port)); /* fits */
}

static void open_sessions(fixture *f)
{
    td_err err;
    const family *of = family_find(td_bytes_str("v5-linear"));
    pipeline_config_init(&f->config);
    f->config.overload = OVERLOAD_DROP;
    f->config.feeds[0] = (pipeline_feed){.name = of->name, .family = of, .redactor = &f->redactor};
    f->config.feed_count = 1;
    f->config.min_free_bytes = 1;
    redactor_init(&f->redactor);
    const tap_sessions_options options = {
        .path = f->folder, .config = &f->config, .clock = f->env.clock, .log = &f->log};
    if (tap_sessions_open(&options, &f->env.sessions, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void fixture_open(fixture *f)
{
    td_err err;
    const wire_server_options listening = {
        .listen = "127.0.0.1:0", .is_plain = 1, .ops = &SERVER_OPS, .user = f};
    *f = (fixture){.clock = clock_sim_open(START_NS, TD_NS_PER_S)};
    temp_folder_make(TEMP_IN_MEMORY, f->folder);
    f->env = (relay_env){.clock = clock_sim_clock(f->clock),
                         .log = &f->log,
                         .dialects = dialect_parser_open(),
                         .sent = sent_secrets_open(),
                         .books = calloc(LIMIT_FEEDS, sizeof(fetched_books)),
                         .ended = on_ended,
                         .refused = on_refused,
                         .user = f};
    open_sessions(f);
    listen_as_exchange(f);
    assert_int_equal(wire_loop_open(f->env.clock, &f->log, &f->loop, &err), TD_OK);
    f->env.loop = f->loop;
    if (wire_server_open(f->loop, &listening, &f->server, &err) != TD_OK)
        fail_msg("%s", err.text);
}

static void side_init(side *s, int fd, ws_peer from)
{
    *s = (side){.fd = fd, .from = from};
    ws_reader_init(&s->reader, from, NULL, LIMIT_FRAME_BYTES);
    td_buf_init(&s->head, HANDSHAKE_BYTES_MAX);
    td_buf_init(&s->out, SIZE_MAX);
}

static void side_fini(side *s)
{
    if (s->fd >= 0)
        close(s->fd);
    ws_reader_fini(&s->reader);
    td_buf_fini(&s->head);
    td_buf_fini(&s->out);
}

/* Connects a client through the relay; the exchange accepts it. */
static void connect_both(fixture *f)
{
    const char *port = strrchr(wire_server_url(f->server), ':') + 1;
    const struct sockaddr_in place = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
                                      .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    const upgrade_request ask = {.host = "localhost", .target = "/v5/public/linear"};
    side_init(&f->client, new_socket(), WS_FROM_SERVER);
    side_init(&f->exchange, -1, WS_FROM_CLIENT);
    assert_int_equal(connect(f->client.fd, (const struct sockaddr *)&place, sizeof place), 0);
    handshake_put_request(&ask, &f->client.out);
    for (int i = 0; i < HALF_A_MINUTE && !f->client.is_open; i++)
        run_once(f);
    assert_true(f->client.is_open);
}

static void disconnect(fixture *f, unsigned ended)
{
    run_until(f, &f->ended, ended);
    side_fini(&f->client);
    side_fini(&f->exchange);
}

/* Ends the session, and checks the number of recorded frames. */
static void fixture_close(fixture *f, uint64_t frames)
{
    td_err err;
    wire_loop_close(f->loop);
    td_result rc = tap_sessions_stop(f->env.sessions, &err);
    assert_true(rc == TD_OK || rc == TD_E_BUSY);
    assert_int_equal(tap_sessions_totals(f->env.sessions).frames, frames);
    assert_int_equal(tap_sessions_totals(f->env.sessions).dropped, 0);
    tap_sessions_close(f->env.sessions);
    assert_int_equal(f->ended, f->opened);
    assert_int_equal(f->refused, 0);
    dialect_parser_close(f->env.dialects);
    sent_secrets_close(f->env.sent);
    free(f->env.books);
    redactor_fini(&f->redactor);
    close(f->listen_fd);
    temp_folder_remove(f->folder);
    clock_sim_close(f->clock);
}

/* ---- tests ---- */

/* The relay itself sends nothing but close frames: no pong, and no answer. */
static void test_messages_pass(void **state)
{
    (void)state;
    static fixture f;
    fixture_open(&f);
    connect_both(&f);
    side *const ends[] = {&f.client, &f.exchange};
    for (int i = 0; i < 2; i++) {
        put_text(ends[i], WS_TEXT, "{}");
        put_text(ends[i], WS_PING, "a");
        put_text(ends[i], WS_BINARY, "");
        put_text(ends[i], WS_PONG, "");
        put_frame(ends[i], WS_TEXT, 0, 2, td_bytes_str("{1"));
        put_text(ends[i], WS_PING, "between");
        put_text(ends[i], WS_CONTINUATION, "}");
        put_text(ends[i], WS_TEXT, "{2}");
    }
    for (int i = 0; i < 2; i++)
        expect(&f, ends[i], "text:{} ping:a binary: pong: ping:between text:{1} text:{2}");
    put_close(&f.client, 1000, "");
    put_close(&f.exchange, 1000, "");
    disconnect(&f, 1);
    fixture_close(&f, 8);
}

/* Two pings are open: the second pong answers the second ping, not one that the client sent in the
 * meantime. */
static void test_answers_to_pings(void **state)
{
    (void)state;
    static fixture f;
    fixture_open(&f);
    connect_both(&f);
    const tap_slot *slot = tap_sessions_slot(f.env.sessions, 0, 0);
    const intake *into = tap_sessions_intake(f.env.sessions);
    put_text(&f.client, WS_PING, "1");
    put_text(&f.client, WS_PING, "2");
    expect(&f, &f.exchange, "ping:1 ping:2");
    uint64_t both_sent_ns = intake_now_ns(into);
    put_text(&f.exchange, WS_PONG, "1");
    expect(&f, &f.client, "pong:1");
    put_text(&f.client, WS_PING, "3");
    expect(&f, &f.exchange, "ping:1 ping:2 ping:3");
    put_text(&f.exchange, WS_PONG, "2");
    expect(&f, &f.client, "pong:1 pong:2");
    assert_true(slot->at.complete_ns <= both_sent_ns);
    put_text(&f.exchange, WS_PONG, "3");
    expect(&f, &f.client, "pong:1 pong:2 pong:3");
    assert_true(slot->at.complete_ns > both_sent_ns);
    put_close(&f.client, 1000, "");
    put_close(&f.exchange, 1000, "");
    disconnect(&f, 1);
    fixture_close(&f, 0);
}

/* One side does not read: the other can send what fits into the sockets and the relay, and no more;
 * all of it arrives later. */
static void flood(fixture *f, side *from, side *to)
{
    enum { FRAMES = 500, FRAME_BYTES = 100 << 10 }; /* more than all buffers can hold */
    static char text[FRAME_BYTES];
    memset(text, '{', sizeof text);
    to->is_unread = 1;
    for (int i = 0; i < FRAMES; i++)
        put_frame(from, WS_TEXT, WS_FINAL, sizeof text, td_bytes_of(text, sizeof text));
    size_t before = SIZE_MAX;
    for (int still = 0; still < 200; still++) {
        run_once(f);
        still = before == from->sent ? still : 0;
        before = from->sent;
    }
    /* Sent so far: the relay's queue and the frame that exceeded it, what its reader holds, and the
     * kernel's buffers at four ends; the relay's two may grow to 32 MiB with some kernels' limits.
     */
    assert_true(from->sent > RELAY_QUEUE_BYTES);
    assert_true(from->sent < from->out.size);
    to->is_unread = 0;
    run_until(f, &to->messages, FRAMES);
    assert_int_equal(from->sent, from->out.size);
}

static void test_a_slow_side(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        static fixture f;
        fixture_open(&f);
        connect_both(&f);
        flood(&f, i == 0 ? &f.client : &f.exchange, i == 0 ? &f.exchange : &f.client);
        put_close(&f.client, 1000, "");
        put_close(&f.exchange, 1000, "");
        disconnect(&f, 1);
        fixture_close(&f, 500);
    }
}

/* Close frames pass in both directions, and then both connections end. */
static void test_close_frames_pass(void **state)
{
    (void)state;
    static const unsigned CODES[] = {1000, 1001, 1003, 1011, 1012, 1013, 3000, 4999};
    static fixture f;
    unsigned count = 0;
    fixture_open(&f);
    for (unsigned i = 0; i < 2 * sizeof CODES / sizeof *CODES; i++) {
        char seen[64];
        char answer[64];
        connect_both(&f);
        side *first = i % 2 == 0 ? &f.client : &f.exchange;
        side *second = i % 2 == 0 ? &f.exchange : &f.client;
        (void)snprintf(seen, sizeof seen, "close:%u:why", CODES[i / 2]); /* fits */
        (void)snprintf(answer, sizeof answer, "close:%u: end:", CODES[i / 2] == 4999 ? 1000 : 4999);
        put_close(first, CODES[i / 2], "why");
        expect(&f, second, seen);
        assert_string_equal(first->seen, "");
        put_close(second, CODES[i / 2] == 4999 ? 1000 : 4999, "");
        expect(&f, first, answer);
        disconnect(&f, ++count);
    }
    fixture_close(&f, 0);
}

/* A side ends or resets within a frame, or between two fragments: nothing of that message passes,
 * but the end does. */
static void test_half_a_message(void **state)
{
    (void)state;
    static fixture f;
    unsigned count = 0;
    fixture_open(&f);
    for (int i = 0; i < 8; i++) {
        const struct linger at_once = {.l_onoff = i % 2, .l_linger = 0};
        connect_both(&f);
        side *first = (i & 2) == 0 ? &f.client : &f.exchange;
        side *second = (i & 2) == 0 ? &f.exchange : &f.client;
        put_text(first, WS_TEXT, "{}");
        if ((i & 4) == 0)
            put_frame(first, WS_TEXT, WS_FINAL, 1000, td_bytes_str("half"));
        else
            put_frame(first, WS_TEXT, 0, 4, td_bytes_str("half"));
        expect(&f, second, "text:{}");
        assert_int_equal(setsockopt(first->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        close(first->fd);
        first->fd = -1;
        expect(&f, second, i % 2 == 0 ? "text:{} end:" : "text:{} reset:");
        disconnect(&f, ++count);
    }
    fixture_close(&f, 8);
}

static archive *take_archive(const fixture *f)
{
    td_err err;
    td_result rc;
    archive *found = NULL;
    const archive_options options = {.io = io_posix(), .clock = f->env.clock, .verb = "test"};
    do
        rc = archive_open(&options, f->folder, ARCHIVE_APPEND, &found, &err);
    while (rc == TD_E_BUSY); /* the session ends on its own thread */
    assert_int_equal(rc, TD_OK);
    return found;
}

/* The session ends, and another cannot be opened: frames still pass meanwhile, and the next session
 * records the later ones. */
static void test_nothing_is_recorded(void **state)
{
    (void)state;
    static fixture f;
    fixture_open(&f);
    connect_both(&f);
    put_text(&f.exchange, WS_TEXT, "{1}");
    expect(&f, &f.client, "text:{1}");
    clock_sim_set_wall(f.clock, START_NS - HOUR_NS);
    while (tap_sessions_number(f.env.sessions) != 0) {
        clock_sim_advance(f.clock, 10 * TD_NS_PER_MS);
        run_once(&f);
    }
    archive *other = take_archive(&f);
    put_text(&f.exchange, WS_TEXT, "{2}");
    put_text(&f.client, WS_PING, "");
    put_text(&f.client, WS_TEXT, "{3}");
    expect(&f, &f.client, "text:{1} text:{2}");
    expect(&f, &f.exchange, "ping: text:{3}");
    archive_close(other);
    while (tap_sessions_number(f.env.sessions) != 2) {
        clock_sim_advance(f.clock, 10 * TD_NS_PER_MS);
        run_once(&f);
    }
    put_text(&f.exchange, WS_TEXT, "{4}");
    expect(&f, &f.client, "text:{1} text:{2} text:{4}");
    put_close(&f.client, 1000, "");
    put_close(&f.exchange, 1000, "");
    disconnect(&f, 1);
    fixture_close(&f, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_pass),  cmocka_unit_test(test_answers_to_pings),
        cmocka_unit_test(test_a_slow_side),    cmocka_unit_test(test_close_frames_pass),
        cmocka_unit_test(test_half_a_message), cmocka_unit_test(test_nothing_is_recorded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
