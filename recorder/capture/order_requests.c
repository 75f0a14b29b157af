#include "recorder/capture/order_requests.h"

#include <string.h>

#include "base/alloc.h"
#include "schema/dialect.h"

enum { ID_BYTES = 64 }; /* longer ids are not remembered */

typedef struct order_request {
    uint32_t line, shard, conn;
    const topic_row *row; /* NULL: unused */
    size_t id_bytes;
    uint8_t id[ID_BYTES]; /* as it is written in JSON */
} order_request;

struct order_requests {
    const char *id_path;
    json_parser *parser;
    order_request requests[ORDER_REQUESTS_MAX]; /* a ring, in the order of arrival */
    size_t count;                               /* of all requests */
};

order_requests *order_requests_open(const family *of, json_parser *parser)
{
    if (!of->op_is_topic || of->dialect->order_id == NULL)
        return NULL;
    order_requests *self = td_alloc_zero(1, sizeof *self);
    self->id_path = of->dialect->order_id;
    self->parser = parser;
    return self;
}

void order_requests_close(order_requests *self)
{
    td_free(self);
}

/* The frame's id, as it is written; empty: without one, or with a too long one. */
static td_bytes read_id(const order_requests *self, td_bytes frame)
{
    json_value root;
    json_value id;
    td_bytes text = {0};
    if (json_parse(self->parser, frame, JSON_COPIED, &root, NULL) == TD_OK &&
        json_find(root, self->id_path, &id) && json_type_of(id) < JSON_ARRAY)
        text = json_raw(id);
    return text.size <= ID_BYTES ? text : (td_bytes){0};
}

/* The number of the newest request with this id; self->count: not found. */
static size_t find(const order_requests *self, const feed_frame *frame, td_bytes id)
{
    const size_t known = self->count < ORDER_REQUESTS_MAX ? self->count : ORDER_REQUESTS_MAX;
    for (size_t i = self->count; id.size > 0 && i-- > self->count - known;) {
        const order_request *at = &self->requests[i % ORDER_REQUESTS_MAX];
        if (at->row != NULL && at->line == frame->line && at->shard == frame->shard &&
            at->conn == frame->conn && td_bytes_equal(td_bytes_of(at->id, at->id_bytes), id))
            return i;
    }
    return self->count;
}

void order_requests_note(order_requests *self, const feed_frame *frame, const topic_row *row)
{
    if (self == NULL || (row == NULL && self->count == 0))
        return;
    const td_bytes id = read_id(self, frame->bytes);
    const size_t earlier = find(self, frame, id);
    if (earlier < self->count)
        self->requests[earlier % ORDER_REQUESTS_MAX].row = NULL;
    if (row == NULL || id.size == 0)
        return;
    order_request *made = &self->requests[self->count++ % ORDER_REQUESTS_MAX];
    *made = (order_request){frame->line, frame->shard, frame->conn, row, id.size, {0}};
    memcpy(made->id, id.data, id.size);
}

const topic_row *order_requests_find(const order_requests *self, const feed_frame *frame)
{
    if (self == NULL || self->count == 0)
        return NULL;
    const size_t at = find(self, frame, read_id(self, frame->bytes));
    return at == self->count ? NULL : self->requests[at % ORDER_REQUESTS_MAX].row;
}
