/* The MUSTs of one operation: its tensors, channels, windows and pads. */
#include "check.h"

static bool check_types(const struct check *check, const struct plan_operation *o,
                        const struct plan_tensor *in, const struct plan_tensor *out)
{
    MUST((in->storage == STORAGE_INPUT) == (o->code == OP_QUANTISE), "it must not read such an input");
    bool in_place = o->code == OP_FUNCTION, to_caller = out->storage == STORAGE_OUTPUT;
    MUST((in->storage == STORAGE_OUTPUT) == in_place && out->storage != STORAGE_INPUT,
         "it writes an input or reads an output");
    MUST(!in_place || o->input[0] == o->output, "it is not in place");
    bool has_float = o->code == OP_DEQUANTISE || o->code == OP_BILINEAR || in_place || has_products(o);
    MUST(to_caller ? has_float : o->code != OP_DEQUANTISE,
         "it must not write such an output");
    MUST(!to_caller || o->code == OP_DEQUANTISE || out->type == TYPE_FLOAT32,
         "its output to the caller is float32");
    MUST(!to_caller || o->table == UINT64_MAX, "a table before the caller's output");
    bool other_size = has_window(o) || reads_all_rows(o);
    MUST(other_size || (in->height == out->height && in->width == out->width), "its input has another size");
    MUST(o->code != OP_GLOBAL_POOL || (out->height == 1 && out->width == 1), "its output is not one pixel");
    MUST(o->code != OP_DEPTH_TO_SPACE ||
             ((out->height - 1) / o->stride_h < in->height && (out->width - 1) / o->stride_w < in->width),
         "its output is larger than its blocks");
    return true;
}

/* Channels that are read, and those that are written, lie within a pixel. */
static bool check_channels(const struct check *check, const struct plan_operation *o,
                           const struct plan_tensor *in, const struct plan_tensor *out)
{
    bool exact = reads_exactly(o) || o->code == OP_GROUPED || o->code == OP_QUANTISE || is_callers(out);
    bool dense = o->code == OP_CONVOLUTION || o->code == OP_GROUPED;
    MUST(o->channels && o->output_channels, "no channels");
    bool maps = o->code == OP_CHANNELS || o->code == OP_DEPTH_TO_SPACE;
    MUST(dense || maps || o->channels == o->output_channels, "its channels differ");
    MUST(o->code != OP_FUNCTION || (o->channels == out->channels && o->output_channel == 0), "not all channels");
    uint64_t read = dense || exact ? round_up(o->channels, 4) : round_up(o->channels, 16);
    uint64_t written = exact ? o->output_channels : round_up(o->output_channels, 16);
    uint64_t read_room = is_callers(in) ? in->channels : in->pitch;
    uint64_t write_room = is_callers(out) ? out->channels : out->pitch;
    if (is_callers(in) || reads_exactly(o))
        read = o->channels;
    MUST(o->input_channel + read <= read_room, "it reads channels that its input lacks");
    MUST(o->output_channel + written <= write_room, "it writes channels that its output lacks");
    MUST(exact || o->output_channel % 16 == 0, "its first output channel is no multiple of 16");
    MUST(!dense || o->input_channel % 4 == 0, "its first channel is no multiple of 4");
    MUST(!is_callers(in) || o->input_channel == 0, "it begins within the caller's channels");
    MUST(out->pitch != 4 || o->output_channel == 0, "it begins within a pixel of 4 bytes");
    MUST(in->block == in->pitch || !dense, "it reads all channels of blocks of 64");
    return true;
}

/* Sizes of the window. Its pads are PAD's place in the output, too. */
static bool check_window(const struct check *check, const struct plan_operation *o)
{
    MUST(o->kernel_h && o->kernel_w && o->stride_h && o->stride_w && o->dilation_h && o->dilation_w,
         "a kernel, stride or dilation of 0");
    MUST(o->code == OP_PAD || (o->pad_top < MOST_PADS && o->pad_left < MOST_PADS), "its pads");
    bool strides = o->code == OP_DEPTH_TO_SPACE || (o->stride_h == 1 && o->stride_w == 1);
    bool pixel = o->kernel_h == 1 && o->kernel_w == 1 && strides;
    MUST(has_window(o) || (pixel && (o->code == OP_PAD || (o->pad_top == 0 && o->pad_left == 0))),
         "a window where there is none");
    return true;
}

