#include "schema/drift.h"

#include <stdio.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "base/utf8.h"
#include "schema/decode.h"
#include "schema/decode_value.h"
#include "schema/exchange.h"

/* Times before 2010-01-01 or after 2100-01-01, UTC, are implausible. */
#define TIME_MIN_NS UINT64_C(1262304000000000000)
#define TIME_MAX_NS UINT64_C(4102444800000000000)

/* How far the exchange's time may differ from the receive time. Later: one hour; clocks differ by
 * seconds. Earlier: 30 days; the first trade that is sent after a subscription is the market's
 * newest one, which in a quiet market may be weeks old. A time in a wrong unit is off by a factor
 * of a thousand. */
#define TIME_LATER_NS   (UINT64_C(3600) * 1000000000)
#define TIME_EARLIER_NS (UINT64_C(30) * 86400 * 1000000000)

/* After this many consecutive frames with ten times, or a tenth of, the last price, the price is
 * accepted as the new one. */
enum { JUMPS_MAX = 10 };

/* A price is compared with the last one only within this time, because sessions of an archive may
 * be years apart. */
#define PRICE_HOLDS_NS (UINT64_C(86400) * 1000000000)

/* Where a member is. 0 to SURVEY_ENVELOPE - 1: in an entry of the row's items with this index;
 * SURVEY_ENVELOPE: in the envelope; PLACE_KIND: the member with the frame's kind; PLACE_PATHS: on
 * the paths to entries (PATH_KEYS_MAX members for each of the items). The state of envelope and
 * paths is kept for each kind of frame, because snapshots and deltas differ. The kind itself has
 * one state for all frames, so that a missing kind is noticed. */
enum { PLACE_KIND = SURVEY_ENVELOPE + 1, PLACE_PATHS, PLACES };
enum { PATH_KEYS_MAX = 2 };

/* What one member had in the stream's frames so far. */
typedef struct member_state {
    uint64_t seen;     /* number of frames that had the member */
    uint64_t at;       /* scope.frames at the last frame that had the member */
    uint64_t typed_at; /* scope.frames at the first frame in which the member had a value */
    uint64_t missing;  /* consecutive frames of the scope without the member */
    /* Receive time and order of the first of the missing frames. */
    uint64_t missing_ns, missing_order;
    td_decimal last;         /* the last price, if the member is a price */
    uint64_t last_ns;        /* receive time of last; 0: unknown */
    const value_row *values; /* its documented texts, once knows_values is 1 */
    uint32_t numbers;        /* number of values from which `places` was learnt */
    uint8_t knows_values;
    uint8_t types;  /* a bit for each json_type in its first frame with a value */
    uint8_t places; /* most decimal places of a value so far */
    uint8_t has_last;
    uint8_t jumps;
} member_state;

/* The members of one place; for envelope and paths, in frames of one kind. */
typedef struct scope {
    uint64_t frames;       /* number of frames that could have members here */
    member_state *members; /* one for each field; NULL before the first frame */
} scope;

struct drift_stream {
    const topic_row *row;
    /* 1: all its prices are of one market, so they are close to each other. */
    uint8_t has_one_price;
    scope scopes[PLACES][FRAME_ANY]; /* second index: the kind of frame for envelope and paths,
                                        otherwise 0 */
};

struct drift_reader {
    decoder *decoder;
    frame_survey survey;
    drift_note notes[LIMIT_DRIFT_NOTES];
    char topic[LIMIT_TOPIC_BYTES];
};

/* A frame while it is examined. */
typedef struct examination {
    drift_reader *reader;
    drift_stream *stream; /* NULL: the frame is not compared with earlier ones */
    const drift_frame *frame;
    const topic_row *row;
    const frame_survey *survey; /* the reader's survey of the frame */
    drift_result *out;
    frame_kind kind;
} examination;

