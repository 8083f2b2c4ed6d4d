/* The sentence that tells a caller what went wrong. */
#include "model.h"

#include <stdarg.h>
#include <stdio.h>

bool fail(edgecnn_error *error, int code, const char *format, ...)
{
    if (error == NULL)
        return false;
    error->code = code;
    va_list values;
    va_start(values, format);
    vsnprintf(error->text, sizeof error->text, format, values);
    va_end(values);
    return false;
}
