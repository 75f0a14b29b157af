#include "wire/handshake.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/evp.h>

#include "base/assert.h"
#include "base/decimal.h"

/* Appended to a key before hashing (4.2.2). */
static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

enum { SHA1_BYTES = 20, ACCEPT_BYTES = 29 };

size_t handshake_head_bytes(td_bytes received)
{
    const uint8_t *end =
        received.size == 0 ? NULL : memmem(received.data, received.size, "\r\n\r\n", 4);
    return end == NULL ? 0 : (size_t)(end - received.data) + 4;
}

/* ---- text ---- */

static int is_space(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static td_bytes trim(td_bytes text)
{
    while (text.size > 0 && is_space(text.data[0]))
        text = td_bytes_of(text.data + 1, text.size - 1);
    while (text.size > 0 && is_space(text.data[text.size - 1]))
        text.size--;
    return text;
}

static int is_word(td_bytes text, const char *word)
{
    return text.size == strlen(word) && strncasecmp((const char *)text.data, word, text.size) == 0;
}

/* 1 if the text is a token (RFC 9110, 5.6.2). */
static int is_token(td_bytes text)
{
    static const char OTHERS[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        int is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        if (!is_letter && (c < '0' || c > '9') && (c == 0 || strchr(OTHERS, c) == NULL))
            return 0;
    }
    return text.size > 0;
}

/* Remove the text up to the first separator, and the separator itself. Returns the removed text,
 * without the separator. */
static td_bytes cut(td_bytes *text, char separator)
{
    const uint8_t *at = text->size == 0 ? NULL : memchr(text->data, separator, text->size);
    size_t size = at == NULL ? text->size : (size_t)(at - text->data);
    td_bytes part = td_bytes_of(text->data, size);
    size += at != NULL;
    *text = td_bytes_of(text->data + size, text->size - size);
    return part;
}

/* A decimal number of at most nine digits; -1 for other text. */
static int64_t number_of(td_bytes text)
{
    uint64_t number = 0;
    return text.size <= 9 && td_digits_parse(text, UINT32_MAX, &number) ? (int64_t)number : -1;
}

/* ---- heads ---- */

/* The header fields that handshakes use. */
typedef enum field_kind {
    FIELD_HOST,
    FIELD_ORIGIN,
    FIELD_UPGRADE,
    FIELD_CONNECTION,
    FIELD_KEY,
    FIELD_VERSION,
    FIELD_ACCEPT,
    FIELD_PROTOCOL,
    FIELD_EXTENSIONS,
    FIELD_RETRY_AFTER,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONTENT_ENCODING,
    FIELD_COUNT,
} field_kind;

/* Lines that a field may have; a list may be split over several lines. */
enum { FIELD_LINES_MAX = 8 };

static const struct {
    const char *name;
    size_t lines_max;
} FIELDS[FIELD_COUNT] = {
    [FIELD_HOST] = {"host", 1},
    [FIELD_ORIGIN] = {"origin", 1},
    [FIELD_UPGRADE] = {"upgrade", FIELD_LINES_MAX},
    [FIELD_CONNECTION] = {"connection", FIELD_LINES_MAX},
    [FIELD_KEY] = {"sec-websocket-key", 1},
    [FIELD_VERSION] = {"sec-websocket-version", 1},
    [FIELD_ACCEPT] = {"sec-websocket-accept", 1},
    [FIELD_PROTOCOL] = {"sec-websocket-protocol", FIELD_LINES_MAX},
    [FIELD_EXTENSIONS] = {"sec-websocket-extensions", FIELD_LINES_MAX},
    [FIELD_RETRY_AFTER] = {"retry-after", FIELD_LINES_MAX},
    [FIELD_CONTENT_LENGTH] = {"content-length", 1},
    [FIELD_TRANSFER_ENCODING] = {"transfer-encoding", FIELD_LINES_MAX},
    [FIELD_CONTENT_ENCODING] = {"content-encoding", FIELD_LINES_MAX},
};

/* A head's first line and its known fields. */
typedef struct head {
    td_bytes first;
    td_bytes values[FIELD_COUNT][FIELD_LINES_MAX];
    size_t counts[FIELD_COUNT];
} head;

static const char *read_field(td_bytes line, head *out)
{
    td_bytes value = line;
    td_bytes name = cut(&value, ':');
    if (name.size == line.size || !is_token(name))
        return "a header line is malformed";
    for (size_t i = 0; i < value.size; i++)
        if ((value.data[i] < 0x20 && value.data[i] != '\t') || value.data[i] == 0x7f)
            return "a header line has a control character";
    for (field_kind kind = 0; kind < FIELD_COUNT; kind++) {
        size_t *count = &out->counts[kind];
        if (!is_word(name, FIELDS[kind].name))
            continue;
        if (*count == FIELDS[kind].lines_max)
            return "a header is repeated";
        out->values[kind][(*count)++] = trim(value);
    }
    return NULL;
}

static const char TOO_LARGE[] = "the head is too large";

/* Split a head into lines. Returns an error text, or NULL. */
static const char *read_head(td_bytes bytes, head *out)
{
    *out = (head){0};
    if (bytes.size > HANDSHAKE_BYTES_MAX)
        return TOO_LARGE;
    for (size_t line_count = 0; line_count <= HANDSHAKE_LINES_MAX + 1; line_count++) {
        td_bytes line = cut(&bytes, '\n');
        const char *why = NULL;
        if (line.size == 0 || line.data[line.size - 1] != '\r')
            return "a line does not end with CR LF";
        line.size--;
        if (line.size == 0)
            return line_count == 0 ? "the first line is empty" : NULL;
        if (line_count == 0)
            out->first = line;
        else
            why = read_field(line, out);
        if (why != NULL)
            return why;
    }
    return TOO_LARGE;
}

static int has_field(const head *from, field_kind kind)
{
    return from->counts[kind] > 0;
}

/* 1 if a field, a comma-separated list, has the word. */
static int field_has_word(const head *from, field_kind kind, const char *word)
{
    for (size_t i = 0; i < from->counts[kind]; i++) {
        td_bytes list = from->values[kind][i];
        while (list.size > 0)
            if (is_word(trim(cut(&list, ',')), word))
                return 1;
    }
    return 0;
}

void handshake_copy_fields(td_bytes bytes, td_buf *out)
{
    static const char *const OWN[] = {"host",
                                      "upgrade",
                                      "connection",
                                      "keep-alive",
                                      "te",
                                      "trailer",
                                      "proxy-connection",
                                      "proxy-authorization",
                                      "content-length",
                                      "transfer-encoding",
                                      "sec-websocket-key",
                                      "sec-websocket-version",
                                      "sec-websocket-accept"};
    (void)cut(&bytes, '\n'); /* skip the first line */
    while (bytes.size > 0) {
        td_bytes line = cut(&bytes, '\n');
        td_bytes value = line;
        td_bytes name = cut(&value, ':');
        int is_own = name.size == line.size;
        for (size_t i = 0; i < sizeof OWN / sizeof *OWN && !is_own; i++)
            is_own = is_word(name, OWN[i]);
        if (is_own)
            continue;
        td_buf_add(out, line.data, line.size);
        td_buf_add(out, "\n", 1);
    }
}

/* ---- the key ---- */

static void make_key(const uint8_t nonce[HANDSHAKE_NONCE_BYTES], char out[HANDSHAKE_KEY_BYTES])
{
    int size = EVP_EncodeBlock((uint8_t *)out, nonce, HANDSHAKE_NONCE_BYTES);
    TD_ASSERT(size == HANDSHAKE_KEY_BYTES - 1);
}

/* 1 if the key is base64 of 16 bytes. */
static int is_key(td_bytes key)
{
    uint8_t decoded[18];
    return key.size == HANDSHAKE_KEY_BYTES - 1 && key.data[22] == '=' && key.data[23] == '=' &&
           memchr(key.data, '=', 22) == NULL &&
           EVP_DecodeBlock(decoded, key.data, (int)key.size) == (int)sizeof decoded;
}

/* The Sec-WebSocket-Accept value of a key (4.2.2). */
static void make_accept(td_bytes key, char out[ACCEPT_BYTES])
{
    uint8_t text[HANDSHAKE_KEY_BYTES - 1 + sizeof GUID - 1];
    uint8_t hash[SHA1_BYTES];
    unsigned size = 0;
    TD_ASSERT(key.size == HANDSHAKE_KEY_BYTES - 1);
    memcpy(text, key.data, key.size);
    memcpy(text + key.size, GUID, sizeof GUID - 1);
    int is_done = EVP_Digest(text, sizeof text, hash, &size, EVP_sha1(), NULL);
    TD_ASSERT(is_done == 1);
    TD_ASSERT(size == SHA1_BYTES);
    int length = EVP_EncodeBlock((uint8_t *)out, hash, SHA1_BYTES);
    TD_ASSERT(length == ACCEPT_BYTES - 1);
}

/* ---- permessage-deflate ---- */

/* Parameters of one offer or answer (RFC 7692, 7.1). */
typedef struct deflate_parameters {
    int server_bits, client_bits;       /* 0: absent; -1: present without a value */
    uint8_t server_alone, client_alone; /* no context takeover */
} deflate_parameters;

/* Remove the quotes of a quoted value. */
static td_bytes unquote(td_bytes value)
{
    if (value.size >= 2 && value.data[0] == '"' && value.data[value.size - 1] == '"')
        return td_bytes_of(value.data + 1, value.size - 2);
    return value;
}

/* Window bits: 8 to 15, without leading zeros; 0: invalid. */
static int read_bits(td_bytes value)
{
    value = unquote(value);
    int64_t bits = value.size > 0 && value.data[0] != '0' ? number_of(value) : 0;
    return bits >= 8 && bits <= DEFLATE_BITS_MAX ? (int)bits : 0;
}

static int read_parameter(td_bytes text, deflate_parameters *out)
{
    td_bytes value = text;
    td_bytes name = trim(cut(&value, '='));
    int has_value = memchr(text.data, '=', text.size) != NULL;
    int bits = has_value ? read_bits(trim(value)) : -1;
    uint8_t *alone = is_word(name, "server_no_context_takeover")   ? &out->server_alone
                     : is_word(name, "client_no_context_takeover") ? &out->client_alone
                                                                   : NULL;
    int *window = is_word(name, "server_max_window_bits")   ? &out->server_bits
                  : is_word(name, "client_max_window_bits") ? &out->client_bits
                                                            : NULL;
    if (alone != NULL) {
        int is_first = *alone == 0;
        *alone = 1;
        return is_first && !has_value;
    }
    if (window == NULL || *window != 0 || bits == 0)
        return 0;
    *window = bits;
    return 1;
}

/* Parse "permessage-deflate; a; b=9". 0: another extension, or an invalid parameter. */
static int read_deflate(td_bytes text, deflate_parameters *out)
{
    *out = (deflate_parameters){0};
    if (!is_word(trim(cut(&text, ';')), "permessage-deflate"))
        return 0;
    while (text.size > 0) {
        td_bytes parameter = trim(cut(&text, ';'));
        if (parameter.size == 0 || !read_parameter(parameter, out))
            return 0;
    }
    return 1;
}

/* Accept the offer if none was accepted before and its parameters are supported. */
static void accept_offer(td_bytes text, handshake_request *out)
{
    deflate_parameters offer;
    if (out->deflate_bits != 0 || !read_deflate(text, &offer) || offer.server_bits == -1 ||
        (offer.server_bits != 0 && offer.server_bits < DEFLATE_BITS_MIN))
        return;
    out->is_window_requested = offer.server_bits != 0;
    out->deflate_bits = out->is_window_requested ? offer.server_bits : DEFLATE_BITS_MAX;
}

/* ---- server ---- */

static void refuse(handshake_request *out, unsigned status, const char *why)
{
    out->status = status;
    out->why = why;
}

/* The path and query of an absolute target, which RFC 6455 also allows (4.2.1). */
static td_bytes cut_origin(td_bytes target)
{
    td_bytes rest = target;
    td_bytes scheme = cut(&rest, ':');
    if ((!is_word(scheme, "http") && !is_word(scheme, "https")) || rest.size < 2 ||
        memcmp(rest.data, "//", 2) != 0)
        return target;
    const uint8_t *path = memchr(rest.data + 2, '/', rest.size - 2);
    return path == NULL ? target : td_bytes_of(path, (size_t)(rest.data + rest.size - path));
}

/* Parse "GET /path?query HTTP/1.1". */
static void read_request_line(td_bytes line, handshake_request *out)
{
    td_bytes rest = line;
    td_bytes method = cut(&rest, ' ');
    td_bytes target = cut_origin(cut(&rest, ' '));
    out->method = method;
    if (!is_token(method) || target.size == 0 || rest.size != 8 ||
        memcmp(rest.data, "HTTP/", 5) != 0)
        refuse(out, 400, "the request line is malformed");
    else if (!td_bytes_is(rest, "HTTP/1.1"))
        refuse(out, 400, "the request is not HTTP/1.1");
    else if (target.data[0] != '/')
        refuse(out, 400, "the target is not a path");
    else if (!td_bytes_is(method, "GET"))
        refuse(out, 405, "the method is not GET");
    for (size_t i = 0; i < target.size; i++)
        if (target.data[i] <= 0x20 || target.data[i] >= 0x7f)
            refuse(out, 400, "the target has characters that URLs must not have");
    out->query = target;
    out->path = cut(&out->query, '?');
}

/* 1 for names with optional values: a; b; c=1; d="2" (RFC 6455, 9.1). */
static int is_extension(td_bytes text)
{
    while (text.size > 0) {
        td_bytes part = trim(cut(&text, ';'));
        td_bytes value = part;
        td_bytes name = cut(&value, '=');
        int has_value = name.size < part.size;
        if (!is_token(trim(name)) || (has_value && !is_token(unquote(trim(value)))))
            return 0;
    }
    return 1;
}

/* Parse every line of a field as a list of extensions. 0: malformed. */
static int read_list(const head *from, field_kind kind, handshake_request *out)
{
    for (size_t i = 0; i < from->counts[kind]; i++) {
        td_bytes list = from->values[kind][i];
        while (list.size > 0) {
            td_bytes text = trim(cut(&list, ','));
            if (!is_extension(text))
                return 0;
            if (kind == FIELD_EXTENSIONS)
                accept_offer(text, out);
        }
    }
    return 1;
}

/* Check the fields that an upgrade needs (4.2.1). */
static void read_upgrade(const head *from, handshake_request *out)
{
    out->status = 101;
    if (!field_has_word(from, FIELD_CONNECTION, "upgrade"))
        refuse(out, 400, "the header Connection lacks 'Upgrade'");
    else if (!field_has_word(from, FIELD_UPGRADE, "websocket"))
        refuse(out, 400, "the header Upgrade lacks 'websocket'");
    else if (!has_field(from, FIELD_VERSION) || !td_bytes_is(from->values[FIELD_VERSION][0], "13"))
        refuse(out, 426, "the header Sec-WebSocket-Version is not 13");
    else if (!has_field(from, FIELD_KEY) || !is_key(from->values[FIELD_KEY][0]))
        refuse(out, 400, "the header Sec-WebSocket-Key is not base64 of 16 bytes");
    else if (!read_list(from, FIELD_PROTOCOL, out))
        refuse(out, 400, "the header Sec-WebSocket-Protocol is not a list of names");
    else if (!read_list(from, FIELD_EXTENSIONS, out))
        refuse(out, 400, "the header Sec-WebSocket-Extensions is not a list of extensions");
    else
        out->key = from->values[FIELD_KEY][0];
}

void handshake_read_request(td_bytes bytes, handshake_request *out)
{
    head from;
    const char *why = read_head(bytes, &from);
    *out = (handshake_request){.status = 200};
    if (why != NULL) {
        refuse(out, why == TOO_LARGE ? 431 : 400, why);
        return;
    }
    read_request_line(from.first, out);
    out->host = from.values[FIELD_HOST][0];
    out->origin = from.values[FIELD_ORIGIN][0];
    if (has_field(&from, FIELD_TRANSFER_ENCODING))
        out->content_bytes = -1;
    else if (has_field(&from, FIELD_CONTENT_LENGTH))
        out->content_bytes = number_of(from.values[FIELD_CONTENT_LENGTH][0]);
    int is_upgrade = has_field(&from, FIELD_UPGRADE) || has_field(&from, FIELD_KEY);
    int is_sound = out->why == NULL || out->status == 405;
    out->is_relayable = (uint8_t)(is_sound && has_field(&from, FIELD_HOST) && !is_upgrade);
    if (out->why != NULL)
        return;
    if (!has_field(&from, FIELD_HOST))
        refuse(out, 400, "the header Host is missing");
    else if (out->content_bytes != 0)
        refuse(out, 400, "the request has a body");
    else if (is_upgrade)
        read_upgrade(&from, out);
}

void handshake_accept(const handshake_request *request, td_buf *out)
{
    char accept[ACCEPT_BYTES];
    char window[40] = "";
    const char *deflate = "";
    make_accept(request->key, accept);
    if (request->deflate_bits > 0)
        deflate = "\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; "
                  "client_no_context_takeover";
    if (request->is_window_requested)
        (void)snprintf(window, sizeof window, "; server_max_window_bits=%d", request->deflate_bits);
    td_result rc =
        td_buf_printf(out, NULL,
                      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Accept: %s%s%s\r\n%s\r\n",
                      accept, deflate, window, request->fields == NULL ? "" : request->fields);
    TD_ASSERT(rc == TD_OK);
}

/* Reason phrase of a status (RFC 9110, 15). */
static const char *phrase_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *phrase;
    } PHRASES[] = {{200, "OK"},
                   {400, "Bad Request"},
                   {401, "Unauthorized"},
                   {403, "Forbidden"},
                   {404, "Not Found"},
                   {405, "Method Not Allowed"},
                   {411, "Length Required"},
                   {413, "Content Too Large"},
                   {426, "Upgrade Required"},
                   {431, "Request Header Fields Too Large"},
                   {501, "Not Implemented"},
                   {502, "Bad Gateway"},
                   {503, "Service Unavailable"},
                   {504, "Gateway Timeout"}};
    for (size_t i = 0; i < sizeof PHRASES / sizeof *PHRASES; i++)
        if (PHRASES[i].status == status)
            return PHRASES[i].phrase;
    return "Status";
}

