/* Slots of src/store/memory/slot_table.hpp, and how a key gets one: claim as pending, look again,
 * confirm. Every look at a slot, every swap and every access to the horizon is one step, and any
 * process may stop between two for ever: that covers a death at each. A restart is a further
 * process that begins late. `now` is read once for a request, and may be stale for as long as the
 * others like.
 *
 * Whoever includes this defines SLOTS of a pair of buckets, PAIRS of them, PROCESSES, TIME (the
 * clock runs from 1 to it), FIRST (the first slot of the pair that a process is at), TAG (what it
 * looks for: even, not 0), and the variables LOCAL, in each process with its `id`.
 */

#define LIFE 2 /* of a claim, in ticks */
#define PENDING(tag) ((tag) % 2 == 1)
#define MAX(a, b) ((a) > (b) -> (a) : (b))

typedef Entry { byte tag; byte word; byte nonce };

Entry slot[SLOTS * PAIRS];
byte horizon;
byte clock = 1;

/* Nonces that a process still remembers: a new one differs from all of them and all in the slots,
 * which is what endless fresh ones would do, in finitely many states. */
byte claimed[PROCESSES];
byte looked[PROCESSES];

#define LOCAL                                                                     \
  byte t, i, k, a, b, sum;                                                        \
  byte free, free_tag, free_word; /* slot + 1; 0: none. Its nonce is in looked */ \
  byte claim, claim_word;         /* slot + 1. Its nonce is in claimed */         \
  byte seen_tag, seen_word;                                                       \
  bool yes

/* Of one key, by time. */
typedef Grants { byte at[TIME + 2] };

/* Part of a step. For every interval of the times used: at most burst + (b - a). */
inline bounded(its, burst) {
  a = 1;
  do
  :: a <= TIME ->
     sum = 0;
     b = a;
     do
     :: b <= TIME ->
        sum = sum + its.at[b];
        assert(sum <= burst + b - a);
        b++
     :: else -> break
     od;
     a++
  :: else -> break
  od;
  a = 0; b = 0; sum = 0
}

inline same(at, its_tag, its_word, its_nonce) {
  yes = (slot[at].tag == its_tag && slot[at].word == its_word && slot[at].nonce == its_nonce)
}

inline put(at, its_tag, its_word, its_nonce) {
  slot[at].tag = its_tag; slot[at].word = its_word; slot[at].nonce = its_nonce
}

/* Part of a step. */
inline swap(at, its_tag, its_word, its_nonce, new_tag, new_word) {
  same(at, its_tag, its_word, its_nonce);
  if
  :: yes -> put(at, new_tag, new_word, 0)
  :: else
  fi
}

#define CLAIMED(at) FIRST + (at) - 1, TAG + 1, claim_word, claimed[id]

inline fresh(n) {
#ifdef NO_NONCE
  n = 1
#else
  n = 0; /* what it was is not remembered any more */
  a = 1;
  k = 0;
  do
  :: k < SLOTS * PAIRS && slot[k].nonce == a -> a++; k = 0
  :: k < SLOTS * PAIRS && slot[k].nonce != a -> k++
  :: k >= SLOTS * PAIRS && k < SLOTS * PAIRS + PROCESSES &&
     (claimed[k - SLOTS * PAIRS] == a || looked[k - SLOTS * PAIRS] == a) -> a++; k = 0
  :: k >= SLOTS * PAIRS && k < SLOTS * PAIRS + PROCESSES &&
     claimed[k - SLOTS * PAIRS] != a && looked[k - SLOTS * PAIRS] != a -> k++
  :: k == SLOTS * PAIRS + PROCESSES -> break
  od;
  n = a;
  a = 0; k = 0
#endif
}

/* Part of a step. */
inline forget() {
  free = 0; free_tag = 0; free_word = 0; claim = 0; claim_word = 0; t = 0; i = 0;
  seen_tag = 0; seen_word = 0; yes = 0; claimed[id] = 0; looked[id] = 0
}