static const char *const KIND_NAMES[DRIFT_KIND_COUNT] = {
    [DRIFT_NEW_TOPIC] = "new_topic",           [DRIFT_NEW_FIELD] = "new_field",
    [DRIFT_REPEATED_FIELD] = "repeated_field", [DRIFT_FIELD_GONE] = "field_gone",
    [DRIFT_TYPE_CHANGED] = "type_changed",     [DRIFT_NEW_VALUE] = "new_value",
    [DRIFT_OUT_OF_SCALE] = "out_of_scale",     [DRIFT_OUT_OF_RANGE] = "out_of_range",
    [DRIFT_NOT_DECODED] = "not_decoded",
};

const char *drift_kind_name(drift_kind kind)
{
    TD_ASSERT(kind < DRIFT_KIND_COUNT);
    return KIND_NAMES[kind];
}

/* ---- readers and streams ---- */

drift_reader *drift_reader_open(void)
{
    drift_reader *made = td_alloc_zero(1, sizeof *made);
    made->decoder = decoder_open();
    return made;
}

void drift_reader_close(drift_reader *reader)
{
    if (reader == NULL)
        return;
    decoder_close(reader->decoder);
    td_free(reader);
}

drift_stream *drift_stream_open(void)
{
    return td_alloc_zero(1, sizeof(drift_stream));
}

static void stream_reset(drift_stream *stream)
{
    for (size_t place = 0; place < PLACES; place++)
        for (size_t kind = 0; kind < FRAME_ANY; kind++)
            td_free(stream->scopes[place][kind].members);
    *stream = (drift_stream){.row = NULL};
}

void drift_stream_close(drift_stream *stream)
{
    if (stream == NULL)
        return;
    stream_reset(stream);
    td_free(stream);
}

static size_t count_members(const topic_row *row, size_t place)
{
    return place == PLACE_KIND        ? 1
           : place == PLACE_PATHS     ? (size_t)TOPIC_ITEMS_MAX * PATH_KEYS_MAX
           : place == SURVEY_ENVELOPE ? row->envelope_count
                                      : row->field_count;
}

/* The scope of a place for this frame; NULL if there is no stream. */
static scope *scope_of(examination *e, size_t place)
{
    if (e->stream == NULL)
        return NULL;
    TD_ASSERT(e->kind < FRAME_ANY);
    int has_kinds = place == SURVEY_ENVELOPE || place == PLACE_PATHS;
    scope *found = &e->stream->scopes[place][has_kinds ? e->kind : 0];
    if (found->members == NULL)
        found->members = td_alloc_zero(count_members(e->row, place), sizeof *found->members);
    return found;
}

/* ---- notes ---- */

/* Copy a text, cut if it is too long. A NUL in it is written as in JSON, so that texts that differ
 * only after a NUL stay different. */
static void copy_text(char *to, size_t space, td_bytes text)
{
    for (;;) {
        td_utf8_copy(to, space, text);
        size_t size = strlen(to);
        TD_ASSERT(size == text.size || text.data != NULL);
        if (size == text.size || text.data[size] != '\0')
            return;
        text = td_bytes_of(text.data + size + 1, text.size - size - 1);
        to += size;
        space -= size;
        td_utf8_copy(to, space, td_bytes_str("\\u0000"));
        size = strlen(to);
        to += size;
        space -= size;
    }
}

/* Append a key to a path; a dot precedes it unless the path is empty. */
static void add_key(char path[LIMIT_DRIFT_PATH_BYTES], td_bytes key)
{
    size_t size = strlen(path);
    if (size > 0 && size + 1 < LIMIT_DRIFT_PATH_BYTES && key.size > 0)
        path[size++] = '.';
    copy_text(path + size, LIMIT_DRIFT_PATH_BYTES - size, key);
}

/* Add a note about the member `key` of the object at `path`; both may be empty. NULL if the frame
 * already has an equal note, or too many. */
static drift_note *note_path(examination *e, drift_kind kind, td_bytes path, td_bytes key,
                             const char *detail)
{
    drift_note *notes = e->reader->notes;
    drift_note note = {
        .kind = kind, .first_ns = e->frame->recv_ns, .first_order = e->frame->order, .count = 1};
    (void)snprintf(note.detail, sizeof note.detail, "%s", detail); /* cut if too long */
    add_key(note.path, path);
    add_key(note.path, key);
    for (size_t i = 0; i < e->out->count; i++)
        if (notes[i].kind == note.kind && strcmp(notes[i].path, note.path) == 0 &&
            strcmp(notes[i].detail, note.detail) == 0)
            return NULL;
    if (e->out->count == LIMIT_DRIFT_NOTES) {
        e->out->left_out++;
        return NULL;
    }
    drift_note *added = &notes[e->out->count++];
    *added = note;
    return added;
}

