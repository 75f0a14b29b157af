/* A client that reports each message, for tests/conformance/play.mjs: it answers with the text
 * "OPCODE SIZE HMAC", where HMAC is HMAC-SHA256 with the key "conformance".
 *
 * echo_client URL COUNT [CA_FILE]   connects to URL/0 to URL/COUNT-1, 16 at a time, and prints
 *                                     "N CAUSE CODE TEXT" for each when it has ended */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hash.h"
#include "wire/client.h"

enum { AT_ONCE = 16 };

typedef struct session {
    wire_loop *loop;
    const char *url, *ca_file;
    unsigned begun, ended, count;
    uint8_t is_failed;
} session;

typedef struct side {
    session *session;
    unsigned number;
} side;

static void on_message(void *user, wire_conn *conn, const ws_message *message)
{
    const td_bytes bytes = message->bytes;
    char hash[TD_SHA256_HEX_BYTES];
    char text[TD_SHA256_HEX_BYTES + 32];
    td_err err;
    (void)user;
    td_hmac_sha256_hex("conformance", 11, bytes.data, bytes.size, hash);
    (void)snprintf(text, sizeof text, "%u %zu %s", message->opcode, bytes.size, hash);
    if (wire_send(conn, 1, td_bytes_str(text), &err) != TD_OK)
        (void)fprintf(stderr, "echo_client: %s\n", err.text);
}

static void begin_next(session *all);

static void on_ended(void *user, const wire_end *end)
{
    side *self = user;
    session *all = self->session;
    printf("%u %s %u %s\n", self->number, wire_cause_name(end->cause), end->close_code, end->text);
    free(self);
    all->ended++;
    begin_next(all);
}

static const wire_client_ops OPS = {.conn.message = on_message, .ended = on_ended};

static void begin_next(session *all)
{
    char url[256];
    wire_conn *conn = NULL;
    td_err err;
    if (all->begun == all->count)
        return;
    side *self = calloc(1, sizeof *self);
    if (self == NULL)
        abort();
    *self = (side){.session = all, .number = all->begun++};
    (void)snprintf(url, sizeof url, "%s/%u", all->url, self->number);
    const wire_client_options options = {

        .url = url, .ca_file = all->ca_file, .with_deflate = 1, .ops = &OPS, .user = self};
    if (wire_connect(all->loop, &options, &conn, &err) == TD_OK)
        return;
    (void)fprintf(stderr, "echo_client: %s\n", err.text);
    free(self);
    all->is_failed = 1;
}

static td_result run(session *all, td_err *err)
{
    td_result rc = wire_loop_open(clock_real(), NULL, &all->loop, err);
    if (rc != TD_OK)
        return rc;
    for (unsigned i = 0; i < AT_ONCE; i++)
        begin_next(all);
    while (rc == TD_OK && all->ended < all->count && !all->is_failed)
        rc = wire_loop_run(all->loop, TD_NS_PER_S, err);
    wire_loop_close(all->loop);
    return rc;
}

int main(int argc, char **argv)
{
    td_err err;
    if (argc != 3 && argc != 4)
        return 2;
    session all = {.url = argv[1],
                   .count = (unsigned)strtoul(argv[2], NULL, 10),
                   .ca_file = argc == 4 ? argv[3] : NULL};
    if (run(&all, &err) != TD_OK) {
        (void)fprintf(stderr, "echo_client: %s\n", err.text);
        return 1;
    }
    return all.is_failed;
}