void handshake_put_answer(unsigned status, const char *fields, td_bytes body, td_buf *out)
{
    td_result rc = td_buf_printf(
        out, NULL, "HTTP/1.1 %u %s\r\n%sContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
        phrase_of(status), fields, body.size);
    TD_ASSERT(rc == TD_OK);
    td_buf_add(out, body.data, body.size);
}

void handshake_answer(unsigned status, const char *text, td_buf *out)
{
    const char *more = status == 405   ? "Allow: GET\r\n"
                       : status == 426 ? "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                                       : "";
    const char *type = text[0] == '{' ? "application/json" : "text/plain; charset=utf-8";
    td_result rc = td_buf_printf(out, NULL,
                                 "HTTP/1.1 %u %s\r\nContent-Type: %s\r\n"
                                 "Content-Length: %zu\r\nConnection: close\r\n%s\r\n%s\n",
                                 status, phrase_of(status), type, strlen(text) + 1, more, text);
    TD_ASSERT(rc == TD_OK);
}

/* ---- client ---- */

void handshake_put_request(const upgrade_request *ask, td_buf *out)
{
    static const char OFFER[] =
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    char key[HANDSHAKE_KEY_BYTES];
    make_key(ask->nonce, key);
    td_result rc = td_buf_printf(
        out, NULL,
        "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "%sSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n",
        ask->target, ask->host, ask->fields == NULL ? "User-Agent: tapedeck\r\n" : ask->fields, key,
        ask->with_deflate && ask->fields == NULL ? OFFER : "");
    TD_ASSERT(rc == TD_OK);
}

