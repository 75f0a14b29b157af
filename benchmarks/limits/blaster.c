/* A server that is never the bottleneck: it sends pre-encoded WebSocket frames to one client as
 * fast as the socket accepts them, then closes with 1000 and exits. It sends a file of frames, one
 * per line, repeatedly until --frames are sent.
 *
 *   blaster CORPUS --frames N [--rate R] [--cert PEM --key PEM]
 *
 * prints its port, then serves one client. With a rate it sends R frames per second, each with its
 * own write, and replaces the first bytes of each by its time (ns since 1970): {"sent":TIME,
 *
 * It reads the upgrade request, and nothing that the client sends afterwards. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

/* Bytes per write: four TLS records of the largest size, 16 KiB. */
enum {
    WRITE_BYTES = 64 << 10,
    TLS_SEND_BYTES = 256 << 10,
    REQUEST_BYTES = 16 << 10,
    FRAME_HEAD_BYTES = 10
};

typedef struct peer {
    int fd;
    SSL *tls; /* NULL: without TLS */
} peer;

static void die(const char *what)
{
    fprintf(stderr, "blaster: %s\n", what);
    exit(4);
}

static void send_all(peer *to, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        ssize_t sent = to->tls != NULL ? SSL_write(to->tls, at, (int)size)
                                       : send(to->fd, at, size, MSG_NOSIGNAL);
        if (sent <= 0)
            die("the client went away");
        at += sent;
        size -= (size_t)sent;
    }
}

/* Write buffered TLS records to the socket. */
static void flush(peer *to)
{
    if (to->tls != NULL && BIO_flush(SSL_get_wbio(to->tls)) != 1)
        die("the client went away");
}

static size_t receive(peer *from, char *out, size_t space)
{
    ssize_t got =
        from->tls != NULL ? SSL_read(from->tls, out, (int)space) : recv(from->fd, out, space, 0);
    if (got <= 0)
        die("the client sent no request");
    return (size_t)got;
}