/* Windows lie within the input with its pads; rows above and below it are the row of pads. */
static bool check_reach(const struct check *check, const struct plan_operation *o,
                        const struct plan_tensor *in, const struct plan_tensor *out)
{
    bool reads_rows = !is_callers(in) && !reads_all_rows(o);
    if (sums_rows(o)) {
        MUST(lies_within(o->pad_row, round_up(o->output_channels, 16) * 4, check->plan->header->scratch),
             "its sums are outside the memory");
        return true;
    }
    MUST(reads_rows || o->pad_row == UINT64_MAX, "a row of pads without windows");
    if (!reads_rows)
        return true;
    MUST(o->pad_left <= in->pad_left, "its pads");
    int64_t right = (int64_t)(out->width - 1) * o->stride_w - o->pad_left +
                    (int64_t)(o->kernel_w - 1) * o->dilation_w;
    MUST(right < (int64_t)in->width + in->pad_right, "its windows pass the right pads");
    int64_t below = (int64_t)(out->height - 1) * o->stride_h - o->pad_top +
                    (int64_t)(o->kernel_h - 1) * o->dilation_h;
    MUST(below < (int64_t)in->height + MOST_PADS, "its windows pass the bottom");
    if (o->pad_top == 0 && below < (int64_t)in->height && o->pad_row == UINT64_MAX)
        return true;
    uint64_t pixels = (uint64_t)in->pad_left + in->width + in->pad_right;
    MUST(lies_within(o->pad_row, pixels * in->block, check->plan->header->scratch),
         "its row of pads is outside the memory");
    return true;
}

static bool check_other(const struct check *check, const struct plan_operation *o,
                        const struct plan_tensor *out)
{
    bool two = o->code == OP_ADD || o->code == OP_MULTIPLY;
    MUST(two == (o->input[1] != PLAN_NONE), "its second input");
    if (!two)
        return true;
    MUST(o->input[1] < check->plan->header->tensors, "its second input");
    const struct plan_tensor *other = &check->plan->tensors[o->input[1]];
    MUST(!is_callers(other), "its second input is the caller's");
    MUST(round_up(o->output_channels, 16) <= other->pitch, "its second input has fewer channels");
    bool same = other->height == out->height && other->width == out->width;
    bool pixel = other->height == 1 && other->width == 1 && o->code == OP_MULTIPLY;
    MUST(same || pixel, "its second input has another size");
    MUST(other->block == other->pitch || out->block != out->pitch, "its second input has channel blocks");
    return true;
}

/* Flags of the code, or the number that stands in their place. */
static bool check_flags(const struct check *check, const struct plan_operation *o)
{
    unsigned least = 0, most = FLAG_EXCLUDE_PADS;
    if (o->code == OP_FUNCTION)
        least = FUNCTION_SOFTMAX, most = FUNCTION_CLIP;
    if (o->code == OP_RESPONSE_NORM)
        least = 1, most = MOST_ROOTS;
    MUST(o->flags >= least && o->flags <= most && o->reserved == 0, "a reserved field is not 0");
    return true;
}

bool check_operation(struct check *check, const struct plan_operation *o)
{
    const struct plan *plan = check->plan;
    if (o->code == 0 || o->code >= KERNELS_END)
        return fail(check->error, EDGECNN_PLAN,
                    "the plan is damaged: operation %u: its code %u is none of version %d", check->index,
                    o->code, PLAN_VERSION);
    if (!check_flags(check, o))
        return false;
    MUST(o->input[0] < plan->header->tensors && o->output < plan->header->tensors, "its tensors");
    const struct plan_tensor *in = &plan->tensors[o->input[0]], *out = &plan->tensors[o->output];
    MUST(o->low >= 0 && o->low <= o->high && o->high <= 255, "its range");
    MUST((uint32_t)o->zero_point <= 255 && (uint32_t)o->zero_point_a <= 255 && (uint32_t)o->zero_point_b <= 255,
         "a zero point");
    return check_window(check, o) && check_types(check, o, in, out) && check_channels(check, o, in, out) &&
           check_other(check, o, out) && check_reach(check, o, in, out) && check_constants(check, o);
}
