#include "base/hash.h"

#include <string.h>

#include <libdeflate.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#define XXH_STATIC_LINKING_ONLY /* declares XXH3_state_t, to allocate it */
#include <xxhash.h>
/* Only where the library chooses by the processor. */
#if defined(__x86_64__) && __has_include(<xxh_x86dispatch.h>)
#include <xxh_x86dispatch.h>
#endif

#include "base/alloc.h"
#include "base/assert.h"
#include "base/bytes.h"

/* Small pieces are collected before they are passed to XXH3: a call for each field of a record
 * costs more than the hashing. */
enum { GATHER_BYTES = 1024 };

struct td_hasher {
    XXH3_state_t *state; /* in memory[], aligned for XXH3 */
    size_t gathered;     /* bytes in gather, not yet passed to XXH3 */
    unsigned char gather[GATHER_BYTES];
    unsigned char memory[];
};

enum { STATE_ALIGN_BYTES = 64 };

_Static_assert(sizeof(XXH128_canonical_t) == sizeof(td_hash128), "both hold 16 bytes");

static const char HEX[] = "0123456789abcdef";

static void hex_text(const uint8_t *bytes, size_t size, char *out)
{
    for (size_t i = 0; i < size; i++) {
        *out++ = HEX[bytes[i] >> 4];
        *out++ = HEX[bytes[i] & 15];
    }
    *out = '\0';
}

static void *openssl_alloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return td_alloc(bytes);
}

static void *openssl_realloc(void *old, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    if (bytes > 0)
        return td_realloc(old, bytes, 1);
    td_free(old);
    return NULL;
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    td_free(memory);
}

int td_hash_begin(void)
{
    return CRYPTO_set_mem_functions(openssl_alloc, openssl_realloc, openssl_free);
}

/* As XXH128_canonicalFromHash, inlined. */
static td_hash128 canonical(XXH128_hash_t hash)
{
    td_hash128 out = {{0}};
    td_put_le64(out.bytes, __builtin_bswap64(hash.high64));
    td_put_le64(out.bytes + 8, __builtin_bswap64(hash.low64));
    return out;
}

uint32_t td_crc32(uint32_t crc, const void *bytes, size_t size)
{
    /* For a NULL buffer libdeflate would return the start value. */
    return size == 0 ? crc : libdeflate_crc32(crc, bytes, size);
}

uint64_t td_xxh64(const void *bytes, size_t size)
{
    return XXH64(bytes, size, 0);
}

_Static_assert(sizeof(XXH64_state_t) == sizeof(td_xxh64_state), "the caller's memory holds it");

static XXH64_state_t *xxh64_of(td_xxh64_state *state)
{
    return (XXH64_state_t *)(void *)state->words;
}

void td_xxh64_begin(td_xxh64_state *state)
{
    XXH_errorcode rc = XXH64_reset(xxh64_of(state), 0);
    TD_ASSERT(rc == XXH_OK);
}

void td_xxh64_update(td_xxh64_state *state, const void *bytes, size_t size)
{
    XXH_errorcode rc = size == 0 ? XXH_OK : XXH64_update(xxh64_of(state), bytes, size);
    TD_ASSERT(rc == XXH_OK);
}

uint64_t td_xxh64_end(const td_xxh64_state *state)
{
    return XXH64_digest((const XXH64_state_t *)(const void *)state->words);
}

td_hash128 td_hash128_of(const void *bytes, size_t size)
{
    return canonical(XXH3_128bits(bytes, size));
}

td_hasher *td_hasher_open(void)
{
    td_hasher *hasher = td_alloc(sizeof *hasher + sizeof(XXH3_state_t) + STATE_ALIGN_BYTES);
    size_t beyond = (uintptr_t)hasher->memory % STATE_ALIGN_BYTES;
    size_t skipped = beyond == 0 ? 0 : STATE_ALIGN_BYTES - beyond;
    hasher->state = (XXH3_state_t *)(void *)(hasher->memory + skipped);
    XXH3_INITSTATE(hasher->state);
    TD_ASSERT((uintptr_t)hasher->state % STATE_ALIGN_BYTES == 0);
    td_hasher_reset(hasher);
    return hasher;
}

void td_hasher_close(td_hasher *hasher)
{
    td_free(hasher);
}

void td_hasher_reset(td_hasher *hasher)
{
    XXH_errorcode rc = XXH3_128bits_reset(hasher->state);
    TD_ASSERT(rc == XXH_OK);
    hasher->gathered = 0;
}

static void add_bytes(XXH3_state_t *state, const void *bytes, size_t size)
{
    XXH_errorcode rc = XXH3_128bits_update(state, bytes, size);
    TD_ASSERT(rc == XXH_OK);
}