unsigned handshake_status(td_bytes line)
{
    td_bytes version = cut(&line, ' ');
    td_bytes status = cut(&line, ' ');
    if (version.size != 8 || memcmp(version.data, "HTTP/1.", 7) != 0 || status.size != 3 ||
        number_of(status) < 100)
        return 0;
    return (unsigned)number_of(status);
}

/* Make the checks that a client must make on an answer 101 (4.1), and read the extensions that the
 * server agreed to. Returns an error text, or NULL. */
static const char *check_reply(const upgrade_request *ask, const head *from, handshake_reply *out)
{
    char key[HANDSHAKE_KEY_BYTES];
    char accept[ACCEPT_BYTES];
    make_key(ask->nonce, key);
    make_accept(td_bytes_str(key), accept);
    if (!field_has_word(from, FIELD_UPGRADE, "websocket"))
        return "the header Upgrade lacks 'websocket'";
    if (!field_has_word(from, FIELD_CONNECTION, "upgrade"))
        return "the header Connection lacks 'Upgrade'";
    if (!has_field(from, FIELD_ACCEPT) || !td_bytes_is(from->values[FIELD_ACCEPT][0], accept))
        return "the header Sec-WebSocket-Accept does not match the key";
    if (has_field(from, FIELD_PROTOCOL) && ask->fields == NULL)
        return "it chose a subprotocol that was not offered";
    if (!has_field(from, FIELD_EXTENSIONS))
        return NULL;
    /* Only offered extensions are allowed (RFC 6455, 9.1; RFC 7692, 7.1). */
    deflate_parameters agreed;
    if (!ask->with_deflate || from->counts[FIELD_EXTENSIONS] > 1 ||
        !read_deflate(from->values[FIELD_EXTENSIONS][0], &agreed) || agreed.server_bits == -1 ||
        agreed.client_bits == -1)
        return "it agreed to an extension that was not offered";
    out->extensions = trim(from->values[FIELD_EXTENSIONS][0]);
    out->is_deflated = 1;
    out->context = agreed.server_alone ? DEFLATE_NO_TAKEOVER : DEFLATE_TAKEOVER;
    out->sent_context = agreed.client_alone ? DEFLATE_NO_TAKEOVER : DEFLATE_TAKEOVER;
    return NULL;
}

