#include "remote/s3_reply.h"

#include <string.h>

#include "base/decimal.h"

/* ---- XML ---- */

enum { PATH_BYTES = 256, KEY_BYTES = 1025 };

/* Called at the end of each element with the names from the root to it ("Error/Code") and the text
 * between its last tag and its end, not decoded. */
typedef td_result xml_fn(void *user, const char *path, td_bytes text, td_err *err);

static int is_space(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Cut the bytes before `end` off *rest, and `end` itself. 0: end is not in it. */
static int cut_before(td_bytes *rest, const char *end, td_bytes *out)
{
    const size_t size = strlen(end);
    const uint8_t *at = rest->size == 0 ? NULL : memmem(rest->data, rest->size, end, size);
    if (at == NULL)
        return 0;
    *out = td_bytes_of(rest->data, (size_t)(at - rest->data));
    *rest = td_bytes_of(at + size, rest->size - out->size - size);
    return 1;
}

static td_result malformed(td_err *err, const char *what)
{
    return td_err_set(err, TD_E_CORRUPT, "the reply is not the XML of an S3 store: %s", what);
}

/* Append a name to the path. */
static int enter(char *path, td_bytes tag)
{
    size_t name = 0;
    while (name < tag.size && !is_space(tag.data[name]))
        name++;
    const size_t size = strlen(path);
    if (name == 0 || size + 1 + name >= PATH_BYTES || memchr(tag.data, '/', name) != NULL ||
        memchr(tag.data, '\0', name) != NULL)
        return 0;
    path[size] = '/';
    memcpy(path + size + 1, tag.data, name);
    path[size + 1 + name] = '\0';
    return 1;
}

/* Remove the last name, which must be this one. */
static int leave(char *path, td_bytes tag)
{
    while (tag.size > 0 && is_space(tag.data[tag.size - 1]))
        tag.size--;
    char *last = strrchr(path, '/');
    if (last == NULL || !td_bytes_is(tag, last + 1))
        return 0;
    *last = '\0';
    return 1;
}

static td_result walk_xml(td_bytes rest, xml_fn *fn, void *user, td_err *err)
{
    char path[PATH_BYTES] = "";
    int has_root = 0;
    td_bytes text;
    while (cut_before(&rest, "<", &text)) {
        td_bytes tag;
        if (rest.size > 0 && rest.data[0] == '?') {
            if (has_root || !cut_before(&rest, "?>", &tag))
                return malformed(err, "a declaration");
            continue;
        }
        if (!cut_before(&rest, ">", &tag) || tag.size == 0 || tag.data[0] == '!')
            return malformed(err, "a tag");
        const int is_end = tag.data[0] == '/';
        const int is_empty = !is_end && tag.data[tag.size - 1] == '/';
        if (is_end || is_empty)
            tag = td_bytes_of(tag.data + is_end, tag.size - 1);
        if (!is_end && ((has_root && path[0] == '\0') || !enter(path, tag)))
            return malformed(err, "an element");
        has_root = 1;
        if (!is_end && !is_empty)
            continue;
        td_result rc = path[0] == '\0'
                           ? malformed(err, "an end tag")
                           : fn(user, path + 1, is_end ? text : td_bytes_of(NULL, 0), err);
        if (rc != TD_OK)
            return rc;
        if (is_empty)
            *strrchr(path, '/') = '\0';
        else if (!leave(path, tag))
            return malformed(err, "an end tag");
    }
    while (rest.size > 0 && is_space(rest.data[rest.size - 1]))
        rest.size--;
    if (!has_root || path[0] != '\0' || rest.size > 0)
        return malformed(err, "it ends early");
    return TD_OK;
}

/* Write a character as UTF-8. Returns its bytes; 0: not a character. */
static size_t write_utf8(uint32_t c, char out[4])
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 0;
    const size_t more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t FIRST[] = {0, 0xc0, 0xe0, 0xf0};
    out[0] = (char)(FIRST[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
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
            piece_size = cut_before(&rest, ";", &name) ? write_utf8(entity(name), piece) : 0;
        if (piece_size == 0 || size + piece_size >= out_bytes)
            return 0;
        memcpy(out + size, piece, piece_size);
        size += piece_size;
        out[size] = '\0';
        text = rest;
    }
    return 1;
}

/* ---- documents ---- */

static td_result on_error_element(void *user, const char *path, td_bytes text, td_err *err)
{
    (void)err;
    s3_error *out = user;
    const struct {
        const char *path;
        char *text;
        size_t bytes;
    } members[] = {
        {"Error/Code", out->code, sizeof out->code},
        {"Error/Message", out->message, sizeof out->message},
        {"Error/Region", out->region, sizeof out->region},
        {"Error/Endpoint", out->endpoint, sizeof out->endpoint},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        if (strcmp(path, members[i].path) == 0)
            (void)decode(text, members[i].text, members[i].bytes); /* a truncated text is fine */
    return TD_OK;
}

void s3_reply_error(td_bytes body, s3_error *out)
{
    *out = (s3_error){.code = ""};
    /* What was read before a malformed byte is still the store's reason. */
    (void)!walk_xml(body, on_error_element, out, NULL);
}

typedef struct page_reader {
    s3_object_fn *fn;
    void *user;
    s3_page *page;
    char key[KEY_BYTES];
    uint64_t bytes;
    uint8_t has_key, has_bytes, has_truncated;
} page_reader;

static td_result end_object(page_reader *r, td_err *err)
{
    if (!r->has_key || !r->has_bytes)
        return malformed(err, "an object without a key or a size");
    r->has_key = r->has_bytes = 0;
    r->page->object_count++;
    return r->fn(r->user, r->key, r->bytes, err);
}

static td_result on_page_element(void *user, const char *path, td_bytes text, td_err *err)
{
    page_reader *r = user;
    static const char ROOT[] = "ListBucketResult";
    if (strncmp(path, ROOT, sizeof ROOT - 1) != 0)
        return malformed(err, "not a list of objects");
    path += sizeof ROOT - 1;
    if (strcmp(path, "/Contents") == 0)
        return end_object(r, err);
    if (strcmp(path, "/Contents/Key") == 0) {
        r->has_key = 1;
        if (!decode(text, r->key, sizeof r->key) || r->key[0] == '\0')
            return malformed(err, "a key");
    } else if (strcmp(path, "/Contents/Size") == 0) {
        r->has_bytes = 1;
        if (!td_digits_parse(text, INT64_MAX, &r->bytes))
            return malformed(err, "a size");
    } else if (strcmp(path, "/IsTruncated") == 0) {
        r->has_truncated = 1;
        r->page->is_truncated = (uint8_t)td_bytes_is(text, "true");
        if (!r->page->is_truncated && !td_bytes_is(text, "false"))
            return malformed(err, "IsTruncated");
    } else if (strcmp(path, "/NextContinuationToken") == 0) {
        if (!decode(text, r->page->token, sizeof r->page->token))
            return malformed(err, "NextContinuationToken");
    }
    return TD_OK;
}

td_result s3_reply_page(td_bytes body, s3_object_fn *fn, void *user, s3_page *out, td_err *err)
{
    *out = (s3_page){.object_count = 0};
    page_reader reader = {.fn = fn, .user = user, .page = out};
    td_result rc = walk_xml(body, on_page_element, &reader, err);
    if (rc != TD_OK)
        return rc;
    if (!reader.has_truncated || (out->is_truncated && out->token[0] == '\0'))
        return malformed(err, "a page without its end");
    return TD_OK;
}
