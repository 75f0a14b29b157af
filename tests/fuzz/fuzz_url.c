/* Any text as a URL, a proxy and HOST:PORT. Besides not crashing: the parts of a URL are in it, in
 * order; secrets are in it, and are gone after hiding, at the same length; and a URL that the
 * strict parser accepts has a host and a target that can be requested. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/assert.h"
#include "tests/testing/fuzz_input.h"
#include "wire/proxy.h"

static void check_parts(td_bytes text)
{
    td_url url = td_url_split(text);
    const td_bytes parts[] = {url.scheme, url.user, url.authority, url.path, url.query};
    const uint8_t *at = text.data;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        TD_ASSERT(parts[i].data != NULL || parts[i].size == 0);
        if (parts[i].size == 0)
            continue;
        TD_ASSERT(parts[i].data >= at);
        at = parts[i].data + parts[i].size;
        TD_ASSERT(at <= text.data + text.size);
    }
    TD_ASSERT(url.host.size + url.port.size <= url.authority.size);
    td_bytes name;
    td_bytes value;
    while (td_url_next_param(&url.query, &name, &value))
        TD_ASSERT(name.size + value.size < text.size);
}

static void check_secrets(const char *text, char *shown, size_t size)
{
    size_t at = 0;
    td_bytes found;
    TD_ASSERT(td_url_redacted(text, shown, size + 1) == shown);
    TD_ASSERT(strlen(shown) == size);
    while (td_url_next_secret(td_bytes_str(text), &at, &found)) {
        TD_ASSERT(at <= size);
        for (const uint8_t *c = found.data; c < found.data + found.size; c++)
            TD_ASSERT(shown[(const char *)c - text] == '*');
    }
    td_bytes user = td_url_split(td_bytes_str(text)).user;
    for (const uint8_t *c = user.data; user.size > 0 && c < user.data + user.size; c++)
        TD_ASSERT(shown[(const char *)c - text] == '*');
}

static void check_server(const char *text)
{
    td_server_url url;
    if (td_url_parse(text, &url, NULL) != TD_OK && td_url_parse_http(text, &url, NULL) != TD_OK)
        return;
    TD_ASSERT(url.port != 0);
    TD_ASSERT(url.host[0] != '\0');
    TD_ASSERT(url.target[0] == '/');
    TD_ASSERT(strcspn(url.target, " #\r\n") == strlen(url.target));
    TD_ASSERT(td_url_split(td_bytes_str(text)).user.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char host[TD_HOST_BYTES];
    uint16_t port;
    wire_proxy proxy;
    check_parts(td_bytes_of(data, size));
    char *text = td_strndup((const char *)data, size);
    char *shown = td_alloc(size + 1);
    TD_ASSERT(text != NULL);
    TD_ASSERT(shown != NULL);
    check_secrets(text, shown, strlen(text));
    check_server(text);
    if (td_host_port_parse(text, host, &port, NULL) == TD_OK)
        TD_ASSERT(host[0] != '\0');
    if (wire_proxy_parse(text, &proxy, NULL) == TD_OK)
        TD_ASSERT(proxy.host[0] != '\0');
    td_free(text);
    td_free(shown);
    return 0;
}
