/* A server that echoes, for tests/conformance/play.mjs: messages are returned unchanged.
 *
 * echo_server plain|tls --listen HOST:PORT --ready-file FILE   until it is killed */
#include <stdio.h>
#include <string.h>

#include "base/io_posix.h"
#include "wire/server.h"

static void *on_opened(void *user, wire_conn *conn, td_bytes path, td_bytes query)
{
    (void)conn;
    (void)path;
    (void)query;
    return user;
}

static void on_message(void *user, wire_conn *conn, const ws_message *got)
{
    td_err err;
    (void)user;
    if (wire_send(conn, got->opcode, got->bytes, &err) != TD_OK)
        wire_close(conn, 0, td_bytes_of(NULL, 0));
}

static const wire_server_ops OPS = {.opened = on_opened, .conn.message = on_message};

static td_result serve(const char *listen, const char *ready, int is_plain, td_err *err)
{
    wire_loop *loop = NULL;
    wire_server *server = NULL;
    const wire_server_options options = {
        .listen = listen, .is_plain = is_plain != 0, .ops = &OPS, .user = (void *)&OPS};
    td_result rc = wire_loop_open(clock_real(), NULL, &loop, err);
    if (rc == TD_OK)
        rc = wire_server_open(loop, &options, &server, err);
    if (rc == TD_OK)
        rc = wire_server_write_ready(server, io_posix(), ready, err);
    while (rc == TD_OK)
        rc = wire_loop_run(loop, TD_NS_PER_S, err);
    return rc;
}

int main(int argc, char **argv)
{
    td_err err;
    if (argc != 6)
        return 2;
    serve(argv[3], argv[5], strcmp(argv[1], "plain") == 0, &err);
    (void)fprintf(stderr, "echo_server: %s\n", err.text);
    return 1;
}
