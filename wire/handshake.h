/* The opening handshake of the WebSocket protocol (RFC 6455, section 4), for both ends: parses
 * (strictly) and writes heads of HTTP/1.1 requests and answers (RFC 9112). Pure functions; any
 * thread. permessage-deflate (RFC 7692) is the only extension. The server ignores subprotocols, the
 * client offers none. A relay forwards header lines unchanged, including subprotocols. */
#ifndef TD_WIRE_HANDSHAKE_H
#define TD_WIRE_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "wire/deflate.h"

/* Maximum size and lines of a head; larger ones are refused (431). */
enum { HANDSHAKE_BYTES_MAX = 8 << 10, HANDSHAKE_LINES_MAX = 100 };

/* Text of the agreed extensions, with the NUL: permessage-deflate with each parameter once. Longer
 * text (extra spaces) is truncated. */
enum { HANDSHAKE_EXTENSIONS_BYTES = 192 };

/* A key in base64, with the NUL (4.1). */
enum { HANDSHAKE_KEY_BYTES = 25, HANDSHAKE_NONCE_BYTES = 16 };

/* Size of a head, up to the end of its empty line; 0: the head is incomplete. */
size_t handshake_head_bytes(td_bytes received);

/* Append the header lines that a relay forwards from a head: all except the lines about this
 * connection and about the length and transfer encoding of the body. */
void handshake_copy_fields(td_bytes head, td_buf *out);

/* ---- server ---- */

typedef struct handshake_request {
    unsigned status; /* 101: an upgrade request. 200: another GET request. Otherwise the status to
                        refuse it with: 400, 405, 426, 431 */
    const char *why; /* reason of a refusal */
    uint8_t is_relayable; /* 1: a request, not an upgrade, that a relay can forward; any method,
                         with or without a body */
    td_bytes method;
    int64_t content_bytes; /* size of the body; -1: unknown */
    td_bytes path;    /* of the target, from the '/'; a view of the head, as the next members */
    td_bytes query;   /* text after '?'; may be empty */
    td_bytes key;     /* of an upgrade request */
    td_bytes host;    /* the header Host */
    td_bytes origin;  /* the header Origin, which browsers send; empty if absent */
    int deflate_bits; /* window bits for sending with permessage-deflate; 0: not offered, or only
                         with unsupported parameters */
    uint8_t
        is_window_requested; /* 1: the client requested deflate_bits, so the answer must have it */
    const char *fields;      /* for handshake_accept: further header lines, or NULL */
} handshake_request;

/* Parse a whole head. */
void handshake_read_request(td_bytes head, handshake_request *out);

/* Append the answer that accepts an upgrade. If deflate_bits is set, the answer agrees to
 * permessage-deflate without context takeover in both directions. */
void handshake_accept(const handshake_request *request, td_buf *out);

/* Append an answer with a text as its body (JSON if it begins with '{') and Connection: close. */
void handshake_answer(unsigned status, const char *text, td_buf *out);
/* As handshake_answer, with these header lines (handshake_copy_fields) and this body. */
void handshake_put_answer(unsigned status, const char *fields, td_bytes body, td_buf *out);

/* ---- client ---- */

typedef struct upgrade_request {
    const char *host;                     /* with the port unless it is the scheme's default */
    const char *target;                   /* path and query */
    uint8_t nonce[HANDSHAKE_NONCE_BYTES]; /* random */
    uint8_t with_deflate; /* 1: offer permessage-deflate with any window; with `fields`, set it if
                             the lines offer it */
    const char *fields;   /* header lines instead of our User-Agent line; may offer subprotocols;
                             NULL: none */
} upgrade_request;

/* Append the request. */
void handshake_put_request(const upgrade_request *ask, td_buf *out);

/* Status in an answer's first line, "HTTP/1.1 101 Switching Protocols"; 0: not HTTP/1. */
unsigned handshake_status(td_bytes line);

typedef struct handshake_reply {
    unsigned status;              /* of the answer; 0: not HTTP */
    const char *why;              /* why the answer is invalid; NULL: valid */
    uint64_t retry_after_s;       /* 0: absent or a date */
    td_bytes extensions;          /* the extensions that the server agreed to; a view of the head */
    uint8_t is_deflated;          /* 1: permessage-deflate was agreed */
    deflate_context context;      /* the agreed context of the server's messages */
    deflate_context sent_context; /* the agreed context of the client's messages */
    int64_t content_bytes;        /* size of the body that follows; -1: unknown */
    uint8_t is_chunked;           /* 1: the body is chunked */
    uint8_t is_encoded;           /* 1: the answer has a Content-Encoding such as gzip */
} handshake_reply;

/* Parse the whole head of an answer. ask: the upgrade request; NULL: the request was no upgrade. */
void handshake_read_reply(const upgrade_request *ask, td_bytes head, handshake_reply *out);

#endif
