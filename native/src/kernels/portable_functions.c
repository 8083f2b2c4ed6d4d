/* The portable kernels of functions across channels: response normalisation, Softmax; and of float outputs. */
#include "portable.h"

#include <string.h>

/* x^(times / 4), by roots that every processor rounds alike. */
static float power_of_root(float x, int times)
{
    float root = sqrtf(sqrtf(x)), power = root;
    for (int i = 1; i < times; i++)
        power *= root;
    return power;
}

/* Of one pixel. The sum of squares gains the channel ahead and loses the one behind; it is unsigned, so that a plan
 * that writes over what it reads breaks nothing but its result. */
static void normalise(const struct kernel *k, int row, int x)
{
    int before = (k->channel_groups - 1) / 2, ahead = k->channel_groups - 1 - before;
    uint32_t sum = 0;
    for (int c = -ahead; c < k->channels; c++) {
        if (c + ahead < k->channels) {
            int gained = get(k, row, x, c + ahead) - k->zero_point_a;
            sum += (uint32_t)(gained * gained);
        }
        if (c < 0)
            continue;
        float power = power_of_root(k->factor_b + k->factor_c * (float)sum, k->flags);
        int value = get(k, row, x, c) - k->zero_point_a;
        put(k, row, x, c, to_integer((float)value * (k->factor_a / power)) + k->zero_point);
        if (c >= before) {
            int lost = get(k, row, x, c - before) - k->zero_point_a;
            sum -= (uint32_t)(lost * lost);
        }
    }
}

void portable_response_norm(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++)
            normalise(k, row, x);
}

/* Of a value that is at most `most`, unless the plan has written over its input meanwhile. */
static uint32_t exponential_of(const uint32_t *exps, int value, int most)
{
    return exps[255 - most + (value < most ? value : most)];
}

/* So many of `levels` as `part` is of `sum`, but for such a plan no more. */
static int32_t levels_of(uint64_t part, uint64_t sum, uint64_t levels)
{
    uint64_t share = sum ? (part * levels + sum / 2) / sum : 0;
    return (int32_t)(share < levels ? share : levels);
}

void portable_softmax(const struct kernel *k)
{
    const uint32_t *exps = (const uint32_t *)k->weights;
    const uint64_t levels = (uint64_t)k->factor_a;
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            int most = 0;
            for (int c = 0; c < k->channels; c++)
                most = get(k, row, x, c) > most ? get(k, row, x, c) : most;
            uint64_t sum = 0;
            for (int c = 0; c < k->channels; c++)
                sum += exponential_of(exps, get(k, row, x, c), most);
            for (int c = 0; c < k->channels; c++)
                put(k, row, x, c,
                    levels_of(exponential_of(exps, get(k, row, x, c), most), sum, levels) + k->zero_point);
        }
}

static float power_of_two(int exponent)
{
    uint32_t bits = (uint32_t)(exponent + 127) << 23;
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

/* e^x for x in [-87, 87], others as these: x = n ln 2 + r, and the series of e^r. Libraries of mathematics differ in
 * the last bit; this is the same everywhere, and within two of it. */
static float exponential(float x)
{
    static const float INVERSE_FACTORIALS[] = {1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1, 1};
    x = x > 87 ? 87 : x >= -87 ? x : -87;
    int n = to_integer(x * 1.44269504f);
    float r = (x - (float)n * 0.693359375f) + (float)n * 2.12194440e-4f;
    float sum = 0;
    for (size_t i = 0; i < sizeof INVERSE_FACTORIALS / sizeof *INVERSE_FACTORIALS; i++)
        sum = sum * r + INVERSE_FACTORIALS[i];
    return sum * power_of_two(n);
}

/* The natural logarithm of x >= 1: x = 2^n m with m around 1, and twice the series of artanh((m - 1) / (m + 1)). */
static float logarithm(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    int n = (int)(bits >> 23) - 127;
    float m = x * power_of_two(-n);
    if (m > 1.41421356f) {
        m /= 2;
        n++;
    }
    float t = (m - 1) / (m + 1), square = t * t;
    float sum = (((square / 9 + 1.0f / 7) * square + 1.0f / 5) * square + 1.0f / 3) * square + 1;
    return (float)n * 0.693147181f + 2 * t * sum;
}

/* The sum of e^(x - most) over `channels` floats, `step` apart; what each addition drops is added to the next. */
static float sum_of_exponentials(const float *x, int channels, size_t step, float most)
{
    float sum = 0, dropped = 0;
    for (int c = 0; c < channels; c++) {
        float added = exponential(x[c * step] - most) - dropped, total = sum + added;
        dropped = (total - sum) - added;
        sum = total;
    }
    return sum;
}

/* What is no number breaks nothing. */
static void softmax_floats(float *x, int channels, size_t step, int is_log)
{
    float most = x[0];
    for (int c = 1; c < channels; c++)
        most = x[c * step] > most ? x[c * step] : most;
    float sum = sum_of_exponentials(x, channels, step, most), log_sum = is_log ? logarithm(sum) : 0;
    for (int c = 0; c < channels; c++) {
        float shifted = x[c * step] - most;
        x[c * step] = is_log ? shifted - log_sum : exponential(shifted) / sum;
    }
}

static float sigmoid(float x) { return 1 / (1 + exponential(-x)); }

static float clip(float x, float low, float high) { return x < low ? low : x > high ? high : x; }

void portable_function(const struct kernel *k)
{
    for (int row = 0; row < k->rows; row++)
        for (int x = 0; x < k->width; x++) {
            float *pixel = k->float_out + (size_t)row * k->width + x;
            if (k->flags == FUNCTION_SOFTMAX || k->flags == FUNCTION_LOG_SOFTMAX) {
                softmax_floats(pixel, k->output_channels, k->out_plane, k->flags == FUNCTION_LOG_SOFTMAX);
                continue;
            }
            for (int c = 0; c < k->output_channels; c++) {
                float *value = pixel + (size_t)c * k->out_plane;
                *value = k->flags == FUNCTION_SIGMOID ? sigmoid(*value) : clip(*value, k->factor_b, k->factor_c);
            }
        }
}
