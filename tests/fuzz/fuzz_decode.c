/* Frames of any bytes, in every family: classification, both decoders, and the rules. Besides not
 * crashing:
 *   - bytes after a frame do not matter: two different paddings give the same result;
 *   - the fast and the row-driven decoder agree: same verdict, same hash, same counts;
 *   - the JSON of a message or a refusal is valid for our own reader;
 *   - a topic's track and its symbol's audit accept frames in any order and stay within their
 *     limits;
 *   - drift is found if the decoder refuses a frame or counts unknown fields, and findings stay
 *     within their limits.
 * The first byte: its five low bits choose the family, in the order of the table from 0, or
 * with 0x40 from 32; if 0x20 is set the rest is one frame, otherwise line feeds separate
 * frames; if 0x80 is set they were received in 2022, when other rows were valid. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/buf.h"
#include "book/audit.h"
#include "book/continuity.h"
#include "schema/decode.h"
#include "schema/drift_table.h"
#include "base/json/json.h"
#include "base/json/json_write.h"
#include "schema/message_json.h"
#include "tests/testing/fuzz_input.h"
#include "tests/testing/message_compare.h"

/* 2022-06-01T00:00:00Z, and steps from frame to frame. */
#define THEN_NS UINT64_C(1654041600000000000)
#define STEP_NS UINT64_C(100000000)

enum {
    FAMILY_BITS = 0x1f,
    FLAG_WHOLE = 0x20,
    FLAG_LATER = 0x40,
    FLAG_THEN = 0x80,
    FRAMES_MAX = 64,
    TRACKS_MAX = 8
};

typedef struct outcome {
    frame_class frame_class;
    const topic_row *row;
    uint64_t exchange_ns;
    int is_decoded;
    decode_error why;
    uint64_t hash;
    uint64_t json; /* hash, including members that the plain struct lacks */
    uint32_t unknown_fields;
    uint32_t foreign_symbols;
} outcome;

/* A topic of a symbol, with the states that replay keeps. */
typedef struct topic_track {
    const topic_row *row;
    uint64_t symbol; /* hash */
    track *track;
    audit_member *member; /* NULL: not audited */
    drift_stream *drift;
} topic_track;

typedef struct fixture {
    decoder *decoder;
    json_parser *json;
    drift_reader *drift;
    drift_table *findings;
    const family *of;
    uint64_t at_ns; /* for the choice of rows */
    audit *audit;
    topic_track tracks[TRACKS_MAX];
    size_t track_count;
    uint64_t frame_count;
} fixture;

static void check_json(fixture *fx, const message *m, outcome *o)
{
    td_buf text;
    td_err err;
    json_writer w;
    json_value root;
    td_buf_init(&text, (size_t)64 << 20);
    json_write_begin(&w, &text);
    json_write_object_begin(&w);
    if (o->is_decoded)
        message_json_members(&w, m);
    else
        message_json_raw(&w, &(topic_match){.row = NULL}, td_bytes_str("topic"), &o->why);
    json_write_object_end(&w);
    fuzz_must(json_write_end(&w, &err), NULL);
    o->json = td_xxh64(text.data, text.size);
    if (text.size < LIMIT_FRAME_BYTES)
        fuzz_must(json_parse(fx->json, td_buf_view(&text), JSON_COPIED, &root, &err), NULL);
    td_buf_fini(&text);
}

/* ---- tracks and audit ---- */

static topic_track *track_of(fixture *fx, const topic_match *topic)
{
    uint64_t symbol = td_xxh64(topic->symbol.data, topic->symbol.size);
    for (size_t i = 0; i < fx->track_count; i++) {
        if (fx->tracks[i].row == topic->row && fx->tracks[i].symbol == symbol)
            return &fx->tracks[i];
    }
    if (fx->track_count == TRACKS_MAX)
        return NULL;
    topic_track *made = &fx->tracks[fx->track_count++];
    *made = (topic_track){.row = topic->row, .symbol = symbol};
    made->track = track_open(topic->row);
    made->drift = drift_stream_open();
    if (audit_part_of(topic->row) != AUDIT_NONE)
        made->member = audit_join(fx->audit, topic->row, 0, NULL);
    return made;
}

