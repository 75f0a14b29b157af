#include "replay/serve/serve_late.h"

#include <string.h>

#include "base/alloc.h"
#include "replay/serve/serve_causes.h"

typedef struct late_request {
    struct late_request *next;
    void (*handle)(serve_client *client, td_bytes request);
    uint64_t due_ns;
    size_t size; /* of the request, which follows this struct */
} late_request;

/* How long the request's recorded answer took. */
static uint64_t find_delay_ns(serve_client *client, td_bytes request)
{
    serve *server = client->owner;
    dialect_request read;
    if (request_parse(server->answers, client->dialect, request, &read, NULL) != TD_OK)
        return 0;
    return serve_causes_delay_ns(server->causes, client, read.kind, server->options.speed);
}

static void on_due(void *user);

static void wait_for_first(serve_client *client)
{
    if (client->late != NULL)
        wire_timer_set(client->owner->options.loop, &client->late_timer, client->late->due_ns,
                       on_due, client);
}

static void on_due(void *user)
{
    serve_client *client = user;
    late_request *first = client->late;
    client->late = first->next;
    client->late_count--;
    if (client->state != CLIENT_CLOSING)
        first->handle(client, td_bytes_of(first + 1, first->size));
    td_free(first);
    wait_for_first(client);
}

int serve_late_keep(serve_client *client, td_bytes request,
                    void (*handle)(serve_client *client, td_bytes request))
{
    const serve *server = client->owner;
    if (server->causes == NULL)
        return 0;
    const uint64_t delay_ns = find_delay_ns(client, request);
    late_request **end = &client->late;
    uint64_t due_ns = clock_mono_ns(server->options.clock) + delay_ns;
    if (delay_ns == 0 && client->late == NULL)
        return 0;
    if (client->late_count == LATE_REQUESTS_MAX) {
        serve_client_end(client, 1008, "too many requests wait for their answers");
        return 1;
    }
    for (; *end != NULL; end = &(*end)->next)
        due_ns = due_ns < (*end)->due_ns ? (*end)->due_ns : due_ns;
    *end = td_alloc(sizeof **end + request.size);
    **end = (late_request){.handle = handle, .due_ns = due_ns, .size = request.size};
    memcpy(*end + 1, request.data, request.size);
    client->late_count++;
    wait_for_first(client);
    return 1;
}

void serve_late_end(serve_client *client)
{
    wire_timer_cancel(&client->late_timer);
    while (client->late != NULL) {
        late_request *first = client->late;
        client->late = first->next;
        td_free(first);
    }
}
