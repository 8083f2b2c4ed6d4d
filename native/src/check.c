/* The plan's MUSTs, checked before a byte of it is used: extents, types, shapes, windows, rings. */
#include "model.h"

#include <math.h>
#include <string.h>

enum {
    MOST_RECORDS = 1 << 13,
    MOST_PIXELS = 1 << 15,   /* height, width */
    MOST_CHANNELS = 1 << 17,
    MOST_PADS = 1 << 10,
    MOST_STEPS = 1 << 24     /* strips times operations of a group */
};
static const uint64_t MOST_BYTES = (uint64_t)1 << 32;

/* What is being checked, for the sentence of a refusal. */
struct check {
    const struct plan *plan;
    edgecnn_error *error;
    const char *kind;
    uint32_t index;
};

#define MUST(condition, ...) \
    do { \
        if (!(condition)) \
            return refuse(check, __VA_ARGS__); \
    } while (0)

static bool refuse(const struct check *check, const char *what)
{
    if (check->kind == NULL)
        return fail(check->error, EDGECNN_PLAN, "the plan is damaged: %s", what);
    return fail(check->error, EDGECNN_PLAN, "the plan is damaged: %s %u: %s", check->kind, check->index,
                what);
}

static uint64_t aligned(uint64_t bytes) { return (bytes + 63) & ~(uint64_t)63; }

static bool check_header(const struct check *check, const uint8_t *bytes, size_t size, struct plan *plan)
{
    const struct plan_header *header = (const struct plan_header *)bytes;
    if (size < sizeof *header || memcmp(header->magic, PLAN_MAGIC, 8) != 0)
        return fail(check->error, EDGECNN_PLAN, "this is not a plan: it does not begin with " PLAN_MAGIC);
    if (header->endian != PLAN_ENDIAN)
        return fail(check->error, EDGECNN_PLAN, "the plan is of the other byte order");
    if (header->version != PLAN_VERSION)
        return fail(check->error, EDGECNN_PLAN,
                    "the plan is of version %u, this library reads version %d; install a later edgecnn-native",
                    header->version, PLAN_VERSION);
    MUST((uintptr_t)bytes % 64 == 0, "its bytes are not 64-byte aligned in memory");
    MUST(header->size == size, "its size is not that of the file");
    MUST(header->tensors <= MOST_RECORDS && header->operations <= MOST_RECORDS, "too many records");
    MUST(header->groups >= 1 && header->groups <= header->operations, "the number of groups");
    MUST(header->names <= size && header->data <= size, "a section is larger than the file");
    MUST(header->arena <= MOST_BYTES && header->scratch <= MOST_BYTES, "more than 4 GiB of memory");
    uint64_t tensors = sizeof *header;
    uint64_t operations = aligned(tensors + (uint64_t)header->tensors * sizeof(struct plan_tensor));
    uint64_t groups = aligned(operations + (uint64_t)header->operations * sizeof(struct plan_operation));
    uint64_t names = aligned(groups + (uint64_t)header->groups * sizeof(struct plan_group));
    uint64_t data = aligned(names + header->names);
    MUST(data + header->data == size, "its sections do not fill the file");
    MUST(header->names == 0 || bytes[names + header->names - 1] == 0, "the last name has no end");
    *plan = (struct plan){
        .header = header,
        .tensors = (const struct plan_tensor *)(bytes + tensors),
        .operations = (const struct plan_operation *)(bytes + operations),
        .groups = (const struct plan_group *)(bytes + groups),
        .names = (const char *)bytes + names,
        .data = bytes + data,
    };
    return true;
}

static bool is_callers(const struct plan_tensor *tensor)
{
    return tensor->storage == STORAGE_INPUT || tensor->storage == STORAGE_OUTPUT;
}

