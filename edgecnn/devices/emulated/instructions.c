/* A plugin for QEMU's user mode: how many A64 instructions of each kind a program has executed, and
 * how much of its own memory was resident at most. It writes a line of JSON at each marker.
 *
 * A marker is getpriority(PRIO_PROCESS, 0x7E570000 + n), for n below 65536: no process has such a
 * number, so that the call does nothing wherever the program runs.
 *
 * Arguments: out=FILE, base=ADDRESS and size=BYTES of where QEMU keeps the program's memory
 * (its -B and -R).
 *
 * The declarations of QEMU's interface are written out, since no package brings them: what is used
 * of version API of it (docs/devel/tcg-plugins.rst of QEMU). 1 is QEMU 7.2 to 8, 2 is 9.0, where
 * counters became one a processor, and 3 is 9.1, where an instruction is copied out.
 */

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef API
#define API 1
#endif

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*callback)(qemu_plugin_id_t,
                                                            struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id,
                                          void (*callback)(qemu_plugin_id_t, unsigned int, int64_t,
                                                           uint64_t, uint64_t, uint64_t, uint64_t,
                                                           uint64_t, uint64_t, uint64_t, uint64_t));

#if API >= 3
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction, void *to, size_t size);
#else
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
#endif

#if API >= 2
struct qemu_plugin_scoreboard;
typedef struct {
    struct qemu_plugin_scoreboard *score;
    size_t offset;
} qemu_plugin_u64;
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
uint64_t qemu_plugin_u64_sum(qemu_plugin_u64 entry);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb,
                                                       enum qemu_plugin_op op,
                                                       qemu_plugin_u64 entry, uint64_t amount);
#else
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, enum qemu_plugin_op op,
                                              void *counter, uint64_t amount);
#endif

EXPORT int qemu_plugin_version = API;

/* What is counted. An instruction may be of several kinds, or of none but TOTAL. */
enum { TOTAL, DOT, MMLA, FMLA, MULL, MLAL, LOAD, STORE, SIMD, BRANCH, KINDS };
static const char *const names[KINDS] = {
    "total", "dot", "mmla", "fmla", "mull", "mlal", "load", "store", "simd", "branch",
};

/* --- The instruction set: Arm Architecture Reference Manual for A-profile (DDI 0487), C4.1 "A64
 * instruction set encoding". Bits are numbered as there: 31 is the highest. --- */

static uint32_t bits(uint32_t word, int high, int low)
{
    return word >> low & ((UINT32_C(2) << (high - low)) - 1);
}

struct pattern {
    uint32_t mask, value;
    int kind;
};

/* C4.1, "Data Processing -- Scalar Floating-Point and Advanced SIMD". Q (bit 30) is free: half and
 * whole registers count alike; and where U (bit 29) tells signed from unsigned, it is free too. */
static const struct pattern arithmetic[] = {
    /* "Advanced SIMD three-register extension": size = 10, opcode = 0010: SDOT, UDOT */
    {0x9FE0FC00, 0x0E809400, DOT},
    /* the same, U = 0, opcode = 0011: USDOT */
    {0xBFE0FC00, 0x0E809C00, DOT},
    /* "Advanced SIMD vector x indexed element": size = 10, opcode = 1110: SDOT, UDOT */
    {0x9FC0F400, 0x0F80E000, DOT},
    /* the same, U = 0, size = 00 or 10, opcode = 1111: SUDOT, USDOT */
    {0xBF40F400, 0x0F00F000, DOT},
    /* "Advanced SIMD three-register extension": Q = 1, size = 10, opcode = 0100: SMMLA, UMMLA */
    {0xDFE0FC00, 0x4E80A400, MMLA},
    /* the same, U = 0, opcode = 0101: USMMLA */
    {0xFFE0FC00, 0x4E80AC00, MMLA},
    /* "Advanced SIMD three same": U = 0, opcode = 11001, size = 0x and 1x: FMLA, FMLS */
    {0xBF20FC00, 0x0E20CC00, FMLA},
    /* "Advanced SIMD three same (FP16)": U = 0, opcode = 001, a = 0 and 1: FMLA, FMLS */
    {0xBF60FC00, 0x0E400C00, FMLA},
    /* "Advanced SIMD vector x indexed element": U = 0, size = 1x, opcode = 0x01: FMLA, FMLS */
    {0xBF80B400, 0x0F801000, FMLA},
    /* the same, size = 00: of halves */
    {0xBFC0B400, 0x0F001000, FMLA},
    /* "Advanced SIMD three different": opcode = 1100: SMULL, UMULL, and of the upper half */
    {0x9F20FC00, 0x0E20C000, MULL},
    /* "Advanced SIMD vector x indexed element": size = 01, opcode = 1010: SMULL, UMULL */
    {0x9FC0F400, 0x0F40A000, MULL},
    /* the same, size = 10 */
    {0x9FC0F400, 0x0F80A000, MULL},
    /* "Advanced SIMD three different": opcode = 1000: SMLAL, UMLAL, and of the upper half */
    {0x9F20FC00, 0x0E208000, MLAL},
    /* "Advanced SIMD vector x indexed element": size = 01, opcode = 0010: SMLAL, UMLAL */
    {0x9FC0F400, 0x0F402000, MLAL},
    /* the same, size = 10 */
    {0x9FC0F400, 0x0F802000, MLAL},
};

