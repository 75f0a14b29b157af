/* An S3 store in memory: the functions here replace the ones of remote/s3_store.h in the test that
 * includes this header. Objects get the store's time when they are made; a test sets it, and may
 * look at each request, let it fail, or change the store before it. One thread. */
#ifndef TD_TESTS_REMOTE_STORE_MEMORY_H
#define TD_TESTS_REMOTE_STORE_MEMORY_H

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "remote/s3_store.h"

typedef struct memory_object {
    char key[S3_KEY_BYTES];
    uint8_t *bytes;
    size_t size;
    uint64_t modified_ns;
} memory_object;

/* Called before a request: "make", "read", "remove" or "list", and its key. Another result than
 * TD_OK is the request's, which then does nothing. */
typedef td_result memory_request_fn(void *user, const char *what, const char *key);

struct s3_store {
    memory_object *objects; /* in order of key */
    size_t count;
    uint64_t now_ns;
    memory_request_fn *on_request; /* may be NULL */
    void *user;
    s3_traffic traffic;
};

/* Index of the first object whose key is not before this one. */
static inline size_t memory_place(const s3_store *store, const char *key)
{
    size_t i = 0;
    while (i < store->count && strcmp(store->objects[i].key, key) < 0)
        i++;
    return i;
}

static inline memory_object *memory_find(s3_store *store, const char *key)
{
    const size_t i = memory_place(store, key);
    return i < store->count && strcmp(store->objects[i].key, key) == 0 ? &store->objects[i] : NULL;
}

/* Take an object out; it must exist. */
static inline void memory_remove(s3_store *store, const char *key)
{
    const size_t i = memory_place(store, key);
    td_free(store->objects[i].bytes);
    store->count--;
    memmove(&store->objects[i], &store->objects[i + 1],
            (store->count - i) * sizeof *store->objects);
}

/* Make or replace an object; returns its bytes, which are zeros. */
static inline uint8_t *memory_put(s3_store *store, const char *key, size_t size)
{
    if (memory_find(store, key) != NULL)
        memory_remove(store, key);
    const size_t i = memory_place(store, key);
    store->objects = td_array_grow(store->objects, store->count, sizeof *store->objects);
    memmove(&store->objects[i + 1], &store->objects[i],
            (store->count - i) * sizeof *store->objects);
    store->count++;
    memory_object *made = &store->objects[i];
    *made = (memory_object){
        .bytes = td_alloc_zero(size + 1, 1), .size = size, .modified_ns = store->now_ns};
    (void)snprintf(made->key, sizeof made->key, "%s", key);
    return made->bytes;
}

static inline td_result memory_request(s3_store *store, const char *what, const char *key,
                                       td_err *err)
{
    td_result rc = store->on_request == NULL ? TD_OK : store->on_request(store->user, what, key);
    store->traffic.requests++;
    return rc == TD_OK ? TD_OK : td_err_set(err, rc, "the store failed at %s %s", what, key);
}

td_result s3_store_open(const s3_options *options, s3_store **out, td_err *err)
{
    (void)options, (void)err;
    *out = td_alloc_zero(1, sizeof **out);
    (*out)->now_ns = 1;
    return TD_OK;
}

void s3_store_close(s3_store *store)
{
    while (store->count > 0)
        memory_remove(store, store->objects[store->count - 1].key);
    td_free(store->objects);
    td_free(store);
}

td_result s3_store_make(s3_store *store, const char *key, const s3_content *content, int *was_there,
                        td_err *err)
{
    td_result rc = memory_request(store, "make", key, err);
    *was_there = rc == TD_OK && memory_find(store, key) != NULL;
    if (rc != TD_OK || *was_there)
        return rc;
    uint8_t *to = memory_put(store, key, (size_t)content->bytes);
    if (content->file != NULL)
        return td_io_read_exact(content->file, content->from, to, (size_t)content->bytes, err);
    memcpy(to, content->data, (size_t)content->bytes);
    return TD_OK;
}

td_result s3_store_read(s3_store *store, const char *key, uint64_t at, void *buf, size_t size,
                        size_t *got, td_err *err)
{
    td_result rc = memory_request(store, "read", key, err);
    const memory_object *from = memory_find(store, key);
    *got = 0;
    if (rc != TD_OK || from == NULL)
        return rc != TD_OK ? rc : td_err_set(err, TD_E_NOTFOUND, "the store has no %s", key);
    if (at < from->size)
        *got = from->size - at < size ? (size_t)(from->size - at) : size;
    memcpy(buf, from->bytes + (*got == 0 ? 0 : at), *got);
    store->traffic.received_bytes += *got;
    return TD_OK;
}

td_result s3_store_remove(s3_store *store, const char *key, td_err *err)
{
    td_result rc = memory_request(store, "remove", key, err);
    if (rc == TD_OK && memory_find(store, key) != NULL)
        memory_remove(store, key);
    return rc;
}

td_result s3_store_list(s3_store *store, const char *begin, const char *after, s3_object_fn *fn,
                        void *user, td_err *err)
{
    td_result rc = memory_request(store, "list", begin, err);
    for (size_t i = 0; rc == TD_OK && i < store->count; i++) {
        const memory_object *at = &store->objects[i];
        const s3_object object = {at->key, at->size, at->modified_ns};
        if (strncmp(at->key, begin, strlen(begin)) == 0 && strcmp(at->key, after) > 0)
            rc = fn(user, &object, err);
    }
    return rc;
}

s3_traffic s3_store_traffic(const s3_store *store)
{
    return store->traffic;
}

#endif
