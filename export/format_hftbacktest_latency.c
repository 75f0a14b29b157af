/* Latencies of a client's orders as hftbacktest's model of order latency takes them, a file a day:
 * when a request was sent, when the exchange took it, when its answer was there (docs/export.md).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "export/export_format.h"
#include "export/export_name.h"
#include "export/export_writers.h"
#include "export/npz.h"
#include "play/order_join.h"

static const char FIELDS[] =
    "[('req_ts', '<i8'), ('exch_ts', '<i8'), ('resp_ts', '<i8'), ('_padding', '<i8')]";

enum { RECORD_BYTES = 32 };

typedef struct order_latency {
    int64_t req_ns;
    int64_t exch_ns; /* 0: refused */
    int64_t resp_ns;
} order_latency;

typedef struct latency_writer {
    const export_target *target;
    order_join *join;
    order_latency *items;
    size_t count;
} latency_writer;

/* Answers that say no time of the exchange have no place in the model. */
static void on_order(void *user, const joined_order *order)
{
    latency_writer *self = user;
    int64_t offset_ns = self->target->settings->clock_offset_ns;
    if (order->answer_ns == 0 || order->exchange_ns == 0)
        return;
    self->items = td_array_grow(self->items, self->count, sizeof *self->items);
    self->items[self->count++] = (order_latency){(int64_t)order->sent_ns + offset_ns,
                                                 order->code == 0 ? (int64_t)order->exchange_ns : 0,
                                                 (int64_t)order->answer_ns + offset_ns};
}

static void *open_latency(const export_target *target)
{
    latency_writer *made = td_alloc_zero(1, sizeof *made);
    made->target = target;
    made->join = order_join_open(on_order, made);
    return made;
}

static void close_latency(void *writer)
{
    latency_writer *self = writer;
    if (self == NULL)
        return;
    order_join_close(self->join);
    td_free(self->items);
    td_free(self);
}

static td_result on_frame(void *writer, const frame_ref *frame, const trust_answer *trust,
                          uint64_t number, td_err *err)
{
    latency_writer *self = writer;
    (void)trust;
    (void)number;
    (void)err;
    order_join_frame(self->join, frame);
    return TD_OK;
}

static int compare_requests(const void *a, const void *b)
{
    const order_latency *x = a;
    const order_latency *y = b;
    return (x->req_ns > y->req_ns) - (x->req_ns < y->req_ns);
}

/* The model takes rising times, request before exchange before answer; the exchange's are cut to
 * milliseconds, so they are moved by the least that makes it so. What cannot be is left out: orders
 * of one request, and answers that came before those of earlier requests. */
static void settle(latency_writer *self)
{
    int64_t last_req_ns = 0;
    int64_t last_exch_ns = 0;
    size_t kept = 0;
    if (self->count > 0)
        qsort(self->items, self->count, sizeof *self->items, compare_requests);
    for (size_t i = 0; i < self->count; i++) {
        order_latency row = self->items[i];
        int64_t least_ns = row.req_ns > last_exch_ns ? row.req_ns + 1 : last_exch_ns + 1;
        if (row.req_ns == last_req_ns || least_ns >= row.resp_ns)
            continue;
        if (row.exch_ns != 0) {
            row.exch_ns = row.exch_ns < least_ns ? least_ns : row.exch_ns;
            row.exch_ns = row.exch_ns < row.resp_ns ? row.exch_ns : row.resp_ns - 1;
            last_exch_ns = row.exch_ns;
        }
        last_req_ns = row.req_ns;
        self->items[kept++] = row;
    }
    self->count = kept;
}

static void put_records(const latency_writer *self, td_buf *out)
{
    npz_writer *npz = npz_open(FIELDS, RECORD_BYTES, self->count, out);
    for (size_t i = 0; i < self->count; i++) {
        const order_latency *row = &self->items[i];
        uint8_t record[RECORD_BYTES] = {0};
        td_put_le64(record, (uint64_t)row->req_ns);
        td_put_le64(record + 8, (uint64_t)row->exch_ns);
        td_put_le64(record + 16, (uint64_t)row->resp_ns);
        npz_add(npz, record, 1, out);
    }
    npz_finish(npz, out);
    npz_close(npz);
}

/* The model needs a row, so a day without orders has no file. */
static td_result finish(void *writer, td_err *err)
{
    latency_writer *self = writer;
    const char *date = self->target->date;
    char name[EXPORT_NAME_BYTES];
    export_file *file = NULL;
    order_join_finish(self->join);
    settle(self);
    if (self->count == 0)
        return TD_OK;
    (void)snprintf(name, sizeof name, "latency_%.4s%.2s%.2s.npz", date, date + 5, date + 8);
    td_result rc = export_file_open(self->target->files, name, EXPORT_PLAIN, &file, err);
    if (rc != TD_OK)
        return rc;
    put_records(self, export_file_buf(file));
    self->target->counts->rows = self->count;
    return export_file_finish(file, NULL, err);
}

/* Frames, not rows. */
static const export_type LATENCY = {.name = "latency"};
static const export_named_type TYPES[] = {{"latency", &LATENCY}, {NULL, NULL}};

const export_format EXPORT_HFTBACKTEST_LATENCY = {
    .name = "hftbacktest-latency",
    .summary = "latencies of a client's orders for hftbacktest, one file per day",
    .folder = "hftbacktest-latency/",
    .per = EXPORT_PER_DAY,
    .reads = TAPE_READS_ALL,
    .types = TYPES,
    .open = open_latency,
    .frame = on_frame,
    .finish = finish,
    .close = close_latency,
};
