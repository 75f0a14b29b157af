#include "regress/decoder_file.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/version.h"

static const char SYMBOL[] = "tapedeck_plugin";
static const char BUILD_AGAIN[] =
    "compile it again with the header tapedeck/plugin.h of this program";

/* The smallest valid size of the plugin's table, which ends after `decode`. */
#define PLUGIN_BYTES_MIN                                                                           \
    (offsetof(struct tapedeck_plugin, decode) + sizeof(((struct tapedeck_plugin *)0)->decode))

/* Checks the library's table. */
static td_result check(const decoder_file *file, const struct tapedeck_plugin *found, td_err *err)
{
    if (found->abi != TAPEDECK_PLUGIN_ABI) {
        td_err_set(err, TD_E_UNSUPPORTED,
                   "decoder '%s' is for version %" PRIu32
                   " of the interface, this program has version %u",
                   file->path, found->abi, TAPEDECK_PLUGIN_ABI);
        td_err_hint(err, "%s", BUILD_AGAIN);
    } else if (found->size < PLUGIN_BYTES_MIN) {
        td_err_set(err, TD_E_UNSUPPORTED, "decoder '%s': its %s has size %zu, less than %zu",
                   file->path, SYMBOL, found->size, PLUGIN_BYTES_MIN);
        td_err_hint(err, "set .size = sizeof %s", SYMBOL);
    } else if (found->decode == NULL) {
        td_err_set(err, TD_E_UNSUPPORTED, "decoder '%s': its %s has no function decode", file->path,
                   SYMBOL);
        td_err_hint(err, "set .decode: it is called for each frame");
    } else {
        return TD_OK;
    }
    return TD_E_UNSUPPORTED;
}

static td_result load(decoder_file *file, td_err *err)
{
    file->library = dlopen(file->path, RTLD_NOW | RTLD_LOCAL);
    if (file->library == NULL) {
        td_err_set(err, TD_E_IO, "decoder '%s' cannot be loaded: %s", file->path, dlerror());
        td_err_hint(err, "build it with: cc -shared -fPIC NAME.c $(pkg-config --cflags tapedeck) "
                         "-o NAME.so");
        return TD_E_IO;
    }
    const struct tapedeck_plugin *found = dlsym(file->library, SYMBOL);
    if (found == NULL) {
        td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a decoder: it has no symbol %s", file->path,
                   SYMBOL);
        td_err_hint(err, "it must define: const struct %s %s = {...}; (docs/decoders.md)", SYMBOL,
                    SYMBOL);
        return TD_E_UNSUPPORTED;
    }
    td_result rc = check(file, found, err);
    if (rc != TD_OK)
        return rc;
    memcpy(&file->table, found,
           found->size < sizeof file->table ? found->size : sizeof file->table);
    if (file->table.name == NULL || file->table.name[0] == '\0')
        file->table.name = file->path;
    return TD_OK;
}

/* ---- functions for decoders ---- */

static int host_fail(const tapedeck_host *host, const char *text)
{
    decoder_file *file = host->own;
    (void)snprintf(file->why, sizeof file->why, "%s", text == NULL ? "" : text); /* truncates */
    return TAPEDECK_FAIL;
}

static void host_log(const tapedeck_host *host, const char *text)
{
    const decoder_file *file = host->own;
    td_log_emit(file->log, TD_LOG_INFO, "%s: %s", file->table.name, text);
}

/* ---- open, close ---- */

td_result decoder_file_open(const char *name, const td_log *log, decoder_file *out, td_err *err)
{
    const char *prefix = strchr(name, '/') == NULL ? "./" : "";
    size_t path_bytes = strlen(prefix) + strlen(name) + 1;
    *out = (decoder_file){.path = td_alloc(path_bytes), .log = log};
    out->host = (tapedeck_host){.abi = TAPEDECK_PLUGIN_ABI,
                                .size = sizeof out->host,
                                .version = TAPEDECK_VERSION,
                                .own = out,
                                .fail = host_fail,
                                .log = host_log};
    (void)snprintf(out->path, path_bytes, "%s%s", prefix, name); /* fits */
    td_result rc = load(out, err);
    if (rc != TD_OK)
        decoder_file_close(out);
    return rc;
}

void decoder_file_close(decoder_file *file)
{
    if (file->library != NULL)
        (void)dlclose(file->library); /* after a failure it stays loaded, which does no harm */
    td_free(file->path);
    *file = (decoder_file){0};
}

static td_result failure(const decoder_file *file, int answer, td_err *err)
{
    if (answer != TAPEDECK_FAIL)
        return td_err_set(err, TD_E_IO,
                          "decoder '%s': begin: it returned %d, which is not one of TAPEDECK_GO, "
                          "_FAIL",
                          file->path, answer);
    return td_err_set(err, TD_E_IO, "decoder '%s': begin: %s", file->path,
                      file->why[0] == '\0' ? "it failed, without a reason" : file->why);
}

td_result decoder_file_begin(decoder_file *file, td_err *err)
{
    int answer = TAPEDECK_GO;
    if (file->table.begin != NULL)
        answer = file->table.begin(&file->host, &file->self);
    file->has_begun = answer == TAPEDECK_GO;
    return file->has_begun ? TD_OK : failure(file, answer, err);
}

void decoder_file_end(decoder_file *file)
{
    if (file->has_begun && file->table.end != NULL)
        file->table.end(file->self);
    file->has_begun = 0;
}
