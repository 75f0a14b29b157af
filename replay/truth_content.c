#include "replay/truth_content.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/buf.h"
#include "json/json.h"
#include "json/json_write.h"
#include "schema/message_json.h"

enum { TEXT_BYTES_MAX = 64 << 20 };

struct truth_content {
    json_parser *decoded_parser;
    json_parser *values_parser;
    td_buf text;        /* the message as JSON */
    json_value entries; /* its list of entries; valid while has_entries */
    uint8_t has_entries;
};

td_result truth_content_open(truth_content **out, td_err *err)
{
    truth_content *self = td_alloc_zero(1, sizeof *self);
    if (self == NULL)
        return td_err_set(err, TD_E_NOMEM, "no memory to compare with the truth");
    td_buf_init(&self->text, TEXT_BYTES_MAX);
    self->decoded_parser = json_parser_open(0);
    self->values_parser = json_parser_open(0);
    *out = self;
    return TD_OK;
}

void truth_content_close(truth_content *self)
{
    if (self == NULL)
        return;
    json_parser_close(self->decoded_parser);
    json_parser_close(self->values_parser);
    td_buf_fini(&self->text);
    td_free(self);
}

td_result truth_content_take(truth_content *self, const message *decoded, td_err *err)
{
    static const char *const LISTS[] = {"trades", "items", "levels"};
    json_writer writer;
    json_value root;
    td_buf_clear(&self->text);
    json_write_begin(&writer, &self->text);
    json_write_object_begin(&writer);
    message_json_entries(&writer, decoded);
    json_write_object_end(&writer);
    self->has_entries = 0;
    td_result rc = json_write_end(&writer, err);
    if (rc == TD_OK)
        rc = json_parse(self->decoded_parser, td_buf_view(&self->text), JSON_COPIED, &root, err);
    for (size_t i = 0; rc == TD_OK && i < sizeof LISTS / sizeof LISTS[0]; i++)
        if (json_find(root, LISTS[i], &self->entries)) {
            self->has_entries = json_type_of(self->entries) == JSON_ARRAY;
            break;
        }
    return rc;
}

/* The index-th entry; 0 if there are fewer. */
static int find_entry(const truth_content *self, size_t index, json_value *out)
{
    if (!self->has_entries)
        return 0;
    json_iter iter = json_iter_of(self->entries);
    for (size_t i = 0; json_next(&iter, NULL, out); i++)
        if (i == index)
            return 1;
    return 0;
}

td_result truth_content_compare(truth_content *self, size_t index, td_bytes values, int *is_equal,
                                td_err *err)
{
    json_value expected, entry, key, wanted, found;
    size_t compared = 0;
    *is_equal = 0;
    td_result rc = json_parse(self->values_parser, values, JSON_COPIED, &expected, err);
    if (rc != TD_OK || !find_entry(self, index, &entry))
        return rc;
    json_iter iter = json_iter_of(expected);
    while (json_next(&iter, &key, &wanted)) {
        td_bytes name;
        if (!json_text(key, &name) || !json_find_key(entry, name, &found) || json_is_null(found))
            continue;
        if (!td_bytes_equal(json_raw(wanted), json_raw(found)))
            return TD_OK;
        compared++;
    }
    *is_equal = compared > 0;
    return TD_OK;
}