static void audit_frame_of(fixture *fx, topic_track *f, const message *m)
{
    const audit_frame place = {.recv_ns = THEN_NS + STEP_NS * fx->frame_count,
                               .connection = 1,
                               .conn = 1,
                               .granted_ns = THEN_NS};
    audit_verdict found;
    if (f->member == NULL)
        return;
    if (m == NULL) {
        audit_skip(fx->audit, f->member, place.recv_ns);
        return;
    }
    audit_apply(fx->audit, f->member, &place, m, f->track, &found);
}

static void follow_frame(fixture *fx, const topic_match *topic, const message *m)
{
    topic_track *f = track_of(fx, topic);
    verdict v;
    if (f == NULL)
        return;
    fx->frame_count++;
    if (m == NULL) {
        track_skip(f->track);
    } else {
        track_apply(f->track, m, &v);
        TD_ASSERT(v.count <= VERDICT_ITEMS_MAX);
        for (uint32_t i = 0; i < v.count; i++)
            TD_ASSERT(v.items[i].rule > RULE_NONE && v.items[i].rule < RULE_COUNT);
    }
    audit_frame_of(fx, f, m);
    if (fx->frame_count % 8 == 7)
        track_reset(f->track);
}

static void forget(fixture *fx)
{
    audit_verdict found;
    audit_finish(fx->audit, THEN_NS + STEP_NS * (fx->frame_count + 1000), &found);
    for (size_t i = 0; i < fx->track_count; i++) {
        const book *levels = track_book(fx->tracks[i].track);
        char sha1[TD_SHA1_HEX_BYTES];
        if (levels != NULL)
            book_levels_sha1(levels, sha1);
        track_close(fx->tracks[i].track);
        drift_stream_close(fx->tracks[i].drift);
    }
    size_t count;
    (void)drift_table_list(fx->findings, &count);
    TD_ASSERT(count <= LIMIT_DRIFT_FINDINGS);
    drift_table_close(fx->findings);
    audit_close(fx->audit);
}

/* ---- drift ---- */

/* Counts the notes that the decoder counts as unknown fields. */
static size_t count_unknown(const drift_result *result)
{
    size_t count = 0;
    for (size_t i = 0; i < result->count; i++) {
        const drift_note *note = &result->notes[i];
        TD_ASSERT(note->kind < DRIFT_KIND_COUNT);
        TD_ASSERT(strlen(note->path) < sizeof note->path);
        TD_ASSERT(strlen(note->detail) < sizeof note->detail);
        count += note->kind == DRIFT_NEW_FIELD || note->kind == DRIFT_REPEATED_FIELD ||
                 note->kind == DRIFT_NOT_DECODED;
    }
    return count;
}

static void look_for_drift(fixture *fx, const topic_match *topic, td_bytes frame, const outcome *o)
{
    topic_track *f = topic->row == NULL ? NULL : track_of(fx, topic);
    const drift_frame of = {fx->of, *topic, THEN_NS, fx->frame_count, frame};
    drift_result result;
    drift_read(fx->drift, f == NULL ? NULL : f->drift, &of, &result);
    TD_ASSERT(result.count <= LIMIT_DRIFT_NOTES);
    TD_ASSERT(result.topic.size > 0);
    if (topic->row != NULL && o->is_decoded)
        TD_ASSERT((count_unknown(&result) > 0) == (o->unknown_fields > 0));
    if (topic->row != NULL && !o->is_decoded)
        TD_ASSERT(result.count == 1 && result.notes[0].kind == DRIFT_NOT_DECODED);
    drift_table_add(fx->findings, "feed", &of, &result);
}

/* ---- decoders ---- */

/* Classify a frame that several topics share as one of the first of them. */
static void choose_topic(fixture *fx, td_bytes frame, classification *what)
{
    char topic[LIMIT_TOPIC_BYTES];
    const td_bytes begun = what->exchange_topic;
    for (size_t i = 0; i < fx->of->topic_count; i++) {
        const topic_row *row = &fx->of->topics[i];
        const size_t size = row->frame_topic == NULL ? 0 : strlen(row->frame_topic);
        if (size == 0 || begun.size <= size || begun.data[size] != '.' ||
            memcmp(begun.data, row->frame_topic, size) != 0)
            continue;
        (void)snprintf(topic, sizeof topic, "%.*s%.*s", (int)strcspn(row->pattern, "."),
                       row->pattern, (int)(begun.size - size), (const char *)begun.data + size);
        decoder_classify_as(fx->decoder, fx->of, td_bytes_str(topic), frame, fx->at_ns, what);
        return;
    }
}