static const char *read_reply(const upgrade_request *ask, td_bytes bytes, handshake_reply *out)
{
    head from;
    const char *why = read_head(bytes, &from);
    if (why != NULL)
        return why;
    out->status = handshake_status(from.first);
    if (out->status == 0 || (out->status == 101 && from.first.data[7] != '1'))
        return "its first line is not HTTP/1.1";
    if (has_field(&from, FIELD_RETRY_AFTER)) {
        int64_t wait_s = number_of(from.values[FIELD_RETRY_AFTER][0]);
        out->retry_after_s = wait_s < 0 ? 0 : (uint64_t)wait_s;
    }
    if (has_field(&from, FIELD_CONTENT_LENGTH)) {
        out->content_bytes = number_of(from.values[FIELD_CONTENT_LENGTH][0]);
        if (out->content_bytes < 0)
            return "its Content-Length is not a number";
    }
    out->is_encoded = (uint8_t)(has_field(&from, FIELD_CONTENT_ENCODING) &&
                                !field_has_word(&from, FIELD_CONTENT_ENCODING, "identity"));
    out->is_chunked = (uint8_t)has_field(&from, FIELD_TRANSFER_ENCODING);
    if (out->is_chunked && !field_has_word(&from, FIELD_TRANSFER_ENCODING, "chunked"))
        return "its Transfer-Encoding is unknown";
    return out->status == 101 && ask != NULL ? check_reply(ask, &from, out) : NULL;
}

void handshake_read_reply(const upgrade_request *ask, td_bytes bytes, handshake_reply *out)
{
    *out = (handshake_reply){.content_bytes = -1};
    out->why = read_reply(ask, bytes, out);
}
