/* Ends of the agent, and checks of its command line. */
#include "agent.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

limits the_limits;

void stop(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    fputs("edgecnn_runtime: ", stderr);
    vfprintf(stderr, format, values);
    fputc('\n', stderr);
    va_end(values);
    exit(1);
}

void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (memory == NULL)
        stop("it takes more memory than --max-memory allows");
    return memory;
}

long number(const char *word, long least, long most)
{
    char *end;
    errno = 0;
    long value = strtol(word, &end, 10);
    if (errno || end == word || *end || value < least || value > most)
        stop("%s is no number from %ld to %ld", word, least, most);
    return value;
}

double real(const char *word)
{
    char *end;
    double value = strtod(word, &end);
    if (end == word || *end || !isfinite(value))
        stop("%s is no number", word);
    return value;
}
