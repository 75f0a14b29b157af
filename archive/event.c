#include "archive/event.h"

#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "base/json/json.h"
#include "base/json/json_write.h"

enum { EVENT_FIELDS_MAX = 64 };

_Static_assert(6 * EVENT_COPY_BYTES_MAX < EVENT_BYTES_MAX, "a byte of text has at most 6 in JSON");

struct event_reader {
    json_parser *parser;
    td_buf texts; /* reserved before decoding, so that pointers into it stay valid */
    event_slot slots[LIMIT_FEED_SLOTS];
};

/* How a member is written, and when it is omitted. */
typedef enum member_type {
    MEMBER_TYPE_U32,    /* always written */
    MEMBER_TYPE_U64,    /* always written */
    MEMBER_TYPE_I64,    /* always written */
    MEMBER_TYPE_SET,    /* uint64_t, 0 = absent */
    MEMBER_TYPE_LOST,   /* uint64_t, GAP_FRAMES_UNKNOWN = absent */
    MEMBER_TYPE_TEXT,   /* const char *, NULL or "" = absent */
    MEMBER_TYPE_REASON, /* time_reason by its name */
} member_type;

typedef struct member_row {
    const char *key;
    size_t offset;
    member_type type;
    uint32_t kinds; /* bit 1 << event_kind is set for each kind that has the member */
} member_row;

#define KIND(name) (UINT32_C(1) << EVENT_##name)
#define KINDS_OF_CONNECTION                                                                        \
    (KIND(CONNECT) | KIND(TLS) | KIND(SUBSCRIBE) | KIND(GRANT) | KIND(GRANT_END) | KIND(AUTH) |    \
     KIND(DISCONNECT) | KIND(HEARTBEAT) | KIND(REDACTED) | KIND(END_NOTICE))
#define KINDS_BUT_GAP ((KIND(KIND_COUNT) - 1) & ~KIND(GAP))