static bool check_tensor(const struct check *check, const struct plan_tensor *tensor)
{
    const struct plan_header *header = check->plan->header;
    MUST(tensor->name < header->names, "its name is outside the names");
    MUST(tensor->storage <= STORAGE_RING && tensor->type <= TYPE_FLOAT32, "its storage or type");
    MUST(tensor->height - 1 < MOST_PIXELS && tensor->width - 1 < MOST_PIXELS, "its height or width");
    MUST(tensor->channels - 1 < MOST_CHANNELS, "its number of channels");
    MUST(isfinite(tensor->scale), "its scale");
    MUST(tensor->reserved == 0, "a reserved field is not 0");
    if (is_callers(tensor))
        return true;
    MUST(tensor->type == TYPE_UINT8, "its type: only uint8 is stored");
    MUST(tensor->pitch >= tensor->channels && tensor->pitch <= MOST_CHANNELS + 64, "its pitch");
    MUST(tensor->pitch % 16 == 0 || tensor->pitch == 4, "its pitch is no multiple of 16");
    MUST(tensor->block == tensor->pitch || tensor->block == 64, "its channel block");
    MUST(tensor->block == tensor->pitch || tensor->storage == STORAGE_RING, "channel blocks without a ring");
    MUST(tensor->rows - 1 < tensor->height, "its rows");
    MUST(tensor->storage == STORAGE_RING || tensor->rows == tensor->height, "rows are missing");
    MUST(tensor->pad_left <= MOST_PADS && tensor->pad_right <= MOST_PADS, "its pads");
    uint64_t pixels = (uint64_t)tensor->pad_left + tensor->width + tensor->pad_right;
    uint64_t bytes = pixels * tensor->rows * tensor->pitch;
    uint64_t room = tensor->storage == STORAGE_RING ? header->scratch : header->arena;
    MUST(tensor->offset % 64 == 0 && tensor->offset <= room && bytes <= room - tensor->offset,
         "it is outside its memory");
    return true;
}

/* Whether `bytes` at `offset` lie in a section of `room` bytes. */
static bool lies_within(uint64_t offset, uint64_t bytes, uint64_t room)
{
    return offset % 64 == 0 && offset <= room && bytes <= room - offset;
}

static uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

static uint64_t weight_bytes(const struct plan_operation *o)
{
    uint64_t taps = (uint64_t)o->kernel_h * o->kernel_w;
    if (o->code == OP_DEPTHWISE)
        return round_up(o->output_channels, 16) * taps;
    if (o->code == OP_GROUPED)
        return o->output_channels * taps * round_up(o->channels / o->channel_groups, 4);
    return round_up(o->output_channels, 16) * taps * round_up(o->channels, 4);
}

/* No sum leaves int32, no scaled sum the range that rounds exactly. */
static bool check_sums(const struct check *check, const struct plan_operation *o)
{
    uint64_t per_group = o->code == OP_DEPTHWISE ? 1 : o->channels / o->channel_groups;
    uint64_t products = per_group * o->kernel_h * o->kernel_w;
    MUST(products <= 60000, "its sums may leave 32 bits");
    const int32_t *bias = (const int32_t *)(check->plan->data + o->bias);
    const float *multiplier = (const float *)(check->plan->data + o->multiplier);
    bool is_float = check->plan->tensors[o->output].storage == STORAGE_OUTPUT;
    for (uint32_t c = 0; c < o->output_channels; c++) {
        int64_t largest = (bias[c] < 0 ? -(int64_t)bias[c] : bias[c]) + (int64_t)products * 255 * 128;
        MUST(largest < ((int64_t)1 << 31), "its sums may leave 32 bits");
        MUST(isfinite(multiplier[c]), "a multiplier is not a finite number");
        MUST(is_float || fabs((double)multiplier[c]) * (double)largest < 2147483000.0,
             "a scaled sum may leave 32 bits");
    }
    return true;
}

static bool has_parameters(const struct plan_operation *o)
{
    return o->code == OP_CONVOLUTION || o->code == OP_DEPTHWISE || o->code == OP_GROUPED;
}

static bool check_parameters(const struct check *check, const struct plan_operation *o)
{
    uint64_t data = check->plan->header->data;
    MUST(o->table == UINT64_MAX || lies_within(o->table, 256, data), "its table is outside the data");
    if (o->code == OP_CHANNELS || o->code == OP_RESIZE) {
        const struct plan_tensor *in = &check->plan->tensors[o->input[0]];
        const struct plan_tensor *out = &check->plan->tensors[o->output];
        uint64_t count = o->code == OP_CHANNELS ? o->output_channels : (uint64_t)out->height + out->width;
        MUST(lies_within(o->weights, count * 4, data), "its map is outside the data");
        const uint32_t *map = (const uint32_t *)(check->plan->data + o->weights);
        for (uint64_t i = 0; i < count; i++) {
            uint32_t limit = o->code == OP_CHANNELS ? o->channels : i < out->height ? in->height : in->width;
            MUST(map[i] < limit, "its map points outside the input");
        }
        return true;
    }
    if (!has_parameters(o))
        return true;
    MUST(o->channel_groups >= 1 && o->channels % o->channel_groups == 0 &&
             o->output_channels % o->channel_groups == 0,
         "its channel groups");
    MUST(o->channel_groups == 1 || o->code == OP_GROUPED, "channel groups without OP_GROUPED");
    MUST(o->code != OP_DEPTHWISE || o->channels == o->output_channels, "its channels differ");
    uint64_t channels = round_up(o->output_channels, 16);
    MUST(lies_within(o->weights, weight_bytes(o), data), "its weights are outside the data");
    MUST(lies_within(o->bias, channels * 4, data), "its bias is outside the data");
    MUST(lies_within(o->multiplier, channels * 4, data), "its multipliers are outside the data");
    return check_sums(check, o);
}

