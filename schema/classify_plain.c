/* The ordinary data frame, classified from its two ends: the keys in front of its entries and those
 * behind them are read byte by byte, the entries themselves are not touched.
 *
 * Measured: indexing a whole frame to see a handful of keys was a third of the recorder's work on
 * it (1,750 instructions of stage 1, 2,300 more over the index); from both ends it is some 300.
 *
 * For valid JSON both roads say the same. What is malformed between the ends is not seen here: such
 * a frame is its topic's, and the decoder says what is wrong with it. */
#include <string.h>

#include "base/assert.h"
#include "schema/classify_impl.h"
#include "schema/scan.h"

enum { PLAIN_MEMBERS_MAX = 16 };

/* A key of the frame's object whose value is a scalar: from value up to value_end. */
typedef struct plain_member {
    td_bytes key;
    const uint8_t *value;
    const uint8_t *value_end;
} plain_member;

typedef struct plain_frame {
    const frame_keys *keys;
    const uint8_t *begin;
    const uint8_t *end;
    td_bytes topic;
    const uint8_t *data; /* the bracket of the entries */
    uint32_t count;
    plain_member members[PLAIN_MEMBERS_MAX];
} plain_frame;

/* Could the value of the key that data frames have as well be a control frame's? */
static int is_of_control(const frame_keys *keys, const plain_member *member)
{
    td_bytes json = td_bytes_of(member->value, (size_t)(member->value_end - member->value));
    if (json_has_escape(json))
        return 1;
    const control_rule *rules = keys->rules + keys->shared_first;
    for (size_t i = 0; i < keys->shared_count; i++)
        if (json.size == rules[i].text.size + 2 &&
            memcmp(json.data + 1, rules[i].text.data, rules[i].text.size) == 0)
            return 1;
    return 0;
}

/* Keep a member. 0 if it says that this may be no data frame, or is one too many. */
static int add_member(plain_frame *f, const plain_member *member)
{
    uint8_t known = frame_key_find(f->keys, member->key);
    if (json_has_escape(member->key))
        return 0;
    if (known != FRAME_KEY_NONE && (known != f->keys->shared || is_of_control(f->keys, member)))
        return 0;
    if (f->count == PLAIN_MEMBERS_MAX)
        return 0;
    f->members[f->count++] = *member;
    return 1;
}

/* The topic, at the beginning of a data frame ({"topic":"…"); returns the place after it, or NULL.
 */
static const uint8_t *read_topic(plain_frame *f)
{
    td_bytes start = f->keys->data_start;
    if ((size_t)(f->end - f->begin) < start.size + 6 ||
        memcmp(f->begin, start.data, start.size) != 0)
        return NULL;
    return scan_text(f->begin + start.size - 1, f->end, &f->topic);
}

/* The members from p, at a comma, up to the entries. 1, and data is set; 0: not plain. */
static int read_head(plain_frame *f, const uint8_t *p)
{
    while (p != NULL && p + 4 < f->end && *p == ',') {
        plain_member member;
        p = scan_string(p + 1, f->end, &member.key);
        if (p == NULL || *p != ':')
            return 0;
        member.value = ++p;
        if (*p == '[' || *p == '{') {
            f->data = p;
            return td_bytes_equal(member.key, f->keys->names[f->keys->data]) && p < f->end;
        }
        p = scan_scalar(p, f->end);
        member.value_end = p;
        if (p == NULL || !add_member(f, &member))
            return 0;
    }
    return 0;
}

/* The opening quote of the string that ends in front of end (behind its closing quote); NULL if
 * there is none, or an escape is near. */
static const uint8_t *string_start(const plain_frame *f, const uint8_t *end)
{
    if (end - f->data < 3 || end[-1] != '"' || end[-2] == '\\')
        return NULL;
    const uint8_t *quote = memrchr(f->data, '"', (size_t)(end - 1 - f->data));
    return quote == NULL || quote == f->data || quote[-1] == '\\' ? NULL : quote;
}

/* Where the scalar in front of end begins; NULL if that cannot be said. */
static const uint8_t *scalar_start(const plain_frame *f, const uint8_t *end)
{
    if (end[-1] == '"')
        return string_start(f, end);
    const uint8_t *p = end;
    while (p > f->data && ((p[-1] >= '0' && p[-1] <= '9') || (p[-1] >= 'a' && p[-1] <= 'z') ||
                           p[-1] == '.' || p[-1] == '-'))
        p--;
    return p == end || p == f->data ? NULL : p;
}

/* The members behind the entries, from the end of the frame to a closing bracket. 1, or 0: not
 * plain. */