/* The row's field for a known member. */
static const field_row *field_of(const examination *e, const survey_member *m)
{
    return m->place == SURVEY_ENVELOPE ? &e->row->envelope[m->index] : &e->row->fields[m->index];
}

/* The path of the object that has a field. Inherited fields are in the object directly around the
 * entries, because no row inherits from further out. */
static td_bytes path_of(const examination *e, size_t place, const field_row *field)
{
    if (place >= SURVEY_ENVELOPE)
        return td_bytes_of(NULL, 0);
    const char *path = e->row->items[place].path;
    const char *last = field->flags & FIELD_INHERITED ? strrchr(path, '.') : NULL;
    return last == NULL ? td_bytes_str(path) : td_bytes_of(path, (size_t)(last - path));
}

static drift_note *note_field(examination *e, const survey_member *m, drift_kind kind,
                              const char *detail)
{
    const field_row *field = field_of(e, m);
    return note_path(e, kind, path_of(e, m->place, field), td_bytes_str(field->key), detail);
}

/* ---- members that the row does not name ---- */

static void check_unexpected(examination *e, const survey_unexpected *unexpected)
{
    static const drift_kind KINDS[] = {[UNEXPECTED_UNKNOWN] = DRIFT_NEW_FIELD,
                                       [UNEXPECTED_REPEATED] = DRIFT_REPEATED_FIELD,
                                       [UNEXPECTED_UNREADABLE] = DRIFT_NOT_DECODED};
    note_path(e, KINDS[unexpected->what], unexpected->at, unexpected->key,
              unexpected->what == UNEXPECTED_UNREADABLE ? decode_reason_name(DECODE_BAD_TIME) : "");
}

/* ---- members that the row names ---- */

static const char *type_name(json_type type)
{
    static const char *const NAMES[] = {
        [JSON_NULL] = "null",     [JSON_BOOL] = "boolean", [JSON_NUMBER] = "number",
        [JSON_STRING] = "string", [JSON_ARRAY] = "array",  [JSON_OBJECT] = "object",
    };
    return NAMES[type];
}

/* Note a JSON type that the member did not have in its first frame. All types of that frame are
 * accepted, because some topics write a member in several ways within a frame. */
static void check_type(examination *e, td_bytes path, td_bytes key, member_state *s, json_type type)
{
    char detail[LIMIT_DRIFT_DETAIL_BYTES];
    if (s->types >> type & 1)
        return;
    if (s->types == 0)
        s->typed_at = s->at;
    if (s->typed_at == s->at) {
        s->types |= (uint8_t)(1u << type);
        return;
    }
    json_type before = JSON_NULL; /* the first of the accepted types */
    while (!(s->types >> before & 1))
        before++;
    (void)snprintf(detail, sizeof detail, "%s to %s", type_name(before),
                   type_name(type)); /* fits */
    note_path(e, DRIFT_TYPE_CHANGED, path, key, detail);
}

/* Note a text, in quotes and cut if it is too long. */
static drift_note *note_value(examination *e, const survey_member *m, td_bytes text)
{
    char shown[LIMIT_DRIFT_DETAIL_BYTES - 2];
    char detail[LIMIT_DRIFT_DETAIL_BYTES];
    copy_text(shown, sizeof shown, text);
    (void)snprintf(detail, sizeof detail, "\"%s\"", shown);
    return note_field(e, m, DRIFT_NEW_VALUE, detail);
}

/* Check a text against the member's documented texts. */
static void check_text(examination *e, const survey_member *m, const value_row *values,
                       td_bytes text)
{
    if (values == NULL || td_bytes_is_any(text, values->values))
        return;
    drift_note *note = note_value(e, m, text);
    if (note != NULL)
        note->is_learnt = values->is_open;
}