static bool check_window(const struct check *check, const struct plan_operation *o,
                         const struct plan_tensor *in, const struct plan_tensor *out)
{
    MUST(o->kernel_h && o->kernel_w && o->stride_h && o->stride_w && o->dilation_h && o->dilation_w,
         "a kernel, stride or dilation of 0");
    MUST(o->pad_top < MOST_PADS && o->pad_left <= in->pad_left, "its pads");
    int64_t right = (int64_t)(out->width - 1) * o->stride_w - o->pad_left +
                    (int64_t)(o->kernel_w - 1) * o->dilation_w;
    MUST(right < (int64_t)in->width + in->pad_right, "its windows pass the right pads");
    int64_t below = (int64_t)(out->height - 1) * o->stride_h - o->pad_top +
                    (int64_t)(o->kernel_h - 1) * o->dilation_h;
    MUST(below < (int64_t)in->height + MOST_PADS, "its windows pass the bottom");
    if (o->pad_top == 0 && below < (int64_t)in->height)
        return true;
    uint64_t pixels = (uint64_t)in->pad_left + in->width + in->pad_right;
    MUST(lies_within(o->pad_row, pixels * in->block, check->plan->header->scratch),
         "its row of pads is outside the memory");
    return true;
}

/* Channels that are read, and those that are written, lie within a pixel. */
static bool check_channels(const struct check *check, const struct plan_operation *o,
                           const struct plan_tensor *in, const struct plan_tensor *out)
{
    bool exact = o->code == OP_COPY || o->code == OP_CHANNELS || o->code == OP_GROUPED ||
                 o->code == OP_QUANTISE || is_callers(out);
    bool dense = o->code == OP_CONVOLUTION || o->code == OP_GROUPED;
    MUST(o->channels && o->output_channels, "no channels");
    MUST(dense || o->code == OP_CHANNELS || o->channels == o->output_channels, "its channels differ");
    uint64_t read = dense || exact ? round_up(o->channels, 4) : round_up(o->channels, 16);
    uint64_t written = exact ? o->output_channels : round_up(o->output_channels, 16);
    uint64_t read_room = is_callers(in) ? in->channels : in->pitch;
    uint64_t write_room = is_callers(out) ? out->channels : out->pitch;
    if (is_callers(in) || o->code == OP_COPY || o->code == OP_CHANNELS)
        read = o->channels;
    MUST(o->input_channel + read <= read_room, "it reads channels that its input lacks");
    MUST(o->output_channel + written <= write_room, "it writes channels that its output lacks");
    MUST(exact || o->output_channel % 16 == 0, "its first output channel is no multiple of 16");
    MUST(in->block == in->pitch || !dense, "it reads all channels of blocks of 64");
    return true;
}

