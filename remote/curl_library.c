#include "remote/curl_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"

/* The interface that curl/curl.h declares. */
#define LIBRARY "libcurl.so.4"

td_result curl_library_load(curl_library *out, td_err *err)
{
    static const struct {
        const char *name;
        size_t offset;
    } FUNCTIONS[] = {
        {"curl_global_init", offsetof(curl_library, global_init)},
        {"curl_easy_init", offsetof(curl_library, easy_init)},
        {"curl_easy_cleanup", offsetof(curl_library, easy_cleanup)},
        {"curl_easy_reset", offsetof(curl_library, easy_reset)},
        {"curl_easy_setopt", offsetof(curl_library, easy_setopt)},
        {"curl_easy_getinfo", offsetof(curl_library, easy_getinfo)},
        {"curl_easy_perform", offsetof(curl_library, easy_perform)},
        {"curl_easy_strerror", offsetof(curl_library, easy_strerror)},
        {"curl_slist_append", offsetof(curl_library, slist_append)},
        {"curl_slist_free_all", offsetof(curl_library, slist_free_all)},
    };
    _Static_assert(sizeof FUNCTIONS / sizeof FUNCTIONS[0] * sizeof(void *) == sizeof *out,
                   "each function has a name");
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    void *function = library;
    for (size_t i = 0; function != NULL && i < sizeof FUNCTIONS / sizeof FUNCTIONS[0]; i++) {
        function = dlsym(library, FUNCTIONS[i].name);
        memcpy((char *)out + FUNCTIONS[i].offset, &function, sizeof function);
    }
    if (function == NULL) {
        const char *why = dlerror();
        td_result rc = td_err_set(err, TD_E_NOTFOUND, "libcurl cannot be loaded: %s",
                                  why == NULL ? LIBRARY : why);
        td_err_hint(err, "install it: apt-get install libcurl4");
        return rc;
    }
    if (out->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        td_out_of_memory(0);
    return TD_OK;
}