/* Every member of every kind, in the order in which it is written. */
static const member_row MEMBERS[] = {
    {"session", offsetof(event, session), MEMBER_TYPE_TEXT, KIND(SESSION) | KIND(SEGMENT)},
    {"state", offsetof(event, state), MEMBER_TYPE_TEXT,
     KIND(SESSION) | KIND(SEGMENT) | KIND(SUBSCRIBE) | KIND(AUTH) | KIND(CLOCK) | KIND(OVERLOAD) |
         KIND(HTTP) | KIND(LIMIT) | KIND(REDACTED) | KIND(END_NOTICE)},
    {"start_ns", offsetof(event, start_ns), MEMBER_TYPE_SET, KIND(SESSION) | KIND(SEGMENT)},
    {"verb", offsetof(event, verb), MEMBER_TYPE_TEXT, KIND(SESSION)},
    {"version", offsetof(event, version), MEMBER_TYPE_TEXT, KIND(SESSION)},
    {"number", offsetof(event, number), MEMBER_TYPE_U64,
     KIND(SEGMENT) | KIND(ROTATE) | KIND(LIMIT)},
    {"line", offsetof(event, line), MEMBER_TYPE_U32, KINDS_OF_CONNECTION | KIND(OVERLOAD)},
    {"shard", offsetof(event, shard), MEMBER_TYPE_U32, KINDS_OF_CONNECTION | KIND(OVERLOAD)},
    {"conn", offsetof(event, conn), MEMBER_TYPE_U32, KINDS_OF_CONNECTION | KIND(OVERLOAD)},
    {"url", offsetof(event, url), MEMBER_TYPE_TEXT, KIND(CONNECT) | KIND(HTTP)},
    {"method", offsetof(event, method), MEMBER_TYPE_TEXT, KIND(HTTP)},
    {"attempt", offsetof(event, attempt), MEMBER_TYPE_SET, KIND(CONNECT)},
    {"extensions", offsetof(event, extensions), MEMBER_TYPE_TEXT, KIND(CONNECT)},
    {"tls_version", offsetof(event, tls_version), MEMBER_TYPE_TEXT, KIND(TLS)},
    {"cipher", offsetof(event, cipher), MEMBER_TYPE_TEXT, KIND(TLS)},
    {"verified", offsetof(event, verified), MEMBER_TYPE_TEXT, KIND(TLS)},
    {"topics", offsetof(event, topics), MEMBER_TYPE_TEXT, KIND(SUBSCRIBE)},
    {"topic", offsetof(event, topic), MEMBER_TYPE_TEXT, KIND(GRANT) | KIND(GRANT_END)},
    {"source", offsetof(event, source), MEMBER_TYPE_TEXT, KIND(GRANT)},
    {"what", offsetof(event, what), MEMBER_TYPE_TEXT,
     KIND(HEARTBEAT) | KIND(OVERLOAD) | KIND(REDACTED) | KIND(HTTP) | KIND(LIMIT)},
    {"dir", offsetof(event, dir), MEMBER_TYPE_TEXT, KIND(HEARTBEAT) | KIND(REDACTED)},
    {"in", offsetof(event, in), MEMBER_TYPE_U64, KIND(DISCONNECT)},
    {"out", offsetof(event, out), MEMBER_TYPE_U64, KIND(DISCONNECT)},
    {"code", offsetof(event, code), MEMBER_TYPE_SET, KIND(DISCONNECT) | KIND(HTTP)},
    {"reason", offsetof(event, reason), MEMBER_TYPE_TEXT,
     KIND(DISCONNECT) | KIND(SESSION) | KIND(GRANT_END)},
    {"reason_hex", offsetof(event, reason_hex), MEMBER_TYPE_TEXT, KIND(DISCONNECT)},
    {"sent_code", offsetof(event, sent_code), MEMBER_TYPE_SET, KIND(DISCONNECT)},
    {"by", offsetof(event, by), MEMBER_TYPE_TEXT, KIND(DISCONNECT)},
    {"from_ns", offsetof(event, from_ns), MEMBER_TYPE_SET,
     KIND(OVERLOAD) | KIND(CLOCK) | KIND(GRANT) | KIND(HTTP)},
    {"to_ns", offsetof(event, to_ns), MEMBER_TYPE_SET, KIND(OVERLOAD) | KIND(CLOCK)},
    {"ordinal", offsetof(event, ordinal), MEMBER_TYPE_SET, KIND(REDACTED)},
    {"offset", offsetof(event, offset), MEMBER_TYPE_U64, KIND(REDACTED)},
    {"frames", offsetof(event, frames), MEMBER_TYPE_U64,
     KIND(OVERLOAD) | KIND(ROTATE) | KIND(LIMIT)},
    {"frames", offsetof(event, frames), MEMBER_TYPE_SET, KIND(HEARTBEAT)},
    {"payload", offsetof(event, payload), MEMBER_TYPE_TEXT, KIND(HEARTBEAT)},
    {"payload_hex", offsetof(event, payload_hex), MEMBER_TYPE_TEXT, KIND(HEARTBEAT)},
    {"bytes", offsetof(event, bytes), MEMBER_TYPE_U64,
     KIND(OVERLOAD) | KIND(ROTATE) | KIND(REDACTED) | KIND(HTTP)},
    {"lag_ns", offsetof(event, lag_ns), MEMBER_TYPE_SET, KIND(OVERLOAD)},
    {"step_ns", offsetof(event, step_ns), MEMBER_TYPE_I64, KIND(CLOCK)},
    {"offset_ns", offsetof(event, offset_ns), MEMBER_TYPE_I64, KIND(CLOCK)},
    {"wall_ns", offsetof(event, wall_ns), MEMBER_TYPE_SET, KIND(CLOCK)},
    {"cause", offsetof(event, cause), MEMBER_TYPE_TEXT,
     KIND(CONNECT) | KIND(DISCONNECT) | KIND(CLOCK) | KIND(OVERLOAD) | KIND(ROTATE) | KIND(HTTP)},
    {"detail", offsetof(event, detail), MEMBER_TYPE_TEXT, KINDS_BUT_GAP},
    /* Members of a gap, as in GAP_MEMBERS, but without the feed: it is the channel's. */
    {"reason", offsetof(event, gap.reason), MEMBER_TYPE_REASON, KIND(GAP)},
    {"line", offsetof(event, gap.line), MEMBER_TYPE_U32, KIND(GAP)},
    {"shard", offsetof(event, gap.shard), MEMBER_TYPE_U32, KIND(GAP)},
    {"conn", offsetof(event, gap.conn), MEMBER_TYPE_U32, KIND(GAP)},
    {"topic", offsetof(event, gap.topic), MEMBER_TYPE_TEXT, KIND(GAP)},
    {"symbol", offsetof(event, gap.symbol), MEMBER_TYPE_TEXT, KIND(GAP)},
    {"from_ns", offsetof(event, gap.from_ns), MEMBER_TYPE_U64, KIND(GAP)},
    {"to_ns", offsetof(event, gap.to_ns), MEMBER_TYPE_SET, KIND(GAP)},
    {"frames_lost", offsetof(event, gap.frames_lost), MEMBER_TYPE_LOST, KIND(GAP)},
    {"covered_by", offsetof(event, gap.covered_by), MEMBER_TYPE_TEXT, KIND(GAP)},
    {"cause", offsetof(event, gap.cause), MEMBER_TYPE_TEXT, KIND(GAP)},
    {"detail", offsetof(event, gap.detail), MEMBER_TYPE_TEXT, KIND(GAP)},
};