static bool check_types(const struct check *check, const struct plan_operation *o,
                        const struct plan_tensor *in, const struct plan_tensor *out)
{
    bool converts = o->code == OP_QUANTISE || o->code == OP_DEQUANTISE;
    MUST((in->storage == STORAGE_INPUT) == (o->code == OP_QUANTISE), "it must not read such an input");
    MUST(in->storage != STORAGE_OUTPUT && out->storage != STORAGE_INPUT, "it writes an input or reads an output");
    bool to_caller = out->storage == STORAGE_OUTPUT;
    MUST(to_caller ? o->code == OP_DEQUANTISE || has_parameters(o) : o->code != OP_DEQUANTISE,
         "it must not write such an output");
    MUST(!to_caller || o->code == OP_DEQUANTISE || out->type == TYPE_FLOAT32, "a convolution's output to the caller is float32");
    MUST(!to_caller || o->table == UINT64_MAX, "a table before the caller's output");
    MUST(!converts || (isfinite(o->factor_a) && o->factor_a > 0), "its scale");
    bool same_size = converts || o->code == OP_ADD || o->code == OP_MULTIPLY || o->code == OP_TABLE ||
                     o->code == OP_COPY || o->code == OP_CHANNELS;
    MUST(!same_size || (in->height == out->height && in->width == out->width), "its input has another size");
    MUST(!same_size || (o->kernel_h == 1 && o->kernel_w == 1 && o->stride_h == 1 && o->stride_w == 1 &&
                        o->pad_top == 0 && o->pad_left == 0),
         "a window where there is none");
    MUST(o->code != OP_GLOBAL_POOL || (out->height == 1 && out->width == 1), "its output is not one pixel");
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

static bool check_operation(const struct check *check, const struct plan_operation *o)
{
    const struct plan *plan = check->plan;
    if (o->code == 0 || o->code >= KERNELS_END)
        return fail(check->error, EDGECNN_PLAN,
                    "the plan is damaged: operation %u: its code %u is none of version %d", check->index,
                    o->code, PLAN_VERSION);
    MUST(o->flags <= FLAG_EXCLUDE_PADS && o->reserved == 0, "a reserved field is not 0");
    MUST(o->input[0] < plan->header->tensors && o->output < plan->header->tensors, "its tensors");
    const struct plan_tensor *in = &plan->tensors[o->input[0]], *out = &plan->tensors[o->output];
    MUST(o->low >= 0 && o->low <= o->high && o->high <= 255, "its range");
    MUST((uint32_t)o->zero_point <= 255 && (uint32_t)o->zero_point_a <= 255 && (uint32_t)o->zero_point_b <= 255,
         "a zero point");
    MUST(isfinite(o->factor_a) && isfinite(o->factor_b) && isfinite(o->factor_c), "a factor");
    MUST(fabsf(o->factor_a) < 1e6f && fabsf(o->factor_b) < 1e6f && fabsf(o->factor_c) < 1e6f,
         "a factor above a million");
    if (!check_types(check, o, in, out) || !check_channels(check, o, in, out) ||
        !check_other(check, o, out))
        return false;
    if (!is_callers(in) && !reads_all_rows(plan, o) && !check_window(check, o, in, out))
        return false;
    return check_parameters(check, o);
}

static bool has_window(const struct plan_operation *o)
{
    return o->kernel_h > 1 || o->stride_h > 1 || o->pad_top > 0;
}

static bool has_one_strip(const struct plan *plan, const struct plan_group *group)
{
    const struct plan_operation *last = &plan->operations[group->first + group->count - 1];
    return group->strip_rows >= plan->tensors[last->output].height;
}

/* Every tensor is written before it is read, and a ring is read in its own group alone. */
static bool check_order(const struct check *check, const struct plan_group *group)
{
    const struct plan *plan = check->plan;
    for (uint32_t i = group->first; i < group->first + group->count; i++)
        for (int side = 0; side < 2; side++) {
            uint32_t input = plan->operations[i].input[side];
            if (input == PLAN_NONE || plan->tensors[input].storage == STORAGE_INPUT)
                continue;
            uint32_t from = plan->tensors[input].storage == STORAGE_RING ? group->first : 0;
            bool written = false, here = false;
            for (uint32_t j = from; j < i && !here; j++) {
                written = written || plan->operations[j].output == input;
                here = plan->operations[j].output == input && j >= group->first;
            }
            MUST(written, "an operation reads what none before it has written");
            bool stored = here && plan->tensors[input].storage == STORAGE_ARENA;
            MUST(!stored || !has_window(&plan->operations[i]) || has_one_strip(plan, group),
                 "windows over a stored tensor that is made in strips of the same group");
        }
    return true;
}

static bool check_loop(const struct check *check, const struct plan_group *group)
{
    MUST(group->loop_first <= group->count && group->loop_count <= group->count - group->loop_first,
         "its channel loop");
    for (uint32_t i = 0; i < group->count; i++) {
        const struct plan_operation *o = &check->plan->operations[group->first + i];
        const struct plan_operation *first = &check->plan->operations[group->first + group->loop_first];
        const struct plan_tensor *in = &check->plan->tensors[o->input[0]];
        const struct plan_tensor *out = &check->plan->tensors[o->output];
        bool looped = i - group->loop_first < group->loop_count;
        bool blocks = (!is_callers(in) && in->block != in->pitch) ||
                      (!is_callers(out) && out->block != out->pitch);
        MUST(looped || !blocks, "channel blocks outside the loop");
        if (!looped)
            continue;
        MUST(o->output_channels == first->output_channels, "the channels of its loop differ");
        MUST(o->code != OP_GROUPED && o->code != OP_COPY && o->code != OP_CHANNELS && !is_callers(in) &&
                 !is_callers(out) && !reads_all_rows(check->plan, o),
             "an operation that has no channel blocks");
        MUST(!blocks || o->code == OP_CONVOLUTION || (o->input_channel % 64 == 0),
             "channel blocks that begin elsewhere");
    }
    return true;
}

/* With the rows of `have` made and those of `need` to be made, every ring holds what is read. */
static bool rings_hold(const struct plan *plan, const struct plan_group *group, const int *have,
                       const int *need)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct plan_operation *producer = &plan->operations[group->first + i];
        const struct plan_tensor *ring = &plan->tensors[producer->output];
        if (ring->storage != STORAGE_RING)
            continue;
        if (need[i] - have[i] > (int)ring->rows)
            return false;
        for (uint32_t j = i + 1; j < group->count; j++) {
            const struct plan_operation *consumer = &plan->operations[group->first + j];
            if (have[j] >= need[j])
                continue;
            int first = have[j];
            if (consumer->input[0] == producer->output)
                first = first_row_read(plan, consumer, have[j]);
            else if (consumer->input[1] != producer->output)
                continue;
            else if (ring->height == 1)
                first = 0;
            if (need[i] - first > (int)ring->rows)
                return false;
        }
    }
    return true;
}