/* 1 for prices that move with the market. Best prices of a quiet market do not. */
static int is_market_price(msg_member member)
{
    static const msg_member PRICES[] = {MEMBER_PRICE,       MEMBER_LAST_PRICE, MEMBER_MARK_PRICE,
                                        MEMBER_INDEX_PRICE, MEMBER_OPEN,       MEMBER_HIGH,
                                        MEMBER_LOW,         MEMBER_CLOSE};
    for (size_t i = 0; i < sizeof PRICES / sizeof PRICES[0]; i++)
        if (PRICES[i] == member)
            return 1;
    return 0;
}

/* 1 for amounts of a market: these fit in 64 bits, have at most the market's decimal places, and
 * are not negative. Other amounts may have a sign (bases, positions of options) or twenty digits
 * (leveraged tokens). */
static int is_market_amount(const examination *e, const field_row *field)
{
    static const msg_member AMOUNTS[] = {
        MEMBER_SIZE,      MEMBER_RPI_SIZE,       MEMBER_BID1_PRICE,
        MEMBER_BID1_SIZE, MEMBER_ASK1_PRICE,     MEMBER_ASK1_SIZE,
        MEMBER_VOLUME,    MEMBER_HIGH_PRICE_24H, MEMBER_LOW_PRICE_24H};
    if (e->row->type == MSG_POSITION)
        return 0;
    for (size_t i = 0; i < sizeof AMOUNTS / sizeof AMOUNTS[0]; i++)
        if (AMOUNTS[i] == field->member)
            return 1;
    return is_market_price(field->member);
}

static int has_signed_prices(const examination *e)
{
    return e->frame->of != NULL && e->frame->of->has_signed_prices;
}

/* 1 if a field is this member of a trade. */
static int is_of_trade(const examination *e, const field_row *field, msg_member member)
{
    return e->row->type == MSG_TRADE && field->member == member;
}

/* Check the number of decimal places. Ignores JSON numbers, because families that write sizes as
 * JSON numbers print binary fractions in full (docs/wire.md 5.4). */
static void check_places(examination *e, const survey_member *m, member_state *s, td_decimal value,
                         json_type type)
{
    if (s == NULL || type != JSON_STRING || value.mantissa == 0 ||
        !is_market_amount(e, field_of(e, m)))
        return;
    char detail[LIMIT_DRIFT_DETAIL_BYTES];
    uint8_t places = td_decimal_shortest(value).scale;
    if (s->numbers >= DRIFT_PLACES_VALUES) {
        if (places <= s->places)
            return;
        (void)snprintf(detail, sizeof detail, "%u decimal places, %u before", places, s->places);
        note_field(e, m, DRIFT_OUT_OF_SCALE, detail);
        return;
    }
    s->numbers++;
    if (places > s->places)
        s->places = places;
}

/* 1 if a is at least ten times b. Both are positive. */
static int is_ten_times(td_decimal a, td_decimal b)
{
    if (b.scale > 0)
        b.scale--;
    else if (b.mantissa > INT64_MAX / 10)
        return 0;
    else
        b.mantissa *= 10;
    return td_decimal_compare(a, b) >= 0;
}

static void check_jump(examination *e, const survey_member *m, member_state *s, td_decimal value)
{
    if (s == NULL || !e->stream->has_one_price || value.mantissa <= 0 ||
        !is_market_price(field_of(e, m)->member))
        return;
    uint64_t now_ns = e->frame->recv_ns;
    int has_last = s->has_last && now_ns <= s->last_ns + PRICE_HOLDS_NS;
    int is_up = has_last && is_ten_times(value, s->last);
    int is_down = has_last && is_ten_times(s->last, value);
    if (is_up || is_down)
        note_field(e, m, DRIFT_OUT_OF_RANGE,
                   is_up ? "ten times the last price or more"
                         : "a tenth of the last price or less");
    if ((is_up || is_down) && ++s->jumps < JUMPS_MAX)
        return; /* keep the last price: after a single wrong price, the next correct one must not
                   look wrong */
    s->jumps = 0;
    s->last = value;
    s->last_ns = now_ns;
    s->has_last = 1;
}

