#include "tests/testing/wire_echo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io_posix.h"
#include "tests/testing/files.h"

typedef struct echo_peer {
    echo *echo;
    unsigned index;
} echo_peer;

static unsigned on_accept(void *user, td_bytes path, td_bytes query, char why[WIRE_ANSWER_BYTES])
{
    (void)user;
    (void)why;
    (void)query;
    static const struct {
        const char *path;
        unsigned status;
    } ROWS[] = {{"/realtime", 101}, {"/401", 401}, {"/403", 403}, {"/502", 502}};
    for (size_t i = 0; i < sizeof ROWS / sizeof *ROWS; i++) {
        if (td_bytes_is(path, ROWS[i].path))
            return ROWS[i].status;
    }
    return 404;
}

static void *on_opened(void *user, wire_conn *conn, td_bytes path, td_bytes query)
{
    echo *e = user;
    (void)snprintf(e->path, sizeof e->path, "%.*s", (int)path.size, (const char *)path.data);
    (void)snprintf(e->query, sizeof e->query, "%.*s", (int)query.size, (const char *)query.data);
    if (strcmp(e->query, "refuse") == 0)
        return NULL;
    assert_true(e->opened < PEERS_MAX);
    echo_peer *peer = calloc(1, sizeof *peer);
    peer->echo = e;
    peer->index = e->opened++;
    e->peers[peer->index] = conn;
    return peer;
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    echo_peer *peer = user;
    peer->echo->messages++;
    if (!peer->echo->is_silent)
        assert_int_equal(wire_send(conn, got->opcode, got->bytes, NULL), TD_OK);
}

void echo_flood(echo *e, wire_conn *conn)
{
    while (e->flood_left > 0 && wire_send(conn, 1, e->flood, NULL) == TD_OK)
        e->flood_left--;
}

static void on_drained(void *user, wire_conn *conn)
{
    echo_peer *peer = user;
    peer->echo->drained++;
    assert_int_equal(wire_waiting_bytes(conn), 0);
    if (peer->index == 0)
        echo_flood(peer->echo, conn);
}

static void on_closed(void *user)
{
    echo_peer *peer = user;
    peer->echo->closed++;
    peer->echo->peers[peer->index] = NULL;
    free(peer);
}

const wire_server_ops ECHO_OPS = {.accept = on_accept,
                                  .opened = on_opened,
                                  .conn.message = on_message,
                                  .conn.drained = on_drained,
                                  .closed = on_closed};

void echo_open(echo *e, const wire_server_options *options)
{
    *e = (echo){0};
    td_err err;
    if (wire_loop_open(clock_real(), NULL, &e->loop, &err) != TD_OK)
        fail_msg("%s", err.text);
    wire_server_options all = options == NULL ? (wire_server_options){0} : *options;
    all.listen = all.listen == NULL ? "127.0.0.1:0" : all.listen;
    all.ops = &ECHO_OPS;
    all.user = e;
    if (wire_server_open(e->loop, &all, &e->server, &err) != TD_OK)
        fail_msg("%s", err.text);
    temp_folder_make(TEMP_ON_DISK, e->folder);
    (void)snprintf(e->ready, sizeof e->ready, "%s/ready.json", e->folder);
    (void)snprintf(e->pem, sizeof e->pem, "%s.pem", e->ready);
    assert_int_equal(wire_server_write_ready(e->server, io_posix(), e->ready, &err), TD_OK);
}

void echo_close(echo *e)
{
    wire_loop_close(e->loop);
    assert_int_equal(e->closed, e->opened);
    unlink(e->ready);
    unlink(e->pem);
    assert_int_equal(rmdir(e->folder), 0); /* fails if the folder is not empty */
}

const char *echo_url(const echo *e, const char *path)
{
    static char url[512];
    (void)snprintf(url, sizeof url, "%s%s", wire_server_url(e->server), path);
    return url;
}

void echo_connect(echo *e, wire_side *side, const char *path)
{
    wire_client_options options = {.ca_file = wire_server_ca_pem(e->server) ? e->pem : NULL};
    wire_side_connect(side, e->loop, echo_url(e, path), &options);
}

void echo_join(echo *e, wire_side *side)
{
    echo_connect(e, side, "/realtime");
    wire_run_until(e->loop, &side->opened, 1, "opened");
}
