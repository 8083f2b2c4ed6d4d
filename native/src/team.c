/* A team of threads that run one task: the strips of a group in any order, or its layers together.
 *
 * Other programs may hold a core: a thread that wakes late must not hold up those that are there. The parts of a task
 * are claimed, so that thread 0 does what no other has begun; together they begin only where all are there. */
#include "model.h"

#ifdef EDGECNN_NO_THREADS

struct team *team_open(int threads) { (void)threads; return NULL; }
void team_close(struct team *team) { (void)team; }
void team_run(struct team *team, void (*task)(void *, int), void *context) { (void)team; task(context, 0); }
bool team_run_together(struct team *team, void (*task)(void *, int), void *context)
{
    (void)team, (void)task, (void)context;
    return false;
}
void team_meet(struct team *team) { (void)team; }
bool team_is_here(const struct team *team) { (void)team; return false; }

#else

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    LOOKS = 4000,    /* of a thread that finds nothing to do, before it sleeps: about 50 microseconds */
    LATE_LOOKS = 100 /* for members, where some were late for the last task together */
};

struct member {
    struct team *team;
    int part;
    pthread_t thread;
    atomic_uint claimed; /* the last round of which its part was taken, by whichever thread */
};

struct team {
    int threads;
    struct member *members; /* of parts 1, 2, … */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_uint call;          /* twice the number of the last round, and 1 where all begin together */
    atomic_uint go, dismissed; /* the last round that all began together, and the last that did not take place */
    atomic_int asleep;
    atomic_int present; /* members that have claimed their part of the round */
    atomic_uint done;   /* of these, those that have finished it */
    atomic_uint arrived, meeting; /* meetings are counted modulo 2^32 */
    void (*task)(void *, int); /* NULL: to end */
    void *context;
    bool was_late;
    pid_t process; /* whose threads they are */
};

static void pause_a_little(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* A look that yields the core now and then: the machine may have fewer than the team. */
static void look_again(int looks)
{
    pause_a_little();
    if (looks % LOOKS == 0)
        sched_yield();
}

/* The call behind the one that has been seen. */
static unsigned await_call(struct team *team, unsigned seen)
{
    unsigned call;
    for (int i = 0; i < LOOKS; i++) {
        if ((call = atomic_load_explicit(&team->call, memory_order_acquire)) != seen)
            return call;
        pause_a_little();
    }
    pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->asleep, 1);
    while ((call = atomic_load(&team->call)) == seen)
        pthread_cond_wait(&team->wake, &team->lock);
    atomic_fetch_sub(&team->asleep, 1);
    pthread_mutex_unlock(&team->lock);
    return call;
}

/* The number of a round in 31 bits, as `call` holds it. */
static unsigned round_of(unsigned call) { return call >> 1; }

/* Whether a part of a round is the caller's. All parts of the round before it have been claimed. */
static bool claim(struct member *member, unsigned round)
{
    unsigned before = round_of(2 * (round - 1));
    return atomic_compare_exchange_strong(&member->claimed, &before, round);
}

/* Whether a round takes place in which all begin together. Behind one that does not, others may have been dismissed. */
static bool await_the_others(struct team *team, unsigned round)
{
    for (int i = 1; atomic_load_explicit(&team->go, memory_order_acquire) != round; i++) {
        unsigned behind = round_of(2 * (atomic_load(&team->dismissed) - round));
        if (behind < 1u << 30)
            return false;
        look_again(i);
    }
    return true;
}

/* A task stays as it is until all that claimed a part are done, except in a round that is dismissed. */
static void *member_main(void *context)
{
    struct member *member = context;
    struct team *team = member->team;
    for (unsigned call = 0;;) {
        call = await_call(team, call);
        unsigned round = round_of(call);
        if (!claim(member, round))
            continue;
        atomic_fetch_add(&team->present, 1);
        if ((call & 1) && !await_the_others(team, round))
            continue;
        if (team->task == NULL)
            return NULL;
        team->task(team->context, member->part);
        atomic_fetch_add_explicit(&team->done, 1, memory_order_release);
    }
}