static void check_decimal(examination *e, const survey_member *m, member_state *s, json_value json)
{
    const field_row *field = field_of(e, m);
    field_row plain = *field;
    plain.scale_e10 = 0;
    msg_value value;
    decode_error ignored; /* reading fails only for a field that the decoder did not use, because
                             another one has the same member */
    if (!decode_field(NULL, &plain, json, &value, &ignored) || value.type == VALUE_ABSENT)
        return;
    if (value.type == VALUE_BIG_DECIMAL) {
        if (is_market_amount(e, field))
            note_field(e, m, DRIFT_OUT_OF_SCALE, "beyond 64 bits and 18 decimal places");
        return;
    }
    td_decimal number = value.as.decimal;
    if (field->scale_e10 != 0 && td_decimal_shortest(number).scale != 0)
        note_field(e, m, DRIFT_OUT_OF_SCALE, "a fraction in a scaled integer");
    int is_signed = field->unit == UNIT_PRICE && has_signed_prices(e);
    if (number.mantissa < 0 && !is_signed && is_market_amount(e, field))
        note_field(e, m, DRIFT_OUT_OF_RANGE, "negative");
    if (number.mantissa == 0 && !is_signed && is_of_trade(e, field, MEMBER_PRICE))
        note_field(e, m, DRIFT_OUT_OF_RANGE, "a trade at a price of 0");
    if (field->scale_e10 != 0)
        return;
    check_places(e, m, s, number, json_type_of(json));
    check_jump(e, m, s, number);
}

/* 1 if a field is the topic's time; if several fields have that member, only the preferred one is.
 * Levels of a book may have changed long ago. */
static int is_own_time(const topic_row *row, const field_row *field)
{
    const int is_of_level = row->type == MSG_BOOK_CHANGE &&
                            (row->items[0].flags & ITEMS_BEST) == 0 && field >= row->fields &&
                            field < row->fields + row->field_count;
    if (field->member != row->time_member || is_of_level)
        return 0;
    for (size_t i = 0; i < row->field_count; i++)
        if (&row->fields[i] != field && row->fields[i].member == field->member &&
            (row->fields[i].flags & FIELD_PREFERRED))
            return 0;
    return 1;
}

static void check_time(examination *e, const survey_member *m, json_value json)
{
    const field_row *field = field_of(e, m);
    uint64_t recv_ns = e->frame->recv_ns;
    msg_value value;
    decode_error ignored; /* an unreadable time was already reported as unexpected */
    if (!decode_field(NULL, field, json, &value, &ignored) || value.type != VALUE_TIME_NS)
        return;
    uint64_t ns = value.as.time_ns;
    if (ns == 0 && !is_own_time(e->row, field))
        return; /* 0 means "not yet" */
    int is_own = recv_ns != 0 && is_own_time(e->row, field);
    if (ns < TIME_MIN_NS)
        note_field(e, m, DRIFT_OUT_OF_RANGE, "a time before 2010");
    else if (ns > TIME_MAX_NS)
        note_field(e, m, DRIFT_OUT_OF_RANGE, "a time after 2100");
    else if (is_own && ns > recv_ns + TIME_LATER_NS)
        note_field(e, m, DRIFT_OUT_OF_RANGE, "over an hour after it was received");
    else if (is_own && ns + TIME_EARLIER_NS < recv_ns)
        note_field(e, m, DRIFT_OUT_OF_RANGE, "over 30 days before it was received");
}

/* The documented texts of a field; with a stream, they are looked up only once. */
static const value_row *values_of(const examination *e, const field_row *field, member_state *s)
{
    if (s == NULL)
        return family_values(e->frame->of, field);
    if (!s->knows_values) {
        s->values = family_values(e->frame->of, field);
        s->knows_values = 1;
    }
    return s->values;
}

