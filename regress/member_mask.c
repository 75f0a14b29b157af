#include "regress/member_mask.h"

#include "base/bytes.h"
#include "base/json/json.h"

static int has_name(const options_list *list, td_bytes name)
{
    for (size_t i = 0; i < list->count; i++)
        if (td_bytes_is(name, list->items[i]))
            return 1;
    return 0;
}

int member_mask_is_given(const member_mask *mask)
{
    return mask->only.count + mask->ignored.count > 0;
}

int member_mask_has_book(const member_mask *mask)
{
    const td_bytes book = td_bytes_str("book");
    return !has_name(&mask->ignored, book) &&
           (mask->only.count == 0 || has_name(&mask->only, book));
}

/* How a part of a message is compared. */
typedef struct comparison {
    const member_mask *mask;
    int is_wanted; /* 1: inside a member of --only */
    int *seen;
} comparison;

static int is_container(json_value value)
{
    return json_type_of(value) == JSON_OBJECT || json_type_of(value) == JSON_ARRAY;
}

/* Finds the next element that is compared or may contain compared members. */
static int next(json_iter *it, comparison of, json_value *element, td_bytes *name,
                comparison *below)
{
    json_value key;
    while (json_next(it, &key, element)) {
        *name = td_bytes_of(NULL, 0);
        *below = of;
        if (it->is_object)
            (void)json_text(key, name); /* a key is always text */
        if (it->is_object && has_name(&of.mask->ignored, *name))
            continue;
        if (it->is_object && has_name(&of.mask->only, *name))
            *of.seen = below->is_wanted = 1;
        if (below->is_wanted || is_container(*element))
            return 1;
    }
    return 0;
}

static int is_equal(json_value a, json_value b, comparison of)
{
    json_iter left = json_iter_of(a), right = json_iter_of(b);
    json_value one, other;
    td_bytes name, other_name;
    comparison below, other_below;
    if (json_type_of(a) != json_type_of(b))
        return 0;
    if (!is_container(a))
        return td_bytes_equal(json_raw(a), json_raw(b));
    while (next(&left, of, &one, &name, &below))
        if (!next(&right, of, &other, &other_name, &other_below) ||
            !td_bytes_equal(name, other_name) || !is_equal(one, other, below))
            return 0;
    return !next(&right, of, &other, &other_name, &other_below);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): next() writes it */
int member_mask_equal(const member_mask *mask, const char *a, const char *b, int *seen)
{
    const comparison of = {mask, mask->only.count == 0, seen};
    json_parser *left = json_parser_open(0), *right = json_parser_open(0);
    json_value one, other;
    int is_same = json_parse(left, td_bytes_str(a), JSON_COPIED, &one, NULL) == TD_OK &&
                  json_parse(right, td_bytes_str(b), JSON_COPIED, &other, NULL) == TD_OK &&
                  is_equal(one, other, of);
    json_parser_close(left);
    json_parser_close(right);
    return is_same;
}
