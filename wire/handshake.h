/* The opening handshake of the WebSocket protocol (RFC 6455, section 4), both sides: heads of
 * HTTP/1.1 requests and answers (RFC 9112), strictly. Pure functions from bytes to facts and back;
 * any thread. permessage-deflate (RFC 7692) is the only extension; subprotocols are ignored by the
 * server and not asked for by the client. A pass-through hands header lines on as they are,
 * subprotocols among them. */
#ifndef TD_WIRE_HANDSHAKE_H
#define TD_WIRE_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "wire/deflate.h"

/* A head, and its lines: more are refused (431). */
enum { HANDSHAKE_BYTES_MAX = 8 << 10, HANDSHAKE_LINES_MAX = 100 };

/* Extensions that were agreed on, as text with the NUL: permessage-deflate with its parameters,
 * each once. Spaces may make it longer: then it is cut. */
enum { HANDSHAKE_EXTENSIONS_BYTES = 192 };

/* A key in base64, with the NUL (4.1). */
enum { HANDSHAKE_KEY_BYTES = 25, HANDSHAKE_NONCE_BYTES = 16 };

/* The bytes of a head, up to the empty line's end; 0: more must come. */
size_t handshake_head_bytes(td_bytes received);

/* Append the header lines of a head that a pass-through hands on: those that are neither about its
 * connection nor about the form of its body, which are not the next connection's. */
void handshake_copy_fields(td_bytes head, td_buf *out);

/* ---- the server's side ---- */

typedef struct handshake_request {
    unsigned status;  /* 101: a request for an upgrade. 200: another one, of the method GET. Else to
                         be refused with this status: 400, 405, 426, 431 */
    const char *why;  /* of a refusal */
    uint8_t is_whole; /* 1: of another method or with a body, too, it is a request that a
                         pass-through can hand on, and no upgrade */
    td_bytes method;
    int64_t content_bytes; /* of the body; -1: unknown */
    td_bytes path;         /* of the target, from its '/' on; views of the head */
    td_bytes query;        /* what follows '?'; may be empty */
    td_bytes key;          /* of an upgrade */
    td_bytes host;         /* the header Host */
    td_bytes origin;       /* the header Origin, which browsers send; empty if absent */
    int deflate_bits; /* window to send permessage-deflate with; 0: it was not offered, or only with
                         parameters that are not supported */
    uint8_t is_window_asked; /* the client asked for that window: the answer must have it */
    uint8_t is_post;         /* 405: its method is POST, for servers that answer that */
    const char *fields;      /* for handshake_accept: further header lines; NULL: none */
} handshake_request;

/* Read a whole head. */
void handshake_read_request(td_bytes head, handshake_request *out);

/* Append the answer that accepts an upgrade. With deflate_bits messages of neither side refer to
 * others (no context takeover). */
void handshake_accept(const handshake_request *request, td_buf *out);

/* Append an answer with a text as its body, JSON if it begins with '{', after which the connection
 * closes. */
void handshake_answer(unsigned status, const char *text, td_buf *out);
/* The same with these header lines (handshake_copy_fields) and this body. */
void handshake_put_answer(unsigned status, const char *fields, td_bytes body, td_buf *out);

/* ---- the client's side ---- */

typedef struct handshake_ask {
    const char *host;                     /* with the port if it is not the scheme's own */
    const char *target;                   /* path and query */
    uint8_t nonce[HANDSHAKE_NONCE_BYTES]; /* random */
    uint8_t with_deflate;                 /* offer permessage-deflate, with any windows; where
                                             fields are given, they do */
    const char *fields; /* header lines in place of our own User-Agent; they may offer subprotocols,
                           of which the reply may have any. NULL: none */
} handshake_ask;

/* Append the request. */
void handshake_put_request(const handshake_ask *ask, td_buf *out);

/* Of an answer's first line, "HTTP/1.1 101 Switching Protocols"; 0: it is not of HTTP/1. */
unsigned handshake_status(td_bytes line);

typedef struct handshake_reply {
    unsigned status;        /* of the answer; 0: it is no HTTP */
    const char *why;        /* of an answer 101 that is wrong, and of status 0; NULL: it is right */
    uint64_t retry_after_s; /* 0: absent, or a date */
    td_bytes extensions;    /* as the server agreed to them; a view of the head */
    uint8_t is_deflated;    /* permessage-deflate is among them, */
    deflate_context context;      /* what the server's messages refer to, */
    deflate_context sent_context; /* and the client's */
    int64_t content_bytes;        /* of the body that follows; -1: not known */
    uint8_t is_chunked;           /* the body comes in chunks, */
    uint8_t is_encoded;           /* and has a Content-Encoding: gzip or another */
} handshake_reply;

/* Read the whole head of the answer to a request; ask NULL: to one that was no upgrade. */
void handshake_read_reply(const handshake_ask *ask, td_bytes head, handshake_reply *out);

#endif
