#include "schema/frame_text.h"

#include <string.h>

#include "base/assert.h"

static int is_of_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.';
}

/* The name at a text that begins behind its "$". */
static td_bytes name_at(const char *text)
{
    size_t size = 0;
    while (is_of_name(text[size]))
        size++;
    return td_bytes_of(text, size);
}

/* Append the text up to `end`, which has no parts, with its values. */
static td_result build(td_buf *out, const char *at, const char *end, frame_value value,
                       const void *user, int *is_whole, td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && at < end) {
        const char *mark = memchr(at, '$', (size_t)(end - at));
        const size_t plain = (size_t)((mark == NULL ? end : mark) - at);
        rc = td_buf_append(out, at, plain, err);
        if (mark == NULL || rc != TD_OK)
            return rc;
        const td_bytes name = name_at(mark + 1);
        int is_there = 1;
        rc = value(user, name, out, &is_there, err);
        *is_whole &= is_there;
        at = mark + 1 + name.size;
    }
    return rc;
}

td_result frame_text_build(td_buf *out, const char *text, frame_value value, const void *user,
                           td_err *err)
{
    td_result rc = TD_OK;
    while (rc == TD_OK && *text != '\0') {
        const char *part = strstr(text, "~(");
        const char *end = part == NULL ? text + strlen(text) : part;
        int is_whole = 1;
        rc = build(out, text, end, value, user, &is_whole, err);
        text = end;
        if (part == NULL || rc != TD_OK)
            continue;
        end = strchr(part, ')');
        TD_ASSERT(end != NULL); /* checked */
        const size_t before = out->size;
        is_whole = 1;
        rc = build(out, part + 2, end, value, user, &is_whole, err);
        if (!is_whole)
            out->size = before;
        text = end + 1;
    }
    return rc;
}

int frame_text_next_name(const char **at, td_bytes *name)
{
    const char *mark = strchr(*at, '$');
    if (mark == NULL)
        return 0;
    *name = name_at(mark + 1);
    *at = mark + 1 + name->size;
    return 1;
}

const char *frame_text_fault(const char *text)
{
    int is_inside = 0;
    for (; *text != '\0'; text++) {
        if (strncmp(text, "~(", 2) == 0 && is_inside)
            return "a part is in another part:";
        if (strncmp(text, "~(", 2) == 0)
            is_inside = 1;
        else if (*text == ')' && is_inside)
            is_inside = 0;
    }
    return is_inside ? "a part has no ')':" : NULL;
}
