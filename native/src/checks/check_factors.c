/* The MUSTs of an operation's factors: what is scaled by them rounds alike everywhere. */
#include "check.h"

#include <math.h>

/* Sums of a pool fit int32. */
static bool check_pool(const struct check *check, const struct plan_operation *o)
{
    const struct plan_tensor *in = &check->plan->tensors[o->input[0]];
    float largest = 0;
    if (o->code == OP_GLOBAL_POOL)
        largest = 255.0f * (float)in->height * (float)in->width;
    if (o->code == OP_MULTIPLY)
        largest = 255.0f * 255.0f;
    MUST(largest < MOST_SCALED, "its sums may leave 32 bits");
    MUST(largest * fabsf(o->factor_a) + fabsf(o->factor_c) < MOST_SCALED,
         "a scaled sum may leave 32 bits");
    return true;
}

/* Its sum of squares fits int32, its divisor is nowhere close to 0. */
static bool check_response_norm(const struct check *check, const struct plan_operation *o)
{
    MUST(o->channel_groups >= 1 && (float)o->channel_groups * 255.0f * 255.0f < MOST_SCALED, "its sums may leave 32 bits");
    MUST(o->factor_b > 0 && o->factor_c >= 0, "a factor");
    float root = sqrtf(sqrtf(o->factor_b)), least = 1;
    for (int i = 0; i < o->flags; i++)
        least *= root;
    MUST(255 * fabsf(o->factor_a) < least * MOST_SCALED / 2, "a scaled sum may leave 32 bits");
    return true;
}

static bool check_function(const struct check *check, const struct plan_operation *o)
{
    MUST(o->flags != FUNCTION_CLIP || o->factor_b <= o->factor_c, "a factor");
    return true;
}

/* Of integers that are added up in floats: an average divides by one pixel at the least. */
static float largest_mean(const struct plan_operation *o)
{
    return o->code == OP_BILINEAR ? 4 * 255.0f : 255.0f * (float)o->kernel_h * (float)o->kernel_w;
}

bool check_factors(const struct check *check, const struct plan_operation *o)
{
    if (o->code == OP_FUNCTION)
        return check_function(check, o);
    MUST(isfinite(o->factor_a) && isfinite(o->factor_b) && isfinite(o->factor_c), "a factor");
    MUST(fabsf(o->factor_a) < 1e6f && fabsf(o->factor_b) < 1e6f && fabsf(o->factor_c) < 1e6f,
         "a factor above a million");
    switch (o->code) {
    case OP_QUANTISE:
    case OP_DEQUANTISE:
        MUST(o->factor_a > 0, "its scale");
        return true;
    case OP_BILINEAR:
    case OP_AVERAGE_POOL:
        MUST(o->factor_a > 0 && o->factor_b > 0, "its scale");
        MUST(largest_mean(o) * o->factor_a < MOST_SCALED / 2 * o->factor_b, "a scaled sum may leave 32 bits");
        return true;
    case OP_SOFTMAX:
        MUST(o->factor_a >= 1, "its levels");
        return true;
    case OP_RESPONSE_NORM:
        return check_response_norm(check, o);
    default:
        return check_pool(check, o);
    }
}
