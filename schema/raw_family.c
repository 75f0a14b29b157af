#include "schema/raw_family.h"

#include <stdio.h>

#include "base/json/json_write.h"
#include "base/limits.h"
#include "base/url.h"
#include "schema/family.h"

/* Write the family's document: YAML, of which JSON is a part. */
static td_result write_document(const char *name, const char *url, const char *const *raw,
                                size_t raw_count, td_buf *out, td_err *err)
{
    const td_url from = td_url_split(td_bytes_str(url));
    const td_bytes path = from.path.size == 0 ? td_bytes_str("/") : from.path;
    char address[LIMIT_URL_BYTES + sizeof "main public "];
    json_writer json;
    (void)snprintf(address, sizeof address, "main public %.*s://%.*s%.*s", (int)from.scheme.size,
                   (const char *)from.scheme.data, (int)from.authority.size,
                   (const char *)from.authority.data, (int)path.size,
                   (const char *)path.data); /* cut if too long: such a URL is refused later */
    json_write_begin(&json, out);
    json_write_object_begin(&json);
    json_write_member_text(&json, "family", name);
    json_write_key(&json, "raw");
    json_write_array_begin(&json);
    for (size_t i = 0; i < raw_count; i++)
        json_write_text(&json, raw[i]);
    json_write_array_end(&json);
    json_write_key(&json, "addresses");
    json_write_array_begin(&json);
    json_write_text(&json, address);
    json_write_array_end(&json);
    json_write_object_end(&json);
    return json_write_end(&json, err);
}

/* As raw_family, of the document's text. */
static td_result find_or_add(const char *name, td_bytes text, const family **out, td_err *err)
{
    const family_text document = {name, text.data, text.size};
    td_bytes kept;
    *out = family_find(td_bytes_str(name));
    if (*out == NULL) {
        td_result rc = family_add(&document, 1, err);
        *out = family_find(td_bytes_str(name));
        return rc;
    }
    if (family_documents(*out) != NULL && family_document(*out, td_bytes_str(name), &kept) &&
        td_bytes_equal(kept, text))
        return TD_OK;
    td_err_set(err, TD_E_INVALID, "'%s' is another family: a feed with raw topics has its own",
               name);
    td_err_hint(err, "give the feed another name");
    return TD_E_INVALID;
}

td_result raw_family(const char *name, const char *url, const char *const *raw, size_t raw_count,
                     const family **out, td_err *err)
{
    td_buf text;
    td_buf_init(&text, FAMILY_TEXT_BYTES_MAX);
    td_result rc = write_document(name, url, raw, raw_count, &text, err);
    if (rc == TD_OK)
        rc = find_or_add(name, td_buf_view(&text), out, err);
    td_buf_fini(&text);
    return rc;
}