#ifdef NO_HORIZON
#define TIME_AFTER now
#else
#define TIME_AFTER MAX(now, horizon)
#endif

/* Looks through the pair. yes: slot i carries the tag. Else what claim and which free slot there
 * are, of which one is wanted. */
inline look() {
  i = 0;
  d_step { forget() };
  do
  :: i < SLOTS && !yes ->
     d_step {
       if
       :: slot[FIRST + i].tag == TAG -> yes = 1
       :: else ->
          if
          :: slot[FIRST + i].tag == TAG + 1 && claim == 0 ->
             claim = i + 1; claim_word = slot[FIRST + i].word; claimed[id] = slot[FIRST + i].nonce
          :: else
          fi;
          if
          :: slot[FIRST + i].word <= now && free == 0 ->
             free = i + 1; free_tag = slot[FIRST + i].tag; free_word = slot[FIRST + i].word;
             looked[id] = slot[FIRST + i].nonce
          :: else
          fi;
          i++
       fi;
       if
       :: yes || (i == SLOTS && claim != 0) ->
          free = 0; free_tag = 0; free_word = 0; looked[id] = 0
       :: else
       fi;
       if
       :: yes -> claim = 0; claim_word = 0; claimed[id] = 0
       :: else
       fi
     }
  :: else -> break
  od
}

/* Before an eviction. */
inline raise_horizon() {
  if
  :: free_tag != 0 && !PENDING(free_tag) -> d_step { horizon = MAX(horizon, free_word) }
  :: else
  fi
}

/* yes: the free slot is claimed. */
inline make_claim() {
  d_step {
    same(FIRST + free - 1, free_tag, free_word, looked[id]);
    claim = free;
    claim_word = TIME_AFTER + LIFE;
    fresh(claimed[id]);
    if
    :: yes -> put(FIRST + free - 1, TAG + 1, claim_word, claimed[id])
    :: else
    fi;
    free = 0; free_tag = 0; free_word = 0; looked[id] = 0
  }
}

/* Looks at every other slot. yes: the claim, perhaps another than before, stands alone. */
inline alone() {
  i = 0;
  yes = 1;
  do
  :: yes && i < SLOTS && i + 1 == claim -> i++
  :: yes && i < SLOTS && i + 1 != claim ->
     d_step {
       seen_tag = slot[FIRST + i].tag; seen_word = slot[FIRST + i].word;
       looked[id] = slot[FIRST + i].nonce;
       if
       :: seen_tag != TAG && seen_tag != TAG + 1 ->
          i++; seen_tag = 0; seen_word = 0; looked[id] = 0
       :: else
       fi
     };
     if
     :: seen_tag == TAG -> d_step { swap(CLAIMED(claim), 0, 0); yes = 0 }
     :: seen_tag == TAG + 1 && i + 1 < claim ->
        d_step {
          swap(CLAIMED(claim), 0, 0);
          claim = i + 1; claim_word = seen_word; claimed[id] = looked[id]; looked[id] = 0;
          seen_tag = 0; seen_word = 0;
          yes = 1; i = 0
        }
     :: seen_tag == TAG + 1 && i + 1 > claim ->
        d_step { same(CLAIMED(claim)) };
        if
        :: yes -> /* and look at it again */
           d_step {
             swap(FIRST + i, seen_tag, seen_word, looked[id], 0, 0);
             yes = 1; seen_tag = 0; seen_word = 0; looked[id] = 0
           }
        :: else
        fi
     :: seen_tag == 0
     fi
  :: else -> break
  od
}

/* Part of a step: at most one slot carries the tag. */
inline unique() {
  i = 0; k = 0;
  do
  :: i < SLOTS && slot[FIRST + i].tag == TAG -> k++; i++
  :: i < SLOTS && slot[FIRST + i].tag != TAG -> i++
  :: else -> break
  od;
  assert(k <= 1);
  k = 0; i = 0
}

proctype Clock() {
  do
  :: clock < TIME -> clock++
  :: else -> break
  od
}
