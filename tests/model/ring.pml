/* sliding_window: a ring of stamps that belongs to whoever has the entry of its slot. From
 * src/store/memory/ring.hpp, ring_set.hpp and the parts of store_group.hpp that write a log. Two
 * clients compete for SLOTS slots of one pair, each with a ring, and nobody clears a ring when it
 * changes hands. Each look at a stamp or a head, each swap, and the raise of the entry is one step.
 * (Both loops that move the head, and the one that raises the entry, go on until their swap
 * succeeds: each is its last step. How a client gets the one entry it has is table.pml's: here it
 * is one step too.)
 *
 * At first the one client has a slot that expires at 2, with stamps of admissions at 0.
 *
 * Set from outside: SLOTS, RING (stamps of each), LIMIT (of both clients), COST of each request,
 * WINDOW, TIME, REQUESTS, XS and YS as in table.pml, and ATTEMPTS of a request to take stamps.
 */

#define PAIRS 1
#define PROCESSES (XS + YS)
#define FIRST 0
#define TAG tag
#include "slots.pml"

byte stamp[SLOTS * RING]; /* a time and one; 0 is free */
byte position[SLOTS];     /* of the head */
byte turn[SLOTS];

Grants grants[2]; /* of each client, by the time used */

#define AT(position) stamp[mine * RING + (position) % RING]
#define FREE(its) ((its) == 0 || (its) - 1 + WINDOW <= used)

/* One turn begins before a stamp is given back and one after: a look from between the two may have
 * seen the slot taken or free, and must not count. */
#if defined(NO_TURNS) || defined(OLD_STAMP_BACK)
#define NEXT_TURN 0
#else
#define NEXT_TURN 1
#endif

/* Part of a step: at most LIMIT in every window. */
inline admit() {
  grants[tag / 2 - 1].at[used] = grants[tag / 2 - 1].at[used] + COST;
  a = 1;
  do
  :: a <= TIME ->
     sum = 0;
     b = a;
     do
     :: b <= TIME && b < a + WINDOW -> sum = sum + grants[tag / 2 - 1].at[b]; b++
     :: else -> break
     od;
     assert(sum <= LIMIT);
     a++
  :: else -> break
  od;
  a = 0; b = 0; sum = 0
}

/* Part of a step. yes: no turn began since `to` was worked out. */
inline move_head(to) {
  yes = (turn[mine] == its_turn);
  if
  :: yes && position[mine] < to -> position[mine] = to
  :: else
  fi
}

/* Part of a step. */
inline move_back(to) {
  if
  :: position[mine] == to + 1 -> position[mine] = to
  :: else
  fi
}

