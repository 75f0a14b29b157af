#include "recorder/import/import_order.h"

#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/time_text.h"
#include "base/url.h"
#include "base/cli/units.h"
#include "schema/decode.h"

enum { NO_SLOT = UINT32_MAX };

/* A record that waits; its views point into bytes. */
typedef struct kept_record {
    struct kept_record *next; /* next record of the slot */
    uint64_t line;
    import_record record;
    import_place place;
    size_t size;
    uint8_t bytes[];
} kept_record;

struct import_order {
    import_slot slots[LIMIT_FEED_SLOTS];
    struct {
        kept_record *first, *last;
    } queues[LIMIT_FEED_SLOTS]; /* by slot */
    uint32_t count;
    uint32_t current;           /* slot for received lines without conn; NO_SLOT at first */
    uint64_t latest_ns;         /* latest time of all slots */
    const import_order *survey; /* NULL in the first reading */
    size_t window_bytes;
    size_t needed_bytes; /* maximum of kept_bytes when a line was out of order */
    size_t kept_bytes;   /* including content, even in the first reading, which keeps none */
    uint64_t taken_ns;
    kept_record *taken_record; /* the record that was taken last */
};

import_order *import_order_open(const import_order *survey)
{
    import_order *s = td_alloc_zero(1, sizeof *s);
    s->current = NO_SLOT;
    s->survey = survey;
    s->window_bytes = survey == NULL ? LIMIT_IMPORT_WINDOW_BYTES : survey->needed_bytes;
    return s;
}

void import_order_close(import_order *order)
{
    import_record record;
    import_place place;
    if (order == NULL)
        return;
    while (import_order_next(order, &record, &place))
        ;
    for (uint32_t i = 0; i < order->count; i++) {
        td_free((void *)order->slots[i].name);
        td_free((void *)order->slots[i].url);
        td_free((void *)order->slots[i].feed);
    }
    td_free(order);
}

uint32_t import_order_slot_count(const import_order *order)
{
    return order->count;
}

const import_slot *import_order_slot(const import_order *order, uint32_t index)
{
    TD_ASSERT(index < order->count);
    return &order->slots[index];
}

static int is_http(const import_record *record)
{
    return record->kind == IMPORT_FRAME && record->dir == CHANNEL_HTTP;
}

/* 1 if lines for this URL can belong to the slot. A slot without a known URL fits any URL. Queries
 * are ignored, because signatures in them differ between connections. */
static int fits_url(const import_slot *slot, td_bytes url)
{
    return !slot->is_http && slot->name[0] == '\0' &&
           (slot->url == NULL || td_bytes_equal(td_url_without_query(url),
                                                td_url_without_query(td_bytes_str(slot->url))));
}

/* Find the slot of a connect or sent line that names no connection: the current slot if its URL
 * fits, else the latest slot whose URL fits; NO_SLOT if no slot's URL fits. For a connect line, the
 * slot must not have a later line. */
static uint32_t find_url(const import_order *s, const import_record *record)
{
    uint64_t last_max = record->kind == IMPORT_CONNECT ? record->time_ns : UINT64_MAX;
    uint32_t found = NO_SLOT;
    for (uint32_t i = 0; i < s->count; i++) {
        const import_slot *slot = &s->slots[i];
        if (fits_url(slot, record->url) && slot->last_ns <= last_max && found != s->current)
            found = i;
    }
    return found;
}

/* Find the record's slot; NO_SLOT: it needs a new one. */
static uint32_t find_slot(const import_order *s, const import_record *record)
{
    if (record->conn.size == 0 && !is_http(record))
        return record->url.size > 0 ? find_url(s, record) : s->current;
    for (uint32_t i = 0; i < s->count; i++)
        if (s->slots[i].is_http == is_http(record) && td_bytes_is(record->conn, s->slots[i].name))
            return i;
    return NO_SLOT;
}

static td_result add_slot(import_order *s, const import_record *record, uint32_t *index,
                          td_err *err)
{
    if (s->count == LIMIT_FEED_SLOTS)
        return td_err_set(err, TD_E_LIMIT, "more than %u connections", LIMIT_FEED_SLOTS);
    s->slots[s->count] =
        (import_slot){.name = td_strndup((const char *)record->conn.data, record->conn.size),
                      .is_http = is_http(record) != 0,
                      .feed = record->feed.size == 0
                                  ? NULL
                                  : td_strndup((const char *)record->feed.data, record->feed.size),
                      .shard = record->shard};
    *index = s->count++;
    return TD_OK;
}