/* C4.1, "Branches, Exception Generating and System instructions": the branches of them. */
static const struct pattern branches[] = {
    {0xFE000000, 0x54000000, BRANCH}, /* "Conditional branch (immediate)" */
    {0x7C000000, 0x14000000, BRANCH}, /* "Unconditional branch (immediate)": B, BL */
    {0x7C000000, 0x34000000, BRANCH}, /* "Compare and branch", "Test and branch" */
    {0xFE000000, 0xD6000000, BRANCH}, /* "Unconditional branch (register)": BR, BLR, RET */
};

static unsigned match(uint32_t word, const struct pattern *patterns, size_t count)
{
    unsigned found = 0;
    for (size_t i = 0; i < count; i++)
        if ((word & patterns[i].mask) == patterns[i].value)
            found |= 1U << patterns[i].kind;
    return found;
}

/* Bits 23:22 of a load or store of one register: its direction, and how it extends. */
static unsigned single(uint32_t word)
{
    uint32_t size = bits(word, 31, 30), opc = bits(word, 23, 22);
    if (bits(word, 26, 26)) /* a SIMD register; size = 00 with opc = 1x is of 128 bits */
        return opc & 1 ? 1U << LOAD : 1U << STORE;
    if (opc == 0)
        return 1U << STORE;
    if (size == 3 && opc == 2) /* PRFM loads nothing that the program sees */
        return 0;
    return 1U << LOAD;
}

/* C4.1, "Loads and Stores". What reads, changes and writes memory is both. */
static unsigned load_store(uint32_t word)
{
    const unsigned load = 1U << LOAD, store = 1U << STORE, both = load | store;
    unsigned by_l = bits(word, 22, 22) ? load : store;
    switch (bits(word, 29, 28)) {
    case 0:
        /* "Advanced SIMD load/store multiple structures", "... single structure" */
        if (bits(word, 26, 26))
            return by_l;
        /* "Compare and swap", "Compare and swap pair": bit 21 = 1 with bit 23 = 1, or with
         * bit 31 = 0; otherwise "Load/store exclusive ..." and "Load/store ordered" */
        if (bits(word, 21, 21) && (bits(word, 23, 23) || !bits(word, 31, 31)))
            return both;
        return by_l;
    case 1:
        /* "LDAPR/STLR (unscaled immediate)" */
        if (bits(word, 24, 24))
            return single(word);
        /* "Load register (literal)": opc = 11 without V is PRFM */
        return bits(word, 31, 30) == 3 && !bits(word, 26, 26) ? 0 : load;
    case 2:
        return by_l; /* "Load/store register pair ..." */
    default:
        /* "(unsigned immediate)"; "(unscaled immediate)", "(immediate post-indexed)",
         * "(unprivileged)", "(immediate pre-indexed)"; "(register offset)" */
        if (bits(word, 24, 24) || !bits(word, 21, 21) || bits(word, 11, 10) == 2)
            return single(word);
        if (bits(word, 10, 10))
            return load; /* "(pac)": LDRAA, LDRAB */
        /* "Atomic memory operations", of which o3 = 1 with opc = 100 is LDAPR */
        return bits(word, 15, 12) == 12 ? load : both;
    }
}

/* The kinds of an instruction, a bit each. op0 is bits 28:25, of C4.1's first table. */
EXPORT unsigned kinds_of(uint32_t word)
{
    uint32_t op0 = bits(word, 28, 25);
    unsigned found = 1U << TOTAL;
    if ((op0 & 5) == 4) /* x1x0 */
        found |= load_store(word);
    else if ((op0 & 14) == 10) /* 101x */
        found |= match(word, branches, sizeof branches / sizeof *branches);
    else if ((op0 & 7) == 7) /* x111 */
        found |= 1U << SIMD | match(word, arithmetic, sizeof arithmetic / sizeof *arithmetic);
    return found;
}

/* --- Counting --- */

#if API >= 2
static struct qemu_plugin_scoreboard *board;

static qemu_plugin_u64 counter(int kind)
{
    return (qemu_plugin_u64){board, sizeof(uint64_t) * (size_t)kind};
}

static uint64_t count_of(int kind) { return qemu_plugin_u64_sum(counter(kind)); }
#else
/* Of all threads: two that add at the same time may lose a count, so measure one thread. */
static uint64_t counts[KINDS];

static uint64_t count_of(int kind) { return counts[kind]; }
#endif

static uint32_t word_of(const struct qemu_plugin_insn *instruction)
{
    uint32_t word = 0;
#if API >= 3
    qemu_plugin_insn_data(instruction, &word, sizeof word);
#else
    memcpy(&word, qemu_plugin_insn_data(instruction), sizeof word);
#endif
    return word; /* A64 instructions are little-endian (C3.1), and so is every host of QEMU's here */
}

