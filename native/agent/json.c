/* Events: JSON objects, a line each. */
#include "agent.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void raw(const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
}

void begin_event(const char *event) { printf("{\"event\": \"%s\"", event); }

void end_event(void)
{
    fputs("}\n", stdout);
    if (fflush(stdout) != 0)
        stop("what it prints is not read");
}

void add_number(const char *key, double value) { printf(", \"%s\": %.9g", key, value); }

void add_whole(const char *key, int64_t value) { printf(", \"%s\": %lld", key, (long long)value); }

void add_text(const char *key, const char *text)
{
    printf(", \"%s\": ", key);
    print_text(text, strlen(text));
}

/* Bytes above 127 are printed as Latin-1: file contents need not be UTF-8. */
void print_text(const char *text, size_t size)
{
    putchar('"');
    for (size_t i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)text[i];
        if (byte == '"' || byte == '\\')
            printf("\\%c", byte);
        else if (byte < 0x20 || byte > 0x7e)
            printf("\\u%04x", byte);
        else
            putchar(byte);
    }
    putchar('"');
}

void add_bytes(const char *key, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    printf(", \"%s\": \"", key);
    for (size_t i = 0; i < size; i += 3) {
        uint32_t triple = (uint32_t)bytes[i] << 16;
        triple |= i + 1 < size ? (uint32_t)bytes[i + 1] << 8 : 0;
        triple |= i + 2 < size ? bytes[i + 2] : 0;
        putchar(digits[triple >> 18]);
        putchar(digits[triple >> 12 & 63]);
        putchar(i + 1 < size ? digits[triple >> 6 & 63] : '=');
        putchar(i + 2 < size ? digits[triple & 63] : '=');
    }
    putchar('"');
}