td_result import_order_place(import_order *order, const import_record *record, import_place *out,
                             td_err *err)
{
    TD_ASSERT(record->kind != IMPORT_NOTHING);
    uint32_t index = find_slot(order, record);
    td_result rc = index == NO_SLOT ? add_slot(order, record, &index, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    import_slot *slot = &order->slots[index];
    if (slot->url == NULL && record->url.size > 0)
        slot->url = td_strndup((const char *)record->url.data, record->url.size);
    if (record->conn.size == 0 && !slot->is_http)
        order->current = index;
    if (slot->family == NULL)
        slot->family = family_find(record->family);
    uint8_t is_new_conn = record->kind != IMPORT_GAP &&
                          (record->kind == IMPORT_CONNECT || slot->conn == 0 ||
                           (record->conn_hash != 0 && record->conn_hash != slot->conn_hash));
    slot->conn += is_new_conn;
    if (is_new_conn)
        slot->conn_hash = record->conn_hash;
    if (slot->last_ns == 0 && record->time_ns == 0)
        slot->last_ns = order->latest_ns;
    if (slot->last_ns < record->time_ns)
        slot->last_ns = record->time_ns;
    if (order->latest_ns < slot->last_ns)
        order->latest_ns = slot->last_ns;
    *out = (import_place){.slot = index,
                          .conn = slot->conn,
                          .is_new_conn = is_new_conn,
                          .effective_ns = slot->last_ns};
    TD_ASSERT(out->conn > 0 || record->kind == IMPORT_GAP);
    return TD_OK;
}

/* ---- order of time ---- */

int import_order_is_full(const import_order *order)
{
    return order->kept_bytes > order->window_bytes;
}

static td_result refuse_disorder(const import_order *order, const import_place *place,
                                 uint64_t line, td_err *err)
{
    char by[TD_TIME_TEXT_BYTES];
    td_duration_format(order->taken_ns - place->effective_ns, by);
    td_result rc = td_err_set(err, TD_E_INVALID,
                              "line %" PRIu64 " is %s older than a line more than %s before it",
                              line, by, format_size(LIMIT_IMPORT_WINDOW_BYTES).text);
    td_err_hint(err, "sort the capture by time, or import each of its connections from a file of "
                     "its own");
    return rc;
}

static td_bytes copy_to(uint8_t *at, td_bytes text)
{
    if (text.size > 0)
        memcpy(at, text.data, text.size);
    return td_bytes_of(at, text.size);
}

td_result import_order_put(import_order *order, const import_record *record,
                           const import_place *place, uint64_t line, td_err *err)
{
    TD_ASSERT(place->slot < order->count);
    if (place->effective_ns < order->taken_ns)
        return refuse_disorder(order, place, line, err);
    if (place->effective_ns < order->latest_ns && order->needed_bytes < order->kept_bytes)
        order->needed_bytes = order->kept_bytes;
    size_t size = sizeof(kept_record) + record->url.size + record->data.size + DECODE_PADDING_BYTES;
    kept_record *kept = td_alloc(order->survey == NULL ? sizeof *kept : size);
    *kept = (kept_record){.line = line, .record = *record, .place = *place, .size = size};
    kept->record.conn = kept->record.url = kept->record.data = kept->record.feed = (td_bytes){0};
    if (order->survey != NULL) {
        kept->record.url = copy_to(kept->bytes, record->url);
        kept->record.data = copy_to(kept->bytes + record->url.size, record->data);
        memset(kept->bytes + record->url.size + record->data.size, 0, DECODE_PADDING_BYTES);
    }
    if (order->queues[place->slot].first == NULL)
        order->queues[place->slot].first = kept;
    else
        order->queues[place->slot].last->next = kept;
    order->queues[place->slot].last = kept;
    order->kept_bytes += size;
    return TD_OK;
}

/* 1 if record a is before b; NULL is after all records. */
static int is_before(const kept_record *a, const kept_record *b)
{
    if (a == NULL || b == NULL)
        return a != NULL;
    if (a->place.effective_ns != b->place.effective_ns)
        return a->place.effective_ns < b->place.effective_ns;
    return a->line < b->line;
}

int import_order_next(import_order *order, import_record *record, import_place *place)
{
    td_free(order->taken_record);
    order->taken_record = NULL;
    for (uint32_t i = 0; i < order->count; i++)
        if (is_before(order->queues[i].first, order->taken_record))
            order->taken_record = order->queues[i].first;
    if (order->taken_record == NULL)
        return 0;
    *record = order->taken_record->record;
    *place = order->taken_record->place;
    order->queues[place->slot].first = order->taken_record->next;
    order->kept_bytes -= order->taken_record->size;
    order->taken_ns = place->effective_ns;
    return 1;
}
