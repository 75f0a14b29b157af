#include "import/import_slots.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/limits.h"
#include "base/url.h"

enum { NO_SLOT = UINT32_MAX };

struct import_slots {
    import_slot slots[LIMIT_FEED_SLOTS];
    uint32_t count;
    uint32_t current;   /* of lines that name no connection; NO_SLOT before any */
    uint64_t latest_ns; /* latest time of all slots */
};

import_slots *import_slots_open(void)
{
    import_slots *s = td_alloc_zero(1, sizeof *s);
    s->current = NO_SLOT;
    return s;
}

void import_slots_close(import_slots *slots)
{
    if (slots == NULL)
        return;
    for (uint32_t i = 0; i < slots->count; i++) {
        td_free((void *)slots->slots[i].name);
        td_free((void *)slots->slots[i].url);
    }
    td_free(slots);
}

uint32_t import_slots_count(const import_slots *slots)
{
    return slots->count;
}

const import_slot *import_slots_at(const import_slots *slots, uint32_t index)
{
    TD_ASSERT(index < slots->count);
    return &slots->slots[index];
}

static int is_http(const import_record *record)
{
    return record->kind == IMPORT_FRAME && record->dir == DIR_HTTP;
}

/* The slot that has the record's name, or NO_SLOT. */
static uint32_t find_name(const import_slots *s, const import_record *record)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->slots[i].is_http == is_http(record) && td_bytes_is(record->conn, s->slots[i].name))
            return i;
    return NO_SLOT;
}

/* 1 if lines for this URL can belong to the slot. A slot without a known URL fits any. Signatures
 * in a query differ from one connection to the next. */
static int fits_url(const import_slot *slot, td_bytes url)
{
    return !slot->is_http && slot->name[0] == '\0' &&
           (slot->url == NULL || td_bytes_equal(td_url_without_query(url),
                                                td_url_without_query(td_bytes_str(slot->url))));
}

/* The latest nameless slot for a connect or sent line, or NO_SLOT; the current one is preferred. */
static uint32_t find_url(const import_slots *s, const import_record *record)
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

/* The slot that the record belongs to, or NO_SLOT if it needs a new one. */
static uint32_t find_slot(const import_slots *s, const import_record *record)
{
    if (record->conn.size > 0 || is_http(record))
        return find_name(s, record);
    if (record->url.size > 0)
        return find_url(s, record);
    return s->current;
}

static td_result add_slot(import_slots *s, const import_record *record, uint32_t *index,
                          td_err *err)
{
    if (s->count == LIMIT_FEED_SLOTS)
        return td_err_set(err, TD_E_LIMIT, "more than %u connections", LIMIT_FEED_SLOTS);
    s->slots[s->count] =
        (import_slot){.name = td_strndup((const char *)record->conn.data, record->conn.size),
                      .is_http = is_http(record) != 0};
    *index = s->count++;
    return TD_OK;
}

td_result import_slots_take(import_slots *slots, const import_record *record, import_place *out,
                            td_err *err)
{
    TD_ASSERT(record->kind != IMPORT_NOTHING);
    uint32_t index = find_slot(slots, record);
    td_result rc = index == NO_SLOT ? add_slot(slots, record, &index, err) : TD_OK;
    if (rc != TD_OK)
        return rc;
    import_slot *slot = &slots->slots[index];
    if (slot->url == NULL && record->url.size > 0)
        slot->url = td_strndup((const char *)record->url.data, record->url.size);
    if (record->conn.size == 0 && !slot->is_http)
        slots->current = index;
    uint8_t is_new_conn = record->kind == IMPORT_CONNECT || slot->conn == 0;
    slot->conn += is_new_conn;
    if (slot->last_ns == 0 && record->time_source == IMPORT_TIME_NONE)
        slot->last_ns = slots->latest_ns;
    if (slot->last_ns < record->time_ns)
        slot->last_ns = record->time_ns;
    if (slots->latest_ns < slot->last_ns)
        slots->latest_ns = slot->last_ns;
    *out = (import_place){.slot = index,
                          .conn = slot->conn,
                          .is_new_conn = is_new_conn,
                          .effective_ns = slot->last_ns};
    TD_ASSERT(out->conn > 0);
    return TD_OK;
}
