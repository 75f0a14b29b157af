#include "remote/s3_reply.h"

#include <string.h>

#include "base/decimal.h"
#include "base/time_text.h"

enum { KEY_BYTES = 1025 };

/* Find the next element that has only text: <name>text</name>. Its text is not decoded. 0: no more,
 * or a malformed document. */
static int next_leaf(td_bytes *rest, td_bytes *name, td_bytes *text)
{
    td_bytes end;
    while (td_bytes_next(rest, '<', text) && td_bytes_next(rest, '>', name)) {
        td_bytes after = *rest;
        if (!td_bytes_next(&after, '<', text) || !td_bytes_next(&after, '>', &end))
            return 0;
        if (end.size == 0 || end.data[0] != '/' ||
            !td_bytes_equal(td_bytes_of(end.data + 1, end.size - 1), *name))
            continue;
        *rest = after;
        return 1;
    }
    return 0;
}

/* The character of an entity, without '&' and ';'; 0: unknown. */
static uint32_t entity(td_bytes name)
{
    static const struct {
        const char *name;
        uint32_t c;
    } NAMES[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        if (td_bytes_is(name, NAMES[i].name))
            return NAMES[i].c;
    if (name.size < 2 || name.data[0] != '#')
        return 0;
    const uint32_t base = name.data[1] == 'x' ? 16 : 10;
    uint32_t value = 0;
    for (size_t i = base == 16 ? 2 : 1; i < name.size; i++) {
        const int digit = td_hex_digit(name.data[i]);
        if (digit < 0 || (uint32_t)digit >= base || value > 0x10ffff)
            return 0;
        value = value * base + (uint32_t)digit;
    }
    return value;
}

/* Write a character as UTF-8. Returns its bytes; 0: not a character. */
static size_t write_utf8(uint32_t c, char out[4])
{
    static const uint8_t FIRST[] = {0, 0xc0, 0xe0, 0xf0};
    const size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    if (c == 0 || c > 0x10ffff)
        return 0;
    out[0] = (char)(FIRST[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

/* Decode entities, and add a NUL. 0: a malformed entity, a NUL, or a longer text; then out has the
 * text before it. */
static int decode(td_bytes text, char *out, size_t out_bytes)
{
    size_t size = 0;
    out[0] = '\0';
    while (text.size > 0) {
        char piece[4] = {(char)text.data[0]};
        size_t piece_size = text.data[0] == '\0' ? 0 : 1;
        td_bytes rest = td_bytes_of(text.data + 1, text.size - 1);
        td_bytes name;
        if (text.data[0] == '&')
            piece_size = td_bytes_next(&rest, ';', &name) ? write_utf8(entity(name), piece) : 0;
        if (piece_size == 0 || size + piece_size >= out_bytes)
            return 0;
        memcpy(out + size, piece, piece_size);
        size += piece_size;
        out[size] = '\0';
        text = rest;
    }
    return 1;
}

void s3_reply_error(td_bytes body, s3_error *out)
{
    *out = (s3_error){.code = ""};
    const struct {
        const char *name;
        char *text;
        size_t bytes;
    } members[] = {
        {"Code", out->code, sizeof out->code},
        {"Message", out->message, sizeof out->message},
        {"Region", out->region, sizeof out->region},
        {"Endpoint", out->endpoint, sizeof out->endpoint},
    };
    td_bytes name;
    td_bytes text;
    while (next_leaf(&body, &name, &text))
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
            if (td_bytes_is(name, members[i].name))
                (void)decode(text, members[i].text, members[i].bytes); /* truncated is fine */
}

int s3_reply_is_page(td_bytes body)
{
    static const char END[] = "</ListBucketResult>";
    while (body.size > 0 && strchr(" \t\r\n", body.data[body.size - 1]) != NULL)
        body.size--;
    return body.size >= sizeof END &&
           memcmp(body.data + body.size - (sizeof END - 1), END, sizeof END - 1) == 0;
}

static td_result malformed(td_err *err, const char *what)
{
    return td_err_set(err, TD_E_CORRUPT, "the reply is not a list of an S3 store: %s", what);
}

td_result s3_reply_page(td_bytes body, s3_object_fn *fn, void *user, s3_page *out, td_err *err)
{
    char key[KEY_BYTES] = "";
    s3_object object = {.key = key};
    uint64_t announced = UINT64_MAX;
    const int is_page = s3_reply_is_page(body);
    int has_end = 0;
    td_bytes name;
    td_bytes text;
    *out = (s3_page){.object_count = 0};
    while (next_leaf(&body, &name, &text)) {
        if (td_bytes_is(name, "Key")) {
            if (key[0] != '\0' || !decode(text, key, sizeof key) || key[0] == '\0')
                return malformed(err, "Key");
            object.modified_ns = 0;
        } else if (td_bytes_is(name, "LastModified")) {
            if (td_time_parse_rfc3339(text, &object.modified_ns, NULL) != TD_OK)
                return malformed(err, "LastModified");
        } else if (td_bytes_is(name, "Size")) { /* the last one of an object's that are read */
            if (key[0] == '\0' || !td_digits_parse(text, INT64_MAX, &object.bytes))
                return malformed(err, "Size");
            td_result rc = fn(user, &object, err);
            if (rc != TD_OK)
                return rc;
            out->object_count++;
            key[0] = '\0';
        } else if (td_bytes_is(name, "KeyCount")) {
            if (!td_digits_parse(text, INT64_MAX, &announced))
                return malformed(err, "KeyCount");
        } else if (td_bytes_is(name, "IsTruncated")) {
            has_end = 1;
            out->is_truncated = (uint8_t)td_bytes_is(text, "true");
            if (!out->is_truncated && !td_bytes_is(text, "false"))
                return malformed(err, "IsTruncated");
        } else if (td_bytes_is(name, "NextContinuationToken") &&
                   !decode(text, out->token, sizeof out->token)) {
            return malformed(err, "NextContinuationToken");
        }
    }
    if (!is_page || !has_end || key[0] != '\0')
        return malformed(err, "it ends early");
    if (announced != UINT64_MAX && announced != out->object_count)
        return malformed(err, "KeyCount differs from its keys");
    if (out->is_truncated && out->token[0] == '\0')
        return malformed(err, "NextContinuationToken is missing");
    return TD_OK;
}
