#include "base/document_set.h"

#include "base/bytes.h"

int document_set_find(const document_set *set, td_bytes name, td_bytes *text)
{
    for (size_t i = 0; i < set->count; i++)
        if (td_bytes_equal(set->at[i].name, name)) {
            *text = set->at[i].text;
            return 1;
        }
    return 0;
}

td_result document_set_add(document_set *set, td_bytes name, td_bytes text, td_err *err)
{
    td_bytes known;
    if (document_set_find(set, name, &known))
        return TD_OK;
    if (set->count == DOCUMENT_SET_MAX)
        return td_err_set(err, TD_E_LIMIT, "more than %d documents belong together",
                          DOCUMENT_SET_MAX);
    set->at[set->count++] = (named_document){name, text};
    return TD_OK;
}

static void add_text(td_hasher *hasher, td_bytes text)
{
    uint8_t size[8];
    td_put_le64(size, text.size);
    td_hasher_update(hasher, size, sizeof size);
    td_hasher_update(hasher, text.data, text.size);
}

void document_set_seal(document_set *set)
{
    td_hasher *hasher = td_hasher_open();
    for (size_t i = 0; i < set->count; i++) {
        add_text(hasher, set->at[i].name);
        add_text(hasher, set->at[i].text);
    }
    td_hash128_hex(td_hasher_digest(hasher), set->hash);
    td_hasher_close(hasher);
}