#define MEMBER_ROWS (sizeof MEMBERS / sizeof MEMBERS[0])
_Static_assert(MEMBER_ROWS < EVENT_FIELDS_MAX, "texts need a NUL each: see event_decode");

static const char *const KIND_NAMES[EVENT_KIND_COUNT] = {
    [EVENT_SESSION] = "session",       [EVENT_SEGMENT] = "segment",
    [EVENT_CONNECT] = "connect",       [EVENT_TLS] = "tls",
    [EVENT_SUBSCRIBE] = "subscribe",   [EVENT_GRANT] = "grant",
    [EVENT_GRANT_END] = "grant_end",   [EVENT_AUTH] = "auth",
    [EVENT_DISCONNECT] = "disconnect", [EVENT_GAP] = "gap",
    [EVENT_CLOCK] = "clock",           [EVENT_OVERLOAD] = "overload",
    [EVENT_ROTATE] = "rotate",         [EVENT_HEARTBEAT] = "heartbeat",
    [EVENT_REDACTED] = "redacted",     [EVENT_HTTP] = "http",
    [EVENT_LIMIT] = "limit",           [EVENT_END_NOTICE] = "end_notice",
};

const char *event_kind_name(event_kind kind)
{
    TD_ASSERT(kind < EVENT_KIND_COUNT);
    return KIND_NAMES[kind];
}

/* The next member of events of a kind, in the order in which it is written, or NULL. *at: the index
 * in MEMBERS to continue from. */
static const member_row *next_member(event_kind kind, size_t *at)
{
    while (*at < MEMBER_ROWS && (MEMBERS[*at].kinds >> kind & 1) == 0)
        ++*at;
    return *at == MEMBER_ROWS ? NULL : &MEMBERS[(*at)++];
}

/* ---- writing ---- */

static void write_member(json_writer *json, const member_row *row, const event *from)
{
    const char *at = (const char *)from + row->offset;
    const char *text = NULL;
    uint64_t number = 0;
    switch (row->type) {
    case MEMBER_TYPE_U32:
        json_write_member_u64(json, row->key, *(const uint32_t *)at);
        return;
    case MEMBER_TYPE_U64:
        json_write_member_u64(json, row->key, *(const uint64_t *)at);
        return;
    case MEMBER_TYPE_I64:
        json_write_member_i64(json, row->key, *(const int64_t *)at);
        return;
    case MEMBER_TYPE_SET:
    case MEMBER_TYPE_LOST:
        number = *(const uint64_t *)at;
        if (number != (row->type == MEMBER_TYPE_SET ? 0 : GAP_FRAMES_UNKNOWN))
            json_write_member_u64(json, row->key, number);
        return;
    case MEMBER_TYPE_TEXT:
        text = *(const char *const *)at;
        if (text != NULL && text[0] != '\0')
            json_write_member_text(json, row->key, text);
        return;
    case MEMBER_TYPE_REASON:
        json_write_member_text(json, row->key, time_reason_name(*(const time_reason *)at));
        return;
    }
}

