/* The sentence that tells a caller what went wrong. */
#include "model.h"

#include <stdarg.h>

#ifdef EDGECNN_FREESTANDING

/* What is left of a text's memory, the last byte spared. */
struct text {
    char *to;
    size_t room;
};

static void append(struct text *text, const char *from, size_t bytes)
{
    for (; bytes > 0 && text->room > 0; bytes--, text->room--)
        *text->to++ = *from++;
}

static void append_number(struct text *text, uint64_t number)
{
    char digits[20], *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    append(text, first, (size_t)(digits + sizeof digits - first));
}

/* As vsnprintf, of what the messages hold: %s, %d, %u, %zu, %llu. */
static void write_text(char *to, size_t bytes, const char *format, va_list values)
{
    struct text text = {to, bytes - 1};
    for (; *format; format++) {
        const char *word;
        int number;
        if (*format != '%') {
            append(&text, format, 1);
            continue;
        }
        switch (*++format) {
        case 's':
            for (word = va_arg(values, const char *); *word; word++)
                append(&text, word, 1);
            break;
        case 'd':
            number = va_arg(values, int);
            append(&text, "-", number < 0);
            append_number(&text, number < 0 ? -(uint64_t)number : (uint64_t)number);
            break;
        case 'u':
            append_number(&text, va_arg(values, unsigned));
            break;
        case 'z':
            append_number(&text, va_arg(values, size_t));
            format++;
            break;
        case 'l':
            append_number(&text, va_arg(values, unsigned long long));
            format += 2;
            break;
        }
    }
    *text.to = 0;
}

#else

#include <stdio.h>

static void write_text(char *to, size_t bytes, const char *format, va_list values)
{
    vsnprintf(to, bytes, format, values);
}

#endif

bool fail(edgecnn_error *error, int code, const char *format, ...)
{
    if (error == NULL)
        return false;
    error->code = code;
    va_list values;
    va_start(values, format);
    write_text(error->text, sizeof error->text, format, values);
    va_end(values);
    return false;
}
