#include "schema/family_sources.h"

#include "base/assert.h"

td_result family_source_open(const family_texts *texts, td_bytes name, td_arena *memory, void *user,
                             document *out, td_err *err)
{
    td_bytes text;
    const char *copy = td_arena_text(memory, name);
    if (!texts->find(texts->user, name, &text))
        return td_err_set(err, TD_E_INVALID, "there is no document '%s.yaml'", copy);
    td_result rc = document_open(out, copy, text, texts->source, memory, err);
    out->user = user;
    return rc;
}

/* Open a document that is used, or get it from the shared ones. */
static td_result open_used(const family_texts *texts, td_bytes name, td_arena *memory, void *user,
                           document *out, td_err *err)
{
    family_sources *shared = texts->shared;
    for (size_t i = 0; shared != NULL && i < shared->count; i++)
        if (td_bytes_is(name, shared->at[i].name)) {
            *out = shared->at[i];
            out->user = user;
            return TD_OK;
        }
    td_result rc = family_source_open(texts, name, memory, user, out, err);
    if (rc == TD_OK && shared != NULL) {
        TD_ASSERT(shared->count < FAMILY_SHARED_MAX); /* a test reads all families */
        shared->at[shared->count++] = *out;
        shared->own_count++;
    }
    return rc;
}

td_result family_sources_open(const family_texts *texts, const char *name, td_arena *memory,
                              void *user, family_sources *out, td_err *err)
{
    *out = (family_sources){.count = 0};
    td_result rc = family_source_open(texts, td_bytes_str(name), memory, user, &out->at[0], err);
    if (rc != TD_OK)
        return rc;
    out->count = out->own_count = 1;
    const document_node use = document_find(document_root(&out->at[0]), "use");
    if (document_size(use) > FAMILY_USES_MAX)
        return document_refuse_text(use, "at most 4 documents can be used, not", err);
    if (document_size(use) == 0 && document_text(use).size > 0)
        rc = document_refuse_ignored(use, "a list of documents is expected, not",
                                     document_text(use), err);
    for (size_t i = 0; rc == TD_OK && i < document_size(use); i++) {
        rc = open_used(texts, document_text(document_entry(use, i)), memory, user,
                       &out->at[out->count], err);
        out->count += rc == TD_OK;
        out->own_count += rc == TD_OK && texts->shared == NULL;
    }
    return rc;
}

void family_sources_close(family_sources *sources)
{
    for (size_t i = 0; i < sources->own_count; i++)
        document_close(&sources->at[i]);
}
