/* The ready file of a program that listens. A waiting process may read the file as soon as it
 * exists, so the file appears only when it is complete, and after the certificate. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/json/json_write.h"
#include "wire/server.h"

enum { READY_BYTES_MAX = 16 << 10 };

static td_result append_all(void *user, td_file *file, td_err *err)
{
    const td_bytes *content = user;
    return td_io_append(file, content->data, content->size, err);
}

static td_result write_whole(td_io io, const char *path, td_bytes content, td_err *err)
{
    return td_io_write_file(io, path, TD_OPEN_CREATE, append_all, &content, err);
}

/* Write "<path>.pem" and get its absolute path. */
static td_result write_pem(const wire_server *server, td_io io, const char *path,
                           char absolute[PATH_MAX], td_err *err)
{
    char pem_path[LIMIT_PATH_BYTES];
    int length = snprintf(pem_path, sizeof pem_path, "%s.pem", path);
    if (length < 0 || (size_t)length >= sizeof pem_path)
        return td_err_set(err, TD_E_INVALID, "file name '%.60s...' is too long", path);
    td_result rc = write_whole(io, pem_path, td_bytes_str(wire_server_ca_pem(server)), err);
    if (rc == TD_OK && realpath(pem_path, absolute) == NULL)
        rc = td_err_set(err, TD_E_IO, "'%s' has no absolute name", pem_path);
    return rc;
}

static td_result ready_text(td_buf *out, const char *url, const char *ca_file, td_err *err)
{
    json_writer writer;
    json_write_begin(&writer, out);
    json_write_object_begin(&writer);
    json_write_member_text(&writer, "url", url);
    json_write_member_text(&writer, "ca_file", ca_file);
    json_write_object_end(&writer);
    td_result rc = json_write_end(&writer, err);
    return rc == TD_OK ? td_buf_append(out, "\n", 1, err) : rc;
}

td_result wire_remove_ready(td_io io, const char *path, td_err *err)
{
    td_result rc = path == NULL ? TD_OK : td_io_unlink(io, path, err);
    if (rc != TD_E_NOTFOUND)
        return rc == TD_OK ? TD_OK : td_err_add(err, rc, "ready file '%s'", path);
    td_err_clear(err);
    return TD_OK;
}

td_result wire_server_write_ready(const wire_server *server, td_io io, const char *path,
                                  td_err *err)
{
    char pem_path[PATH_MAX];
    _Static_assert(PATH_MAX >= LIMIT_PATH_BYTES, "realpath writes that much");
    const char *ca_file = NULL;
    td_buf text;
    td_buf_init(&text, READY_BYTES_MAX);
    td_result rc = TD_OK;
    if (path == NULL)
        return TD_OK;
    if (wire_server_ca_pem(server) != NULL) {
        rc = write_pem(server, io, path, pem_path, err);
        ca_file = pem_path;
    }
    if (rc == TD_OK)
        rc = ready_text(&text, wire_server_url(server), ca_file, err);
    if (rc == TD_OK)
        rc = write_whole(io, path, td_buf_view(&text), err);
    td_buf_fini(&text);
    return rc == TD_OK ? TD_OK : td_err_add(err, rc, "ready file '%s'", path);
}