static void check_field(examination *e, const survey_member *m, member_state *s)
{
    const field_row *field = field_of(e, m);
    json_value value = {e->survey->root.parser, m->token};
    td_bytes text;
    int is_text = json_text(value, &text);
    if (json_is_null(value) || (is_text && value_is_empty(text))) {
        /* A trade must have a side; orders and positions may have "None". */
        if (is_text && text.size > 0 && is_of_trade(e, field, MEMBER_SIDE))
            note_value(e, m, text);
        return;
    }
    if (s != NULL)
        check_type(e, path_of(e, m->place, field), td_bytes_str(field->key), s,
                   json_type_of(value));
    if (field->type == FIELD_DECIMAL)
        check_decimal(e, m, s, value);
    else if (field->type == FIELD_TIME)
        check_time(e, m, value);
    else if (is_text)
        check_text(e, m, values_of(e, field, s), text);
}

/* Count a member of the frame. Returns the member's state in the stream; NULL without a stream. */
static member_state *note_member(examination *e, size_t place, size_t index)
{
    scope *in = scope_of(e, place);
    if (in == NULL)
        return NULL;
    member_state *s = &in->members[index];
    if (s->at == in->frames)
        return s;
    s->at = in->frames;
    s->seen++;
    s->missing = 0;
    return s;
}

/* ---- members on the paths to entries ---- */

/* The first key_count keys of a path. */
static td_bytes path_start(const char *path, size_t key_count)
{
    size_t size = strcspn(path, ".");
    for (size_t i = 1; i < key_count && path[size] == '.'; i++)
        size += 1 + strcspn(path + size + 1, ".");
    return td_bytes_of(path, size);
}

/* Check the members on the path of one of the row's items (in a list, only the first element). This
 * is needed because a frame may decode even if a list became an object, or an object a list. */
static void check_path(examination *e, size_t index)
{
    const char *path = e->row->items[index].path;
    json_value value = e->survey->root;
    for (size_t i = 0; i < PATH_KEYS_MAX && *path != '\0'; i++) {
        size_t size = strcspn(path, ".");
        json_iter it = json_iter_of(value);
        if (json_type_of(value) == JSON_ARRAY && !json_next(&it, NULL, &value))
            return;
        if (!json_find_key(value, td_bytes_of(path, size), &value))
            return;
        member_state *s = note_member(e, PLACE_PATHS, index * PATH_KEYS_MAX + i);
        if (s != NULL && !json_is_null(value))
            check_type(e, path_start(e->row->items[index].path, i + 1), td_bytes_of(NULL, 0), s,
                       json_type_of(value));
        path += path[size] == '.' ? size + 1 : size;
    }
}

static void check_paths(examination *e)
{
    const items_row *items = e->row->items;
    for (size_t i = 0; e->stream != NULL && i < TOPIC_ITEMS_MAX && items[i].path != NULL; i++)
        if (items[i].kind == FRAME_ANY || items[i].kind == e->kind)
            check_path(e, i);
}

/* ---- members that are missing ---- */

static drift_note *note_gone_at(examination *e, size_t place, size_t index)
{
    const topic_row *row = e->row;
    if (place == PLACE_PATHS) {
        const char *path = row->items[index / PATH_KEYS_MAX].path;
        return note_path(e, DRIFT_FIELD_GONE, path_start(path, index % PATH_KEYS_MAX + 1),
                         td_bytes_of(NULL, 0), "");
    }
    const field_row kind = {.key = topic_row_kind_key(row)};
    const field_row *field = place == PLACE_KIND        ? &kind
                             : place == SURVEY_ENVELOPE ? &row->envelope[index]
                                                        : &row->fields[index];
    return note_path(e, DRIFT_FIELD_GONE, path_of(e, place, field), td_bytes_str(field->key), "");
}

static void note_gone(examination *e, size_t place, size_t index, const member_state *s)
{
    drift_note *note = note_gone_at(e, place, index);
    if (note == NULL || s->missing > DRIFT_GONE_FRAMES)
        return;
    note->first_ns = s->missing_ns;
    note->first_order = s->missing_order;
    note->count = s->missing;
}