static void write_slots(json_writer *json, const event *from)
{
    json_write_key(json, "slots");
    json_write_array_begin(json);
    for (size_t i = 0; i < from->slot_count; i++) {
        const event_slot *slot = &from->slots[i];
        json_write_object_begin(json);
        json_write_member_u64(json, "line", slot->line);
        json_write_member_u64(json, "shard", slot->shard);
        json_write_member_u64(json, "conn", slot->conn);
        json_write_member_u64(json, "in", slot->in);
        json_write_member_u64(json, "out", slot->out);
        json_write_member_u64(json, "since_ns", slot->since_ns);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

/* 1 if the bytes are UTF-8 without control characters. */
static int is_visible(td_bytes bytes)
{
    size_t at = 0;
    while (at < bytes.size) {
        size_t size = td_utf8_bytes(bytes.data + at, bytes.size - at);
        if (size == 0 || td_utf8_is_control(td_utf8_code(bytes.data + at, size)))
            return 0;
        at += size;
    }
    return 1;
}

void event_put_bytes(td_bytes bytes, char out[EVENT_CONTROL_TEXT_BYTES], const char **text,
                     const char **hex)
{
    static const char DIGITS[] = "0123456789abcdef";
    TD_ASSERT(bytes.size <= EVENT_CONTROL_BYTES_MAX);
    if (is_visible(bytes)) {
        if (bytes.size > 0)
            memcpy(out, bytes.data, bytes.size);
        out[bytes.size] = '\0';
        *text = out;
        return;
    }
    for (size_t i = 0; i < bytes.size; i++) {
        out[2 * i] = DIGITS[bytes.data[i] >> 4];
        out[2 * i + 1] = DIGITS[bytes.data[i] & 15];
    }
    out[2 * bytes.size] = '\0';
    *hex = out;
}

td_result event_encode(const event *from, td_buf *out, td_err *err)
{
    TD_ASSERT(from->kind < EVENT_KIND_COUNT);
    TD_ASSERT(from->slot_count <= LIMIT_FEED_SLOTS);
    json_writer json;
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_text(&json, "event", KIND_NAMES[from->kind]);
    const member_row *row;
    for (size_t at = 0; (row = next_member(from->kind, &at)) != NULL;)
        write_member(&json, row, from);
    if (from->kind == EVENT_SEGMENT)
        write_slots(&json, from);
    json_write_object_end(&json);
    return json_write_end(&json, err);
}

/* ---- copies ---- */

size_t event_copy(const event *from, event *copy)
{
    TD_ASSERT(from->kind != EVENT_SEGMENT);
    size_t bytes = sizeof *from;
    const member_row *row;
    if (copy != NULL)
        *copy = *from;
    for (size_t at = 0; (row = next_member(from->kind, &at)) != NULL;) {
        const char *const *text = (const char *const *)((const char *)from + row->offset);
        if (row->type != MEMBER_TYPE_TEXT || *text == NULL)
            continue;
        const size_t size = strlen(*text) + 1;
        if (copy != NULL)
            *(const char **)((char *)copy + row->offset) =
                memcpy((char *)copy + bytes, *text, size);
        bytes += size;
    }
    return bytes;
}

/* ---- reading ---- */

event_reader *event_reader_open(void)
{
    event_reader *reader = td_alloc_zero(1, sizeof *reader);
    td_buf_init(&reader->texts, EVENT_BYTES_MAX + EVENT_FIELDS_MAX);
    reader->parser = json_parser_open(EVENT_BYTES_MAX);
    return reader;
}

void event_reader_close(event_reader *reader)
{
    if (reader == NULL)
        return;
    json_parser_close(reader->parser);
    td_buf_fini(&reader->texts);
    td_free(reader);
}

/* Append a text with its NUL to the reader's texts; the space was reserved for the whole event. */
static int read_text(event_reader *reader, json_value value, const char **out)
{
    td_buf *texts = &reader->texts;
    td_bytes text;
    if (!json_text(value, &text))
        return 0;
    TD_ASSERT(texts->capacity - texts->size > text.size);
    char *kept = (char *)texts->data + texts->size;
    if (text.size > 0)
        memcpy(kept, text.data, text.size);
    kept[text.size] = '\0';
    texts->size += text.size + 1;
    *out = kept;
    return 1;
}

static int read_u32(json_value value, uint32_t *out)
{
    uint64_t number = 0;
    if (!json_u64(value, &number) || number > UINT32_MAX)
        return 0;
    *out = (uint32_t)number;
    return 1;
}

/* 1 if the value has the member's type. */
static int read_member(event_reader *reader, const member_row *row, json_value value, event *out)
{
    char *at = (char *)out + row->offset;
    td_bytes text;
    switch (row->type) {
    case MEMBER_TYPE_U32:
        return read_u32(value, (uint32_t *)at);
    case MEMBER_TYPE_U64:
    case MEMBER_TYPE_SET:
    case MEMBER_TYPE_LOST:
        return json_u64(value, (uint64_t *)at);
    case MEMBER_TYPE_I64:
        return json_i64(value, (int64_t *)at);
    case MEMBER_TYPE_TEXT:
        return read_text(reader, value, (const char **)at);
    case MEMBER_TYPE_REASON:
        return json_text(value, &text) && gap_reason_parse(text, (time_reason *)at);
    }
    return 0;
}

static int read_slot(json_value value, event_slot *out)
{
    json_value part;
    return json_find(value, "line", &part) && read_u32(part, &out->line) &&
           json_find(value, "shard", &part) && read_u32(part, &out->shard) &&
           json_find(value, "conn", &part) && read_u32(part, &out->conn) &&
           json_find_u64(value, "in", &out->in) && json_find_u64(value, "out", &out->out) &&
           json_find_u64(value, "since_ns", &out->since_ns);
}

static td_result read_slots(event_reader *reader, json_value root, event *out, td_err *err)
{
    json_value slots;
    if (!json_find(root, "slots", &slots) || json_type_of(slots) != JSON_ARRAY)
        return td_err_set(err, TD_E_INVALID, "segment event without slots");
    json_iter iter = json_iter_of(slots);
    json_value slot;
    while (json_next(&iter, NULL, &slot)) {
        if (out->slot_count == LIMIT_FEED_SLOTS)
            return td_err_set(err, TD_E_INVALID, "segment event with over %u slots",
                              LIMIT_FEED_SLOTS);
        if (!read_slot(slot, &reader->slots[out->slot_count]))
            return td_err_set(err, TD_E_INVALID, "segment event: slot %zu cannot be read",
                              out->slot_count);
        out->slot_count++;
    }
    out->slots = reader->slots;
    return TD_OK;
}

static int read_kind(json_value root, event_kind *out)
{
    td_bytes name;
    if (!json_find_text(root, "event", &name))
        return 0;
    for (unsigned i = 0; i < EVENT_KIND_COUNT; i++) {
        if (td_bytes_is(name, KIND_NAMES[i])) {
            *out = (event_kind)i;
            return 1;
        }
    }
    return 0;
}

/* 1 if the member must be present, because it is always written. If any other member is absent, it
 * keeps the value that means absent. */
static int is_required(const member_row *row)
{
    return (row->type == MEMBER_TYPE_U32 && row->offset != offsetof(event, gap.conn)) ||
           row->type == MEMBER_TYPE_U64 || row->type == MEMBER_TYPE_I64 ||
           row->type == MEMBER_TYPE_REASON;
}

static td_result read_members(event_reader *reader, json_value root, event *out, td_err *err)
{
    const member_row *row;
    for (size_t at = 0; (row = next_member(out->kind, &at)) != NULL;) {
        json_value value;
        if (!json_find(root, row->key, &value) || json_is_null(value)) {
            if (is_required(row))
                return td_err_set(err, TD_E_INVALID, "%s event without '%s'", KIND_NAMES[out->kind],
                                  row->key);
            continue;
        }
        if (!read_member(reader, row, value, out))
            return td_err_set(err, TD_E_INVALID, "%s event: '%s' cannot be read",
                              KIND_NAMES[out->kind], row->key);
    }
    return out->kind == EVENT_SEGMENT ? read_slots(reader, root, out, err) : TD_OK;
}

td_result event_decode(event_reader *reader, td_bytes text, event *out, td_err *err)
{
    /* Absent texts of a gap are "", as in gap_row. */
    *out = (event){.gap = GAP_ROW_EMPTY};
    if (text.size > EVENT_BYTES_MAX)
        return td_err_set(err, TD_E_INVALID, "event of %zu bytes", text.size);
    json_value root;
    td_result rc = json_parse(reader->parser, text, JSON_COPIED, &root, err);
    if (rc != TD_OK)
        return td_err_add(err, TD_E_INVALID, "event");
    if (!read_kind(root, &out->kind))
        return td_err_set(err, TD_E_INVALID, "event of no known kind");
    td_buf_clear(&reader->texts);
    td_buf_grow(&reader->texts, text.size + EVENT_FIELDS_MAX);
    return read_members(reader, root, out, err);
}