static int read_tail(plain_frame *f)
{
    const uint8_t *end = f->end - 1; /* of a value */
    if (*end != '}')
        return 0;
    while (end > f->data && end[-1] != ']' && end[-1] != '}') {
        plain_member member = {.value_end = end};
        member.value = scalar_start(f, end);
        if (member.value == NULL || member.value - f->data < 4 || member.value[-1] != ':')
            return 0;
        const uint8_t *key = string_start(f, member.value - 1);
        if (key == NULL || key[-1] != ',')
            return 0;
        member.key = td_bytes_of(key + 1, (size_t)(member.value - 2 - (key + 1)));
        if (!add_member(f, &member))
            return 0;
        end = key - 1;
    }
    return end > f->data;
}

/* ---- the exchange's time ---- */

/* What is known of a time: it is there, it is not there, or the other road must look. */
typedef enum time_found { TIME_FOUND, TIME_ABSENT, TIME_UNSURE } time_found;

static time_found read_time(const field_row *field, const uint8_t *value, const uint8_t *end,
                            uint64_t *ns)
{
    uint64_t unit_ns = field_unit_ns(field->unit);
    if (unit_ns == 0 || scan_time(value, unit_ns, ns) != end || *ns == 0)
        return TIME_UNSURE;
    return TIME_FOUND;
}

static time_found member_time(const plain_frame *f, const field_row *field, uint64_t *ns)
{
    if (strchr(field->key, '.') != NULL)
        return TIME_UNSURE;
    td_bytes key = td_bytes_str(field->key);
    for (uint32_t i = 0; i < f->count; i++) {
        if (td_bytes_equal(f->members[i].key, key))
            return read_time(field, f->members[i].value, f->members[i].value_end, ns);
    }
    return TIME_ABSENT;
}

static time_found envelope_time(const plain_frame *f, const topic_row *row, uint64_t *ns)
{
    for (size_t i = 0; i < row->envelope_count; i++) {
        const field_row *field = &row->envelope[i];
        if (field->member != row->time_member || field->type != FIELD_TIME)
            continue;
        time_found found = member_time(f, field, ns);
        if (found != TIME_ABSENT)
            return found;
    }
    return TIME_ABSENT;
}

/* The field that an entry's time is taken from before all others: the preferred, or the only one;
 * NULL if there is none. */
static const field_row *preferred_time(const topic_row *row)
{
    const field_row *only = NULL;
    int count = 0;
    for (size_t i = 0; i < row->field_count; i++) {
        const field_row *field = &row->fields[i];
        if (field->member != row->time_member || field->type != FIELD_TIME)
            continue;
        if (field->flags & FIELD_PREFERRED)
            return field;
        only = field;
        count++;
    }
    return count == 1 ? only : NULL;
}

/* Time of the first entry, if the entries are the data and it has the preferred field. */
static time_found entry_time(const plain_frame *f, const topic_row *row, uint64_t *ns)
{
    const field_row *field = preferred_time(row);
    if (field == NULL || row->items[0].path == NULL || strcmp(row->items[0].path, "data") != 0)
        return TIME_UNSURE;
    td_bytes wanted = td_bytes_str(field->key);
    const uint8_t *p = *f->data == '[' ? f->data + 1 : f->data;
    if (*p != '{')
        return TIME_UNSURE;
    for (int i = 0; i < PLAIN_MEMBERS_MAX && (*p == '{' || *p == ',') && p + 4 < f->end; i++) {
        td_bytes key;
        p = scan_string(p + 1, f->end, &key);
        if (p == NULL || *p != ':')
            return TIME_UNSURE;
        const uint8_t *value = p + 1;
        p = value < f->end ? scan_scalar(value, f->end) : NULL;
        if (p == NULL || p >= f->end)
            return TIME_UNSURE;
        if (td_bytes_equal(key, wanted))
            return read_time(field, value, p, ns);
    }
    return TIME_UNSURE;
}

/* 1 if the row's time, or that it has none, is known. */
static int find_time(const plain_frame *f, const topic_row *row, uint64_t *ns)
{
    *ns = 0;
    if (row->time_member == MEMBER_NONE)
        return 1;
    time_found found = envelope_time(f, row, ns);
    if (found == TIME_ABSENT)
        found = entry_time(f, row, ns);
    return found == TIME_FOUND;
}

int classify_plain(decoder *d, const classify_job *job, td_bytes frame, classification *out)
{
    plain_frame f;
    f.keys = job->keys;
    f.begin = frame.data;
    f.end = frame.data + frame.size;
    f.data = NULL;
    f.count = 0;
    const uint8_t *p = read_topic(&f);
    if (p == NULL || job->of == NULL || !read_head(&f, p) || !read_tail(&f))
        return 0;
    TD_ASSERT_SLOW(f.data > f.begin);
    TD_ASSERT_SLOW(f.data < f.end);
    topic_match topic;
    uint64_t exchange_ns;
    if (!classify_match_topic(d, job->of, f.topic, job->at_ns, &topic) ||
        !find_time(&f, topic.row, &exchange_ns))
        return 0;
    out->frame_class = CLASS_DATA;
    out->topic = topic;
    out->exchange_topic = f.topic;
    out->exchange_ns = exchange_ns;
    return 1;
}
