/* Checksums and digests. Wraps the libraries that compute them. */
#ifndef TD_BASE_HASH_H
#define TD_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#include "base/attr.h"

/* An XXH3-128 value in its canonical (big-endian) form. */
typedef struct td_hash128 {
    uint8_t bytes[16];
} td_hash128;

/* Streaming state of XXH3-128. */
typedef struct td_hasher td_hasher;

enum {
    TD_HASH128_HEX_BYTES = 33,
    TD_SHA1_BYTES = 20,
    TD_SHA1_HEX_BYTES = 41,
    TD_SHA256_BYTES = 32,
    TD_SHA256_HEX_BYTES = 65
};

/* Let OpenSSL allocate with base/alloc.h, so that the program aborts when memory runs out. Call
 * before OpenSSL's first use. Returns 1, or 0 if OpenSSL was used before. */
int td_hash_begin(void);

/* CRC-32 (IEEE, as in MCAP and gzip) of bytes, continued from crc; start with 0. */
uint32_t td_crc32(uint32_t crc, const void *bytes, size_t size);

/* XXH64 with seed 0. */
uint64_t td_xxh64(const void *bytes, size_t size);

/* XXH64 over bytes in pieces: begin, update for each piece, end. The state is on the caller's
 * stack; nothing is freed. */
typedef struct td_xxh64_state {
    uint64_t words[11];
} td_xxh64_state;
void td_xxh64_begin(td_xxh64_state *state);
void td_xxh64_update(td_xxh64_state *state, const void *bytes, size_t size);
uint64_t td_xxh64_end(const td_xxh64_state *state);

/* XXH3-128 of bytes in one call. */
td_hash128 td_hash128_of(const void *bytes, size_t size);

/* Allocate a state; free it. */
TD_NEVER_NULL td_hasher *td_hasher_open(void);
void td_hasher_close(td_hasher *hasher);

/* Discard the bytes added so far. */
void td_hasher_reset(td_hasher *hasher);

/* Add bytes. */
void td_hasher_update(td_hasher *hasher, const void *bytes, size_t size);

/* Add `size` bytes, at most 1024, which the caller writes to the returned memory before it uses
 * the hasher again. */
TD_NEVER_NULL uint8_t *td_hasher_space(td_hasher *hasher, size_t size);

/* Digest of the bytes added since open or reset; more may be added later. */
td_hash128 td_hasher_digest(const td_hasher *hasher);

/* Format as 32 lower-case hex digits and a NUL. */
void td_hash128_hex(td_hash128 hash, char out[TD_HASH128_HEX_BYTES]);

/* 1 if equal. */
int td_hash128_equal(td_hash128 a, td_hash128 b);

/* SHA-1 of bytes as 40 hex digits and a NUL, only for levels of books, not for security. */
void td_sha1_hex(const void *bytes, size_t size, char out[TD_SHA1_HEX_BYTES]);

/* SHA-256 of bytes as 64 hex digits, lower case, and a NUL. */
void td_sha256_hex(const void *bytes, size_t size, char out[TD_SHA256_HEX_BYTES]);

/* The same of bytes in pieces: open, update for each piece, digest, close (NULL is fine). */
typedef struct td_sha256 td_sha256;
TD_NEVER_NULL td_sha256 *td_sha256_open(void);
void td_sha256_update(td_sha256 *hash, const void *bytes, size_t size);
void td_sha256_digest(const td_sha256 *hash, char out[TD_SHA256_HEX_BYTES]);
void td_sha256_close(td_sha256 *hash);

/* HMAC-SHA256 of bytes under a key. */
void td_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                    uint8_t out[TD_SHA256_BYTES]);

/* HMAC-SHA256 of bytes under a key as 64 hex digits, lower case, and a NUL. */
void td_hmac_sha256_hex(const void *key, size_t key_size, const void *bytes, size_t size,
                        char out[TD_SHA256_HEX_BYTES]);

/* The same as 44 characters of base64 (RFC 4648, with padding), and a NUL. */
enum { TD_SHA256_BASE64_BYTES = 45 };
void td_hmac_sha256_base64(const void *key, size_t key_size, const void *bytes, size_t size,
                           char out[TD_SHA256_BASE64_BYTES]);

/* 1 if equal. Takes constant time, for values that a peer may try to guess. */
int td_is_equal_secret(const void *a, const void *b, size_t size);

#endif