static void check_gone(examination *e, size_t place)
{
    scope *in = scope_of(e, place);
    size_t count = count_members(e->row, place);
    for (size_t i = 0; in != NULL && i < count; i++) {
        member_state *s = &in->members[i];
        if (s->at == in->frames || s->seen < DRIFT_GONE_BEFORE ||
            s->seen * 100 < s->at * DRIFT_NEARLY_PERCENT)
            continue;
        if (s->missing++ == 0) {
            s->missing_ns = e->frame->recv_ns;
            s->missing_order = e->frame->order;
        }
        if (s->missing >= DRIFT_GONE_FRAMES)
            note_gone(e, place, i, s);
    }
}

/* ---- frames ---- */

static void check_members(examination *e)
{
    const frame_survey *survey = e->survey;
    /* The places that could have members in this frame, a bit for each: the envelope, and the row's
     * items that have entries. */
    unsigned places = 1u << SURVEY_ENVELOPE | 1u << PLACE_KIND | 1u << PLACE_PATHS;
    for (size_t i = 0; i < survey->member_count; i++)
        if (survey->members[i].what == SURVEY_ENTRY)
            places |= 1u << survey->members[i].place;
    for (size_t place = 0; place < PLACES; place++) {
        scope *in = places >> place & 1 ? scope_of(e, place) : NULL;
        if (in != NULL)
            in->frames++;
    }

    for (size_t i = 0; i < survey->unexpected_count; i++)
        check_unexpected(e, &survey->unexpected[i]);
    check_paths(e);
    for (size_t i = 0; i < survey->member_count; i++) {
        const survey_member *m = &survey->members[i];
        if (m->what == SURVEY_ENTRY)
            continue;
        member_state *s = note_member(e, m->what == SURVEY_KIND ? PLACE_KIND : m->place, m->index);
        if (m->what == SURVEY_FIELD)
            check_field(e, m, s);
    }

    for (size_t place = 0; place < PLACES; place++)
        if (places >> place & 1)
            check_gone(e, place);
}

/* 1 for topics of options, whose prices may move from 5 to 50 and back in a day. */
static int is_option(const topic_row *row)
{
    return topic_field(row->fields, row->field_count, MEMBER_MARK_IV) != NULL ||
           topic_field(row->fields, row->field_count, MEMBER_DELTA) != NULL;
}

/* 1 if all prices in the stream's frames are of one market, so that they are close to each other.
 */
static int has_one_price(const examination *e)
{
    const topic_row *row = e->row;
    int is_market = row->type == MSG_TRADE || row->type == MSG_TICKER || row->type == MSG_KLINE;
    return is_market && !has_signed_prices(e) && topic_row_has_symbol(row) &&
           !topic_row_has_coin(row) && !is_option(row);
}

static void note_failure(examination *e, const decode_error *why)
{
    note_path(e, DRIFT_NOT_DECODED, td_bytes_str(why->field), td_bytes_of(NULL, 0),
              decode_reason_name(why->reason));
}

/* Examine a frame whose topic has a row. */
static void examine_data(examination *e, const topic_match *topic)
{
    message m;
    decode_error why;
    frame_survey *survey = &e->reader->survey;
    e->row = topic->row;
    td_utf8_copy(e->reader->topic, sizeof e->reader->topic, topic->topic);
    e->out->topic = td_bytes_str(e->reader->topic);
    if (!td_bytes_is(topic->symbol, "*"))
        e->out->symbol = topic->symbol;
    int is_decoded = decoder_survey(e->reader->decoder, topic, e->frame->bytes, &m, survey, &why);
    e->out->text = survey->text;
    if (!is_decoded) {
        note_failure(e, &why);
        return;
    }
    if (e->stream != NULL && e->stream->row != e->row) {
        stream_reset(e->stream);
        e->stream->row = e->row;
        e->stream->has_one_price = (uint8_t)has_one_price(e);
    }
    e->survey = survey;
    e->kind = m.head.kind;
    e->out->left_out = survey->unexpected_left_out;
    check_members(e);
}

/* 1 if a part of a topic looks like a symbol: at least three characters, no lower case, and a
 * letter. */
