#include "schema/frame_text.h"

#include <stdint.h>
#include <string.h>

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

td_result frame_text_build(td_buf *out, const char *text, frame_value value, const void *user,
                           td_err *err)
{
    td_result rc = TD_OK;
    size_t before = SIZE_MAX; /* size before the part that can be left out; SIZE_MAX: outside */
    int is_whole = 1;
    while (rc == TD_OK && *text != '\0') {
        if (*text == '$') {
            const td_bytes name = name_at(text + 1);
            int is_there = 1;
            rc = value(user, name, out, &is_there, err);
            is_whole &= is_there;
            text += 1 + name.size;
        } else if (before == SIZE_MAX && strncmp(text, "~(", 2) == 0) {
            before = out->size;
            is_whole = 1;
            text += 2;
        } else if (before != SIZE_MAX && *text == ')') {
            out->size = is_whole ? out->size : before;
            before = SIZE_MAX;
            text++;
        } else {
            rc = td_buf_append(out, text++, 1, err);
        }
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