static outcome decode(fixture *fx, td_bytes frame, decode_path path, int is_followed)
{
    outcome o = {0};
    classification what;
    message m;
    decoder_classify(fx->decoder, fx->of, frame, CHANNEL_IN, fx->at_ns, &what);
    if (what.is_open)
        choose_topic(fx, frame, &what);
    o.frame_class = what.frame_class;
    o.row = what.topic.row;
    o.exchange_ns = what.exchange_ns;
    if (what.frame_class != CLASS_DATA)
        return o;
    o.is_decoded = decoder_decode(fx->decoder, &what.topic, frame, path, &m, &o.why);
    TD_ASSERT(o.is_decoded == (o.why.reason == DECODE_OK));
    if (o.is_decoded) {
        o.hash = message_hash64(&m);
        o.unknown_fields = m.head.unknown_fields;
        o.foreign_symbols = m.head.foreign_symbols;
    } else {
        /* in a compressed frame it is an offset in the uncompressed bytes */
        TD_ASSERT(o.why.offset <= frame.size || (frame.data[0] != '{' && frame.data[0] != '['));
    }
    check_json(fx, &m, &o);
    if (is_followed && what.topic.row != NULL)
        follow_frame(fx, &what.topic, o.is_decoded ? &m : NULL);
    if (is_followed)
        look_for_drift(fx, &what.topic, frame, &o);
    return o;
}

static void check_same(const outcome *a, const outcome *b)
{
    TD_ASSERT(a->frame_class == b->frame_class);
    TD_ASSERT(a->row == b->row);
    TD_ASSERT(a->exchange_ns == b->exchange_ns);
    TD_ASSERT(a->is_decoded == b->is_decoded);
    TD_ASSERT(a->why.reason == b->why.reason);
    TD_ASSERT(a->why.offset == b->why.offset);
    TD_ASSERT(a->hash == b->hash);
    TD_ASSERT(a->unknown_fields == b->unknown_fields);
    TD_ASSERT(a->foreign_symbols == b->foreign_symbols);
}

static void on_frame(fixture *fx, const uint8_t *data, size_t size)
{
    uint8_t *memory = malloc(size + DECODE_PADDING_BYTES);
    TD_ASSERT(memory != NULL);
    if (size > 0)
        memcpy(memory, data, size);
    td_bytes frame = td_bytes_of(memory, size);
    memset(memory + size, 0, DECODE_PADDING_BYTES);
    outcome hot = decode(fx, frame, DECODE_PATH_FAST, 1);
    /* The padding has digits, quotes and brackets, as the next frame in a chunk may have. */
    for (size_t i = 0; i < DECODE_PADDING_BYTES; i++)
        memory[size + i] = (uint8_t) "7\"}],{\"price\":\"1"[(i + size) % 16];
    outcome hot_again = decode(fx, frame, DECODE_PATH_FAST, 0);
    outcome whole = decode(fx, frame, DECODE_PATH_WHOLE, 0);
    outcome rows = decode(fx, frame, DECODE_PATH_ROWS, 0);
    check_same(&hot, &hot_again);
    check_same(&hot, &rows);
    check_same(&whole, &rows);
    TD_ASSERT(whole.json == rows.json);
    free(memory);
}

static void on_lines(fixture *fx, const uint8_t *data, size_t size)
{
    for (unsigned i = 0; i < FRAMES_MAX && size > 0; i++) {
        const uint8_t *end = memchr(data, '\n', size);
        size_t length = end == NULL ? size : (size_t)(end - data);
        on_frame(fx, data, length);
        if (end == NULL)
            return;
        data += length + 1;
        size -= length + 1;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static fixture fx;
    size_t family_count;
    const family *const *families = family_table(&family_count);
    if (fx.decoder == NULL) {
        fx.decoder = decoder_open();
        fx.json = json_parser_open(0);
        fx.drift = drift_reader_open();
    }
    if (size == 0)
        return 0;
    const size_t chosen = (data[0] & FAMILY_BITS) + ((data[0] & FLAG_LATER) != 0 ? 32u : 0u);
    fx.of = families[chosen % family_count];
    fx.at_ns = (data[0] & FLAG_THEN) != 0 ? THEN_NS : TOPIC_NOW;
    fx.track_count = 0;
    fx.frame_count = 0;
    fx.audit = audit_open();
    fx.findings = drift_table_open();
    if ((data[0] & FLAG_WHOLE) != 0)
        on_frame(&fx, data + 1, size - 1);
    else
        on_lines(&fx, data + 1, size - 1);
    forget(&fx);
    return 0;
}