/* Pass the gathered bytes on. Not inlined, so that td_hasher_space() is. */
static __attribute__((noinline)) void flush(td_hasher *hasher)
{
    add_bytes(hasher->state, hasher->gather, hasher->gathered);
    hasher->gathered = 0;
}

uint8_t *td_hasher_space(td_hasher *hasher, size_t size)
{
    TD_ASSERT(size <= GATHER_BYTES);
    if (TD_UNLIKELY(size > GATHER_BYTES - hasher->gathered))
        flush(hasher);
    uint8_t *space = hasher->gather + hasher->gathered;
    hasher->gathered += size;
    return space;
}

void td_hasher_update(td_hasher *hasher, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    TD_ASSERT(bytes != NULL);
    if (size > GATHER_BYTES / 2) {
        flush(hasher);
        add_bytes(hasher->state, bytes, size);
        return;
    }
    memcpy(td_hasher_space(hasher, size), bytes, size);
}

td_hash128 td_hasher_digest(const td_hasher *hasher)
{
    XXH3_state_t state; /* the hasher's own state is unchanged */
    XXH3_copyState(&state, hasher->state);
    add_bytes(&state, hasher->gather, hasher->gathered);
    return canonical(XXH3_128bits_digest(&state));
}

void td_hash128_hex(td_hash128 hash, char out[TD_HASH128_HEX_BYTES])
{
    hex_text(hash.bytes, sizeof hash.bytes, out);
}

int td_hash128_equal(td_hash128 a, td_hash128 b)
{
    return memcmp(a.bytes, b.bytes, sizeof a.bytes) == 0;
}

void td_sha1_hex(const void *bytes, size_t size, char out[TD_SHA1_HEX_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    int is_done = EVP_Digest(bytes, size, digest, &length, EVP_sha1(), NULL);
    TD_ASSERT(is_done == 1);
    TD_ASSERT(length == TD_SHA1_BYTES);
    hex_text(digest, TD_SHA1_BYTES, out);
}

struct td_sha256 {
    EVP_MD_CTX *context;
};

td_sha256 *td_sha256_open(void)
{
    td_sha256 *hash = td_alloc_zero(1, sizeof *hash);
    hash->context = EVP_MD_CTX_new();
    const int is_done =
        hash->context != NULL && EVP_DigestInit_ex(hash->context, EVP_sha256(), NULL);
    TD_ASSERT(is_done);
    return hash;
}

void td_sha256_update(td_sha256 *hash, const void *bytes, size_t size)
{
    const int is_done = EVP_DigestUpdate(hash->context, bytes, size);
    TD_ASSERT(is_done);
}

void td_sha256_digest(const td_sha256 *hash, char out[TD_SHA256_HEX_BYTES])
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    const int is_done = copy != NULL && EVP_MD_CTX_copy_ex(copy, hash->context) &&
                        EVP_DigestFinal_ex(copy, digest, &length);
    TD_ASSERT(is_done);
    hex_text(digest, length, out);
    EVP_MD_CTX_free(copy);
}

void td_sha256_close(td_sha256 *hash)
{
    if (hash != NULL)
        EVP_MD_CTX_free(hash->context);
    td_free(hash);
}

void td_sha256_hex(const void *bytes, size_t size, char out[TD_SHA256_HEX_BYTES])
{
    td_sha256 *hash = td_sha256_open();
    td_sha256_update(hash, bytes, size);
    td_sha256_digest(hash, out);
    td_sha256_close(hash);
}

void td_hmac_sha256(const void *key, size_t key_size, const void *bytes, size_t size,
                    uint8_t out[TD_SHA256_BYTES])
{
    unsigned length = 0;
    if (HMAC(EVP_sha256(), key, (int)key_size, bytes, size, out, &length) == NULL)
        td_out_of_memory(0);
    TD_ASSERT(length == TD_SHA256_BYTES);
}

void td_hmac_sha256_hex(const void *key, size_t key_size, const void *bytes, size_t size,
                        char out[TD_SHA256_HEX_BYTES])
{
    uint8_t digest[TD_SHA256_BYTES];
    td_hmac_sha256(key, key_size, bytes, size, digest);
    hex_text(digest, sizeof digest, out);
}

void td_hmac_sha256_base64(const void *key, size_t key_size, const void *bytes, size_t size,
                           char out[TD_SHA256_BASE64_BYTES])
{
    uint8_t digest[TD_SHA256_BYTES];
    td_hmac_sha256(key, key_size, bytes, size, digest);
    const int written = EVP_EncodeBlock((unsigned char *)out, digest, (int)sizeof digest);
    TD_ASSERT(written + 1 == TD_SHA256_BASE64_BYTES); /* it ends with a NUL */
}

int td_is_equal_secret(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