proctype Client(byte id; byte tag) {
  LOCAL;
  byte requests, attempts, now, used, until, mine;
  byte head, its_turn, oldest, newest; /* the view */
  byte taken;

request:
  attempts = 0;
  d_step { forget(); mine = 0; used = 0; until = 0; head = 0; its_turn = 0; oldest = 0;
           newest = 0; taken = 0 };
  if
  :: requests == REQUESTS -> now = 0; goto done
  :: else -> d_step { requests++; now = clock }
  fi;

again: /* the entry may change hands as often as it likes, the rest has ATTEMPTS */
  if
  :: attempts == ATTEMPTS -> goto request /* refused: too many at once */
  :: else -> attempts++
  fi;
find:
  mine = 0;
  d_step { used = 0; until = 0; head = 0; its_turn = 0; oldest = 0; newest = 0; taken = 0; t = 0;
           i = 0; yes = 0 };
  do
  :: mine < SLOTS && slot[mine].tag == tag -> break
  :: mine < SLOTS && slot[mine].tag != tag -> mine++
  :: else -> goto take_over
  od;
  skip;

  /* look */
  until = slot[mine].word;
  used = now;
  if
  :: until > WINDOW -> used = MAX(now, until - WINDOW)
  :: else
  fi;
  d_step { head = position[mine]; its_turn = turn[mine] };
  oldest = AT(head);
  i = 0;
  do
  :: i < RING ->
     newest = AT(head + RING - 1);
     if
     :: newest != 0 -> used = MAX(used, newest - 1)
     :: else
     fi;
     t = AT(head + 1);
     if
     :: RING == 1 || oldest <= t || oldest < newest -> break
     :: else -> d_step { head++; oldest = t; t = 0; i++ }
     fi
  :: else -> break
  od;
  newest = 0;
  until = MAX(until, used + WINDOW);
  yes = 1;
  t = 0;
  i = COST;
  do
  :: i > 0 ->
     i--;
     yes = yes && FREE(AT(head + RING - LIMIT + i))
  :: else -> break
  od;
  if
  :: slot[mine].tag != tag -> goto again
  :: slot[mine].tag == tag && !yes -> goto request /* refused */
  :: else
  fi;

  /* Keep the entry for as long as the stamps will count. */
#ifndef NOT_RAISED
  d_step {
    yes = (slot[mine].tag == tag);
    if
    :: yes -> slot[mine].word = MAX(slot[mine].word, until)
    :: else
    fi
  };
  if
  :: yes -> skip
  :: else -> goto again
  fi;
#endif

  /* take */
  i = 0;
  d_step { move_head(head) };
  if
  :: yes -> yes = (position[mine] == head && turn[mine] == its_turn)
  :: else
  fi;
  if
  :: yes -> skip
  :: else -> goto again
  fi;
  do
  :: yes && taken < COST ->
     if
     :: taken > 0 -> oldest = AT(head + taken)
     :: else
     fi;
     d_step {
       yes = (FREE(oldest) && AT(head + taken) == oldest);
       if
       :: yes -> AT(head + taken) = used + 1
       :: else
       fi
     };
     if
     :: yes -> taken++; d_step { move_head(head + taken) }
     :: else
     fi
  :: else -> break
  od;

  /* Is the ring still the client's? */
  if
  :: !yes -> goto give_back
  :: else
  fi;
  d_step {
#ifndef NOT_PROVED
    yes = (slot[mine].tag == tag);
#endif
    if
    :: yes -> assert(slot[mine].tag == tag); admit() /* nobody else's ring holds the stamps */
    :: else
    fi
  };
  if
  :: yes -> goto request
  :: else
  fi;

give_back:
  i = taken;
  do
  :: i > 0 ->
     i--;
     d_step {
       turn[mine] = turn[mine] + NEXT_TURN;
#ifdef ONE_TURN
       move_back(head + i)
#endif
     };
     d_step {
       if
       :: AT(head + i) == used + 1 ->
#ifdef OLD_STAMP_BACK
          AT(head + i) = oldest
#else
          AT(head + i) = (used >= WINDOW -> used - WINDOW + 1 : 0)
#endif
       :: else
       fi
     }
#if !defined(ONE_TURN) && !defined(OLD_STAMP_BACK)
     ;
     d_step {
       turn[mine] = turn[mine] + NEXT_TURN;
       move_back(head + i)
     }
#endif
  :: else -> break
  od;
  goto again;

take_over: /* a slot that is free, unless the client has one by now */
  i = 0;
  select(mine : 0 .. SLOTS - 1);
  yes = 0;
  d_step {
    i = 0;
    do
    :: i < SLOTS && slot[i].tag != tag -> i++
    :: else -> break
    od;
    yes = (i < SLOTS || slot[mine].word <= now);
    if
    :: i == SLOTS && yes ->
       horizon = MAX(horizon, slot[mine].word);
       t = TIME_AFTER;
       put(mine, tag, t + WINDOW, 0);
       t = 0
    :: else
    fi;
    i = 0
  };
  if
  :: yes -> goto find
  :: else -> goto request /* no room */
  fi;

done:
  skip
}

init {
  byte n;
  atomic {
    put(0, 2, 2, 0);
    do
    :: n < RING -> stamp[n] = 1; n++
    :: else -> n = 0; break
    od;
    run Clock();
    do
    :: n < XS -> run Client(n, 2); n++
    :: n >= XS && n < XS + YS -> run Client(n, 4); n++
    :: else -> break
    od
  }
}
