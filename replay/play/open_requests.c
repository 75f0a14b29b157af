#include "replay/play/open_requests.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"

typedef struct open_request {
    const frame_conn *conn; /* NULL: it was taken */
    char *texts;            /* its op and its id */
    size_t op_bytes, id_bytes;
    request_kind kind;
} open_request;

struct open_requests {
    size_t limit;
    /* The requests first to next - 1, each at the index of its number modulo the limit. */
    open_request *requests;
    uint64_t first, next;
};

open_requests *open_requests_open(size_t limit)
{
    TD_ASSERT(limit > 0);
    open_requests *self = td_alloc_zero(1, sizeof *self);
    self->limit = limit;
    self->requests = td_alloc_zero(limit, sizeof *self->requests);
    return self;
}

request_name request_name_of(const frame_ref *frame, const msg_record *entry)
{
    const msg_value *id = msg_value_find(entry->values, entry->value_count, MEMBER_REQUEST_ID);
    return (request_name){.conn = frame->conn,
                          .kind = REQUEST_ORDER,
                          .op = entry->head.topic,
                          .id = id != NULL && id->type == VALUE_TEXT ? id->as.text : (td_bytes){0}};
}

static open_request *request_at(const open_requests *self, uint64_t number)
{
    return &self->requests[number % self->limit];
}

static void end_request(open_requests *self, open_request *request)
{
    td_free(request->texts);
    *request = (open_request){0};
    while (self->first < self->next && request_at(self, self->first)->conn == NULL)
        self->first++;
}

void open_requests_close(open_requests *self)
{
    if (self == NULL)
        return;
    for (size_t i = 0; i < self->limit; i++)
        td_free(self->requests[i].texts);
    td_free(self->requests);
    td_free(self);
}

uint64_t open_requests_add(open_requests *self, const request_name *request)
{
    TD_ASSERT(request->conn != NULL);
    if (self->next - self->first == self->limit)
        end_request(self, request_at(self, self->first));
    open_request *made = request_at(self, self->next);
    const td_bytes op = request->op, id = request->id;
    *made = (open_request){.conn = request->conn,
                           .texts = td_alloc_zero(op.size + id.size + 1, 1),
                           .op_bytes = op.size,
                           .id_bytes = id.size,
                           .kind = request->kind};
    if (op.size > 0)
        memcpy(made->texts, op.data, op.size);
    if (id.size > 0)
        memcpy(made->texts + op.size, id.data, id.size);
    return self->next++;
}

static int fits(const open_request *request, const request_name *answer)
{
    const uint8_t *texts = (const uint8_t *)request->texts;
    const td_bytes id = td_bytes_of(texts + request->op_bytes, request->id_bytes);
    const int may_lack_id = request->kind != REQUEST_ORDER;
    return request->conn == answer->conn && request->kind == answer->kind &&
           td_bytes_equal(td_bytes_of(texts, request->op_bytes), answer->op) &&
           (td_bytes_equal(id, answer->id) ||
            (may_lack_id && (id.size == 0 || answer->id.size == 0)));
}

int open_requests_take(open_requests *self, const request_name *answer, uint64_t *number)
{
    uint64_t at = self->first;
    while (at < self->next && !fits(request_at(self, at), answer))
        at++;
    if (at == self->next)
        return 0;
    *number = at;
    end_request(self, request_at(self, at));
    return 1;
}