static int is_like_symbol(td_bytes part)
{
    int has_letter = 0;
    for (size_t i = 0; i < part.size; i++) {
        has_letter |= part.data[i] >= 'A' && part.data[i] <= 'Z';
        if (part.data[i] >= 'a' && part.data[i] <= 'z')
            return 0;
    }
    return has_letter && part.size >= 3;
}

/* 1 if a topic is documented, but intentionally has no row. */
static int is_raw_topic(const family *of, td_bytes topic)
{
    const char *const *raw = exchange_of(of)->raw_topics;
    for (; raw != NULL && *raw != NULL; raw++)
        if (topic.size >= strlen(*raw) && memcmp(topic.data, *raw, strlen(*raw)) == 0)
            return 1;
    return 0;
}

/* Set the name of a topic without a row. Parts after the first that look like a symbol become
 * "{symbol}", because the topic may occur with all symbols of a market. */
static void name_topic(examination *e, td_bytes text)
{
    char *name = e->reader->topic;
    size_t size = 0;
    td_bytes rest = text, part;
    while (td_bytes_next(&rest, '.', &part)) {
        const int is_first = part.data == text.data;
        int is_symbol = !is_first && is_like_symbol(part);
        if (is_symbol)
            e->out->symbol = part;
        if (!is_first && size + 1 < LIMIT_TOPIC_BYTES)
            name[size++] = '.';
        copy_text(name + size, LIMIT_TOPIC_BYTES - size,
                  is_symbol ? td_bytes_str("{symbol}") : part);
        size += strlen(name + size);
    }
    e->out->topic = td_bytes_str(name);
}

/* Check the members of an answer, ping or error. */
static void examine_control(examination *e, const classification *what)
{
    const char *const *known = exchange_of(e->frame->of)->control_keys;
    frame_survey *survey = &e->reader->survey;
    decode_error why;
    json_value key;
    json_value value;
    snprintf(e->reader->topic, sizeof e->reader->topic, "_control.%s",
             frame_class_name(what->frame_class));
    e->out->topic = td_bytes_str(e->reader->topic);
    if (!decoder_survey_text(e->reader->decoder, e->frame->bytes, survey, &why)) {
        note_failure(e, &why);
        return;
    }
    e->out->text = survey->text;
    for (json_iter it = json_iter_of(survey->root);
         known != NULL && json_next(&it, &key, &value);) {
        td_bytes text;
        int is_text = json_text(key, &text);
        TD_ASSERT(is_text);
        if (!td_bytes_is_any(text, known))
            note_path(e, DRIFT_NEW_FIELD, text, td_bytes_of(NULL, 0), "");
    }
}

/* Examine a frame whose channel has no row, depending on its class. */
static void examine_other(examination *e, const classification *what)
{
    frame_survey *survey = &e->reader->survey;
    decode_error why;
    if (frame_class_is_control(what->frame_class)) {
        examine_control(e, what);
    } else if (what->topic.row != NULL) {
        examine_data(e, &what->topic);
    } else if (what->frame_class == CLASS_DATA) {
        name_topic(e, what->exchange_topic);
        if (!is_raw_topic(e->frame->of, what->exchange_topic))
            note_path(e, DRIFT_NEW_TOPIC, td_bytes_of(NULL, 0), td_bytes_of(NULL, 0), "");
    } else {
        e->out->topic = td_bytes_str("_unknown");
        if (decoder_survey_text(e->reader->decoder, e->frame->bytes, survey, &why))
            why = (decode_error){.reason = DECODE_NO_TOPIC};
        note_failure(e, &why);
    }
}

void drift_read(drift_reader *reader, drift_stream *stream, const drift_frame *frame,
                drift_result *out)
{
    *out = (drift_result){.text = frame->bytes, .notes = reader->notes};
    examination e = {.reader = reader, .stream = stream, .frame = frame, .out = out};
    if (frame->topic.row != NULL) {
        examine_data(&e, &frame->topic);
    } else {
        classification what;
        decoder_classify(reader->decoder, frame->of, frame->bytes, CHANNEL_IN, frame->recv_ns,
                         &what);
        examine_other(&e, &what);
    }
}
