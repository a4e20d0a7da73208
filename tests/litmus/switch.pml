/* The switch of runtime/ as a Promela model, on a machine with store buffers (x86-TSO): threads that attach, reach safe
 * points and detach, and switchers that go to locked mode, give up at a deadline, and go back. Checked: a locked body is
 * alone; nobody is attached without the lock between a switch and its way back; nothing waits for ever.
 *
 * The names follow runtime/include/interlock/thread.hpp, runtime/src/attach.cpp and runtime/src/runtime.cpp. Each
 * -DBREAK_... below takes one step out; the model must then fail (tests/litmus/CMakeLists.txt has the list).
 *
 * SPDX-License-Identifier: MIT
 */
#ifndef THREADS
#define THREADS 2
#endif
#ifndef SWITCHERS
#define SWITCHERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif

#define DETACHED 0
#define FREE 1
#define LOCKED 2
#define PARALLEL 3
#define PARALLEL_FENCED 4

#ifdef PORTABLE
#define PARALLEL_WORD PARALLEL_FENCED
#else
#define PARALLEL_WORD PARALLEL
#endif
#define NOBODY 255

byte mode = PARALLEL_WORD;
byte state[THREADS + SWITCHERS];         /* as in memory, DETACHED at first; switchers detach and stay so */
chan buffer[THREADS] = [2] of {byte};    /* stores to state[i] that no other CPU sees yet */
byte global_lock = NOBODY;
byte waiting[THREADS];                   /* in the queue of the global lock: 0 no, 1 yes, 2 sent away */
bool switching = false;                  /* SwitchPlace::busy */
byte holds = 0;

/* What is to be proved is said with these; they are no part of the runtime. */
byte free_bodies = 0, locked_bodies = 0;
byte done = 0;

/* A store that may stay in the buffer; and one that is a full barrier (lock-prefixed instruction), as is any of the
 * operations on the global lock. Only its own thread waits for the buffer to drain. */
#define store_relaxed(i, value) buffer[i]!value
#define drained(i) empty(buffer[i])
#define store_seq_cst(i, value) buffer[i]!value; drained(i)

/* The CPU of thread i writes its oldest buffered store to memory, at any time. */
proctype drain(byte i) {
end:
    do
    :: atomic { buffer[i]?state[i] }
    od
}

inline lock_global(owner, cpu) {
    atomic { (drained(cpu) && global_lock == NOBODY) -> global_lock = owner }
}
inline unlock_global() { global_lock = NOBODY }
inline unlock_global_and_dismiss() {
    d_step {
        global_lock = NOBODY;
        for (each : 0 .. THREADS - 1) { waiting[each] = (waiting[each] -> 2 : 0) }
    }
}

inline begin_free_body() {
    free_bodies++;
    assert(locked_bodies == 0)
}
inline begin_locked_body() {
    locked_bodies++;
    assert(free_bodies == 0 && locked_bodies == 1)
}

/* enter(): attached is FREE or LOCKED afterwards. The body begins in the same step as the decision. */
inline enter(i) {
    attached = DETACHED;
#ifdef BREAK_CHECK_BEFORE_ANNOUNCE
    word = mode;
    if
    :: word == PARALLEL ->
        store_relaxed(i, FREE);
        atomic { attached = FREE; begin_free_body() }
    :: else
    fi;
#else
    store_relaxed(i, FREE);
    atomic {
        if
        :: mode == PARALLEL -> attached = FREE; begin_free_body()
        :: else
        fi
    }
#endif
    do
    :: attached != DETACHED -> break
    :: else ->
        word = mode;
        if
        :: word != LOCKED ->
#ifdef BREAK_PORTABLE_FENCE
            store_relaxed(i, FREE);
#else
            store_seq_cst(i, FREE);
#endif
            atomic {
                if
                :: mode == word -> attached = FREE; begin_free_body()
                :: else
                fi
            }
        :: else ->
#ifndef BREAK_STAYS_ANNOUNCED
            store_relaxed(i, DETACHED);
#endif
            waiting[i] = 1;
            if
            :: atomic { waiting[i] == 2 -> waiting[i] = 0 }
            :: atomic { (drained(i) && global_lock == NOBODY) -> global_lock = i; waiting[i] = 0 };
#ifdef BREAK_NO_RECHECK
                atomic { attached = LOCKED; begin_locked_body() }
#else
                word = mode;
                if
                :: word == LOCKED -> atomic { attached = LOCKED; begin_locked_body() }
                :: else -> unlock_global()
                fi
#endif
            fi
        fi
    od
}

inline leave(i) {
    if
    :: attached == FREE ->
        free_bodies--;
        store_relaxed(i, DETACHED)
    :: else ->
        locked_bodies--;
        drained(i);
        unlock_global()
    fi;
    attached = DETACHED
}

proctype thread(byte i) {
    byte attached = DETACHED, word, round;
    for (round : 1 .. ROUNDS) {
        enter(i);
        /* safe_point(): only a thread that is attached without the lock has to stop. */
        if
        :: attached == FREE && mode == LOCKED ->
            leave(i);
            enter(i)
        :: skip
        fi;
        leave(i)
    }
    done++
}

inline wait_for_attached() {
    for (each : 0 .. THREADS + SWITCHERS - 1) {
        if
        :: each == THREADS + me || state[each] != FREE
#ifdef DEADLINE
        :: gave_up = true; break
#endif
        fi
    }
}

proctype switcher(byte me) {
    byte each;
    bool gave_up = false;
#ifdef BREAK_SWITCHER_ATTACHED
    state[THREADS + me] = FREE;
#endif
    atomic { !switching -> switching = true };
    holds++;
    if
    :: holds != 1
    :: else ->
        lock_global(THREADS + me, 0);
        mode = LOCKED;
#ifdef BREAK_RELEASED_TOO_EARLY
        unlock_global();
#endif
#ifndef PORTABLE
#ifndef BREAK_NO_HEAVY_FENCE
        /* membarrier: each CPU passes a full barrier between begin and end of the call. */
        for (each : 0 .. THREADS - 1) { drained(each) }
#endif
#endif
#ifndef BREAK_DOES_NOT_WAIT
        wait_for_attached();
#endif
        if
        :: gave_up ->
            holds--;
#ifndef BREAK_DEADLINE_KEEPS_MODE
            mode = PARALLEL_WORD;
#endif
            unlock_global_and_dismiss()
        :: else ->
#ifndef BREAK_RELEASED_TOO_EARLY
            unlock_global()
#endif
        fi
    fi;
    switching = false;
    if
    :: gave_up
    :: else ->
        /* The switch has returned, and holds until it is taken back. */
        assert(mode == LOCKED && free_bodies == 0);
        atomic { !switching -> switching = true };
        assert(mode == LOCKED && free_bodies == 0);
        holds--;
        if
        :: holds == 0 ->
#ifndef BREAK_PARALLEL_WITHOUT_LOCK
            lock_global(THREADS + me, 0);
            mode = PARALLEL_WORD;
            unlock_global_and_dismiss()
#else
            mode = PARALLEL_WORD
#endif
        :: else
        fi;
        switching = false
    fi;
    done++
}

init {
    byte n;
    atomic {
        for (n : 0 .. THREADS - 1) {
            run drain(n);
            run thread(n)
        }
        for (n : 0 .. SWITCHERS - 1) { run switcher(n) }
    }
    /* Nobody is left behind, and everything is as it was. */
    (done == THREADS + SWITCHERS);
    assert(mode == PARALLEL_WORD && global_lock == NOBODY && holds == 0 && free_bodies + locked_bodies == 0)
}
