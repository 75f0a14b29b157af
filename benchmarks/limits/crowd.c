/* Many clients of one server, in one thread, which parse nothing: each requests a WebSocket
 * connection, sends a request, and reads. All end after SECONDS. The first client also measures
 * delays: it compares the time at which each frame arrives with the time at which it is due.
 *
 *   crowd PORT PATH REQUEST CLIENTS SECONDS [JOIN_MS [TIMES]]
 *
 * JOIN_MS: the other clients connect this long after the first; "/N": each connects N ms after the
 * one before. TIMES: a file with the due time of each frame in ns, one per line, ascending. Prints
 * {"bytes","delay_us"}: bytes received by all clients; the first client's longest frame delay minus
 * its shortest. Frames must have at most 125 bytes or a 16-bit length; pings are not answered. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENTS_MAX = 4096, READ_BYTES = 256 << 10, TIMES_MAX = 1 << 20, HEAD_BYTES = 4 };

static struct {
    uint64_t due_ns[TIMES_MAX];
    size_t due_count, frame_count;
    int64_t least_ns, most_ns;
    size_t skip; /* unread bytes of the current frame */
    uint8_t head[HEAD_BYTES];
    size_t head_size;
    int is_open; /* the upgrade request was answered */
} first = {.least_ns = INT64_MAX, .most_ns = INT64_MIN};

static void die(const char *what)
{
    fprintf(stderr, "crowd: %s\n", what);
    exit(4);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void read_times(const char *file)
{
    char line[64];
    FILE *in = fopen(file, "r");
    if (in == NULL)
        die("cannot open the file of times");
    while (first.due_count < TIMES_MAX && fgets(line, sizeof line, in) != NULL)
        first.due_ns[first.due_count++] = strtoull(line, NULL, 10);
    fclose(in);
}

/* Send the upgrade request and REQUEST as a frame, masked with zeros. */
static void ask(int fd, const char *path, const char *request)
{
    char out[2048];
    size_t size = strlen(request);
    int head = snprintf(out, sizeof out,
                        "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                        path);
    if (size > 1000 || head <= 0 || (size_t)head + size + 8 > sizeof out)
        die("the request is too long");
    uint8_t frame[8] = {0x81, 0x80 | 126, (uint8_t)(size >> 8), (uint8_t)size};
    memcpy(out + head, frame, sizeof frame);
    memcpy(out + head + sizeof frame, request, size);
    size += (size_t)head + sizeof frame;
    if (send(fd, out, size, MSG_NOSIGNAL) != (ssize_t)size)
        die("the request was not sent");
}

static void join(unsigned port, const char *path, const char *request, int epoll, int is_first)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct epoll_event event = {.events = EPOLLIN,
                                .data.u64 = (uint64_t)fd << 1 | (uint64_t)is_first};
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("cannot connect");
    ask(fd, path, request);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll");
}

/* Count a data frame. Answers to requests do not begin with "topic", and are not counted. */
static void count_frame(const uint8_t *payload, size_t left, uint64_t at_ns)
{
    if (left < 9 || memcmp(payload, "{\"topic\":", 9) != 0 || first.frame_count >= first.due_count)
        return;
    int64_t delay = (int64_t)(at_ns - first.due_ns[first.frame_count++]);
    first.least_ns = delay < first.least_ns ? delay : first.least_ns;
    first.most_ns = delay > first.most_ns ? delay : first.most_ns;
}

static void read_frames(const uint8_t *bytes, size_t size, uint64_t at_ns)
{
    if (!first.is_open) {
        const uint8_t *end = memmem(bytes, size, "\r\n\r\n", 4);
        if (end == NULL)
            return;
        first.is_open = 1;
        size -= (size_t)(end + 4 - bytes);
        bytes = end + 4;
    }
    while (size > 0) {
        size_t step = size < first.skip ? size : first.skip;
        if (step == 0) {
            first.head[first.head_size++] = *bytes;
            step = 1;
            size_t need = first.head_size < 2 || (first.head[1] & 127) == 126 ? HEAD_BYTES : 2;
            if (first.head_size == need) {
                first.skip =
                    need == 2 ? first.head[1] & 127 : (size_t)first.head[2] << 8 | first.head[3];
                first.head_size = 0;
                count_frame(bytes + 1, size - 1, at_ns);
            }
        } else {
            first.skip -= step;
        }
        bytes += step;
        size -= step;
    }
}

int main(int argc, char **argv)
{
    static uint8_t buffer[READ_BYTES];
    if (argc < 6)
        die("usage: crowd PORT PATH REQUEST CLIENTS SECONDS [JOIN_MS [TIMES]]");
    unsigned port = (unsigned)strtoul(argv[1], NULL, 10);
    size_t count = strtoul(argv[4], NULL, 10), joined = 1;
    uint64_t begin_ns = now_ns(), end_ns = begin_ns + strtoull(argv[5], NULL, 10) * 1000000000;
    int is_spread = argc > 6 && argv[6][0] == '/';
    uint64_t join_ns = argc > 6 ? strtoull(argv[6] + is_spread, NULL, 10) * 1000000 : 0;
    uint64_t bytes = 0;
    if (argc > 7)
        read_times(argv[7]);
    int epoll = epoll_create1(0);
    if (count < 1 || count > CLIENTS_MAX || epoll < 0)
        die("too many clients");
    join(port, argv[2], argv[3], epoll, 1);
    for (uint64_t at_ns = now_ns(); at_ns < end_ns; at_ns = now_ns()) {
        struct epoll_event events[256];
        for (; joined < count && at_ns >= begin_ns + (is_spread ? joined * join_ns : join_ns);
             joined++)
            join(port, argv[2], argv[3], epoll, 0);
        int ready = epoll_wait(epoll, events, 256, 1);
        for (int i = 0; i < ready; i++) {
            ssize_t got = recv((int)(events[i].data.u64 >> 1), buffer, sizeof buffer, 0);
            if (got <= 0)
                die("the server ended a connection");
            bytes += (uint64_t)got;
            if (events[i].data.u64 & 1)
                read_frames(buffer, (size_t)got, now_ns());
        }
    }
    printf("{\"bytes\":%llu,\"frames\":%zu,\"delay_us\":%lld}\n", (unsigned long long)bytes,
           first.frame_count,
           (long long)(first.frame_count == 0 ? 0 : (first.most_ns - first.least_ns) / 1000));
    return 0;
}
