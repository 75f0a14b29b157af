#include "format/segment_name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/decimal.h"
#include "base/time_text.h"

/* Length of a name's session ("3f2a9c01"), and minimum length of its number ("000001"). */
enum { NAME_SESSION_CHARS = 8, NAME_NUMBER_CHARS_MIN = 6 };

int feed_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

int feed_name_is_valid(const char *feed)
{
    size_t length = strlen(feed);
    if (length == 0 || length >= LIMIT_NAME_BYTES || feed[0] == '.')
        return 0;
    for (const char *c = feed; *c != '\0'; c++) {
        if (!feed_name_char(*c))
            return 0;
    }
    return 1;
}

void segment_name_format(const char *feed, const char *session, uint64_t first_ns, uint32_t number,
                         char out[LIMIT_PATH_BYTES])
{
    TD_ASSERT(feed_name_is_valid(feed));
    TD_ASSERT(strlen(session) == NAME_SESSION_CHARS);
    unsigned year = 0;
    unsigned month = 0;
    unsigned day = 0;
    td_time_date(first_ns, &year, &month, &day);
    char time[TD_TIME_TEXT_BYTES];
    td_time_format_compact(first_ns, time);
    int length = snprintf(out, LIMIT_PATH_BYTES, "capture/%04u/%02u/%02u/%s-%s-%s-%06u.mcap", year,
                          month, day, feed, time, session, number);
    TD_ASSERT(length > 0);
    TD_ASSERT(length < (int)LIMIT_PATH_BYTES);
}

/* Cut the last "-part" off [name, name + *length). 0 if there is no '-' or nothing precedes it. */
static int cut_last_part(const char *name, size_t *length, td_bytes *part)
{
    size_t at = *length;
    while (at > 0 && name[at - 1] != '-')
        at--;
    if (at < 2)
        return 0;
    *part = td_bytes_of(name + at, *length - at);
    *length = at - 1;
    return 1;
}

static int parse_number(td_bytes digits, uint32_t *out)
{
    uint64_t value = 0;
    if (digits.size < NAME_NUMBER_CHARS_MIN || digits.size > 10 ||
        !td_digits_parse(digits, UINT32_MAX, &value))
        return 0;
    *out = (uint32_t)value;
    return 1;
}

int session_id_is_valid(td_bytes text)
{
    if (text.size != NAME_SESSION_CHARS)
        return 0;
    for (size_t i = 0; i < text.size; i++) {
        if (!isdigit(text.data[i]) && (text.data[i] < 'a' || text.data[i] > 'f'))
            return 0;
    }
    return 1;
}

static int parse_session(td_bytes hex, char out[SESSION_ID_BYTES])
{
    if (!session_id_is_valid(hex))
        return 0;
    memcpy(out, hex.data, hex.size);
    out[hex.size] = '\0';
    return 1;
}

static int parse_time(td_bytes compact, uint64_t *seconds)
{
    uint64_t ns = 0;
    int is_time = td_time_parse_compact(compact, &ns);
    *seconds = ns / TD_NS_PER_S;
    return is_time;
}

static int ends_with(const char *name, size_t length, const char *suffix)
{
    size_t suffix_length = strlen(suffix);
    return length > suffix_length &&
           memcmp(name + length - suffix_length, suffix, suffix_length) == 0;
}

time_span segment_name_span(const segment_name *name)
{
    const uint64_t hour_s = 3600;
    const uint64_t hour_end_ns = (name->first_s / hour_s + 1) * hour_s * TD_NS_PER_S;
    const int is_cut = name->is_parsed && name->number == SEGMENT_NUMBER_CUT;
    return (time_span){name->first_s * TD_NS_PER_S, is_cut ? UINT64_MAX : hour_end_ns};
}

const char *segment_file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

int segment_has_open_name(const char *path)
{
    return ends_with(path, strlen(path), SEGMENT_OPEN_SUFFIX);
}

td_bytes segment_final_name(const char *path)
{
    size_t length = strlen(path);
    if (segment_has_open_name(path))
        length -= strlen(SEGMENT_OPEN_SUFFIX);
    return td_bytes_of(path, length);
}

void segment_final_path(const char *path, char out[LIMIT_PATH_BYTES])
{
    td_bytes name = segment_final_name(path);
    size_t size = name.size < LIMIT_PATH_BYTES ? name.size : LIMIT_PATH_BYTES - 1;
    memcpy(out, path, size);
    out[size] = '\0';
}

void segment_open_path(const char *final_path, char out[LIMIT_PATH_BYTES])
{
    (void)snprintf(out, LIMIT_PATH_BYTES, "%.*s" SEGMENT_OPEN_SUFFIX,
                   (int)(LIMIT_PATH_BYTES - sizeof SEGMENT_OPEN_SUFFIX), final_path);
}

int segment_name_parse(const char *file_name, segment_name *out)
{
    *out = (segment_name){0};
    segment_name name = {.is_parsed = 1};
    size_t length = strlen(file_name);
    if (segment_has_open_name(file_name)) {
        name.is_open = 1;
        length -= strlen(SEGMENT_OPEN_SUFFIX);
    }
    if (!ends_with(file_name, length, ".mcap"))
        return 0;
    length -= strlen(".mcap");
    td_bytes number;
    td_bytes session;
    td_bytes time;
    if (!cut_last_part(file_name, &length, &number) || !parse_number(number, &name.number) ||
        !cut_last_part(file_name, &length, &session) || !parse_session(session, name.session) ||
        !cut_last_part(file_name, &length, &time) || !parse_time(time, &name.first_s) ||
        length >= sizeof name.feed)
        return 0;
    memcpy(name.feed, file_name, length);
    if (!feed_name_is_valid(name.feed))
        return 0;
    *out = name;
    return 1;
}
