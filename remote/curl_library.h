/* libcurl's functions, loaded when a store is first used. Linked, it and the thirty libraries that
 * it needs would make each start of any program several times as long. */
#ifndef TD_REMOTE_CURL_LIBRARY_H
#define TD_REMOTE_CURL_LIBRARY_H

#include <curl/curl.h>

#include "base/err.h"

/* Each as in libcurl, without "curl_". */
typedef struct curl_library {
    CURLcode (*global_init)(long flags);
    CURL *(*easy_init)(void);
    void (*easy_cleanup)(CURL *handle);
    void (*easy_reset)(CURL *handle);
    CURLcode (*easy_setopt)(CURL *handle, CURLoption option, ...);
    CURLcode (*easy_getinfo)(CURL *handle, CURLINFO info, ...);
    CURLcode (*easy_perform)(CURL *handle);
    const char *(*easy_strerror)(CURLcode code);
    struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
    void (*slist_free_all)(struct curl_slist *list);
} curl_library;

/* Load and start libcurl, which stays loaded. Any thread: libcurl counts its starts. TD_E_NOTFOUND,
 * with a hint: it is not installed. */
TD_MUST_USE td_result curl_library_load(curl_library *out, td_err *err);

#endif
