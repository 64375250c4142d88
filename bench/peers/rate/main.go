// golang.org/x/time/rate in a map under a mutex. See ../README.md for what it is asked.
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"runtime/debug"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"
)

const keyLength = 20

// limiters is what most programs write: the map is locked for the look-up, each limiter locks
// itself.
type limiters struct {
	mutex sync.Mutex
	of    map[string]*rate.Limiter
}

func (l *limiters) limiter(key string) *rate.Limiter {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	limiter, found := l.of[key]
	if !found {
		limiter = rate.NewLimiter(1_000_000, 1_000_000)
		l.of[key] = limiter
	}
	return limiter
}

// runAt decides for all keys at a given time, and says whether everybody was admitted.
func (l *limiters) runAt(keys string, now time.Time) bool {
	admitted := 0
	for i := 0; i < len(keys); i += keyLength {
		if l.limiter(keys[i:i+keyLength]).AllowN(now, 1) {
			admitted++
		}
	}
	return admitted*keyLength == len(keys)
}

// run does the same by the limiter's own clock.
func (l *limiters) run(keys string) bool {
	admitted := 0
	for i := 0; i < len(keys); i += keyLength {
		if l.limiter(keys[i : i+keyLength]).Allow() {
			admitted++
		}
	}
	return admitted*keyLength == len(keys)
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 4 {
		log.Fatal("usage: peer-rate rate|rate_clock CLIENTS FOLDER")
	}
	contender, folder := os.Args[1], os.Args[3]
	clients, err := strconv.Atoi(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	streams := map[string]string{}
	for _, name := range []string{"uniform-0", "uniform-1", "zipf-0", "zipf-1"} {
		text, err := os.ReadFile(folder + "/" + name)
		if err != nil {
			log.Fatal(err)
		}
		streams[name] = string(text)
	}
	now := time.Now()
	all := limiters{of: make(map[string]*rate.Limiter, clients)}
	for client := range clients {
		all.limiter(fmt.Sprintf("ip:client-%010d", client)).AllowN(now, 1)
	}
	// From here on there is no garbage. The collection that is forced every two minutes would take
	// a core away from the others' turns.
	debug.SetGCPercent(-1)
	fmt.Printf("{\"clients\": %d}\n", len(all.of))

	orders := bufio.NewScanner(os.Stdin)
	for orders.Scan() {
		var keys string
		var threads int
		if _, err := fmt.Sscanf(orders.Text(), "%s %d", &keys, &threads); err != nil {
			log.Fatal(err)
		}
		now = now.Add(time.Minute)
		var denied atomic.Bool
		var others sync.WaitGroup
		work := func(thread int) {
			stream := streams[fmt.Sprintf("%s-%d", keys, thread)]
			admitted := false
			if contender == "rate_clock" {
				admitted = all.run(stream)
			} else {
				admitted = all.runAt(stream, now)
			}
			if !admitted {
				denied.Store(true)
			}
		}
		start := time.Now()
		for thread := 1; thread < threads; thread++ {
			others.Go(func() { work(thread) })
		}
		work(0)
		others.Wait()
		spent := time.Since(start)
		if denied.Load() {
			log.Fatal("a decision was denied that all should admit")
		}
		decisions := threads * len(streams[keys+"-0"]) / keyLength
		fmt.Printf("{\"contender\": %q, \"clients\": %d, \"keys\": %q, \"threads\": %d, \"ns\": %.2f}\n",
			contender, len(all.of), keys, threads, float64(spent.Nanoseconds())/float64(decisions))
	}
}