/* A strip that starts afresh, as the first of a thread, and one that follows another. */
static bool check_strips(const struct check *check, const struct plan_group *group, int *rows)
{
    const struct plan *plan = check->plan;
    const struct plan_operation *last = &plan->operations[group->first + group->count - 1];
    uint32_t height = plan->tensors[last->output].height, step = group->strip_rows;
    MUST(step >= 1 && step <= height, "its strip");
    MUST((uint64_t)(height / step + 1) * group->count < MOST_STEPS, "too many strips");
    int *have = rows, *need = rows + group->count, *fresh = need + group->count;
    rows_from(plan, group, 0, have);
    for (uint32_t y = 0; y < height; y += step) {
        rows_from(plan, group, (int)y, fresh);
        rows_needed(plan, group, (int)(y + step < height ? y + step : height), need);
        MUST(rings_hold(plan, group, have, need) && rings_hold(plan, group, fresh, need),
             "a ring is too small for its strips");
        memcpy(have, need, group->count * sizeof *have);
    }
    return true;
}

/* An operation that no other of its group reads has the rows of the last one. */
static bool check_rows(const struct check *check, const struct plan_group *group)
{
    const struct plan *plan = check->plan;
    const struct plan_operation *operations = plan->operations + group->first;
    uint32_t height = plan->tensors[operations[group->count - 1].output].height;
    for (uint32_t i = 0; i < group->count; i++) {
        bool read = false;
        for (uint32_t j = i + 1; j < group->count && !read; j++)
            read = operations[j].input[0] == operations[i].output || operations[j].input[1] == operations[i].output;
        MUST(read || plan->tensors[operations[i].output].height == height, "the heights of its outputs differ");
        MUST(!reads_all_rows(plan, &operations[i]) || group->strip_rows == height || operations[i].code == OP_GLOBAL_POOL,
             "an operation on all rows in strips");
    }
    return true;
}

static bool check_groups(struct check *check)
{
    const struct plan *plan = check->plan;
    uint32_t next = 0;
    check->kind = "group";
    for (check->index = 0; check->index < plan->header->groups; check->index++) {
        const struct plan_group *group = &plan->groups[check->index];
        MUST(group->first == next && group->count >= 1 && group->count <= plan->header->operations - next,
             "its operations");
        MUST(group->count <= 256, "more than 256 operations");
        MUST(!group->reserved[0] && !group->reserved[1] && !group->reserved[2], "a reserved field is not 0");
        next += group->count;
        int rows[3 * 256];
        if (!check_loop(check, group) || !check_rows(check, group) || !check_order(check, group) ||
            !check_strips(check, group, rows))
            return false;
    }
    check->kind = NULL;
    MUST(next == plan->header->operations, "operations without a group");
    return true;
}

bool plan_check(const void *bytes, size_t size, struct plan *plan, edgecnn_error *error)
{
    struct check check = {.plan = plan, .error = error};
    if (!check_header(&check, bytes, size, plan))
        return false;
    check.kind = "tensor";
    for (check.index = 0; check.index < plan->header->tensors; check.index++)
        if (!check_tensor(&check, &plan->tensors[check.index]))
            return false;
    check.kind = "operation";
    for (check.index = 0; check.index < plan->header->operations; check.index++)
        if (!check_operation(&check, &plan->operations[check.index]))
            return false;
    return check_groups(&check);
}
