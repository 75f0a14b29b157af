/* A recorder for which lookups of names that end in ".hangs" never return: linked with
 * --wrap=getaddrinfo. */
#include <netdb.h>
#include <string.h>
#include <unistd.h>

/* The linker's names for the real function and its replacement. */
int __real_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);
int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out);

int __wrap_getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                       struct addrinfo **out)
{
    static const char HANGS[] = ".hangs";
    size_t size = name == NULL ? 0 : strlen(name);
    while (size >= sizeof HANGS - 1 && strcmp(name + size - (sizeof HANGS - 1), HANGS) == 0)
        pause();
    return __real_getaddrinfo(name, service, hints, out);
}