/* Sec-WebSocket-Accept for a key (RFC 6455, 4.2.2). */
static void accept_value(const char *key, size_t key_bytes, char out[64])
{
    static const char GUID[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char text[128], digest[SHA_DIGEST_LENGTH];
    if (key_bytes + sizeof GUID > sizeof text)
        die("a key that is too long");
    memcpy(text, key, key_bytes);
    memcpy(text + key_bytes, GUID, sizeof GUID - 1);
    SHA1(text, key_bytes + sizeof GUID - 1, digest);
    EVP_EncodeBlock((unsigned char *)out, digest, sizeof digest);
}

static void upgrade(peer *client)
{
    static const char KEY[] = "Sec-WebSocket-Key: ";
    char request[REQUEST_BYTES + 1];
    size_t size = 0;
    do {
        size += receive(client, request + size, REQUEST_BYTES - size);
        request[size] = '\0';
    } while (strstr(request, "\r\n\r\n") == NULL && size < REQUEST_BYTES);
    const char *key = strcasestr(request, KEY);
    if (key == NULL)
        die("the request has no Sec-WebSocket-Key");
    key += sizeof KEY - 1;
    char accepted[64], answer[256];
    accept_value(key, strcspn(key, "\r\n"), accepted);
    int length = snprintf(answer, sizeof answer,
                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                          "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
                          accepted);
    send_all(client, answer, (size_t)length);
    flush(client);
}

/* Frames encoded as a server sends them, one after the other. */
typedef struct corpus {
    unsigned char *encoded;
    size_t bytes;
    uint64_t frames;
} corpus;

static char *read_file(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    struct stat about;
    if (in == NULL || fstat(fileno(in), &about) != 0)
        die("the corpus cannot be read");
    char *bytes = malloc((size_t)about.st_size + 1);
    if (bytes == NULL || fread(bytes, 1, (size_t)about.st_size, in) != (size_t)about.st_size)
        die("the corpus cannot be read");
    fclose(in);
    *size = (size_t)about.st_size;
    return bytes;
}

/* Write a server's frame header: final, text, unmasked. */
static size_t put_head(unsigned char *out, size_t size)
{
    out[0] = 0x81;
    if (size < 126) {
        out[1] = (unsigned char)size;
        return 2;
    }
    if (size < 65536) {
        out[1] = 126;
        out[2] = (unsigned char)(size >> 8);
        out[3] = (unsigned char)size;
        return 4;
    }
    out[1] = 127;
    for (int i = 0; i < 8; i++)
        out[2 + i] = (unsigned char)((uint64_t)size >> (56 - 8 * i));
    return 10;
}

/* Encode the lines of a file as frames. */
static corpus encode(const char *text, size_t size)
{
    corpus out = {0};
    size_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    out.encoded = malloc(size + lines * FRAME_HEAD_BYTES);
    if (out.encoded == NULL)
        die("no memory");
    size_t used = 0;
    for (const char *at = text, *end = text + size; at < end;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        if (newline == NULL)
            break;
        size_t length = (size_t)(newline - at);
        used += put_head(out.encoded + used, length);
        memcpy(out.encoded + used, at, length);
        used += length;
        out.frames++;
        at = newline + 1;
    }
    if (out.frames == 0)
        die("the corpus holds no frame");
    out.bytes = used;
    return out;
}

/* Size of an encoded frame, including its header. */
static size_t frame_bytes(const unsigned char *head)
{
    size_t size = 0;
    if (head[1] < 126)
        return 2 + (size_t)head[1];
    if (head[1] == 126)
        return 4 + ((size_t)head[2] << 8 | head[3]);
    for (int i = 0; i < 8; i++)
        size = size << 8 | head[2 + i];
    return 10 + size;
}

static void stamp(unsigned char *frame, size_t bytes)
{
    char text[40];
    struct timespec now;
    size_t head = frame[1] < 126 ? 2 : frame[1] == 126 ? 4 : 10;
    clock_gettime(CLOCK_REALTIME, &now);
    int size =
        snprintf(text, sizeof text, "{\"sent\":%lld%09ld,", (long long)now.tv_sec, now.tv_nsec);
    if (bytes < head + (size_t)size)
        die("a frame has no space for its time");
    memcpy(frame + head, text, (size_t)size);
}

static void send_at_rate(peer *client, const corpus *from, uint64_t wanted, uint64_t rate)
{
    struct timespec next;
    size_t at = 0;
    clock_gettime(CLOCK_MONOTONIC, &next);
    for (uint64_t i = 0; i < wanted; i++) {
        at = i % from->frames == 0 ? 0 : at;
        size_t bytes = frame_bytes(from->encoded + at);
        stamp(from->encoded + at, bytes);
        send_all(client, from->encoded + at, bytes);
        flush(client);
        at += bytes;
        next.tv_nsec += (long)(1000000000 / rate);
        next.tv_sec += next.tv_nsec / 1000000000;
        next.tv_nsec %= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
}

static void blast(peer *client, const corpus *from, uint64_t wanted)
{
    while (wanted > 0) {
        uint64_t frames = wanted < from->frames ? wanted : from->frames;
        size_t bytes = frames < from->frames ? 0 : from->bytes;
        for (uint64_t i = 0; i < frames && frames < from->frames; i++)
            bytes += frame_bytes(from->encoded + bytes);
        for (size_t at = 0; at < bytes; at += WRITE_BYTES)
            send_all(client, from->encoded + at,
                     bytes - at < WRITE_BYTES ? bytes - at : WRITE_BYTES);
        wanted -= frames;
    }
}

static void finish(peer *client)
{
    static const unsigned char CLOSE[] = {0x88, 2, 0x03, 0xe8};
    send_all(client, CLOSE, sizeof CLOSE);
    flush(client);
    shutdown(client->fd, SHUT_WR);
    char rest[4096];
    while (recv(client->fd, rest, sizeof rest, 0) > 0)
        ;
}

static int listen_anywhere(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 || listen(fd, 1) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        die("cannot listen");
    printf("%u\n", ntohs(address.sin_port));
    fflush(stdout);
    return fd;
}

static SSL *start_tls(int fd, const char *cert, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (context == NULL || SSL_CTX_use_certificate_chain_file(context, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
        die("the certificate or key cannot be used");
    SSL *tls = SSL_new(context);
    BIO *buffer = BIO_new(BIO_f_buffer()), *socket = BIO_new_socket(fd, BIO_NOCLOSE);
    if (tls == NULL || buffer == NULL || socket == NULL ||
        BIO_set_write_buffer_size(buffer, TLS_SEND_BYTES) != 1)
        die("TLS cannot begin");
    BIO_push(buffer, socket);
    SSL_set_bio(tls, buffer, buffer);
    if (SSL_accept(tls) != 1)
        die("TLS failed");
    return tls;
}

int main(int argc, char **argv)
{
    const char *corpus_path = NULL, *cert = NULL, *key = NULL;
    uint64_t wanted = 0, rate = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--frames") == 0 && i + 1 < argc)
            wanted = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--rate") == 0 && i + 1 < argc)
            rate = strtoull(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--cert") == 0 && i + 1 < argc)
            cert = argv[++i];
        else if (strcmp(argv[i], "--key") == 0 && i + 1 < argc)
            key = argv[++i];
        else
            corpus_path = argv[i];
    }
    if (corpus_path == NULL)
        die("usage: blaster CORPUS --frames N [--rate R] [--cert PEM --key PEM]");
    signal(SIGPIPE, SIG_IGN);
    size_t bytes;
    char *text = read_file(corpus_path, &bytes);
    corpus frames = encode(text, bytes);
    int listener = listen_anywhere();
    peer client = {.fd = accept(listener, NULL, NULL)};
    if (client.fd < 0)
        die("no client came");
    int one = 1;
    setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (cert != NULL)
        client.tls = start_tls(client.fd, cert, key);
    upgrade(&client);
    if (rate > 0)
        send_at_rate(&client, &frames, wanted, rate);
    else
        blast(&client, &frames, wanted);
    finish(&client);
    return 0;
}
