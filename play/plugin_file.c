#include "play/plugin_file.h"

#include <dlfcn.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/version.h"

static const char SYMBOL[] = "tapedeck_plugin";
static const char BUILD_AGAIN[] =
    "compile it again with the header tapedeck/plugin.h of this program";

/* What a struct of this version has at least. */
#define PLUGIN_BYTES_MIN                                                                           \
    (offsetof(struct tapedeck_plugin, decode) + sizeof(((struct tapedeck_plugin *)0)->decode))

enum {
    WANTS_KNOWN = TAPEDECK_WANTS_LEAD_IN | TAPEDECK_WANTS_COPIES | TAPEDECK_WANTS_CONTROL |
                  TAPEDECK_WANTS_EVERY_VALUE,
};

/* What is wrong with the table that the library has. */
static td_result check(const plugin_file *file, const struct tapedeck_plugin *found, plugin_use use,
                       td_err *err)
{
    if (found->abi != TAPEDECK_PLUGIN_ABI) {
        td_err_set(err, TD_E_UNSUPPORTED,
                   "plugin '%s' is for version %" PRIu32
                   " of the interface, this program has version %u",
                   file->path, found->abi, TAPEDECK_PLUGIN_ABI);
        td_err_hint(err, "%s", BUILD_AGAIN);
    } else if (found->size < PLUGIN_BYTES_MIN) {
        td_err_set(err, TD_E_UNSUPPORTED, "plugin '%s': its %s has size %zu, less than %zu",
                   file->path, SYMBOL, found->size, PLUGIN_BYTES_MIN);
        td_err_hint(err, "set .size = sizeof %s", SYMBOL);
    } else if ((found->wants & ~(uint32_t)WANTS_KNOWN) != 0) {
        td_err_set(err, TD_E_UNSUPPORTED,
                   "plugin '%s' wants 0x%x, which this program does not have", file->path,
                   found->wants & ~(uint32_t)WANTS_KNOWN);
        td_err_hint(err, "use a newer tapedeck, or %s", BUILD_AGAIN);
    } else if (use == PLUGIN_SEES_FRAMES && found->frame == NULL) {
        td_err_set(err, TD_E_UNSUPPORTED, "plugin '%s': its %s has no function frame", file->path,
                   SYMBOL);
        td_err_hint(err, "set .frame: it is called for each frame");
    } else if (use == PLUGIN_DECODES && found->decode == NULL) {
        td_err_set(err, TD_E_UNSUPPORTED, "plugin '%s': its %s has no function decode", file->path,
                   SYMBOL);
        td_err_hint(err, "set .decode: it is called for each frame");
    } else {
        return TD_OK;
    }
    return TD_E_UNSUPPORTED;
}

static td_result load(plugin_file *file, plugin_use use, td_err *err)
{
    file->library = dlopen(file->path, RTLD_NOW | RTLD_LOCAL);
    if (file->library == NULL) {
        td_err_set(err, TD_E_IO, "plugin '%s' cannot be loaded: %s", file->path, dlerror());
        td_err_hint(err, "build it with: cc -shared -fPIC NAME.c $(pkg-config --cflags tapedeck) "
                         "-o NAME.so");
        return TD_E_IO;
    }
    const struct tapedeck_plugin *found = dlsym(file->library, SYMBOL);
    if (found == NULL) {
        td_err_set(err, TD_E_UNSUPPORTED, "'%s' is not a plugin: it has no symbol %s", file->path,
                   SYMBOL);
        td_err_hint(err, "it must define: const struct %s %s = {...}; (docs/plugins.md)", SYMBOL,
                    SYMBOL);
        return TD_E_UNSUPPORTED;
    }
    td_result rc = check(file, found, use, err);
    if (rc != TD_OK)
        return rc;
    memcpy(&file->table, found,
           found->size < sizeof file->table ? found->size : sizeof file->table);
    if (file->table.name == NULL || file->table.name[0] == '\0')
        file->table.name = file->path;
    return TD_OK;
}

/* ---- what a plugin may call ---- */

static int host_fail(const tapedeck_host *host, const char *text)
{
    plugin_file *file = host->own;
    (void)snprintf(file->why, sizeof file->why, "%s", text == NULL ? "" : text); /* cut */
    return TAPEDECK_FAIL;
}

static void host_log(const tapedeck_host *host, const char *text)
{
    const plugin_file *file = host->own;
    td_log_emit(file->log, TD_LOG_INFO, "%s: %s", file->table.name, text);
}

/* ---- life ---- */

td_result plugin_file_open(const char *name, size_t length, plugin_use use, const td_log *log,
                           plugin_file *out, td_err *err)
{
    const char *prefix = memchr(name, '/', length) == NULL ? "./" : "";
    size_t path_bytes = strlen(prefix) + length + 1;
    *out = (plugin_file){.path = td_alloc(path_bytes), .log = log};
    out->host = (tapedeck_host){.abi = TAPEDECK_PLUGIN_ABI,
                                .size = sizeof out->host,
                                .version = TAPEDECK_VERSION,
                                .own = out,
                                .fail = host_fail,
                                .log = host_log};
    (void)snprintf(out->path, path_bytes, "%s%.*s", prefix, (int)length, name); /* fits */
    td_result rc = load(out, use, err);
    if (rc != TD_OK)
        plugin_file_close(out);
    return rc;
}

void plugin_file_close(plugin_file *file)
{
    if (file->library != NULL)
        (void)dlclose(file->library); /* a failure leaves it mapped, which does no harm */
    td_free(file->path);
    *file = (plugin_file){0};
}

/* ---- answers ---- */

td_result plugin_file_answer(const plugin_file *file, int answer, td_err *err)
{
    switch (answer) {
    case TAPEDECK_GO:
        return TD_OK;
    case TAPEDECK_STOP:
        return TD_EOF;
    case TAPEDECK_FAIL:
        return td_err_set(err, TD_E_IO, "%s",
                          file->why[0] == '\0' ? "it failed, without a reason" : file->why);
    default:
        return td_err_set(err, TD_E_IO,
                          "it returned %d, which is not one of TAPEDECK_GO, _FAIL, _STOP", answer);
    }
}

static td_result answer_once(const plugin_file *file, const char *function, int answer, td_err *err)
{
    td_result rc = plugin_file_answer(file, answer, err);
    if (rc == TD_EOF)
        rc = td_err_set(err, TD_E_IO, "it returned TAPEDECK_STOP, which only frame and event may");
    return rc == TD_OK ? rc : td_err_add(err, rc, "plugin '%s': %s", file->path, function);
}

td_result plugin_file_begin(plugin_file *file, const char *argument, td_err *err)
{
    td_result rc = TD_OK;
    if (file->table.begin != NULL)
        rc = answer_once(file, "begin", file->table.begin(&file->host, argument, &file->self), err);
    file->has_begun = rc == TD_OK;
    return rc;
}

td_result plugin_file_end(plugin_file *file, const tapedeck_result *result, td_err *err)
{
    const int is_called = file->has_begun && file->table.end != NULL;
    file->has_begun = 0;
    file->why[0] = '\0';
    return is_called ? answer_once(file, "end", file->table.end(file->self, result), err) : TD_OK;
}