/* Once for each translated block: its instructions are known, so that running it costs one addition
 * a kind. Only a fault leaves a block half-way; what it did not do is then counted as done. */
static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *block)
{
    uint64_t held[KINDS] = {0};
    size_t length = qemu_plugin_tb_n_insns(block);
    (void)id;
    for (size_t i = 0; i < length; i++) {
        unsigned found = kinds_of(word_of(qemu_plugin_tb_get_insn(block, i)));
        for (int kind = 0; kind < KINDS; kind++)
            held[kind] += found >> kind & 1;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        if (held[kind] == 0)
            continue;
#if API >= 2
        qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(block, QEMU_PLUGIN_INLINE_ADD_U64,
                                                          counter(kind), held[kind]);
#else
        qemu_plugin_register_vcpu_tb_exec_inline(block, QEMU_PLUGIN_INLINE_ADD_U64, &counts[kind],
                                                 held[kind]);
#endif
    }
}

/* --- Memory. Of this process, part is the program's and part is QEMU's own: its translations
 * above all. The program's lies in a range that was reserved for it. Pages leave that range in
 * system calls only, so that the most ever resident was so just before one of them. --- */

static uint64_t guest_base, guest_size;
static uint64_t peak_bytes, own_bytes;

/* proc_pid_statm(5), the second field. The kernel keeps it only to within some dozens of pages. */
#define STATM_ERROR (UINT64_C(1) << 20)

static uint64_t process_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL)
        return UINT64_MAX / 2;
    if (fscanf(file, "%llu %llu", &size, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* proc_pid_smaps(5): a line "BEGIN-END ..." for each mapping, and after it its "Rss:" in kB. */
static uint64_t resident_bytes(void)
{
    uint64_t total = 0, begin, end, kilobytes;
    bool is_guest = false;
    char line[512];
    FILE *file = fopen("/proc/self/smaps", "r");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &begin, &end) == 2)
            is_guest = begin >= guest_base && end <= guest_base + guest_size;
        else if (is_guest && sscanf(line, "Rss: %" SCNu64, &kilobytes) == 1)
            total += kilobytes << 10;
    }
    fclose(file);
    return total;
}

static void look_at_memory(void)
{
    uint64_t all = process_bytes();
    if (guest_size == 0 || all + STATM_ERROR < own_bytes + peak_bytes)
        return; /* what is QEMU's own only grows: the program's cannot be at a new peak */
    uint64_t resident = resident_bytes();
    own_bytes = all > resident ? all - resident : 0;
    if (resident > peak_bytes)
        peak_bytes = resident;
}

/* --- System calls: numbers and flags of arm64 Linux (include/uapi/asm-generic) --- */

enum { GETPRIORITY = 141, BRK = 214, MUNMAP = 215, MREMAP = 216, MMAP = 222, MADVISE = 233 };
#define MAP_FIXED 0x10
#define MARKER UINT64_C(0x7E570000)

static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void write_marker(unsigned number)
{
    fprintf(out, "{\"marker\": %u, \"peak_memory_bytes\": %" PRIu64, number, peak_bytes);
    for (int kind = 0; kind < KINDS; kind++)
        fprintf(out, ", \"%s\": %" PRIu64, names[kind], count_of(kind));
    fputs("}\n", out);
    fflush(out);
}

static void system_call(qemu_plugin_id_t id, unsigned int processor, int64_t number, uint64_t a1,
                        uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6,
                        uint64_t a7, uint64_t a8)
{
    bool is_marker = number == GETPRIORITY && a1 == 0 && (a2 & ~UINT64_C(0xFFFF)) == MARKER;
    bool frees = number == BRK || number == MUNMAP || number == MREMAP || number == MADVISE ||
                 (number == MMAP && (a4 & MAP_FIXED));
    (void)id, (void)processor, (void)a3, (void)a5, (void)a6, (void)a7, (void)a8;
    if (!is_marker && !frees)
        return;
    pthread_mutex_lock(&lock);
    look_at_memory();
    if (is_marker)
        write_marker((unsigned)(a2 & 0xFFFF));
    pthread_mutex_unlock(&lock);
}

static const char *value_of(const char *argument, const char *name)
{
    size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 && argument[length] == '=' ? argument + length + 1
                                                                             : NULL;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++) {
        const char *value;
        if ((value = value_of(argv[i], "out")) != NULL)
            out = fopen(value, "w");
        else if ((value = value_of(argv[i], "base")) != NULL)
            guest_base = strtoull(value, NULL, 0);
        else if ((value = value_of(argv[i], "size")) != NULL)
            guest_size = strtoull(value, NULL, 0);
    }
    if (out == NULL) {
        fputs("instructions: no file to write to; give out=FILE\n", stderr);
        return 1;
    }
    /* Huge pages would make the figure depend on how this machine is set up. */
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
#if API >= 2
    board = qemu_plugin_scoreboard_new(sizeof(uint64_t) * KINDS);
#endif
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, system_call);
    return 0;
}