static unsigned start_round(struct team *team, void (*task)(void *, int), void *context, bool is_together)
{
    team->task = task;
    team->context = context;
    atomic_store(&team->done, 0);
    atomic_store(&team->present, 0);
    pthread_mutex_lock(&team->lock);
    unsigned call = 2 * (round_of(atomic_load(&team->call)) + 1) + is_together;
    atomic_store_explicit(&team->call, call, memory_order_release);
    if (atomic_load(&team->asleep))
        pthread_cond_broadcast(&team->wake);
    pthread_mutex_unlock(&team->lock);
    return round_of(call);
}

static void await(atomic_uint *counter, unsigned value)
{
    for (int i = 1; atomic_load_explicit(counter, memory_order_acquire) != value; i++)
        look_again(i);
}

void team_run(struct team *team, void (*task)(void *, int), void *context)
{
    unsigned round = start_round(team, task, context, false);
    task(context, 0);
    int others = team->threads - 1;
    unsigned begun = (unsigned)others;
    for (int i = 0; i < others; i++)
        if (claim(&team->members[i], round)) {
            begun--;
            task(context, i + 1);
        }
    await(&team->done, begun);
}

bool team_run_together(struct team *team, void (*task)(void *, int), void *context)
{
    /* Rounds are counted modulo 2^31: the number to compare with is never far behind. */
    atomic_store(&team->dismissed, round_of(atomic_load(&team->call)));
    unsigned round = start_round(team, task, context, true);
    int others = team->threads - 1, late = 0;
    for (int i = team->was_late ? LATE_LOOKS : LOOKS; i > 0 && atomic_load(&team->present) < others; i--)
        pause_a_little();
    for (int i = 0; i < others; i++)
        late += claim(&team->members[i], round);
    team->was_late = late > 0;
    if (late > 0) {
        atomic_store(&team->dismissed, round);
        return false;
    }
    atomic_store_explicit(&team->go, round, memory_order_release);
    task(context, 0);
    await(&team->done, (unsigned)others);
    return true;
}

void team_meet(struct team *team)
{
    unsigned meeting = atomic_load(&team->meeting);
    if (atomic_fetch_add(&team->arrived, 1) == (unsigned)team->threads - 1) {
        atomic_store(&team->arrived, 0);
        atomic_store_explicit(&team->meeting, meeting + 1, memory_order_release);
        return;
    }
    await(&team->meeting, meeting + 1);
}

/* A process that fork() made has the memory of a team, but none of its threads. */
bool team_is_here(const struct team *team) { return team->process == getpid(); }

static void end_members(struct team *team)
{
    start_round(team, NULL, NULL, false);
    for (int i = 0; i < team->threads - 1; i++)
        pthread_join(team->members[i].thread, NULL);
    pthread_cond_destroy(&team->wake);
    pthread_mutex_destroy(&team->lock);
}

void team_close(struct team *team)
{
    if (team_is_here(team))
        end_members(team);
    free(team->members);
    free(team);
}

struct team *team_open(int threads)
{
    struct team *team = calloc(1, sizeof *team);
    struct member *members = calloc((size_t)threads, sizeof *members);
    if (team == NULL || members == NULL) {
        free(team);
        free(members);
        return NULL;
    }
    team->members = members;
    team->threads = 1;
    team->process = getpid();
    pthread_mutex_init(&team->lock, NULL);
    pthread_cond_init(&team->wake, NULL);
    for (int i = 1; i < threads; i++) {
        struct member *member = &members[i - 1];
        member->team = team;
        member->part = i;
        if (pthread_create(&member->thread, NULL, member_main, member) != 0) {
            team_close(team);
            return NULL;
        }
        team->threads = i + 1;
    }
    return team;
}

#endif
